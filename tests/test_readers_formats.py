"""The registry, safetensors, HDF5, and files that only look like weights."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.readers import TABLE, read
from engine.recognition.evidence import Reading


def given_file(folder: Path, name: str, content: bytes) -> Reading | None:
    (folder / name).write_bytes(content)
    return read(folder / name, name)


def safetensors(metadata: dict[str, str], size: int = 24) -> bytes:
    tensor = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    header = json.dumps({"__metadata__": metadata, "layer.weight": tensor}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(size)


def test_safetensors_metadata_is_read(tmp_path: Path) -> None:
    """The texts of `__metadata__` give metrics, facts and the number of parameters."""
    content = safetensors({"val_auc": "0.5929", "epoch": "x", "model": "PAT-L", "lr": "1e-4"})
    reading = given_file(tmp_path, "m.safetensors", content)
    assert reading and (reading.role, reading.format) == ("model", "safetensors")
    assert [(m.name, m.value, m.kind, m.digits) for m in reading.measurements] == [
        ("val_auc", 0.5929, "own", 4)
    ]
    assert {n.fact: n.value for n in reading.notes} == {"model_type": "PAT-L", "parameters": "6"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (safetensors({}, size=23), "truncated"),
        (safetensors({})[:40], "truncated"),
        (struct.pack("<Q", 1 << 60) + b"{}", "too complex"),
        (struct.pack("<Q", 9) + b'{"a": 1} ', "damaged"),
        (struct.pack("<Q", 5) + b"{oops", "damaged"),
    ],
)
def test_a_broken_safetensors_file_is_unreadable(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    """What is cut, claims too much or is no header is said to be so."""
    reading = given_file(tmp_path, "m.safetensors", content)
    assert reading and reading.role == "unreadable" and problem in (reading.problem or "")


def hdf5(end: int, size: int, marker: bytes = b"") -> bytes:
    superblock = b"\x89HDF\r\n\x1a\n" + bytes([0, 0, 0, 0, 0, 8, 8, 0, 4, 0, 16, 0]) + bytes(4)
    return (superblock + struct.pack("<QQQQ", 0, 2**64 - 1, end, 2**64 - 1) + marker).ljust(size)


def test_hdf5_is_recognised_by_its_signature(tmp_path: Path) -> None:
    """Keras weights are named as such; a file shorter than its superblock says is truncated."""
    plain = given_file(tmp_path, "a_weights.h5", hdf5(500, 500))
    keras = given_file(tmp_path, "b.h5", hdf5(500, 500, b"keras_version"))
    short = given_file(tmp_path, "c.h5", hdf5(501, 500))
    older = given_file(tmp_path, "d.keras", hdf5(500, 500, b"keras_version"))  # before Keras 3
    assert older and (older.role, older.format) == ("model", "HDF5 (Keras)")
    assert plain and (plain.role, plain.format) == ("model", "HDF5")
    assert keras and (keras.role, keras.format) == ("model", "HDF5 (Keras)")
    assert short and short.role == "unreadable" and "truncated" in (short.problem or "")


@pytest.mark.parametrize("name", ["a.pt", "a.pth", "a.ckpt", "a.safetensors", "a.h5", "a.pth.tar"])
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty file"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
            "git-lfs pointer, content not here",
        ),
        (b"\n <!DOCTYPE html><html>", "HTML page"),
        (bytes(100), "nothing but zero bytes"),
        (b"hello", "not a checkpoint of a known format"),
    ],
)
def test_what_is_only_named_like_weights_is_unreadable(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    """An empty file, a pointer or a web page is never taken for a checkpoint."""
    reading = given_file(tmp_path, name, content)
    assert reading and (reading.role, reading.problem) == ("unreadable", problem)


@pytest.mark.parametrize(
    ("name", "content", "role"),
    [
        ("a.pdparams", b"\x80\2}q\0.", "model"),
        ("a.pdopt", b"\x80\2}q\0.", "training_state"),
        ("a.gguf", b"GGUF\3\0\0\0", "model"),
        ("a.tflite", b"\x1c\0\0\0TFL3", "model"),
        ("a.msgpack", b"\x81\xa1w\xc7\x1c\1\x93\x92\2\2\xa5int32", "model"),
        ("a.msgpack", b"\x81\xa1w\xa5int32", None),
        ("a.pdparams", b"hello", None),
    ],
)
def test_weights_that_tell_nothing_are_known_by_their_first_bytes(
    tmp_path: Path, name: str, content: bytes, role: str | None
) -> None:
    """The name alone is not enough; where both agree there is nothing else to read."""
    reading = given_file(tmp_path, name, content)
    assert (reading and reading.role) == role


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("last_checkpoint", b"model_final.pth", "model_final.pth"),
        ("last_checkpoint", b"/home/x/work_dirs/toy/epoch_4.pth\n", "epoch_4.pth"),
        ("checkpoint", b'model_checkpoint_path: "ckpt-4"\nall_model_c', "ckpt-4"),
        ("latest", b"global_step10", "global_step10"),
        ("checkpoint", b"\x93weights", None),
        ("latest", b"two\nlines\n", None),
    ],
)
def test_a_pointer_names_the_checkpoint_to_resume_from(
    tmp_path: Path, name: str, content: bytes, named: str | None
) -> None:
    """It is a file of one path, or TensorFlow's; whatever is more than that is none."""
    reading = given_file(tmp_path, name, content)
    assert [note.value for note in reading.notes] == [named] if reading else named is None


