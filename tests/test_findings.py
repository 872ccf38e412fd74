"""From files on disk to a plan and back to order: what is found, and what a second look finds."""

import json
import os
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from conventions_text import CONVENTIONS
from engine.changes.apply import apply
from engine.errors import UserError
from engine.plans.cleanup_plan import Mess, Options, cleanup
from engine.project import Project, open_project
from engine.recognition import findings
from engine.recognition.production import METADATA_LIMIT
from mess import NOW, fates, roles
from torch_writer import Tensor, save

PAST = datetime(2025, 7, 25).timestamp()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project that holds nothing but its conventions."""
    (tmp_path / "training").mkdir()
    (tmp_path / "training/conventions.toml").write_text(CONVENTIONS)
    return open_project(tmp_path, tmp_path / "training/conventions.toml", {})


def write(project: Project, path: str, data: bytes | dict[str, object]) -> None:
    """Write a file, or a checkpoint, that was last changed long ago."""
    target = project.root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(data, bytes):
        target.write_bytes(data)
    else:
        save(target, {"w": Tensor((4,), seed=len(path)), **data})
    os.utime(target, (PAST, PAST))


def production(project: Project, metadata: object, name: str = "x_v0.6000.pth") -> Mess:
    write(project, f"model_weights/production/{name}", {"val_auc": 0.1})
    text = metadata if isinstance(metadata, bytes) else json.dumps(metadata).encode()
    write(project, "model_weights/production/x_v0.6000.json", text)
    return findings.look(project)


def test_a_look_changes_nothing_and_a_second_clean_up_plans_nothing(project: Project) -> None:
    """What was brought in order stays in order."""
    write(project, "w/u_best.pth", {"val_auc": 0.6})
    write(project, "w/u_best (copy).pth", (project.root / "w/u_best.pth").read_bytes())
    write(project, "w/v_best.pth", {"val_auc": 0.5})
    write(project, "w/pointer.pth", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n")
    write(project, "w/broken.pth", b"PK\3\4 truncated")
    write(project, "logs/app.log", b"INFO server started\n")
    before = sorted(project.root.rglob("*"))
    plan = cleanup(project, findings.look(project), Options(NOW))
    assert sorted(project.root.rglob("*")) == before
    assert roles(plan)["w/u_best (copy).pth"] == "duplicate"
    assert {path: fate[0] for path, fate in fates(plan).items()} == {
        "w/u_best.pth": "move",
        "w/u_best (copy).pth": "drop",
        "w/v_best.pth": "pack",
        "w/broken.pth": "pack",
    }
    assert apply(project, plan, NOW).left == {}
    again = cleanup(project, findings.look(project), Options(NOW))
    assert again.changes == ()
    assert (project.root / "w/pointer.pth").exists()


def test_a_plan_is_made_of_what_was_found_and_reads_no_disk(project: Project) -> None:
    """With the files gone meanwhile the plan is the same, sizes and times and all."""
    write(project, "runs/a/best_model.pt", {"val_auc": 0.9})
    write(project, "runs/a/notes.bin", b"of no reader")
    write(project, "runs/b_v0.7.pt", {"val_auc": 0.7})
    mess, options = findings.look(project), Options(NOW)
    shutil.rmtree(project.root / "runs")
    plan = cleanup(project, mess, options)
    assert {action.src: action.mtime_ns for action in plan.changes if action.src} == dict.fromkeys(
        ("runs/a/best_model.pt", "runs/a/notes.bin", "runs/b_v0.7.pt"), int(PAST) * 10**9
    )
    assert all(action.bytes for action in plan.changes if action.src)


def test_a_production_model_competes_with_its_full_value(project: Project) -> None:
    """Its metadata says more than its name."""
    said = {
        "metric": "auc",
        "value": 0.60004,
        "direction": "max",
        "date": "2025-07-25",
        "task": "t",
    }
    (found,) = production(project, said).production
    assert (found.metric, found.value, found.direction) == ("auc", 0.60004, "max")
    assert found.date == datetime(2025, 7, 25)
    assert found.facts == {"task": "t"}
    assert found.run is None


@pytest.mark.parametrize(
    "metadata",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"value": NaN}',
        b'{"value": 1e999, "metric": ["auc"], "direction": "up", "date": "2025-99-99"}',
        b'{"value": true, "metric": {"a": 1}, "date": 7, "task": ["x"]}',
        b" " * (METADATA_LIMIT + 1),
    ],
)
def test_metadata_that_makes_no_sense_is_not_believed(project: Project, metadata: bytes) -> None:
    """The name counts then."""
    mess = production(project, metadata)
    (found,) = mess.production
    assert (found.metric, found.value, found.direction) == ("auc", 0.6, "max")
    assert cleanup(project, mess, Options(NOW)).actions == ()


def test_the_dated_form_is_a_production_model_too(project: Project) -> None:
    """Other files in the folder are not."""
    write(project, "model_weights/production/README.md", b"hello")
    write(project, "model_weights/production/odd.pth", {"val_auc": 0.9})
    mess = production(project, {}, "x_v0.6000_20250724.pth")
    (found,) = mess.production
    assert (found.model_type, found.value, found.date) == ("x", 0.6, datetime(2025, 7, 24))


def test_a_cutoff_is_the_day_of_a_winner_that_is_in_production(project: Project) -> None:
    """A later clean-up does not call yesterday's logs old."""
    mess = production(project, {"date": "2025-01-01"})
    write(project, "thing.log", b"2025-03-01 10:00:00 - INFO - Epoch 1: Val AUC=0.5\n" * 3)
    plan = cleanup(project, findings.look(project), Options(NOW))
    assert mess.readings == {}
    assert fates(plan)["thing.log"][0] == "move"


