"""Rules about Python source: paths to where things lay once, and writing outside the layout."""

import os
import posixpath
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from engine import show
from engine.archives.lives import lives
from engine.archives.whereabouts import now
from engine.checks.source import UNKNOWN, Mention, mentions
from engine.checks.subject import Subject, Violation
from engine.project import Project
from engine.recognition.scan import FOREIGN_FOLDERS, Entry, matches, not_ignored

SOURCE_LIMIT = 4 << 20  # bytes
TESTS = FOREIGN_FOLDERS["tests"]  # these may write where they like
LAYOUT = ("active", "archived", "logs", "results", "production", "pretrained")


def source_names_no_stray_path(subject: Subject) -> Iterator[Violation]:
    """Yield the lines that name a path which a run moved, or that write outside the layout."""
    former = _Former(subject.project)
    for entry in _sources(subject):
        for mention in _read(subject, entry):
            if where := former.now(mention.path):
                yield Violation(entry.path, mention.line, "legacy-path", where)
            elif mention.written and entry.zone is None and _is_stray(subject, mention.path):
                helper = f"log_paths.get_{mention.written}_path gives a place for it"
                message = f"{mention.path!r} is outside the layout; {helper}"
                yield Violation(entry.path, mention.line, f"{mention.written}-target", message)


def _sources(subject: Subject) -> list[Entry]:
    """Return the Python files, those of tests among them, that git does not ignore."""
    found = [
        entry
        for entry in subject.inventory.entries.values()
        if entry.path.endswith(".py") and entry.kind == "file" and entry.zone in (None, TESTS)
        if entry.size <= SOURCE_LIMIT and subject.wants(entry.path)
    ]
    visible = not_ignored(subject.project.root) if found else ()
    return [entry for entry in found if not visible or entry.path in visible]


def _read(subject: Subject, entry: Entry) -> tuple[Mention, ...]:
    try:
        return mentions((subject.project.root / entry.path).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        why = str(error).replace("<unknown>, ", "") or type(error).__name__  # a text has no name
        show.warn(f"{entry.path}: was not checked: {why}")
        return ()


class _Former:
    """Where things lay before they were moved or packed, here or on a colleague's machine."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lives = {path: life for life in lives(project) for path in life.paths}
        self._folders = {str(p) for path in self._lives for p in PurePosixPath(path).parents}

    def now(self, text: str) -> str | None:
        """Return what became of the path that a program names; None if nothing did."""
        for path in _below_root(self._project, text):
            if path in self._lives and self._is_gone(path):
                place = now(self._project, self._lives[path]).removesuffix(f", as {path}")
                return f"{text!r} is elsewhere: {place}"
            for folder in _folders_in(path):
                if folder in self._folders and self._is_gone(folder):
                    return f"{text!r}: {folder} was emptied"
        return None

    def _is_gone(self, path: str) -> bool:
        return not os.path.lexists(self._project.root / path)


def _below_root(project: Project, text: str) -> Iterator[str]:
    """Yield what a path may be, seen from the project's root: a program may stand in any folder."""
    path = posixpath.normpath(text.replace("\\", "/"))
    while path.startswith("../"):
        path = path[3:]
    root = f"{project.root.as_posix()}/"
    if not path.startswith("/") and path[1:3] != ":/":
        yield path
    elif path.startswith(root):
        yield path.removeprefix(root)
    else:  # the project as it lay on another machine
        parts = path.split("/")[1:]
        yield from ("/".join(parts[start:]) for start in range(len(parts) - 1))


def _folders_in(path: str) -> Iterator[str]:
    """Yield the folders that a path names, itself among them: but a single word is hardly one."""
    parts = path.partition(UNKNOWN)[0].split("/")
    if UNKNOWN in path or len(parts) == 1:
        parts = parts[:-1]
    yield from ("/".join(parts[:end]) for end in range(len(parts), 0, -1))


def _is_stray(subject: Subject, text: str) -> bool:
    root = subject.project.root.as_posix()
    path = posixpath.normpath(posixpath.join(root, next(_below_root(subject.project, text), "")))
    if not text.startswith(root) and posixpath.isabs(text):
        path = posixpath.normpath(text)
    inner = path.removeprefix(f"{root}/")
    if path.startswith("/dev/") or FOREIGN_FOLDERS.keys() & set(inner.split("/")[:-1]):
        return False
    if matches(inner, subject.project.conventions.scan.leave_alone):
        return False
    folders = (getattr(subject.project.folders, key) for key in LAYOUT)
    return not any(_may_lie_in(f"{root}/{folder}", path) for folder in folders)


def _may_lie_in(folder: str, path: str) -> bool:
    """Return whether a path, with `*` for what is unknown in it, may lie in a folder."""
    outer, parts = folder.split("/"), path.split("/")
    return len(parts) > len(outer) and all(map(fnmatchcase, outer, parts))
