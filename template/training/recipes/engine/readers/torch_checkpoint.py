"""Checkpoints of `torch.save`: a zip with `data.pkl`, or the older sequence of pickles.

Only the pickle that describes the content is read, and the few bytes of tensors that hold a
metric. Formats: https://pytorch.org/docs/stable/notes/serialization.html
"""

import hashlib
import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from engine.readers import Broken, fairseq, keys, lightning, mmengine, nnunet, ultralytics
from engine.readers.bounded import BoundedFile
from engine.readers.made import Made
from engine.readers.pickle_values import Storage, Tensor, Walk, load
from engine.recognition import metrics
from engine.recognition.evidence import FileRole, Noted, Reading

MAX_DIRECTORY = 16 << 20  # bytes of the zip's list of members: some 150,000 tensors
MAX_PICKLE = 64 << 20
MAX_STORAGE = 1 << 20  # of a storage that a scalar is read from
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_COUNT = 8  # bytes before each storage: how many elements it has
_ELEMENTS = {  # torch's storage class: code of struct, bytes
    "DoubleStorage": ("d", 8),
    "FloatStorage": ("f", 4),
    "HalfStorage": ("e", 2),
    "BFloat16Storage": ("H", 2),
    "LongStorage": ("q", 8),
    "IntStorage": ("i", 4),
    "ShortStorage": ("h", 2),
    "CharStorage": ("b", 1),
    "ByteStorage": ("B", 1),
    "BoolStorage": ("?", 1),
    "ComplexFloatStorage": ("", 8),
    "ComplexDoubleStorage": ("", 16),
    "QInt8Storage": ("", 1),
    "QUInt8Storage": ("", 1),
    "QInt32Storage": ("", 4),
    "UntypedStorage": ("", 1),
}
_TRAINING_STATE = re.compile(
    r"optim|sched|scaler|rng|random_(?:state|seed)|(?:^|_)amp(?:$|_)|loops|callbacks"
)
_RNG = {"python", "numpy", "cpu", "cuda", "xpu", "npu", "mps", "torch"}
_OPTIMIZER = {"state", "param_groups"}
_STATES = (_OPTIMIZER, {"last_epoch", "_step_count"}, {"scale", "growth_factor"})
_MAIN_WEIGHTS = (  # which of several to count: the others are copies, such as an average
    *("model_state_dict", "state_dict", "model_state", "model", "network_weights", "net"),
    *("weights", "params", "module"),
)
_DATA = re.compile(
    r"(?:(?:train|val|valid|test|all)_?)?(?:[tuxyz]\d?|times?|inputs?|targets?|labels?|data|"
    r"features?|samples?|"
    r"images?|masks?|ids?|edge_index|edge_attr|indices|embeddings?|embeds?|vectors?|latents?|logits|"
    r"probs|preds|predictions?|outputs?|scores|mean|std|groups?|subjects?)"
    r"(?:_?(?:train|val|valid|test|all|batch))?\Z"
)

Fetch = Callable[[Storage], bytes]


def read(path: Path, name: str) -> Reading | None:
    """Return what a checkpoint says of itself; None for a zip or a pickle that is none.

    The role is `model` if there are weights, `training_state` if there is only what an optimizer,
    a scheduler, a scaler or a random generator needs to go on.
    """
    with path.open("rb") as file:
        start = file.read(4)
        return (_read_zip if start == b"PK\3\4" else _read_legacy)(file, path)


def _read_zip(file: BinaryIO, path: Path) -> Reading | None:
    bounded = BoundedFile(file, MAX_DIRECTORY)
    try:
        archive = zipfile.ZipFile(bounded)
    except zipfile.BadZipFile as error:
        raise Broken(f"truncated: {str(error).lower()}") from error
    bounded.left = MAX_PICKLE
    members = {member.filename: member for member in archive.infolist()}
    described = next((n for n in members if n.endswith("/data.pkl") and n.count("/") == 1), None)
    if described is None:
        return None
    root = described.removesuffix("data.pkl")
    order = ">" if _member(archive, f"{root}byteorder", 16) == b"big" else "<"
    data = _member(archive, described, MAX_PICKLE)

    def fetch(storage: Storage) -> bytes:
        return _member(archive, f"{root}data/{storage.key}", MAX_STORAGE)

    is_script = any(member.startswith(f"{root}code/") for member in members)
    kind = "torch zip (TorchScript)" if is_script else "torch zip"
    value = load(io.BytesIO(data))
    reading = _reading(path, kind, value, fetch, order)
    if reading is None or reading.role != "model":
        return reading
    stored = [members.get(f"{root}data/{storage}") for storage in _stored_weights(value)]
    return replace(reading, notes=(*reading.notes, _noted_weights(stored)))


def _stored_weights(value: object) -> list[str]:
    """Return the keys of what is stored of the model alone, in the order of its tensors."""
    walk, entries = Walk(), keys.as_mapping(value)
    weights = _weights(entries, walk) if entries else []
    parts = _counted(weights, entries) if entries and weights else [value]
    return list(dict.fromkeys(t.storage.key for part in parts for t in walk.tensors(part)))


def _noted_weights(stored: list[zipfile.ZipInfo | None]) -> Noted:
    """Return what the same tensors in another file have, too, whatever else is in either."""
    sums = "".join(f"{member.file_size} {member.CRC}\n" for member in stored if member)
    digest = hashlib.sha256(sums.encode()).hexdigest()
    return Noted("weights", digest, "checksums of the tensors")


def _member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """Return the content of a member, b"" if there is none; `Broken` if it is over `most` bytes."""
    if name not in archive.NameToInfo:
        return b""
    if archive.getinfo(name).file_size > most:
        raise Broken(f"too complex: {name} is larger than {most >> 20} MB")
    try:
        with archive.open(name) as member:
            return member.read(most + 1)[:most]
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise Broken(f"bad CRC or truncated: {error}") from error


