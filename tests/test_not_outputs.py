"""What looks like an output of a training and is none stays where it is."""

import json
import os
import pickle
import sqlite3
import subprocess
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from conventions_text import CONVENTIONS
from engine.plans.cleanup_plan import Options, cleanup
from engine.plans.plan import Plan
from engine.project import open_project
from engine.recognition.findings import look
from mess import NOW
from torch_writer import Tensor

SAMPLES = Path(__file__).parent / "samples"
Write = Callable[..., None]


def planned(root: Path, text: str = CONVENTIONS) -> Plan:
    """Return what a clean-up would do."""
    conventions = root / "training/conventions.toml"
    conventions.parent.mkdir(exist_ok=True)
    conventions.write_text(text.replace("in_use_minutes = 10", "in_use_minutes = 0"))
    return cleanup(
        open_project(root, conventions, {}), look(open_project(root, conventions, {})), Options(NOW)
    )


def touched(plan: Plan) -> set[str]:
    """Return the files that would not stay as they are."""
    return {str(action.src) for action in plan.actions if action.src and action.verb != "skip"}


WEIGHTS = {"layer.weight": Tensor((2, 2), seed=1), "val_auc": 0.9}
EPOCHS = "".join(f"Epoch {n}: val_auc: 0.{n}5\n" for n in range(1, 6))
LOGS = {
    "logs/app.log": "2025-07-01 10:00:00 INFO started\n2025-07-01 10:00:01 GET /predict 200\n" * 20,
    "logs/inference.log": "INFO loaded weights from best.pth\nINFO prediction: accuracy 0.93\n"
    * 20,
    "build.log": "[ 10%] Building CXX object\n[100%] Linking\nerror: 0\nloss of precision: 0.1\n",
    "pytest.log": "tests/test_model.py::test_accuracy PASSED [ 10%]\n== 5 passed in 0.91s =====\n",
    "server.out": "epoch timestamp 1753094678 sync\nprecision time protocol: accuracy 0.001\n" * 9,
    "requirements.txt": "torch==2.13.0\nnumpy>=1.26\n",
    "docs/results.txt": "The paper reports an AUC of 0.91.\n",
    "npm-debug.log": "0 info it worked if it ends with ok\n1 verbose cli\n",
    "db/migration.log": "step 1: 0.5 s\nstep 2: 0.7 s\nfinal: ok\n",
}
DATA = {
    "features/train_x.npy": b"\x93NUMPY\x01\x00" + bytes(100),
    "features/all.npz": b"PK\3\4" + bytes(100),
    "cache/embeddings.pt": {"embeddings": Tensor((8, 4), seed=1), "labels": Tensor((8,), seed=2)},
    "cache/train.pt": {"x": Tensor((8, 4), seed=3), "y": Tensor((8,), seed=4)},
    "cache/tensor.pt": Tensor((8, 4), seed=5),
    "cache/vocab.pkl": pickle.dumps({"the": 0, "a": 1}),
    "tokenizer/tokenizer.json": json.dumps({"version": "1.0", "model": {"type": "BPE"}}),
    "tokenizer/vocab.txt": "[PAD]\n[UNK]\nthe\n",
    "sleep.csv": "date,steps,hr\n2025-07-01,1000,60\n",
    "splits.json": json.dumps({"train": [1, 2], "val": [3], "test": [4]}),
    "notebook.ipynb": json.dumps({"cells": [{"outputs": ["val_auc: 0.9"]}], "nbformat": 4}),
    "docs/figure.png": b"\x89PNG" + bytes(20),
    "package.json": json.dumps({"name": "x", "version": "1.0"}),
    "config.yaml": "server:\n  port: 80\n",
    "store.h5": b"\x89HDF\r\n\x1a\n" + bytes([0, 0, 0, 0, 0, 8, 8, 0, 4, 0, 16, 0]) + bytes(100),
}
SOURCES = {
    "src/models/__init__.py": "",
    "src/models/resnet.py": "class ResNet: ...\n",
    "src/results/__init__.py": "",
    "src/results/schema.json": json.dumps({"accuracy": {"type": "number"}}),
    "src/experiments/run.py": "print('x')\n",
    "src/logs/handler.py": "",
    "third_party/vit/checkpoints/best.pth": WEIGHTS,
    "third_party/vit/train.log": EPOCHS,
    "libs/other/.git/HEAD": "ref: refs/heads/main\n",
    "libs/other/checkpoints/best.pth": WEIGHTS,
    ".venv/pyvenv.cfg": "home = /usr\n",
    ".venv/lib/site-packages/x/model.pth": WEIGHTS,
    "env/conda-meta/history": "",
    "env/share/model.pth": WEIGHTS,
    "tests/fixtures/tiny.pth": WEIGHTS,
    "tests/data/train.log": EPOCHS,
    "data/cached_model.pt": WEIGHTS,
}


