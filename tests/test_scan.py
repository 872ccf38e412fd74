"""What a walk through a project finds, and whose it is."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.recognition.scan import Inventory, matches, scan
from mess import inventory, project
from template_fixture import GIT_ENVIRONMENT


def make(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
    return root


def look(root: Path, *globs: str) -> Inventory:
    return scan(project(root=root), globs)


def git(root: Path, *words: str) -> None:
    environ = {**os.environ, **GIT_ENVIRONMENT}
    subprocess.run(["git", "-C", str(root), *words], check=True, env=environ, capture_output=True)


def test_everything_is_listed_as_it_is(tmp_path: Path) -> None:
    """Files with size, mode and time, folders, links, which are not followed, and pipes."""
    make(tmp_path, "a/b.pt")
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "dangling").symlink_to("/nowhere")
    os.mkfifo(tmp_path / "pipe")
    entries = look(tmp_path).entries
    assert {path: entry.kind for path, entry in entries.items()} == {
        "a": "folder",
        "a/b.pt": "file",
        "link": "link",
        "dangling": "link",
        "pipe": "special",
    }
    status = (tmp_path / "a/b.pt").lstat()
    entry = entries["a/b.pt"]
    assert (entry.size, entry.mtime_ns) == (1, status.st_mtime_ns)
    assert (entry.device, entry.inode) == (status.st_dev, status.st_ino)


@pytest.mark.parametrize(
    "folder",
    [
        "mlruns",
        "wandb",
        "x/.dvc",
        ".aim",
        "node_modules",
        "__pycache__",
        "vendor",
        "training/.history",
    ],
)
def test_what_belongs_to_a_tool_is_not_entered(tmp_path: Path, folder: str) -> None:
    """Trackers, caches and vendored trees hold absolute paths or other people's files."""
    found = look(make(tmp_path, f"{folder}/best.pt"))
    assert folder in found.closed
    assert not any(path.startswith(folder) for path in found.entries)


@pytest.mark.parametrize(
    ("marker", "why"),
    [
        ("pyvenv.cfg", "environment"),
        ("conda-meta/history", "environment"),
        (".git", "another repository"),
        (".git/HEAD", "another repository"),
        ("training/conventions.toml", "another project"),
    ],
)
def test_environments_submodules_and_projects_are_recognised_by_what_they_hold(
    tmp_path: Path, marker: str, why: str
) -> None:
    """Whatever they are called; a submodule's `.git` is a file."""
    found = look(make(tmp_path, f"any/{marker}", "any/best.pt"))
    assert found.closed["any"] == why
    assert "any/best.pt" not in found.entries


@pytest.mark.parametrize(
    ("path", "zone"),
    [
        ("tests/data/m.pt", "tests and fixtures"),
        ("data/m.pt", "data sets"),
        ("src/datasets/deep/m.pt", "data sets"),
        (".hidden/m.pt", "hidden"),
        ("training/logs/m.pt", "the layout"),
        ("model_weights/production/deep/m.pt", "the layout"),
        ("training/m.pt", None),
        ("model_weights/m.pt", None),
        ("src/m.pt", None),
    ],
)
def test_zones_say_why_a_file_is_left_alone(tmp_path: Path, path: str, zone: str | None) -> None:
    """A zone holds for all that lies below it."""
    assert look(make(tmp_path, path)).entries[path].zone == zone


def test_the_recipes_themselves_are_not_scanned(tmp_path: Path) -> None:
    """What ships is no output."""
    found = look(make(tmp_path, "training/recipes/engine/x.pt", "training/log_paths.py"))
    assert "training/recipes" in found.closed
    assert "training/log_paths.py" in found.entries


@pytest.mark.parametrize(
    ("glob", "kept"),
    [
        ("*.pt", {"a/x.pt", "b/x.pt"}),
        ("a/*", {"a/x.pt", "a/y.txt"}),
        ("a", {"a/x.pt", "a/y.txt"}),
        ("a/", {"a/x.pt", "a/y.txt"}),
        ("./a", set()),
        ("b/x.*", {"b/x.pt"}),
    ],
)
def test_globs_leave_files_alone(tmp_path: Path, glob: str, kept: set[str]) -> None:
    """A glob means a name, or with a "/" a path; a folder's holds for what is in it."""
    found = look(make(tmp_path, "a/x.pt", "a/y.txt", "b/x.pt"), glob)
    zone = "left alone on request"
    assert {p for p, e in found.entries.items() if e.zone == zone and e.kind == "file"} == kept


def test_matching_heeds_case_and_takes_odd_names_as_they_are() -> None:
    """Brackets in a path are no pattern; those in a glob are."""
    assert matches("runs/[1]/x.pt", ("runs/[[]1]/*",))
    assert not matches("A/x", ("a/*",))
    assert not matches("a/b", ())


def test_a_folder_that_cannot_be_read_is_named(
    open_folder: Path, unprivileged: Callable[[], None]
) -> None:
    """The rest is scanned."""
    make(open_folder, "secret/x.pt", "a.pt")
    assert "secret/x.pt" in look(open_folder).entries
    (open_folder / "secret").chmod(0)
    unprivileged()
    found = look(open_folder)
    assert found.closed["secret"].startswith("cannot be read")
    assert "a.pt" in found.entries


def test_what_is_listed_and_cannot_be_reached_is_named(
    open_folder: Path, unprivileged: Callable[[], None]
) -> None:
    """A folder that may be read and not searched shows names and nothing more."""
    make(open_folder, "listed/x.pt")
    assert "listed/x.pt" in look(open_folder).entries
    (open_folder / "listed").chmod(0o444)
    unprivileged()
    found = look(open_folder)
    assert found.closed["listed/x.pt"].startswith("cannot be read")
    assert "listed/x.pt" not in found.entries


def test_size_and_time_stay_what_they_were_when_first_asked_for(tmp_path: Path) -> None:
    """What a plan was made of does not change under it; what has gone before that has no size."""
    make(tmp_path, "asked.pt", "gone.pt")
    entries = look(tmp_path).entries
    assert entries["asked.pt"].size == 1
    for name in ("asked.pt", "gone.pt"):
        (tmp_path / name).unlink()
    assert (entries["asked.pt"].size, entries["gone.pt"].size) == (1, 0)
    assert entries["gone.pt"].mtime_ns == 0


def test_names_that_are_not_utf8_are_kept(tmp_path: Path) -> None:
    """They come back as the same bytes."""
    name = b"bad\xff\n.pt"
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"x")
    (path,) = look(tmp_path).entries
    assert os.fsencode(path) == name


def test_git_says_which_files_it_tracks(tmp_path: Path) -> None:
    """Odd names too; without git nothing is tracked."""
    make(tmp_path, "a b/\u00e9.pt", "untracked.pt")
    assert look(tmp_path).tracked == frozenset()
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "a b")
    assert look(tmp_path).tracked == {"a b/\u00e9.pt"}


def test_what_lies_below_a_folder_is_told_from_its_neighbours() -> None:
    """Names that begin alike or sort in between are not in it; what is deeper is."""
    paths = ["a/b/c", "a-b", "a.b", "a/é", "a0", "a0/b", "ab/c", "b/a/b"]
    there = inventory(paths)
    assert [entry.path for entry in there.below("a")] == ["a/b", "a/b/c", "a/é"]
    assert [entry.path for entry in there.below("a/b")] == ["a/b/c"]
    assert not list(there.below("a/b/c"))
