"""What frameworks really leave behind is understood: tests/samples, with the answers beside them.

They are made by scripts/make_samples_*.py. A sample's expected.json says which metric its
conventions name and what each checkpoint is; `inside` is the value by the checkpoint alone, where
what lies beside it tells another.
"""

import json
import math
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from conventions_text import CONVENTIONS
from engine.plans.cleanup_plan import Options, cleanup
from engine.plans.plan import Plan
from engine.project import open_project
from engine.recognition.findings import look

SAMPLES = Path(__file__).parent / "samples"
NAMES = sorted(path.parent.name for path in SAMPLES.glob("*/expected.json"))
NOW = datetime(2027, 1, 1)


def planned(root: Path, metric: str, direction: str, text: str = CONVENTIONS) -> Plan:
    """Return the plan for a tree, by these conventions."""
    text = text.replace('name = "auc"', f'name = "{metric}"')
    text = text.replace('direction = "max"', f'direction = "{direction}"')
    text = text.replace("in_use_minutes = 10", "in_use_minutes = 0")
    conventions = root / "training/conventions.toml"
    conventions.parent.mkdir(exist_ok=True)
    conventions.write_text(text)
    project = open_project(root, conventions, {})
    return cleanup(project, look(project), Options(NOW))


def sample(name: str, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """Return a copy of a sample and what is expected of it."""
    root = tmp_path / "project"
    shutil.copytree(SAMPLES / name, root, ignore=shutil.ignore_patterns("expected.json"))
    return root, json.loads((SAMPLES / name / "expected.json").read_text())


def by_path(plan: Plan) -> dict[str, Mapping[str, Any]]:
    """Return what is known of each checkpoint, without training state."""
    return {c["path"]: c for c in plan.checkpoints if c["role"] != "training_state"}


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_understood(name: str, tmp_path: Path) -> None:
    """Role, model type, metric, value, direction, epoch and date of each checkpoint are right."""
    root, expected = sample(name, tmp_path)
    plan = planned(root, *expected["metric"])
    found = by_path(plan)
    assert found.keys() == expected["checkpoints"].keys()
    for path, wanted in expected["checkpoints"].items():
        wanted.pop("inside", None)
        told = {key: found[path][key] for key in wanted}
        if wanted["value"] is not None and told["value"] is not None:
            assert math.isclose(told.pop("value"), wanted.pop("value"), rel_tol=1e-6), path
        assert told == wanted, path
    related = {path: set(found[path]["related"]) for path in expected["related"]}
    assert related == {path: set(files) for path, files in expected["related"].items()}


@pytest.mark.parametrize("name", NAMES)
def test_every_file_of_a_sample_has_one_place(name: str, tmp_path: Path) -> None:
    """No file is claimed twice, no two have one place, and a checkpoint's folder stays whole."""
    root, expected = sample(name, tmp_path)
    plan = planned(root, *expected["metric"])
    moved = [action for action in plan.actions if action.verb == "move"]
    assert len({action.src for action in plan.changes if action.src}) == sum(
        action.src is not None for action in plan.changes
    )
    assert len({action.dst for action in moved}) == len(moved)
    for folder in (path for path in by_path(plan) if (root / path).is_dir()):
        inner = (p for p in (root / folder).iterdir() if p.is_file() and p.suffix != ".log")
        files = {p.relative_to(root).as_posix() for p in inner}
        ways = {
            (a.verb, str(a.dst).removesuffix(str(a.src).removeprefix(folder)))
            for a in plan.actions
            if a.src in files
        }
        assert len(ways) == 1, folder


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("mlflow", ("mlruns/",)),
        ("wandb", ("wandb/",)),
        ("dvc", (".dvc", "dvc.", "models/net_best.pt", "models/zoo", "staged.pt")),
    ],
)
def test_what_a_tracker_holds_by_path_stays(
    name: str, theirs: tuple[str, ...], tmp_path: Path
) -> None:
    """Nothing in a store, and nothing that DVC tracks, is in the plan; the rest is."""
    root, expected = sample(name, tmp_path)
    touched = {str(a.src) for a in planned(root, *expected["metric"]).changes if a.src}
    assert not {path for path in touched if path.startswith(theirs)}
    known = expected["checkpoints"].items()
    assert {path for path, wanted in known if wanted["role"] != "ignored"} <= touched