@pytest.mark.parametrize("files", [LOGS, DATA, SOURCES], ids=["logs", "data", "sources"])
def test_what_no_training_wrote_stays(
    files: dict[str, object], write: Write, tmp_path: Path
) -> None:
    """Logs of programs, data, sources, environments and other people's projects are not touched."""
    for path, content in files.items():
        write(path, content)
    plan = planned(tmp_path)
    assert touched(plan) == set()
    assert plan.checkpoints == ()


def test_a_vendored_project_stays(write: Write, tmp_path: Path) -> None:
    """A folder with a project file of its own, which git does not know as ours, is another's."""
    write("external/gan/setup.py", "from setuptools import setup\n")
    write("external/gan/weights/gan_best.pth", WEIGHTS)
    write("external/gan/train.log", EPOCHS)
    assert touched(planned(tmp_path)) == set()


def test_weights_from_a_zoo_never_win(write: Write, tmp_path: Path) -> None:
    """A name that ends with a part of the hash is that of published weights."""
    write("weights/resnet50-0676ba61.pth", WEIGHTS)
    write("weights/net_best.pth", WEIGHTS | {"val_auc": 0.6})
    plan = planned(tmp_path)
    roles = {c["path"]: c["role"] for c in plan.checkpoints}
    assert roles == {
        "weights/net_best.pth": "production",
        "weights/resnet50-0676ba61.pth": "pretrained",
    }


