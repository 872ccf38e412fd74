"""Checkpoints of torch: what is read from them, and that nothing in them is run."""

import argparse
import os
import pickle
import struct
import subprocess
import sys
import time
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import torch_writer
from engine.readers import read
from engine.readers.pickle_values import MAX_OPCODES
from engine.recognition.evidence import Reading
from torch_writer import Global, NumpyScalar, Tensor

WEIGHTS = OrderedDict([("layer.weight", Tensor((3, 4))), ("layer.bias", Tensor((4,)))])
BOTH = pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])


def saved(folder: Path, obj: object, *, legacy: bool = False, name: str = "m.pt") -> Reading | None:
    path = folder / name
    torch_writer.save(path, obj, legacy=legacy)
    return read(path, name)


def values(reading: Reading | None) -> dict[str, float]:
    assert reading is not None
    return {m.name: m.value for m in reading.measurements}


def notes(reading: Reading | None) -> dict[str, str]:
    assert reading is not None
    return {n.fact: n.value for n in reading.notes}


@BOTH
def test_metrics_epoch_and_parameters_are_read(tmp_path: Path, legacy: bool) -> None:
    """A checkpoint's own metric stands with its epoch; a best one is said to be the run's best."""
    reading = saved(
        tmp_path,
        {
            "model_state_dict": WEIGHTS,
            "optimizer_state_dict": {"state": {0: Tensor((3, 4))}, "param_groups": [{"lr": 1e-4}]},
            "epoch": 2,
            "val_auc": 0.5929,
            "best_val_auc": 0.6,
            "lr": 0.1,
            "target_auc": 0.9,
        },
        legacy=legacy,
    )
    assert reading and (reading.role, reading.problem) == ("model", None)
    assert reading.format == ("torch legacy" if legacy else "torch zip")
    said = [(m.name, m.value, m.kind, m.epoch, m.where) for m in reading.measurements]
    assert said == [
        ("val_auc", 0.5929, "own", 2, "key val_auc"),
        ("best_val_auc", 0.6, "best", None, "key best_val_auc"),
    ]
    assert notes(reading)["parameters"] == "16"


@BOTH
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (NumpyScalar(0.5929), 0.5929),
        (NumpyScalar(0.5, "f4"), 0.5),
        (NumpyScalar(1, "i8"), 1.0),
        (Tensor((), "float64", struct.pack("<d", 0.5929)), 0.5929),
        (Tensor((1,), "float32", struct.pack("<f", 0.25)), 0.25),
        (Tensor((1, 1), "float16", struct.pack("<e", 0.75)), 0.75),
        (Tensor((), "bfloat16", b"\x80\x3e"), 0.25),
        (Tensor((), "int64", struct.pack("<q", 1)), 1.0),
        ("0.5929", 0.5929),
        ("9.1e-1", 0.91),
    ],
)
def test_a_metric_is_exact_whatever_holds_it(
    tmp_path: Path, legacy: bool, value: object, expected: float
) -> None:
    """Numpy scalars, tensors of one element and texts give their exact value."""
    obj = {"state_dict": WEIGHTS, "other": Tensor((5,)), "val_auc": value}
    assert values(saved(tmp_path, obj, legacy=legacy)) == {"val_auc": expected}


@pytest.mark.parametrize("value", [None, True, "n/a", "0,95", float("nan")])
def test_what_is_no_number_is_reported_as_nan(tmp_path: Path, value: object) -> None:
    """A metric that holds no number was there all the same: it is NaN, which never wins."""
    read_value = values(saved(tmp_path, {"state_dict": WEIGHTS, "val_auc": value}))["val_auc"]
    assert read_value != read_value


def test_nested_metrics_history_and_dates_are_read(tmp_path: Path) -> None:
    """Metrics in `metrics`, `best_metrics` and `history` are told apart by kind."""
    reading = saved(
        tmp_path,
        {
            "state_dict": WEIGHTS,
            "metrics": {"val_f1": 0.4},
            "best_metrics": {"epoch": 7, "auc": 0.61},
            "history": {"val_auc": [0.5, 0.6], "lr": [1, 2]},
            "saved_at": datetime(2025, 7, 25, 10, 44, 38),
            "model_name": "PAT-L",
        },
    )
    assert reading
    said = [(m.where, m.value, m.kind, m.epoch) for m in reading.measurements]
    assert said == [
        ("key metrics.val_f1", 0.4, "own", None),
        ("key best_metrics.auc", 0.61, "best", 7),
        ("key history.val_auc[0]", 0.5, "epoch", 0),
        ("key history.val_auc[1]", 0.6, "epoch", 1),
    ]
    told = notes(reading)
    assert told.pop("weights")
    assert told == {
        "finished": "2025-07-25T10:44:38",
        "model_type": "PAT-L",
        "parameters": "16",
    }


