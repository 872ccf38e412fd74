"""Walk a project once and say of every entry what it is and whose it is."""

import os
from bisect import bisect_left
from collections.abc import Iterator, Set
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Literal

from engine import layouts
from engine.garbage import no_collection
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
_CONVENTIONS = "training/conventions.toml"  # where the template puts them
_LONGEST_NAME = "x" * 255
DVC, PROGRAM = "tracked by DVC", "git tracks it as part of the program"


class Entry:
    """One entry below the root.

    `path` is relative to the root and "/"-separated; bytes that are not UTF-8 are kept as
    surrogates. `zone` is None for ordinary entries, else why the entry is left alone.

    The walk sees names and kinds. What `lstat` says is read when it is first asked for, and stays:
    of most files in a project nobody asks. It is 0 of what has gone by then.
    """

    size: int  # bytes; 0 of a folder
    mtime_ns: int
    device: int
    inode: int
    __slots__ = ("_root", "device", "inode", "kind", "mtime_ns", "path", "size", "zone")

    def __init__(self, path: str, kind: EntryKind, zone: str | None = None, root: str = "") -> None:
        """Note what the walk saw below `root`; it is empty if the path is not relative."""
        self.path = path
        self.kind = kind
        self.zone = zone
        self._root = root

    def __getattr__(self, name: str) -> int:
        """Fill the slots that are empty until one of them is asked for."""
        if name not in ("size", "mtime_ns", "device", "inode"):
            raise AttributeError(name)
        self.ask()
        value: int = object.__getattribute__(self, name)
        return value

    def without_zone(self) -> "Entry":
        """Return the entry as one that nothing says to leave alone."""
        return Entry(self.path, self.kind, None, self._root)

    def ask(self) -> None:
        """Read size, time and inode now."""
        try:
            status = os.lstat(f"{self._root}/{self.path}" if self._root else self.path)
        except OSError:
            self.size = self.mtime_ns = self.device = self.inode = 0
            return
        self.size = 0 if self.kind == "folder" else status.st_size
        self.mtime_ns = status.st_mtime_ns
        self.device = status.st_dev
        self.inode = status.st_ino


@dataclass(frozen=True)
class Inventory:
    """Everything below the root, and which of it git tracks."""

    entries: dict[str, Entry]
    tracked: frozenset[str]
    closed: dict[str, str]  # folder that was not entered -> why

    @cached_property
    def _paths(self) -> list[str]:
        return sorted(self.entries)

    def below(self, folder: str) -> Iterator[Entry]:
        """Yield what lies in `folder` and deeper, sorted by path."""
        paths = self._paths
        first = bisect_left(paths, f"{folder}/")
        behind = bisect_left(paths, f"{folder}0")  # "0" is the character after "/"
        return (self.entries[path] for path in paths[first:behind])


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


@no_collection()
def _walk(
    project: Project, pending: list[tuple[str, str | None]], globs: tuple[str, ...]
) -> tuple[dict[str, Entry], dict[str, str]]:
    """Return the entries and what is closed. Here is little for each entry: there are very many."""
    layout, root = _layout_zones(project), os.fspath(project.root)
    entries: dict[str, Entry] = {}
    closed: dict[str, str] = {}
    while pending:
        folder, zone = pending.pop()
        place = os.path.join(root, folder)  # noqa: PTH118
        try:
            with os.scandir(place) as listing:
                found = {item.name: item for item in listing}
        except OSError as error:
            closed[folder] = f"cannot be read: {error.strerror}"
            continue
        if folder and (reason := _foreign(folder, found.keys()) or _project(place, found.keys())):
            closed[folder] = reason
            continue
        is_open, prefix = _is_open(place), f"{folder}/" if folder else ""
        home = "" if place == folder else root  # absolute: it lies outside
        for name in sorted(found):
            item, path = found[name], prefix + name
            inner = layout.get(path) or zone
            if not inner and (globs or name in FOREIGN_FOLDERS or name[0] == "."):
                inner = _zone(path, name, globs)
            kind = "file" if item.is_file(follow_symlinks=False) else _other_kind(item)
            if kind == "folder" and inner in CLOSED:
                closed[path] = inner
            elif not is_open and (why := _hindrance(item)):
                closed[path] = f"cannot be read: {why}"
            else:
                entries[path] = Entry(path, kind, inner, home)
                if kind == "folder":
                    pending.append((path, inner))
    return entries, closed


def _other_kind(item: os.DirEntry[str]) -> EntryKind:
    if item.is_dir(follow_symlinks=False):
        return "folder"
    return "link" if item.is_symlink() else "special"


def _is_open(place: str) -> bool:
    """Return whether whatever a folder lists can be reached.

    It cannot where the folder may be read and not searched, or a path is longer than the system
    takes; then each entry is asked.
    """
    try:
        os.lstat(f"{place}/{_LONGEST_NAME}")
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _hindrance(item: os.DirEntry[str]) -> str | None:
    try:
        item.stat(follow_symlinks=False)
    except OSError as error:
        return error.strerror
    return None


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


def _foreign(folder: str, names: Set[str]) -> str | None:
    if names & {"pyvenv.cfg", "conda-meta"}:
        return "environment"
    if ".git" in names:
        return "another repository"
    if "meta.yaml" in names and names >= {"metrics", "params"}:
        return "a tracker's"  # a run of MLflow, whatever its store is called
    above = folder.rpartition("/")[0].rpartition("/")[2]
    return "vendored" if above in EXTERNAL and names & {"setup.py", "pyproject.toml"} else None


def _project(place: str, names: Set[str]) -> str | None:
    own = f"{place}/{_CONVENTIONS}"
    return "another project" if "training" in names and os.path.lexists(own) else None


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
    import subprocess  # a look at the layout asks no git

    command = ["git", "-C", os.fspath(root), "ls-files", "-z", *options]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        return frozenset()
    return frozenset(os.fsdecode(name) for name in done.stdout.split(b"\0") if name)
