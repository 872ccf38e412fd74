"""The readers: one module per kind of file, and the table that says which file is whose.

A reader is a module with `read(path, name) -> Reading | None`. To add one, write the module and
add its row. Reader modules are imported when the first file of their kind is met.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from engine.recognition.evidence import Reading

HEAD = 4096  # bytes that the signature tests get to see
START = 1 << 14  # bytes that are read of a file before any reader is called


class Broken(ValueError):
    """What a reader raises on a file of its kind that it cannot read; the message says why."""


class Row(NamedTuple):
    """Which files a reader gets: by the name (in lower case) and the first bytes."""

    module: str
    format: str  # what an unreadable file of this kind is called
    suffixes: tuple[str, ...]
    sniff: Callable[[str, bytes], bool] = lambda name, head: True
    part: str = "\0"  # of names that do not end in one way
    has_words: bool = False  # a file of numbers alone is none of these

    def fits(self, name: str) -> bool:
        """Return whether a file is of this kind by its name."""
        return name.endswith(self.suffixes) or self.part in name


NEURAL = (".pt", ".pth", ".th", ".ckpt", ".pth.tar", ".pt.tar", ".safetensors", ".cleanrl_model")
WEIGHTS = (*NEURAL, ".h5", ".hdf5")  # which data sets are called as well
PICKLES = (".pkl", ".pickle", ".joblib", ".sav")
TABLE_HEAD = re.compile(rb"[^\t\n\d]+(?:\t[^\t\nA-Za-z]*[A-Za-z][^\t\n]*){2,}\t?\r?\n[\d.]+\t")
# The same by spaces, where the first column is the epoch or the step: "epoch train_loss val_auc".
SPACED_HEAD = re.compile(
    rb"\s*(?:epoch|step|iter|iteration)(?: +[A-Za-z_][\w/]*){2,} *\r?\n"
    rb" *\d+(?: +[-+.\deE]+){2,} *\r?(?:\n|\Z)",
    re.IGNORECASE,
)
_CELL = rb"(?:[-+.\deE ]+|nan|inf|NaN|NA)?"  # a number, or what stands where there is none
CSV_HEAD = re.compile(
    rb"([A-Za-z][^,\n]*(?:,[^,\nA-Za-z]*[A-Za-z][^,\n]*)+)\n((?:%b,)+)%b\r?(?:\n|\Z)"
    % (_CELL, _CELL)
)
TORCH_LEGACY = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"  # the magic number, as protocol 2 writes it
_EVENTS = "events.out.tfevents."
_SNAPSHOT = "snapshot_"  # of Chainer: "snapshot_iter_6000"
_ARRAY = re.compile(rb"\x93[\x90-\x9f\xdc].{0,20}(?:float|bfloat|u?int|bool|complex)", re.DOTALL)
_POINTERS = ("last_checkpoint", "checkpoint", "latest")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_CONFIG = re.compile(
    r"(?:[^.].*[_.-])?(?:config|cfg|args|hparams|hyper_?param(?:eter)?s|params)(?:[_-].*)?\.[a-z]+\Z"
)
_JSON_LINES = re.compile(rb'\s*\{"[^\n]{2,}\}\r?\n\{"')
_YOLO = re.compile(rb" +\d+/\d+ +[\d.]+G(?: +[\d.e+-]+| +nan){13}\r?\n")
_BOOSTER = re.compile(rb"\s*\{|tree|CBM")
_OPENING = re.compile(rb"[\s\0\xef\xbb\xbf\xff\xfe]*(?:[\[{]|\Z)")  # blanks, NULs of UTF-16, marks
_NO_LETTERS = bytes(
    byte for byte in range(256) if not chr(byte).isascii() or not chr(byte).isalpha()
)
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


def _is_pickle(name: str, head: bytes) -> bool:
    return re.match(rb"\x80[\2-\5]", head) is not None


def _is_booster(name: str, head: bytes) -> bool:
    if not _BOOSTER.match(head):
        return False
    return import_module("engine.readers.boosted_trees").library(head) is not None


def _is_estimator(name: str, head: bytes) -> bool:
    packed = import_module("engine.readers.estimator_pickle").COMPRESSED
    return _is_pickle(name, head) or head.startswith(packed)


def _is_table(name: str, head: bytes) -> bool:
    """Return whether names in columns stand above numbers: by tabs, spaces, or Keras' commas."""
    found = CSV_HEAD.match(head)
    if found is None or found[1].count(b",") != found[2].count(b","):
        return (TABLE_HEAD.match(head) or SPACED_HEAD.match(head)) is not None
    canonical = import_module("engine.recognition.metrics").canonical
    columns = (cell.strip().lower() for cell in found[1].decode(errors="replace").split(","))
    return any(column == "epoch" or canonical(column) for column in columns)