def test_equal_tensors_are_known_whatever_the_files_are_called(tmp_path: Path) -> None:
    """The bytes differ: torch writes the file's own name into it."""
    best, last = saved(tmp_path, WEIGHTS, name="best.pt"), tmp_path / "last.pt"
    with zipfile.ZipFile(tmp_path / "best.pt") as archive, zipfile.ZipFile(last, "w") as renamed:
        for name in archive.namelist():
            renamed.writestr(name.replace("archive/", "last/", 1), archive.read(name))
    other = saved(tmp_path, {"layer.weight": Tensor((3, 4), seed=1)}, name="other.pt")
    same = notes(read(last, last.name))["weights"]
    assert notes(best)["weights"] == same != notes(other)["weights"]


@BOTH
def test_the_config_is_flattened(tmp_path: Path, legacy: bool) -> None:
    """A Namespace or a dict of hyper-parameters becomes dotted keys, at most 200 of them."""
    arguments = argparse.Namespace(lr=1e-4, out=Path("/runs/a"), optim={"name": "AdamW"}, seed=7)
    reading = saved(tmp_path, {"model": WEIGHTS, "args": arguments}, legacy=legacy)
    assert reading
    assert reading.config == {"lr": 1e-4, "out": "/runs/a", "optim.name": "AdamW", "seed": 7}
    assert notes(reading)["seed"] == "7"
    many = saved(tmp_path, {"model": WEIGHTS, "config": {f"k{i}": i for i in range(1000)}})
    assert many and len(many.config) == 200


@pytest.mark.parametrize(
    ("obj", "role"),
    [
        (WEIGHTS, "model"),
        ({"model": WEIGHTS, "optimizer": {"state": {}, "param_groups": []}}, "model"),
        (
            {"state": {0: {"exp_avg": Tensor((3,))}}, "param_groups": [{"lr": 0.1}]},
            "training_state",
        ),
        ({"optimizer": {"state": {}, "param_groups": []}, "epoch": 3}, "training_state"),
        ({"last_epoch": 3, "_step_count": 4, "base_lrs": [0.1]}, "training_state"),
        ({"scale": 65536.0, "growth_factor": 2.0}, "training_state"),
        ({"python": (3, (1, 2), None), "cpu": Tensor((5056,), "uint8")}, "training_state"),
        (
            {"numpy_random_seed": ("MT19937",), "torch_manual_seed": Tensor((5056,), "uint8")},
            "training_state",
        ),
        ({"x": Tensor((9, 3)), "y": Tensor((9,))}, None),
        ([Tensor((9, 3)), Tensor((9,))], None),
        ({"vocabulary": ["a", "b"]}, None),
    ],
)
def test_the_role_follows_from_what_is_inside(
    tmp_path: Path, obj: object, role: str | None
) -> None:
    """Weights make a model; an optimizer, scheduler, scaler or RNG alone does not; data is none."""
    reading = saved(tmp_path, obj)
    assert (reading.role if reading else None) == role


def test_torchscript_is_named(tmp_path: Path) -> None:
    """A TorchScript file is a model, and its format says what it is."""
    saved(tmp_path, WEIGHTS)
    with zipfile.ZipFile(tmp_path / "m.pt", "a") as archive:
        archive.writestr("archive/code/__torch__.py", "")
    reading = read(tmp_path / "m.pt", "m.pt")
    assert reading and (reading.role, reading.format) == ("model", "torch zip (TorchScript)")


def test_a_zip_that_is_not_torch_is_not_recognised(tmp_path: Path) -> None:
    """An ordinary zip is nobody's, whatever it is called."""
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("data.csv", "1,2")
    assert read(tmp_path / "a.pt", "a.pt") is None


def test_a_truncated_or_flipped_checkpoint_is_unreadable(tmp_path: Path) -> None:
    """The problem says what is wrong: a missing end, or a wrong checksum."""
    for legacy, wanted in ((False, "truncated"), (True, "truncated")):
        saved(tmp_path, {"w.weight": Tensor((300, 30))}, legacy=legacy)
        whole = (tmp_path / "m.pt").read_bytes()
        (tmp_path / "m.pt").write_bytes(whole[:-3000])
        reading = read(tmp_path / "m.pt", "m.pt")
        assert reading and reading.role == "unreadable"
        assert reading.problem and wanted in reading.problem
    saved(tmp_path, {"w.weight": Tensor((3, 3))})
    whole = (tmp_path / "m.pt").read_bytes()
    (tmp_path / "m.pt").write_bytes(whole.replace(b"w.weight", b"w.wEight", 1))
    reading = read(tmp_path / "m.pt", "m.pt")
    assert reading and reading.problem and "bad CRC" in reading.problem


