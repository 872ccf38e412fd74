"""Walk a project once and say of every entry what it is and whose it is."""

import os
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from engine import layouts
from engine.project import Project

EntryKind = Literal["file", "link", "folder", "special"]

# Folders that hold no outputs of this project, or that belong to a tool which stores absolute
# paths into them. The value is the reason that the user is shown.
FOREIGN_FOLDERS = {
    **dict.fromkeys((".git", ".hg", ".svn"), "version control"),
    **dict.fromkeys(("node_modules", "site-packages", "vendor", "third_party"), "vendored"),
    **dict.fromkeys(("__pycache__", ".tox", ".nox", ".ipynb_checkpoints"), "cache"),
    **dict.fromkeys(("mlruns", "mlartifacts", "wandb", ".dvc", ".aim", ".neptune"), "a tracker's"),
    **dict.fromkeys(("tests", "test", "fixtures", "testdata", "test_data"), "tests and fixtures"),
    **dict.fromkeys(("data", "dataset", "datasets"), "data sets"),
}
# Where projects of others lie, if what lies there is a project at all.
EXTERNAL = frozenset("external externals extern submodules libs deps 3rdparty thirdparty".split())
# What these hold is of no use outside: not even listed, and left where it is in a run's folder.
CLOSED = frozenset(
    {"version control", "vendored", "cache", "a tracker's", "its own", "environment"}
)
DVC, PROGRAM = "tracked by DVC", "git tracks it as part of the program"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry below the root, as `lstat` saw it.

    `path` is relative to the root and "/"-separated; bytes that are not UTF-8 are kept as
    surrogates. `zone` is None for ordinary entries, else why the entry is left alone.
    """

    path: str
    kind: EntryKind
    size: int  # bytes
    mode: int
    mtime_ns: int
    device: int
    inode: int
    zone: str | None = None


@dataclass(frozen=True)
class Inventory:
    """Everything below the root, and which of it git tracks."""

    entries: dict[str, Entry]
    tracked: frozenset[str]
    closed: dict[str, str]  # folder that was not entered -> why

    def below(self, folder: str) -> Iterator[Entry]:
        """Yield what lies in `folder` and deeper."""
        prefix = folder + "/"
        return (entry for path, entry in self.entries.items() if path.startswith(prefix))


def scan(project: Project, leave_alone: tuple[str, ...] = ()) -> Inventory:
    """Return the inventory of the project; `leave_alone` are globs on top of the conventions'.

    Symbolic links are listed and never followed; closed folders, other repositories and virtual
    environments are not entered. Unreadable folders are reported in `closed`.
    """
    globs = (*project.conventions.scan.leave_alone, *leave_alone)
    entries, closed = _walk(project, [("", None)], globs)
    return Inventory(entries, tracked(project.root), closed)


def scan_layout(project: Project) -> Inventory:
    """Return what lies in the layout's folders, wherever they are; git is not asked."""
    folders = dict.fromkeys(layouts.current(project).folders.values())
    places: list[tuple[str, str | None]] = [(folder, "the layout") for folder in folders]
    return Inventory(_walk(project, places, ())[0], frozenset(), {})


def _walk(
    project: Project, pending: list[tuple[str, str | None]], globs: tuple[str, ...]
) -> tuple[dict[str, Entry], dict[str, str]]:
    layout = _layout_zones(project)
    entries: dict[str, Entry] = {}
    closed: dict[str, str] = {}
    while pending:
        folder, zone = pending.pop()
        try:
            with os.scandir(project.root / folder) as listing:
                found = sorted(listing, key=lambda item: item.name)
        except OSError as error:
            closed[folder] = f"cannot be read: {error.strerror}"
            continue
        if folder and (reason := _foreign(folder, {item.name for item in found})):
            closed[folder] = reason
            continue
        for item in found:
            path = f"{folder}/{item.name}" if folder else item.name
            inner = layout.get(path) or zone or _zone(path, item.name, globs)
            is_folder = item.is_dir(follow_symlinks=False)
            if is_folder and inner in CLOSED:
                closed[path] = inner
                continue
            try:
                status = item.stat(follow_symlinks=False)
            except OSError as error:  # its path is too long, or it has gone meanwhile
                closed[path] = f"cannot be read: {error.strerror}"
                continue
            entries[path] = entry_of(path, status, inner)
            if is_folder:
                pending.append((path, inner))
    return entries, closed


def matches(path: str, globs: tuple[str, ...]) -> bool:
    """Return whether a glob matches the path, one of its folders, or (without a "/") its name."""
    if not globs:
        return False
    parts = path.split("/")
    ways = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    return any(
        fnmatchcase(parts[-1], glob) if "/" not in glob else any(fnmatchcase(w, glob) for w in ways)
        for glob in (glob.rstrip("/") for glob in globs)
    )


def _layout_zones(project: Project) -> dict[str, str]:
    folders = project.folders
    known = (layouts.current(project), *layouts.former(project))
    zones = {folder: "the layout" for layout in known for folder in layout.folders.values()}
    recipes = f"{project.conventions.folders.training}/recipes"
    return zones | {folders.history: "its own", recipes: "its own"}


def _zone(path: str, name: str, globs: tuple[str, ...]) -> str | None:
    if matches(path, globs):
        return "left alone on request"
    if name in FOREIGN_FOLDERS:
        return FOREIGN_FOLDERS[name]
    return "hidden" if name.startswith(".") and name != ".hydra" else None


def _foreign(folder: str, names: set[str]) -> str | None:
    if names & {"pyvenv.cfg", "conda-meta"}:
        return "environment"
    if ".git" in names:
        return "another repository"
    if "meta.yaml" in names and names >= {"metrics", "params"}:
        return "a tracker's"  # a run of MLflow, whatever its store is called
    above = folder.rpartition("/")[0].rpartition("/")[2]
    return "vendored" if above in EXTERNAL and names & {"setup.py", "pyproject.toml"} else None


def entry_of(path: str, status: os.stat_result, zone: str | None) -> Entry:
    """Return the entry at a path, from what `lstat` said of it."""
    mode = status.st_mode
    kind: EntryKind = "special"
    if stat.S_ISREG(mode):
        kind = "file"
    elif stat.S_ISDIR(mode):
        kind = "folder"
    elif stat.S_ISLNK(mode):
        kind = "link"
    size = 0 if kind == "folder" else status.st_size
    return Entry(path, kind, size, mode, status.st_mtime_ns, status.st_dev, status.st_ino, zone)


def tracked(root: Path) -> frozenset[str]:
    """Return the paths that git tracks; none where there is no git."""
    return _git_files(root)


def as_committed(root: Path) -> frozenset[str]:
    """Return the paths that git tracks and whose content is what it has."""
    return tracked(root) - _git_files(root, "--modified")


def not_ignored(root: Path) -> frozenset[str]:
    """Return the paths that git tracks or would add; none where there is no git."""
    return _git_files(root, "--cached", "--others", "--exclude-standard")


def _git_files(root: Path, *options: str) -> frozenset[str]:
    command = ["git", "-C", os.fspath(root), "ls-files", "-z", *options]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        return frozenset()
    return frozenset(os.fsdecode(name) for name in done.stdout.split(b"\0") if name)