def test_a_file_that_was_just_changed_is_in_use(project: Project) -> None:
    """So nothing happens to it."""
    write(project, "w/u_best.pth", {"val_auc": 0.6})
    os.utime(project.root / "w/u_best.pth")
    plan = cleanup(project, findings.look(project), Options(NOW))
    assert fates(plan) == {"w/u_best.pth": ("skip", None)}


@pytest.mark.parametrize("zone", ["tests", "data", "wandb", ".hidden", "training/logs"])
def test_what_is_left_alone_is_not_even_read(project: Project, zone: str) -> None:
    """Checkpoints among fixtures, data sets and trackers' files are not candidates."""
    write(project, f"{zone}/u_best.pth", {"val_auc": 0.6})
    mess = findings.look(project)
    assert mess.readings == {}
    assert mess.checkpoints == ()


def test_globs_keep_files_where_they_are(project: Project) -> None:
    """They do not compete either."""
    write(project, "w/u_best.pth", {"val_auc": 0.6})
    write(project, "w/v_best.pth", {"val_auc": 0.5})
    plan = cleanup(project, findings.look(project, ("w/u_*",)), Options(NOW))
    assert set(fates(plan)) == {"w/v_best.pth"}
    assert roles(plan) == {"w/v_best.pth": "production"}


def test_paths_are_taken_from_where_the_user_stands(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Else from the root; outside of the project there is nothing."""
    write(project, "w/a b.pth", b"x")
    monkeypatch.chdir(project.root / "w")
    assert findings.inside(project, "a b.pth") == "w/a b.pth"
    assert findings.inside(project, "w/a b.pth") == "w/a b.pth"
    assert findings.inside(project, str(project.root / "w/../w/a b.pth")) == "w/a b.pth"
    outside = tmp_path_factory.mktemp("outside") / "b.pth"
    outside.write_bytes(b"x")
    for odd in (str(outside), "none.pth", "../../etc/passwd", ""):
        if odd:
            with pytest.raises(UserError, match="there is no such file"):
                findings.inside(project, odd)