class _Payload:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("protocol", range(6))
def test_a_malicious_pickle_is_inert(tmp_path: Path, protocol: int) -> None:
    """A pickle that would run a command is read, and the command is not run."""
    target = tmp_path / "ran"
    path = tmp_path / "evil.pt"
    with zipfile.ZipFile(path, "w") as archive:
        obj = {"a": _Payload(target), "val_auc": 0.9}
        archive.writestr("archive/data.pkl", pickle.dumps(obj, protocol))
    read(path, path.name)
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(_Payload(target), max(protocol, 2)))
    read(tmp_path / "evil.pth", "evil.pth")
    assert not target.exists()


def test_nothing_is_imported(tmp_path: Path) -> None:
    """A global names a module; reading the file does not import it."""
    obj = {"model": WEIGHTS, "x": Global("antigravity", "geohash"), "val_auc": 0.5}
    assert values(saved(tmp_path, obj)) == {"val_auc": 0.5}
    assert "antigravity" not in sys.modules


def _hash_bomb() -> bytes:
    return b"\x80\x02)" + b"2\x86" * 60 + b"}2N\x87." + b"}" + b"K\x01s."


def _nested_key() -> bytes:
    return b"\x80\x02}(" + b")" + b"2\x86" * 200 + b"K\x01u."


def _doubled_lists() -> bytes:
    return (
        b"\x80\x02]"
        + b"q\x00"
        + b"".join(b"](h%ch%ce" % (i, i) + b"q%c" % (i + 1) for i in range(100))
        + b"."
    )


BOMBS: dict[str, Callable[[], bytes]] = {
    "hash": _hash_bomb,
    "nested key": _nested_key,
    "shared lists": _doubled_lists,
    "deep nesting": lambda: b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "deep tuples": lambda: b"\x80\x02)" + b"\x85" * 100_000 + b".",
    "many steps": lambda: b"\x80\x02" + b"N0" * MAX_OPCODES + b"N.",
    "huge integer": lambda: (
        b"\x80\x02\x8b" + struct.pack("<i", 30_000_000) + b"\x7f" * 30_000_000 + b"."
    ),
    "claimed length": lambda: b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"abc",
    "long text again and again": lambda: (
        b"\x80\x04\x8d"
        + struct.pack("<Q", 5_000_000)
        + b"m" * 5_000_000
        + b"\x94"
        + b"h\x00h\x00\x93" * 100_000
        + b"."
    ),
    "memo index": lambda: b"\x80\x02N" + b"r\xff\xff\xff\xff" * 1000 + b".",
    "colliding keys": lambda: (
        b"\x80\x02}("
        + b"".join(
            b"\x8a\x0b" + (k * ((1 << 61) - 1)).to_bytes(11, "little") + b"N"
            for k in range(1, 60_000)
        )
        + b"u."
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_bounded_in_time(tmp_path: Path, name: str) -> None:
    """What would hang or exhaust an unpickler takes seconds at the most, and raises nothing.

    What never comes to an end is given up, and says why.
    """
    data = BOMBS[name]()
    with zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("archive/data.pkl", data)
    (tmp_path / "c.pt").write_bytes(data)
    start = time.process_time()
    for path in (tmp_path / "b.pt", tmp_path / "c.pt"):
        reading = read(path, path.name)
        assert reading is None or reading.role in ("unreadable", "model", "config")
        if name == "many steps":
            assert reading and (reading.problem or "").startswith("too complex: too many steps")
    assert time.process_time() - start < 20


MEMORY_PROBE = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (900 << 20, 900 << 20))
from pathlib import Path
from engine.readers import read
from engine.readers.pickle_values import MAX_OPCODES
for name in sys.argv[1:]:
    print(read(Path(name), name).role)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="address space limits are Linux's")
