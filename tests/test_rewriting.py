"""Texts that are rewritten survive whatever fails: finished by resume, or given back by undo."""

from datetime import datetime
from pathlib import Path

import pytest

import resume
import undo
from conventions_text import CONVENTIONS
from engine.changes.apply import apply
from engine.changes.rewriting import edited
from engine.plans.plan import Action, Plan
from engine.project import Project, open_project
from faults import Faults
from projects import changed, tree

NOW = datetime(2025, 7, 25, 12, 0)
TEXTS = {"a.sh": b"cp old/x .\n", "docs/b.md": b"see old/x, old/y\n"}
EDITS = {"a.sh": [(3, 8, "new/x")], "docs/b.md": [(4, 9, "new/long/x"), (11, 16, "n")]}
AFTER = {"a.sh": b"cp new/x .\n", "docs/b.md": b"see new/long/x, n\n"}


def fresh(folder: Path) -> Project:
    for name, data in TEXTS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        (folder / name).chmod(0o754)
    (folder / "training").mkdir()
    (folder / "training/conventions.toml").write_text(CONVENTIONS)
    return open_project(folder, folder / "training/conventions.toml", {})


def plan_of(project: Project) -> Plan:
    actions = []
    for name, edits in EDITS.items():
        status = (project.root / name).stat()
        actions.append(
            Action(
                "rewrite",
                name,
                name,
                status.st_size,
                "asked",
                mtime_ns=status.st_mtime_ns,
                facts={"edits": edits},
            )
        )
    return Plan("relink", "2025-07-25 12:00:00", tuple(actions))


def texts(project: Project) -> dict[str, bytes]:
    return {name: (project.root / name).read_bytes() for name in TEXTS}


def test_edits_are_made_at_their_bytes() -> None:
    """Whatever their order and length, each replaces what it was made for."""
    assert {name: edited(TEXTS[name], EDITS[name][::-1]) for name in TEXTS} == AFTER


def test_a_text_that_changed_since_it_was_planned_is_left(tmp_path: Path) -> None:
    """Edits are for the bytes that were read; the other files are rewritten all the same."""
    project = fresh(tmp_path)
    plan = plan_of(project)
    (tmp_path / "a.sh").write_bytes(b"mine, and longer\n")
    assert list(apply(project, plan, NOW).left) == ["a.sh"]
    assert texts(project) == {**AFTER, "a.sh": b"mine, and longer\n"}


@pytest.mark.parametrize("fault", ["kill", "torn write", "power cut", "ENOSPC", "EIO", "EACCES"])
def test_a_fault_at_any_change_loses_nothing(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resume ends with every text rewritten, undo with every byte, mode and time as before."""
    faults = Faults(monkeypatch)
    number = 0
    while True:
        number += 1
        project = fresh(tmp_path / str(number))
        before = tree(project.root)
        with faults.at(fault, number, project.root):
            apply(project, plan_of(project), NOW)
        if not faults.struck:
            break
        way_out = (undo, resume)[number % 2]
        conventions = str(project.root / "training/conventions.toml")
        there = ["--project", str(project.root), "--conventions", conventions]
        began = any((project.root / "training/.history").glob("*/plan.json"))
        assert way_out.main(there) == 0, number
        if began and way_out is resume:
            assert texts(project) == AFTER, number
            assert {(project.root / name).stat().st_mode & 0o777 for name in TEXTS} == {0o754}
        else:
            assert changed(before, tree(project.root)) <= {"training"}, number
    assert number > 10
    assert texts(project) == AFTER
