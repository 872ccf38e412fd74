"""Nothing is lost, whatever change to the disk fails, and both ways out of it lead where they say.

Each test goes through all changes that the recipe makes, one after the other.
"""

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from itertools import count
from pathlib import Path

import pytest

import engine.project
import purge
import resume
import undo
from conventions_text import CONVENTIONS
from engine.changes.apply import apply
from engine.conventions import load
from engine.plans.plan import Action, Plan, Verb
from engine.project import Project, open_project
from faults import CRASHES, Faults
from projects import Tree, changed, tree

FAULTS = (*CRASHES, "ENOSPC", "EIO", "EACCES", "EXDEV")
NOW = datetime(2025, 7, 25, 12, 0)
OLD = 1_752_000_000_000_000_000  # July 2025, in nanoseconds
ONE, OLD_LOGS = "training/experiments/archived/one.tar.gz", "training/experiments/archived/l.tar.gz"
DELETED = "weights/worse.pt"  # as the plan was asked to
Act = Callable[[Project], object]
WAYS_OUT = {"resume": resume.main, "undo": undo.main}

FILES = {
    "runs/one/best.pt": b"best weights" * 200,
    "runs/one/last.pt": b"last weights" * 300,
    "runs/one/empty": b"",
    "runs/one/odd \n\udcff name": b"odd",
    "weights/pick.pt": b"the pick" * 100,
    "weights/pick (copy).pt": b"the pick" * 100,
    "weights/worse.pt": b"worse",
    "logs/a.log": b"a log\n",
    "src/train.py": b"print()\n",
}
ACTIONS: tuple[tuple[Verb, str, str | None], ...] = (
    ("drop", "weights/pick (copy).pt", "weights/pick.pt"),
    ("delete", "weights/worse.pt", None),
    ("move", "weights/pick.pt", "model_weights/production/pick.pt"),
    ("pack", "runs/one/best.pt", ONE),
    ("pack", "runs/one/last.pt", ONE),
    ("pack", "runs/one/link", ONE),
    ("pack", "runs/one/empty", ONE),
    ("pack", "runs/one/odd \n\udcff name", ONE),
    ("pack", "logs/a.log", OLD_LOGS),
)


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    return Faults(monkeypatch)


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder that is no disk's, where there is one: a thousand projects are made and deleted."""
    if os.access("/dev/shm", os.W_OK):
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            yield Path(folder)
    else:
        yield tmp_path


@pytest.fixture
def fresh(in_memory: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Project]:
    """Gives the same project, in its first state, again and again."""
    monkeypatch.setattr(engine.project, "load", cache(load))  # always the same
    pristine = in_memory / "pristine"
    for name, content in {**FILES, "training/conventions.toml": CONVENTIONS.encode()}.items():
        (pristine / name).parent.mkdir(parents=True, exist_ok=True)
        (pristine / name).write_bytes(content)
    (pristine / "runs/one/link").symlink_to("best.pt")
    (pristine / "runs/one/last.pt").chmod(0o640)
    (pristine / "runs/one").chmod(0o750)
    for number, path in enumerate(sorted(pristine.rglob("*"), reverse=True)):
        os.utime(path, ns=(OLD, OLD + number), follow_symlinks=False)

    def project() -> Project:
        root = in_memory / "project"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(pristine, root, symlinks=True)
        return open_project(root, root / "training/conventions.toml", {})

    return project


def plan_of(project: Project) -> Plan:
    actions = []
    for verb, src, dst in ACTIONS:
        status = (project.root / src).lstat()
        actions.append(Action(verb, src, dst, status.st_size, "asked", mtime_ns=status.st_mtime_ns))
    text = Action("write", None, "training/r.md", 0, "", document="text", facts={"text": "hello"})
    about = {ONE: {"name": "one"}, OLD_LOGS: {"name": "old logs"}}
    emptied = ("runs/one", "logs", "runs", "weights")
    return Plan("cleanup", "2025-07-25 12:00:00", (*actions, text), about, emptied)


def cleanup(project: Project) -> None:
    apply(project, plan_of(project), NOW)


def carried_out(project: Project) -> Tree:
    assert apply(project, plan_of(project), NOW).left == {}
    return after(project)


def run(main: Callable[[list[str]], int], project: Project, *words: str) -> int:
    conventions = project.root / "training/conventions.toml"
    return main([*words, "--project", str(project.root), "--conventions", str(conventions)])


def after(project: Project) -> Tree:
    """Return what a run is to leave, without times: those of what it makes differ."""
    return {path: (content, mode, 0) for path, (content, mode, _) in tree(project.root).items()}


@dataclass(frozen=True)
class Struck:
    """A project in which one change failed, its tree before all, and the way out to try."""

    project: Project
    original: Tree
    way_out: str

    def leave(self) -> int:
        """Go the way out, and return its exit status."""
        return run(WAYS_OUT[self.way_out], self.project)

    def changed(self) -> set[str]:
        return changed(self.original, tree(self.project.root))


Strike = Callable[..., Iterator[Struck]]