def test_memory_stays_bounded(tmp_path: Path) -> None:
    """A zip bomb, copied texts and a sparse 3 GB file are read within 900 MB of address space."""
    with zipfile.ZipFile(tmp_path / "zip.pt", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bomb:
        bomb.writestr("archive/data.pkl", bytes(300 << 20))
    (tmp_path / "text.pt").write_bytes(BOMBS["long text again and again"]())
    torch_writer.save(tmp_path / "big.pt", {"w.weight": Tensor((3, 3))}, legacy=True)
    with (tmp_path / "big.pt").open("r+b") as file:
        file.truncate(3 << 30)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_PROBE, "zip.pt", "text.pt", "big.pt"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == (["unreadable", "unreadable", "model"], "")


def test_a_large_checkpoint_is_read_quickly(tmp_path: Path) -> None:
    """Only the description is read: 300 tensors of 200 MB take well under a second."""
    block = bytes(1 << 20)
    tensors = {f"layer{i}.weight": Tensor((512, 512), data=block) for i in range(200)}
    torch_writer.save(tmp_path / "m.pt", {"state_dict": tensors, "val_auc": 0.5})
    start = time.process_time()
    assert values(read(tmp_path / "m.pt", "m.pt")) == {"val_auc": 0.5}
    assert time.process_time() - start < 1


SAMPLE = {
    "model": OrderedDict([("a.weight", Tensor((2, 2)))]),
    "val_auc": NumpyScalar(0.5),
    "acc": Tensor((), "float32", struct.pack("<f", 0.5)),
    "args": argparse.Namespace(lr=0.1, path=Path("a")),
    "history": {"val_loss": [0.1, 0.2]},
}
FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(st.data())
def test_mutated_checkpoints_never_raise(tmp_path: Path, data: st.DataObject) -> None:
    """Cut or flipped anywhere, a checkpoint is read, unreadable with a reason, or nobody's."""
    path = tmp_path / "m.pt"
    torch_writer.save(path, SAMPLE, legacy=data.draw(st.booleans()))
    content = bytearray(path.read_bytes())
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=5)):
        content[at] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    reading = read(path, "m.pt")
    assert reading is None or (reading.role == "unreadable") == bool(reading.problem)


@FUZZ
@given(st.binary(max_size=300))
def test_arbitrary_pickles_never_raise(tmp_path: Path, body: bytes) -> None:
    """Any bytes after a pickle's first opcode, in a zip with right checksums, are survived."""
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + body)
    reading = read(tmp_path / "m.pt", "m.pt")
    assert reading is None or (reading.role == "unreadable") == bool(reading.problem)


def test_curves_among_the_keys_of_a_checkpoint_are_its_own(tmp_path: Path) -> None:
    """Lists of training and of validation, alike long; others are none."""
    weights = {"layer.weight": Tensor((2, 2), seed=1)}
    curves = {"train_losses": [0.5, 0.4], "val_losses": [0.6, 0.5], "milestones": [3, 6, 9]}
    reading = saved(tmp_path, {"epoch": 1, "model_state_dict": weights, **curves})
    assert reading
    rows = [(m.name, m.value, m.epoch, m.kind) for m in reading.measurements]
    assert rows[2:] == [("val_losses", 0.6, 0, "epoch"), ("val_losses", 0.5, 1, "epoch")]
    assert {name for name, *_ in rows} == {"train_losses", "val_losses"}


def test_the_same_weights_are_told_whatever_else_is_saved_with_them(tmp_path: Path) -> None:
    """A best is often saved bare, and epochs with the optimizer."""
    weights = {"layer.weight": Tensor((2, 2), seed=1), "layer.bias": Tensor((2,), seed=2)}
    optimizer = {"state": {0: {"exp_avg": Tensor((2, 2), seed=3)}}, "param_groups": []}
    kept = {"epoch": 1, "optimizer": optimizer, "model": weights}
    other = {"layer.weight": Tensor((2, 2), seed=4), "layer.bias": Tensor((2,), seed=2)}
    told = []
    for number, content in enumerate((weights, kept, other)):
        reading = saved(tmp_path, content, name=f"{number}.pt")
        assert reading
        told += [note.value for note in reading.notes if note.fact == "weights"]
    assert told[0] == told[1] != told[2]


def test_metadata_beside_the_weights_is_of_the_checkpoint(tmp_path: Path) -> None:
    """It is read as if it stood at the top, which is believed before it."""
    weights = {"layer.weight": Tensor((2, 2), seed=1)}
    about = {"epoch": 9, "val_loss": 0.4, "seed": 1}
    reading = saved(tmp_path, {"model_state_dict": weights, "metadata": about, "seed": 2})
    assert reading
    assert [(m.name, m.value, m.epoch) for m in reading.measurements] == [("val_loss", 0.4, 9)]
    assert {note.value for note in reading.notes if note.fact == "seed"} == {"2"}
