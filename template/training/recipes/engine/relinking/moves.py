"""Where things lay before recipes moved them, and what a reference to them says now."""

import os
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from engine.archives.lives import Life, lives
from engine.archives.whereabouts import now
from engine.project import Project

Span = tuple[int, int]
_SPECIAL = re.compile(r"[^\w./+=@,-]")  # what a shell or a string may take for something else


@dataclass(frozen=True)
class Reference:
    """A path in a file, by bytes from `start` to `end`, that names what has moved.

    `new` is what is to stand there; if it is None, the user has to look, and `why` says why.
    """

    start: int
    end: int
    old: str
    new: str | None
    why: str


@dataclass(frozen=True)
class Moves:
    """What has moved, by the path it had, relative to the root."""

    root: str
    places: Mapping[str, str]  # where it is now: files, and folders that moved as a whole
    elsewhere: Mapping[str, str]  # what cannot be written as a path, in words: packed, deleted

    def refer(
        self, span: Span, written: str, folder: str, beside: bool = False
    ) -> Reference | None:
        """Return the reference that a path is, as it is written in a file of `folder`.

        Paths are relative to the root; with "../", or if they are said to be, to the file.
        """
        path, near = written, beside or written.startswith("../")
        if path.startswith(f"{self.root}/"):
            path, near = path.removeprefix(f"{self.root}/"), False
        old = posixpath.normpath(posixpath.join(folder, path) if near else path)
        if why := self.elsewhere.get(old):
            return Reference(*span, written, None, why)
        if old not in self.places:
            return None
        new = self.places[old]
        if set(_SPECIAL.findall(new)) - set(old):
            return Reference(*span, written, None, f"is at {new}, which may need quotes there")
        if path != written:
            new = posixpath.join(self.root, new)
        elif near and not posixpath.isabs(new):
            new = posixpath.relpath(new, folder or ".")
        elif written.startswith("./"):
            new = f"./{new}"
        slash = "/" if written.endswith("/") else ""
        return Reference(*span, written, new + slash, f"{old} is at {self.places[old]}")


def moves(project: Project) -> Moves:
    """Return what no recipe has taken back, and what is not where it was."""
    places: dict[str, str] = {}
    elsewhere: dict[str, str] = {}
    known = lives(project)
    for life in known:
        for path in life.paths:
            if not os.path.lexists(project.root / path):
                kept = life.kept.place
                places.pop(path, None)
                elsewhere.pop(path, None)
                if kept and os.path.lexists(project.root / kept):
                    places[path] = kept
                else:
                    elsewhere[path] = now(project, life).removesuffix(f", as {path}")
    _add_folders(project, places, elsewhere)
    for path in _ambiguous(known) & places.keys():
        elsewhere[path] = f"is the name of several files; this one is at {places.pop(path)}"
    return Moves(project.root.as_posix(), places, elsewhere)


def _add_folders(project: Project, places: dict[str, str], elsewhere: dict[str, str]) -> None:
    """Add the folders that have gone: moved as a whole, or else spread."""
    targets: dict[str, set[str]] = {}
    for path in [*places, *elsewhere]:
        for folder in map(str, PurePosixPath(path).parents):
            inner, new = path.removeprefix(folder), places.get(path, "")
            target = new.removesuffix(inner) if new.endswith(inner) else ""
            targets.setdefault(folder, set()).add(target)
    for folder, found in targets.items():
        if not os.path.lexists(project.root / folder):
            (target, *more) = found
            if target and not more:
                places.setdefault(folder, target)
            else:
                elsewhere.setdefault(folder, "its files went to several places, or are packed")


def _ambiguous(known: Iterable[Life]) -> set[str]:
    """Return the names at the root that other files have as well."""
    counts = Counter(PurePosixPath(life.origin).name for life in known)
    return {name for name, count in counts.items() if count > 1}