def _read_legacy(file: BinaryIO, path: Path) -> Reading | None:
    file.seek(0)
    bounded = BoundedFile(file, MAX_PICKLE)
    first = load(bounded)
    if first != LEGACY_MAGIC:
        return _reading(path, "pickle", first, lambda storage: b"", "<")
    _version, system, value, stored = (load(bounded) for _ in range(4))
    order = "<" if not isinstance(system, dict) or system.get("little_endian", True) else ">"
    places, end = _legacy_places(value, stored, file.tell())
    if file.seek(0, io.SEEK_END) < end:
        raise Broken("truncated: the tensors are not all there")

    def fetch(storage: Storage) -> bytes:
        if _size(storage) > MAX_STORAGE or storage.key not in places:
            return b""
        file.seek(places[storage.key])
        return file.read(_size(storage))

    return _reading(path, "torch legacy", value, fetch, order)


def _legacy_places(value: object, stored: object, start: int) -> tuple[dict[str, int], int]:
    """Return where the bytes of each storage start, and where the last of them end."""
    sizes = {t.storage.key: _size(t.storage) for t in Walk().tensors(value)}
    places, at = {}, start
    for key in stored if isinstance(stored, list) else []:
        if isinstance(key, str):
            places[key] = at + LEGACY_COUNT
            at += LEGACY_COUNT + sizes.get(key, 0)
    return places, at


def _size(storage: Storage) -> int:
    return storage.elements * _ELEMENTS.get(storage.kind, ("", 0))[1]


def _reading(path: Path, kind: str, value: object, fetch: Fetch, order: str) -> Reading | None:
    walk = Walk()
    if isinstance(value, list | tuple):  # (state dict, optimizer, epoch)
        value = next((v for v in value[:10] if keys.as_mapping(v) and walk.any(v)), None)
    entries = keys.as_mapping(value)
    if entries is None:
        is_script = isinstance(value, Made) and walk.any(value)
        return Reading(kind, "model") if is_script else None
    weights = [] if _is_training_state(entries) else _weights(entries, walk)
    described = {} if isinstance(value, Made) and weights else entries  # a module's own attributes
    described = {**(keys.as_mapping(described.get("metadata")) or {}), **described}

    def resolve(item: object) -> object:
        return _resolved(item, fetch, order)

    facts = keys.collect(described, "own", resolve)
    for trainer in (fairseq, lightning, mmengine, nnunet, ultralytics):
        if weights and trainer.MARK in entries:
            trainer.add(facts, entries, path, resolve)
    role = _role(value, entries, weights, bool(facts.measurements))
    if role is None:
        return None
    if role == "model":
        facts.measurements += keys.history(keys.curves_among(described), "", resolve)
    count = sum(
        math.prod(t.shape) for part in _counted(weights, entries) for t in walk.tensors(part)
    )
    counted = [Noted("parameters", str(count), "shapes of the tensors")] if weights else []
    config = facts.config or (keys.flatten(entries) if role == "config" else {})
    return Reading(kind, role, tuple(facts.measurements), (*facts.notes, *counted), config)


def _weights(entries: Mapping[Any, object], walk: Walk) -> list[str]:
    """Return the keys whose values hold weights; none of them if they look like a data set."""
    found = [
        key
        for key, value in entries.items()
        if isinstance(key, str) and not _holds_state(key, value) and _is_weight(key, value, walk)
    ]
    is_data = all(isinstance(entries[key], Tensor) and _DATA.match(key.lower()) for key in found)
    return [] if is_data else found


def _is_weight(key: str, value: object, walk: Walk) -> bool:
    if isinstance(value, Tensor):
        return metrics.canonical(key) is None and not key.endswith("manual_seed")
    return walk.any(value)


def _holds_state(key: str, value: object) -> bool:
    nested = keys.as_mapping(value) or {}
    return nested.keys() >= _OPTIMIZER or (
        not isinstance(value, Tensor) and _TRAINING_STATE.search(key.lower()) is not None
    )


def _is_training_state(entries: Mapping[Any, object]) -> bool:
    """Return whether this is the bare state of an optimizer, a scheduler, a scaler or an RNG."""
    return any(entries.keys() >= shape for shape in _STATES) or (
        bool(entries) and entries.keys() <= _RNG
    )


def _role(
    value: object, entries: Mapping[Any, object], weights: list[str], has_metrics: bool
) -> FileRole | None:
    if weights:
        return "model"
    held = any(isinstance(k, str) and _holds_state(k, v) for k, v in entries.items())
    if held or _is_training_state(entries):
        return "training_state"
    if has_metrics:
        return "results"
    return "config" if isinstance(value, Made) else None


def _counted(weights: list[str], entries: Mapping[Any, object]) -> list[object]:
    """Return the values to count: the model alone where its averaged twin is stored beside it."""
    main = next((key for key in _MAIN_WEIGHTS if key in weights), None)
    return [entries[key] for key in ([main] if main else weights)]


def _resolved(value: object, fetch: Fetch, order: str) -> object:
    """Return the number in a tensor of one element, or None; what is no such tensor as it is."""
    if not isinstance(value, Tensor) or math.prod(value.shape) != 1:
        return value
    code, size = _ELEMENTS.get(value.storage.kind, ("", 0))
    if not code or _size(value.storage) > MAX_STORAGE:
        return None
    raw = fetch(value.storage)[value.offset * size :][:size]
    if len(raw) < size:
        return None
    (number,) = struct.unpack(order + code, raw)
    if value.storage.kind == "BFloat16Storage":  # the upper half of a float32
        (number,) = struct.unpack(">f", struct.pack(">HH", number, 0))
    return number
