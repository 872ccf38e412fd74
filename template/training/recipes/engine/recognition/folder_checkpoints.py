"""Folders that are one checkpoint: weights with what is needed to load them or to go on training.

They move whole, and their files keep their inner names.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from engine.readers import hf_trainer, result_lines
from engine.recognition.evidence import Measurement, Reading
from engine.recognition.runs import MOVES_ALONG
from engine.recognition.scan import Inventory

# Names that the libraries give to weights, and to what they need beside them. Formats:
# https://huggingface.co/docs/transformers/main/en/main_classes/model#transformers.PreTrainedModel.save_pretrained
_WEIGHTS = re.compile(
    r"(?:(?:adapter_|pytorch_|diffusion_pytorch_|tf_|flax_)?model(?:[.-][\w-]+)?|"
    r"pytorch_lora_weights)\.(?:safetensors|bin|h5|msgpack)\Z"
)
_BESIDE = frozenset(
    "config.json adapter_config.json trainer_state.json generation_config.json modules.json "
    "optimizer.bin random_states_0.pkl".split()  # the latter are of accelerate's `save_state`
)
# What alone says that a folder, with all below it, is one model.
_WHOLE = {
    "model_index.json": "diffusers pipeline",
    "saved_model.pb": "TensorFlow SavedModel",
    "MLmodel": "MLflow model",
    ".metadata": "sharded torch checkpoint",
    "_CHECKPOINT_METADATA": "Orbax checkpoint",
    "meta.json": "spaCy pipeline",
    "zero_to_fp32.py": "DeepSpeed checkpoint",
    "model.yml": "PaddleX model",
}
_MARKS = _BESIDE | _WHOLE.keys()
_ONE_NAME = (".ckpt", ".pt", ".pth")  # of folders that sharded trainings write
# TensorFlow writes a checkpoint as files whose names start alike: `ckpt-5.index`, `ckpt-5.data-…`.
_PART = re.compile(r"(?P<prefix>.+)\.(?:index|meta|data-\d{5}-of-\d{5})\Z")

Folders = Mapping[str, tuple[str, ...]]  # folder -> its files


def find(inventory: Inventory, readings: Mapping[str, Reading]) -> dict[str, tuple[str, ...]]:
    """Return the folders that are one checkpoint, each with its files, sorted.

    One that holds others, such as the output folder of a training, has the files that lie directly
    in it. Logs belong to the run.
    """
    names: dict[str, set[str]] = defaultdict(set)
    for path, entry in inventory.entries.items():
        if entry.kind == "file" and entry.zone in (None, "hidden"):
            folder, _, name = path.rpartition("/")
            names[folder].add(name)
    kinds = {folder: kind for folder in names if folder and (kind := _kind(folder, names[folder]))}
    whole = {folder for folder, kind in kinds.items() if kind in _WHOLE.values()}
    outer = {f for f in kinds if not any(_is_in(f, other) for other in whole)}
    found = {folder: tuple(sorted(_files(folder, inventory, readings, outer))) for folder in outer}
    alike = _alike(names)
    return dict(sorted({**{p: alike[p] for p in alike if not _in_any(p, whole)}, **found}.items()))


def _alike(names: Mapping[str, set[str]]) -> dict[str, tuple[str, ...]]:
    """Return the prefixes that are one checkpoint of TensorFlow, each with its files."""
    parts: dict[str, list[str]] = defaultdict(list)
    for folder, inner in names.items():
        for name in inner if _any_ends(inner, ".index") else ():
            if match := _PART.match(name):
                parts[f"{folder}/{match['prefix']}".lstrip("/")].append(
                    f"{folder}/{name}".lstrip("/")
                )
    return {
        prefix: tuple(sorted(files))
        for prefix, files in parts.items()
        if f"{prefix}.index" in files and any(".data-" in file for file in files)
    }


def _any_ends(names: set[str], end: str) -> bool:
    """Return whether a name ends so; one look at all of them is faster than one at each."""
    return f"{end}/" in "/".join((*names, ""))


def _in_any(path: str, folders: set[str]) -> bool:
    return any(_is_in(path, folder) for folder in folders)


def _kind(folder: str, names: set[str]) -> str | None:
    has_index = _any_ends(names, ".index.json")
    if not has_index and _MARKS.isdisjoint(names):
        return "sharded checkpoint" if folder.endswith(_ONE_NAME) else None
    found = next((kind for mark, kind in _WHOLE.items() if mark in names), None)
    is_sharded = any(name.endswith(".distcp") for name in names)
    needed = {
        "sharded torch checkpoint": is_sharded,
        "spaCy pipeline": "config.cfg" in names,
        "PaddleX model": "model.pdparams" in names,
    }
    found = found if found and needed.get(found, True) else None
    if found is None and (has_index or names & _BESIDE) and any(map(_WEIGHTS.match, names)):
        found = "adapter" if "adapter_config.json" in names else "Hugging Face model"
    return found or ("sharded checkpoint" if folder.endswith(_ONE_NAME) else None)


def _files(
    folder: str, inventory: Inventory, readings: Mapping[str, Reading], all_folders: set[str]
) -> Iterator[str]:
    holds_others = any(_is_in(other, folder) for other in all_folders)
    for entry in inventory.below(folder):
        reading = readings.get(entry.path)
        is_log = reading is not None and (reading.role == "log" or "event" in reading.format)
        is_direct = entry.path.rpartition("/")[0] == folder
        wanted = entry.kind == "file" and entry.zone in (None, *MOVES_ALONG) and not is_log
        if wanted and (is_direct or not holds_others):
            yield entry.path


def _is_in(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")


def readings_with(folders: Folders, readings: Mapping[str, Reading]) -> dict[str, Reading]:
    """Return the readings with each folder's in place of those of its weights and configs.

    Training state and results in it stay what they are.
    """
    members = {path for files in folders.values() for path in files}
    kept = {
        path: reading
        for path, reading in readings.items()
        if path not in members or reading.role in ("training_state", "results")
    }
    for folder, files in folders.items():
        is_folder = all(_is_in(path, folder) for path in files)
        known = [(path, readings[path]) for path in files if path in readings]
        kept[folder] = (
            _merged(folder, known) if is_folder else Reading("TensorFlow checkpoint", "model")
        )
    return kept


def _merged(folder: str, parts: list[tuple[str, Reading]]) -> Reading:
    weights = [reading for _, reading in parts if reading.role in ("model", "unreadable")]
    broken = next((r for r in weights if r.role == "unreadable"), None)
    notes = [
        note._replace(where=f"{_inner(path, folder)}: {note.where}")
        for path, reading in sorted(parts, key=lambda part: part[1].role != "model")
        for note in reading.notes
        if note.fact != "parameters" and (note.fact != "epoch" or reading.role == "model")
    ]
    counts = [int(n.value) for r in weights for n in r.notes if n.fact == "parameters"]
    if counts:
        first = next(n for r in weights for n in r.notes if n.fact == "parameters")
        notes.append(first._replace(value=str(sum(counts))))
    config = {key: value for _, r in reversed(parts) for key, value in r.config.items()}
    formats = {r.format for r in weights}
    return Reading(
        f"folder of {', '.join(sorted(formats))}" if formats else "folder",
        "unreadable" if broken else "model",
        tuple(_own(folder, parts)),
        tuple(notes),
        config,
        broken.problem if broken else None,
    )


def _own(folder: str, parts: list[tuple[str, Reading]]) -> Iterator[Measurement]:
    """Yield what is said of these weights: in them, of the step at which they were saved.

    What was saved last is the best if that was loaded again, and then its own evaluation tells.
    """
    goes_on = any(r.role == "training_state" and _resumes(path) for path, r in parts)
    loaded_best = any(r.config.get("load_best_model_at_end") is True for _, r in parts)
    for path, reading in parts:
        found: tuple[Measurement, ...] = ()
        if reading.role == "model":
            found = reading.measurements
        elif reading.format == "trainer state":
            at_end = [m for m in reading.measurements if m.kind == "best"]
            is_best = loaded_best and not goes_on and at_end
            found = tuple(at_end) if is_best else hf_trainer.at_step(reading)
        elif reading.role == "results" and (not goes_on or reading.format == result_lines.FORMAT):
            found = tuple(m for m in reading.measurements if m.kind == "final")
        where = _inner(path, folder)
        yield from (
            m._replace(kind="own", checkpoint=None, where=f"{where}: {m.where}") for m in found
        )


def _resumes(path: str) -> bool:
    """Return whether a file is there only to go on: the state of an optimizer or a scheduler."""
    return PurePosixPath(path).name != "training_args.bin"


def _inner(path: str, folder: str) -> str:
    return path.removeprefix(f"{folder}/")


def equal_folders(
    folders: Folders, duplicates: tuple[tuple[str, ...], ...]
) -> Iterator[tuple[str, ...]]:
    """Yield groups of folders that hold equal files under the same inner names."""
    number = {path: n for n, group in enumerate(duplicates) for path in group}
    same = defaultdict(list)
    for folder, files in folders.items():
        content = frozenset((_inner(path, folder), number.get(path, path)) for path in files)
        same[content].append(folder)
    yield from (tuple(group) for group in same.values() if len(group) > 1)