@pytest.mark.parametrize("name", NAMES)
def test_a_truncated_sample_is_never_believed_more(name: str, tmp_path: Path) -> None:
    """With each file cut in half nothing raises, and what still has a value has its own."""
    root, expected = sample(name, tmp_path)
    for file in root.rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    for path, known in by_path(planned(root, *expected["metric"])).items():
        assert known["role"] != "production" or known["problem"] is None, path


def test_of_merged_logs_the_last_run_counts(tmp_path: Path) -> None:
    """A worse training that was appended to the log has written the checkpoint that is there."""
    root, expected = sample("torch_script", tmp_path)
    log = root / "scripted_train.log"
    first = log.read_text()
    log.write_text(first + first.replace("val_auc: 0.6432", "val_auc: 0.5999"))
    known = by_path(planned(root, *expected["metric"]))["scripted_best.pt"]
    assert known["value"] == 0.6107


@pytest.mark.parametrize("name", NAMES)
def test_renamed_checkpoints_keep_what_is_inside_them(name: str, tmp_path: Path) -> None:
    """Under names that tell nothing, a value is the checkpoint's own or unknown."""
    root, expected = sample(name, tmp_path)
    renamed = {}
    for number, (old, wanted) in enumerate(expected["checkpoints"].items()):
        new = f"{old.rpartition('/')[0]}/m{number}{Path(old).suffix}".lstrip("/")
        if (root / old).is_file():
            (root / old).rename(root / new)
            renamed[new] = wanted
    for path, known in by_path(planned(root, *expected["metric"])).items():
        if path in renamed:
            assert says(known, renamed[path]) or inside(known, renamed[path]), path


@pytest.mark.parametrize("name", NAMES)
def test_checkpoints_that_are_cut_off_say_what_is_still_known(name: str, tmp_path: Path) -> None:
    """Weights of which half is missing are unreadable, or what lies beside them tells the same."""
    root, expected = sample(name, tmp_path)
    for path in expected["checkpoints"]:
        if (root / path).is_file():
            (root / path).write_bytes(
                (root / path).read_bytes()[: (root / path).stat().st_size // 2]
            )
    for path, known in by_path(planned(root, *expected["metric"])).items():
        wanted = expected["checkpoints"].get(path, known)
        assert known["role"] == "ignored" or says(known, wanted), path


@pytest.mark.parametrize("name", NAMES)
def test_a_log_that_holds_a_training_twice_says_the_same(name: str, tmp_path: Path) -> None:
    """Where logs, tables and JSON lines are appended to, the last of two equal runs is told of."""
    root, expected = sample(name, tmp_path)
    for file in filter(is_appended_to, root.rglob("*")):
        file.write_bytes(2 * file.read_bytes())
    for path, known in by_path(planned(root, *expected["metric"])).items():
        assert says(known, expected["checkpoints"][path]), path


def is_appended_to(path: Path) -> bool:
    """Return whether a file is a log, a table, or JSON lines: a second training adds to it."""
    if not path.is_file() or path.suffix not in (".log", ".txt", ".csv", ".tsv", ".json"):
        return False
    return path.suffix != ".json" or b"}\n{" in path.read_bytes()


def says(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether a checkpoint has the wanted value, another metric, or none."""
    if known["value"] is None or known["metric"] != wanted.get("metric", known["metric"]):
        return True
    return wanted["value"] is not None and math.isclose(
        known["value"], wanted["value"], rel_tol=1e-6
    )


def inside(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether a checkpoint has the value that it tells itself."""
    return "inside" in wanted and math.isclose(known["value"], wanted["inside"], rel_tol=1e-6)