def _is_config(name: str, head: bytes) -> bool:
    return _CONFIG.match(name) is not None


def _is_result(name: str, head: bytes) -> bool:
    """Return whether this is no number, text or the like, or is called like results."""
    if _OPENING.match(head):
        return True
    return bool(import_module("engine.readers.result_json").is_named(name))


def _is_binary(name: str, head: bytes) -> bool:
    return b"\0" in head and head[:2] not in (b"\xff\xfe", b"\xfe\xff")


TABLE = (
    Row(
        "torch_checkpoint",
        "torch zip",
        (*WEIGHTS, ".bin", *PICKLES),
        lambda name, head: head[:4] == b"PK\3\4",
    ),
    Row(
        "torch_checkpoint",
        "torch legacy",
        PICKLES,
        lambda name, head: head[2:14] == TORCH_LEGACY,
    ),
    Row("torch_checkpoint", "torch legacy", (*WEIGHTS, ".bin"), _is_pickle),
    Row("estimator_pickle", "pickle", (*PICKLES, ".joblib.gz", ".pkl.gz"), _is_estimator),
    Row("sb3_agent", "agent", (".zip",), lambda name, head: head[:4] == b"PK\3\4"),
    Row("sb3_agent", "evaluations", (".npz",), lambda name, head: name == "evaluations.npz"),
    Row(
        "chainer_arrays",
        "Chainer",
        (".npz", ".model"),
        lambda name, head: head[:4] == b"PK\3\4",
        part=_SNAPSHOT,
    ),
    Row("numpy_arrays", "arrays", (".npz",), lambda name, head: head[:4] == b"PK\3\4"),
    Row("keras_archive", "Keras", (".keras",), lambda name, head: head[:4] == b"PK\3\4"),
    Row(
        "boosted_trees",
        "booster",
        (".json", ".ubj", ".txt", ".model", ".cbm", ".xgb", ".lgb", ".lgbm", ".bst", ".booster"),
        _is_booster,
    ),
    Row("onnx_model", "ONNX", (".onnx",), lambda name, head: head[:1] == b"\x08"),
    Row("hdf5", "HDF5", (".h5", ".hdf5", ".keras"), lambda name, head: head.startswith(_HDF5)),
    Row(
        "safetensors",
        "safetensors",
        (".safetensors",),
        lambda name, head: head[8:9] == b"{",
    ),
    Row("opaque_weights", "Paddle", (".pdparams", ".pdopt"), _is_pickle),
    Row(
        "opaque_weights",
        "MessagePack",
        (".msgpack", ".cleanrl_model"),  # CleanRL's, of JAX
        lambda name, head: _ARRAY.search(head) is not None,
    ),
    Row("opaque_weights", "TensorFlow Lite", (".tflite",), lambda name, head: head[4:8] == b"TFL3"),
    Row("opaque_weights", "GGUF", (".gguf",), lambda name, head: head[:4] == b"GGUF"),
    Row("not_weights", "no checkpoint", (*WEIGHTS, ".bin", ".keras", ".onnx", ".joblib")),
    Row("tensorboard", "event file", (), part=_EVENTS),
    Row("csv_table", "table", (".csv", ".tsv"), has_words=True),
    Row("csv_table", "table", (".txt", ".log"), _is_table),
    Row(
        "result_lines",
        "result lines",
        (".txt",),
        lambda name, head: (
            name.endswith(("results.txt", "metrics.txt"))
            and re.search(rb" = |: ", head) is not None
        ),
    ),
    Row(
        "yolo_results", "YOLO results", (".txt",), lambda name, head: _YOLO.match(head) is not None
    ),
    Row(
        "json_lines",
        "JSON lines",
        (".json", ".jsonl", ".ndjson", ".txt", ".log"),
        lambda name, head: _JSON_LINES.match(head) is not None,
    ),
    Row("pointer", "pointer", _POINTERS, lambda name, head: name in _POINTERS),
    Row("result_json", "result JSON", ("metrics",), lambda name, head: name == "metrics"),  # Orbax
    Row(
        "result_json",
        "result JSON",
        ("log",),  # Chainer's LogReport
        lambda name, head: name == "log" and re.match(rb"\[\s*\{", head) is not None,
    ),
    Row("config_file", "config", (".json", ".yaml", ".yml"), _is_config),
    Row("result_json", "result JSON", (".json",), _is_result),
    Row(
        "text_log",
        "training log",
        (".log", ".out", ".err", ".txt"),
        lambda name, head: not _is_binary(name, head),
        has_words=True,
    ),
)