@pytest.fixture
def strike(faults: Faults, fresh: Callable[[], Project]) -> Strike:
    """Yields a project for each change that fails, until none is left to fail.

    At its end nothing may be lost but what was deleted on request, and nothing lie half written.
    """

    def strike(
        fault: str,
        act: Act,
        before: Act = lambda _: None,
        every: int = 3,
        asked: tuple[str, ...] = (),
        least: int = 10,
    ) -> Iterator[Struck]:
        original = tree(fresh().root)
        for number in count(1 + FAULTS.index(fault) % every, every):
            project = fresh()
            before(project)
            with faults.at(fault, number, project.root):
                act(project)
            if not faults.struck:
                assert number > least
                return
            assert not lost(project, asked), number
            yield Struck(project, original, ("undo", "resume")[number % 2])
            assert not partials(project), number

    return strike


def lost(project: Project, without: tuple[str, ...] = ()) -> set[str]:
    """Return the original contents that are neither in a file nor in a whole archive."""
    entries = tree(project.root, without=())
    found = {content for content, _, _ in entries.values()}
    for name in entries:
        if name.endswith(".tar.gz"):
            found |= set(_packed(project.root / name))
    wanted = {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}
    return {name for name, digest in wanted.items() if digest not in found} - {*without}


def _packed(path: Path) -> Iterator[str]:
    with tarfile.open(path) as archive:
        for member in archive:
            if file := archive.extractfile(member) if member.isreg() else None:
                yield hashlib.sha256(file.read()).hexdigest()


def began(project: Project) -> bool:
    """Return whether a run was begun; else there is a history folder at the most."""
    return any((project.root / "training/.history").glob("*/plan.json"))


def partials(project: Project) -> list[Path]:
    return list(project.root.rglob("*.partial"))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_apply_loses_nothing(
    fault: str, strike: Strike, fresh: Callable[[], Project]
) -> None:
    """Resume ends as if nothing had happened; undo gives the original tree, times included."""
    finished = carried_out(fresh())
    for struck in strike(fault, cleanup, every=1 if fault == "kill" else 3):
        assert struck.leave() == 0
        if not began(struck.project):
            assert struck.changed() <= {"training"}
        elif struck.way_out == "undo":
            assert not struck.changed()
        else:
            assert not changed(finished, after(struck.project))


@pytest.mark.parametrize("fault", ["kill", "power cut", "EIO"])
def test_a_failing_undo_loses_nothing(fault: str, strike: Strike) -> None:
    """An undo that was interrupted is finished by either."""
    for struck in strike(fault, partial(run, undo.main), before=carried_out):
        assert struck.leave() == 0
        run(undo.main, struck.project)  # where resume found that the undo had not begun
        assert not struck.changed()


@pytest.mark.parametrize("fault", ["kill", "torn write", "ENOSPC"])
def test_a_failing_resume_loses_nothing(
    fault: str, strike: Strike, faults: Faults, fresh: Callable[[], Project]
) -> None:
    """What is interrupted twice is finished, or taken back, the third time."""
    finished = carried_out(fresh())

    def interrupted(project: Project) -> None:
        with faults.at("kill", 60, project.root):
            cleanup(project)

    for struck in strike(fault, partial(run, resume.main), before=interrupted):
        assert struck.leave() == 0
        if struck.way_out == "undo":
            assert not struck.changed()
        else:
            assert not changed(finished, after(struck.project))


def purge_all(project: Project) -> int:
    return run(purge.main, project, "--apply")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_purge_deletes_nothing_else(fault: str, strike: Strike) -> None:
    """It is resumed or not, and all but what was deleted on request can still be taken back."""
    for struck in strike(fault, purge_all, before=carried_out, asked=(DELETED,), least=1):
        project = struck.project
        if struck.way_out == "resume":
            assert struck.leave() == 0
        status = run(undo.main, project)
        assert struck.changed() <= {DELETED, "weights"}
        assert status == (not (project.root / DELETED).exists())


def purged(project: Project) -> None:
    carried_out(project)
    assert purge_all(project) == 0


@pytest.mark.parametrize("fault", ["kill", "power cut", "EIO"])
def test_a_failing_undo_after_a_purge_loses_nothing(fault: str, strike: Strike) -> None:
    """What is being rebuilt from archives and copies is rebuilt the next time."""
    for struck in strike(fault, partial(run, undo.main), before=purged, asked=(DELETED,)):
        struck.leave()
        run(undo.main, struck.project)  # where resume found that the undo had not begun
        assert struck.changed() <= {DELETED, "weights"}


def purge_as_you_go(project: Project) -> None:
    apply(project, plan_of(project), NOW, purge_as_you_go=True)


@pytest.mark.parametrize("fault", ["kill", "power cut", "ENOSPC"])
def test_a_failing_purge_as_you_go_loses_nothing(
    fault: str, strike: Strike, fresh: Callable[[], Project]
) -> None:
    """Originals that are freed archive by archive come back, or the run is finished without."""
    project = fresh()
    purge_as_you_go(project)
    finished = after(project)
    for struck in strike(fault, purge_as_you_go, asked=(DELETED,)):
        struck.leave()
        if struck.way_out == "undo" or not began(struck.project):
            assert struck.changed() <= {DELETED, "weights", "training"}
        else:
            assert not changed(finished, after(struck.project))