def test_what_the_program_ships_stays(write: Write, tmp_path: Path) -> None:
    """A booster or an estimator that git tracks is listed with the reason, and not moved."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    booster = (SAMPLES / "xgboost/plain/churn_auc0.8125.json").read_bytes()
    write("models/churn_auc0.8125.json", booster)
    write("models/readme.md", "")
    subprocess.run(["git", "-C", tmp_path, "add", "."], check=True)
    write("models/new_auc0.7.json", booster + b" ")
    plan = planned(tmp_path)
    assert touched(plan) == {"models/new_auc0.7.json"}
    known = {c["path"]: c for c in plan.checkpoints}["models/churn_auc0.8125.json"]
    assert (known["role"], known["value"]) == ("ignored", 0.8125)
    assert "git tracks it" in known["problem"]


def test_what_dvc_tracks_stays(write: Write, tmp_path: Path) -> None:
    """`git mv` of it would break DVC: files, folders and outputs of a pipeline are left."""
    write("models/net_best.pth", WEIGHTS)
    write("models/net_best.pth.dvc", "outs:\n- md5: 1\n  path: net_best.pth\n")
    write("runs.dvc", "outs:\n- md5: 1.dir\n  path: runs\n")
    write("runs/a/train.log", EPOCHS)
    write("runs/a/best.pth", WEIGHTS | {"val_auc": 0.7})
    write("out/forest_best.pth", WEIGHTS | {"val_auc": 0.8})
    write(
        "dvc.lock", "schema: '2.0'\nstages:\n  train:\n    outs:\n    - path: out/forest_best.pth\n"
    )
    write("dvc.yaml", "stages:\n  tune:\n    wdir: out\n    outs: [tuned.pth: {cache: false}]\n")
    write("out/tuned.pth", WEIGHTS | {"val_auc": 0.6})
    plan = planned(tmp_path)
    assert touched(plan) == set()
    assert {(c["role"], c["value"]) for c in plan.checkpoints} == {
        *(("ignored", 0.9), ("ignored", 0.7), ("ignored", 0.8), ("ignored", 0.6))
    }


def test_stores_of_trackers_stay_and_tell(write: Write, tmp_path: Path) -> None:
    """A checkpoint in a folder called after a run of W&B has what its summary says."""
    home = "wandb/run-20250721_104438-ab12cd34/files/"
    write(f"{home}wandb-summary.json", json.dumps({"val_auc": 0.7711, "_timestamp": 1753094678}))
    write(f"{home}model.pth", {"w": Tensor((2, 2), seed=1)})
    write("wandb/offline-run-20250721_104438-zz/run-zz.wandb", b"\0")
    write("net/ab12cd34/checkpoints/model.pth", {"w": Tensor((2, 2), seed=2)})
    plan = planned(tmp_path)
    assert touched(plan) == {"net/ab12cd34/checkpoints/model.pth"}
    values = {c["path"]: (c["role"], c["value"], c["date"]) for c in plan.checkpoints}
    assert values == {
        f"{home}model.pth": ("ignored", 0.7711, "2025-07-21"),
        "net/ab12cd34/checkpoints/model.pth": ("production", 0.7711, "2025-07-21"),
    }


def test_a_model_in_json_does_not_become_its_own_metadata(write: Write, tmp_path: Path) -> None:
    """In the production folder JSON is metadata, so a booster in JSON is called .model there."""
    write("m/churn_auc0.8125.json", (SAMPLES / "xgboost/plain/churn_auc0.8125.json").read_bytes())
    targets = [action.dst for action in planned(tmp_path).actions if action.dst]
    assert len(targets) == len(set(targets))
    assert "model_weights/production/xgboost_v0.8125.model" in targets


def test_an_estimator_that_no_training_tells_of_stays(write: Write, tmp_path: Path) -> None:
    """A scaler or a model that nothing tells of is what a program loads, be there copies or not."""
    write("app/scaler.joblib", (SAMPLES / "sklearn/scaler.joblib").read_bytes())
    for path in ("app/model.pkl", "service/model.pkl"):
        write(path, (SAMPLES / "sklearn/pipeline.pkl").read_bytes())
    assert touched(planned(tmp_path)) == set()
    assert "app/model.pkl" in touched(planned(tmp_path, picking("app/model.pkl")))


def picking(path: str) -> str:
    """Return conventions by which a path is picked."""
    return CONVENTIONS.replace("pick = []", f'pick = ["{path}"]')


def test_a_plain_hdf5_file_is_a_model_where_the_user_says_so(write: Write, tmp_path: Path) -> None:
    """A pattern of [pretrained] makes weights of what would be data."""
    plain = b"\x89HDF\r\n\x1a\n" + bytes([0, 0, 0, 0, 0, 8, 8, 0, 4, 0, 16, 0]) + bytes(100)
    write("input/PAT-L_29k.h5", plain)
    assert planned(tmp_path).checkpoints == ()
    text = CONVENTIONS.replace("patterns = []", 'patterns = ["*_29k.h5"]')
    assert [c["role"] for c in planned(tmp_path, text).checkpoints] == ["pretrained"]


def test_a_zip_of_something_else_is_no_model(tmp_path: Path) -> None:
    """A zip that is called .pkl or .keras is said to be broken, or is nobody's."""
    for name in ("a.pkl", "b.keras", "c.pt"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("hello.txt", "x")
    roles = {c["path"]: c["role"] for c in planned(tmp_path).checkpoints}
    assert set(roles.values()) <= {"ignored"}
    assert os.fspath(tmp_path)


def test_metrics_of_sacred_are_a_curve(write: Write, tmp_path: Path) -> None:
    """A file of Sacred has steps and values for each metric; boxes and splits are no metrics."""
    curve = {"steps": [0, 10, 20], "timestamps": ["a", "b", "c"], "values": [0.5, 0.8, 0.7]}
    write("sacred/1/metrics.json", json.dumps({"val.auc": curve}))
    write("sacred/1/best.pth", {"w": Tensor((2, 2), seed=1)})
    write("folds.json", json.dumps({"fold0": {"train": [1, 2], "val": [3]}}))
    write("boxes.json", json.dumps({"image1": {"box": [1, 2, 3], "score": [0.9]}}))
    plan = planned(tmp_path)
    assert [c["value"] for c in plan.checkpoints] == [0.8]
    assert touched(plan) == {"sacred/1/metrics.json", "sacred/1/best.pth"}


@pytest.mark.parametrize(
    ("name", "counts_from_one"), [("cp-02-val_auc_0.61", True), ("epoch_2_auc_0.72", False)]
)
def test_the_value_in_a_name_tells_how_epochs_are_counted(
    name: str, counts_from_one: bool, write: Write, tmp_path: Path
) -> None:
    """A table that counts from 0 has, for the second epoch, the row 1."""
    write("run_x/history.csv", "epoch,val_auc\n0,0.5\n1,0.6132\n2,0.7181\n")
    write(f"run_x/{name}.pth", {"w": Tensor((2, 2), seed=1)})
    (known,) = planned(tmp_path).checkpoints
    assert known["value"] == (0.6132 if counts_from_one else 0.7181)


def test_the_database_of_mlflow_tells_and_is_not_changed(write: Write, tmp_path: Path) -> None:
    """A run's metrics in mlflow.db are those of its artifacts, which stay."""
    run = "0123456789abcdef" * 2
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as db, db:
        db.execute("CREATE TABLE runs (run_uuid, name, start_time, end_time)")
        db.execute("CREATE TABLE metrics (run_uuid, key, value, step, is_nan)")
        db.execute("INSERT INTO runs VALUES (?, 'net', 1753094678000, NULL)", (run,))
        points = [(run, "val_auc", 0.5, 0), (run, "val_auc", 0.8, 1), (run, "val_auc", 0.7, 2)]
        db.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, 0)", points)
    before = (tmp_path / "mlflow.db").read_bytes()
    write(f"mlruns/1/{run}/artifacts/best.pth", {"w": Tensor((2, 2), seed=1)})
    plan = planned(tmp_path)
    (known,) = plan.checkpoints
    assert (known["role"], known["value"], known["date"]) == ("ignored", 0.8, "2025-07-21")
    assert touched(plan) == set()
    assert (tmp_path / "mlflow.db").read_bytes() == before