def read(path: Path | str, name: str) -> Reading | None:
    """Return what the file at `path`, a regular file called `name`, says; None if nothing reads it.

    Never raises on bad content: a file that is damaged, or too complex to be read within bounds,
    has the role `unreadable`, and `problem` says why.
    """
    lower = name.lower()
    is_whole = _EVENTS in lower or "." not in lower
    rows = _rows(lower if is_whole else "." + ".".join(lower.rsplit(".", 2)[1:]))
    if not rows:
        return None
    try:
        start = _start(path)
    except OSError as error:
        return _unreadable("file", error)
    head = start[:HEAD]
    for row in rows:
        if row.sniff(lower, head) and not (row.has_words and _is_wordless(start)):
            try:
                reading: Reading | None = import_module(f"engine.readers.{row.module}").read(
                    Path(path), name
                )
            except Exception as error:  # whatever is wrong with it, it is this file's problem only
                return _unreadable(row.format, error)
            if reading is not None:
                return reading
    return None


def may_be_read(paths: Iterable[str]) -> Iterator[str]:
    """Yield those of the paths that a reader is for, by their names: of most files none is."""
    for path in paths:
        is_in_part = any(part in path.lower() for part in (_EVENTS, _SNAPSHOT))
        if is_in_part or _is_known(path.rpartition(".")[2]):
            yield path


@lru_cache(maxsize=4096)
def _is_known(suffix: str) -> bool:
    """Return whether a row may fit names with this last suffix; "/" is in one without a dot."""
    ends = (end.rpartition(".") for row in TABLE for end in row.suffixes)
    lower = suffix.lower()
    return "/" in lower or any(lower == end if dot else lower.endswith(end) for _, dot, end in ends)


def _start(path: Path | str) -> bytes:
    """Return the first bytes of a file. Raises OSError."""
    descriptor = os.open(path, _READ)
    try:
        return os.read(descriptor, START)
    finally:
        os.close(descriptor)


def _is_wordless(start: bytes) -> bool:
    """Return whether that is a whole file and it has no two letters: then it tells nothing."""
    return len(start) < START and len(start.translate(None, _NO_LETTERS)) < 2


@lru_cache(maxsize=4096)
def _rows(ending: str) -> tuple[Row, ...]:
    """Return the rows that a name fits, of which none looks at more than two suffixes."""
    return tuple(row for row in TABLE if row.fits(ending))


def _unreadable(kind: str, error: Exception) -> Reading:
    if isinstance(error, Broken):
        problem = str(error)
    elif isinstance(error, OSError):
        problem = f"cannot be read: {error.strerror or error}"
    else:
        problem = f"damaged: {error}" if str(error) else f"damaged ({type(error).__name__})"
    return Reading(kind, "unreadable", problem=" ".join(problem.split())[:300])