def test_other_files_are_nobodys(tmp_path: Path) -> None:
    """Sources, images and raw data have no reader, and are not even opened."""
    assert read(tmp_path / "not there.py", "not there.py") is None
    assert given_file(tmp_path, "a.bin", b"raw data") is None
    assert given_file(tmp_path, "a.bin", b"\x80") is None  # an empty map of MessagePack
    assert given_file(tmp_path, "a.png", b"\x89PNG") is None


def test_a_file_that_may_not_be_read_is_unreadable(
    open_folder: Path, unprivileged: Callable[[], None]
) -> None:
    """A missing permission is a problem of that file, not an exception."""
    (open_folder / "a.pt").write_bytes(b"")
    (open_folder / "a.pt").chmod(0)
    unprivileged()
    reading = read(open_folder / "a.pt", "a.pt")
    assert reading and reading.problem == "cannot be read: Permission denied"


def test_a_file_that_vanished_is_unreadable(tmp_path: Path) -> None:
    """A file that is gone by the time it is read is reported, too."""
    reading = read(tmp_path / "gone.pt", "gone.pt")
    assert reading and reading.problem == "cannot be read: No such file or directory"


NAMES = [f"a{suffix}" for row in TABLE for suffix in row.suffixes] + [
    "config.yaml",
    "hparams.json",
    "results.json",
    "metrics",
    "checkpoint",
]
HEADS = [
    b"",
    b"PK\3\4",
    b"\x80\x02",
    b"\x89HDF\r\n\x1a\n",
    b"Epoch 1: val_auc=0.5\n",
    b'{"history": ',
    b"lr: &a ",
    b"\x10\0\0\0\0\0\0\0{",
]


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.sampled_from(sorted(set(NAMES))), st.sampled_from(HEADS), st.binary(max_size=400))
def test_no_content_raises(tmp_path: Path, name: str, head: bytes, body: bytes) -> None:
    """Whatever is in a file, it is read, unreadable with a reason, or nobody's."""
    reading = given_file(tmp_path, name, head + body)
    assert reading is None or (reading.role == "unreadable") == bool(reading.problem)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_mutated_safetensors_and_hdf5_never_raise(tmp_path: Path, data: st.DataObject) -> None:
    """Cut or flipped anywhere, weights are read or unreadable with a reason."""
    name, sample = data.draw(
        st.sampled_from([("a.safetensors", safetensors({"auc": "0.5"})), ("a.h5", hdf5(500, 500))])
    )
    content = bytearray(sample)
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[at] = data.draw(st.integers(0, 255))
    reading = given_file(tmp_path, name, bytes(content[: data.draw(st.integers(0, len(content)))]))
    assert reading and (reading.role == "unreadable") == bool(reading.problem)
