"""A folder of which all files are packed goes into quarantine by one rename, and back."""

import errno
import os
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

import undo
from conventions_text import CONVENTIONS
from engine.changes import disk
from engine.changes.apply import Outcome, apply
from engine.plans.plan import Action, Plan
from engine.project import Project, open_project
from projects import Tree, changed, tree

NOW = datetime(2025, 7, 25, 12, 0)
OLD = 1_752_000_000_000_000_000  # July 2025, in nanoseconds
RUN, ONE = "runs/one", "training/experiments/archived/one.tar.gz"
FILES = ("best.pt", "last.pt", "logs/a.log", "logs/deep/b.log")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    for name in (*(f"{RUN}/{name}" for name in FILES), "training/conventions.toml", "keep.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CONVENTIONS if path.suffix == ".toml" else f"{name}\n")
    (tmp_path / RUN / "link").symlink_to("best.pt")
    (tmp_path / RUN / "logs/nothing").mkdir()
    (tmp_path / RUN / "logs").chmod(0o750)
    for path in sorted(tmp_path.rglob("*"), reverse=True):
        os.utime(path, ns=(OLD, OLD), follow_symlinks=False)
    return open_project(tmp_path, tmp_path / "training/conventions.toml", {})


@pytest.fixture
def before(project: Project) -> Tree:
    return tree(project.root)


@pytest.fixture
def renamed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what is renamed from now on."""
    names = []
    real = disk.rename_no_replace

    def rename(src: disk.Name, dst: disk.Name) -> None:
        names.append(Path(src).name)
        real(src, dst)

    monkeypatch.setattr(disk, "rename_no_replace", rename)
    return names


def pack(project: Project) -> Outcome:
    actions = []
    for name in (*FILES, "link"):
        status = (project.root / RUN / name).lstat()
        actions.append(
            Action("pack", f"{RUN}/{name}", ONE, status.st_size, "", mtime_ns=status.st_mtime_ns)
        )
    inner = ("logs/deep", "logs/nothing", "logs")
    emptied = (*(f"{RUN}/{name}" for name in inner), RUN)
    wanted = Plan("archive", "2025-07-25", tuple(actions), {ONE: {"name": "one"}}, emptied)
    return apply(project, wanted, NOW)


def take_back(project: Project) -> int:
    conventions = project.root / "training/conventions.toml"
    return undo.main(["--project", str(project.root), "--conventions", str(conventions)])


def test_it_is_one_rename(project: Project, before: Tree, renamed: list[str]) -> None:
    """The files are in the journal nevertheless, and undo puts each in its place."""
    assert pack(project).left == {}
    assert [name for name in renamed if not name.endswith(".partial")] == ["one"]
    assert not (project.root / RUN).exists()
    assert take_back(project) == 0
    assert not changed(before, tree(project.root))


def test_a_file_that_stays_keeps_its_folder(project: Project, renamed: list[str]) -> None:
    """One that the plan does not know lies where it lay; the others go one by one."""
    new = project.root / RUN / "logs/new.txt"
    new.write_text("new\n")
    before = tree(project.root)
    assert pack(project).left == {}
    assert new.read_text() == "new\n"
    assert [path for path in (project.root / RUN).rglob("*") if path.is_file()] == [new]
    assert "best.pt" in renamed
    assert take_back(project) == 0
    assert not changed(before, tree(project.root))


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EBUSY, errno.EACCES])
def test_a_folder_that_cannot_be_renamed_goes_file_by_file(
    code: int, project: Project, before: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if something were mounted in it."""
    real = disk.rename_no_replace

    def rename(src: disk.Name, dst: disk.Name) -> None:
        if Path(src).is_dir():
            raise OSError(code, "no", str(src))
        real(src, dst)

    monkeypatch.setattr(disk, "rename_no_replace", rename)
    assert pack(project).left == {}
    assert not (project.root / RUN).exists()
    assert take_back(project) == 0
    assert not changed(before, tree(project.root))


@pytest.fixture
def mounted(project: Project, before: Tree, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of a packed run on which something is mounted."""
    place = project.root / RUN / "logs/nothing"
    rename, rmdir = disk.rename_no_replace, Path.rmdir

    def refuse(real: Callable[..., None], *paths: disk.Name) -> None:
        if place.is_relative_to(paths[0]):
            raise OSError(errno.EBUSY, "busy", str(paths[0]))
        real(*paths)

    with monkeypatch.context() as patched:
        patched.setattr(disk, "rename_no_replace", partial(refuse, rename))
        patched.setattr(Path, "rmdir", lambda path: refuse(rmdir, path))
        assert pack(project).left == {}
    return place


def test_what_is_mounted_in_a_run_stays(mounted: Path, project: Project, before: Tree) -> None:
    """The empty folder below it cannot go: that stops neither the run nor the way back."""
    assert [path for path in (project.root / RUN).rglob("*") if path.name != "logs"] == [mounted]
    assert take_back(project) == 0
    assert not changed(before, tree(project.root))


def test_a_link_that_took_the_place_of_a_folder_is_not_followed(
    mounted: Path, project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Mode and time of the folder that it leads to stay as they are."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    elsewhere.chmod(0o700)
    os.utime(elsewhere, (1, 1))
    mounted.rmdir()
    mounted.symlink_to(elsewhere)
    assert take_back(project) == 0
    assert (elsewhere.stat().st_mode & 0o777, elsewhere.stat().st_mtime) == (0o700, 1)


def at_the_rename(monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], None]) -> None:
    """Have something happen in the folder just before it is renamed."""
    real = disk.rename_no_replace

    def rename(src: disk.Name, dst: disk.Name) -> None:
        if Path(src).is_dir():
            act(Path(src))
        real(src, dst)

    monkeypatch.setattr(disk, "rename_no_replace", rename)


def add(folder: Path) -> None:
    (folder / "logs/new.txt").write_text("new\n")


def test_what_comes_in_meanwhile_is_put_back(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in no archive, so it stays where it was written."""
    at_the_rename(monkeypatch, add)
    assert pack(project).left == {}
    assert (project.root / RUN / "logs/new.txt").read_text() == "new\n"
    assert len([path for path in (project.root / RUN).rglob("*") if path.is_file()]) == 1


def test_what_came_in_before_a_crash_is_put_back_by_undo(
    project: Project, before: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ended before it could look."""

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        at_the_rename(patched, add)
        patched.setattr("engine.changes.whole_folders.return_others", crash)
        with pytest.raises(KeyboardInterrupt):
            pack(project)
    assert not (project.root / RUN).exists()
    assert take_back(project) == 0
    assert (project.root / RUN / "logs/new.txt").read_text() == "new\n"
    assert changed(before, tree(project.root)) <= {f"{RUN}/logs/new.txt", f"{RUN}/logs"}


def test_a_run_that_was_written_to_comes_back_whole(
    project: Project, monkeypatch: pytest.MonkeyPatch, renamed: list[str]
) -> None:
    """With its folders as they were: there and back it is one rename."""
    (project.root / RUN / "logs/nothing").rmdir()
    before = tree(project.root / RUN)

    def write(folder: Path) -> None:
        (folder / "last.pt").write_text("more\n")

    at_the_rename(monkeypatch, write)
    assert "written to while it was packed" in str(pack(project).left)
    assert [name for name in renamed if not name.endswith(".partial")] == ["one", "one"]
    assert changed(before, tree(project.root / RUN)) == {"last.pt"}
    assert not list(project.root.rglob("*.tar.gz"))


def test_a_file_of_the_same_size_and_time_is_not_what_was_packed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that took the place of another after it was read is told by its inode, and read."""

    def swap(folder: Path) -> None:
        (folder / "new").write_text((folder / "last.pt").read_text().upper())
        os.utime(folder / "new", ns=(OLD, OLD))
        (folder / "new").replace(folder / "last.pt")

    at_the_rename(monkeypatch, swap)
    assert "written to while it was packed" in str(pack(project).left)
    assert (project.root / RUN / "last.pt").read_text() == f"{RUN}/last.pt\n".upper()
