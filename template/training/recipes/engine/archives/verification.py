"""Read archives and production models again, and remember what was found and when."""

import contextlib
import errno
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from engine.archives import archive, catalog
from engine.archives.catalog import Packed
from engine.archives.manifest import Damaged, checksum_line
from engine.changes import disk, history, purge
from engine.changes.known_hashes import Known, KnownHashes
from engine.project import Project
from engine.recognition import content, identity
from engine.recognition.production import read_metadata

LINE_LIMIT = 4096  # bytes of a checksum

Kind = Literal["archives", "production", "quarantine"]
State = Literal["whole", "damaged", "unknown"]  # unknown: nothing says what it must be


@dataclass(frozen=True)
class Checked:
    """What a file turned out to be."""

    kind: Kind
    name: str  # of an archive, without .tar.gz; else the path
    path: str
    state: State
    problem: str | None = None  # what is wrong and where; or why it is not known
    sha256: str | None = None


@dataclass(frozen=True)
class Item:
    """A file to verify. Both functions raise Damaged."""

    kind: Kind
    name: str
    path: str
    read: Callable[[], str]  # reads all of it; returns its SHA-256
    check: Callable[[str], None]  # compares a SHA-256 with what says what it must be
    away: str | None = None  # why it cannot be verified here, though nothing is wrong


def items(project: Project, quarantine: bool = False) -> Iterator[Item]:
    """Yield the archives, the production models and, if asked for, the originals in quarantine."""
    root = project.root
    for packed in catalog.archives(project):
        away = f"is at {packed.remote}: just pull {packed.name}" if packed.remote else None
        read, check = partial(_read_archive, root, packed), partial(_check_archive, root, packed)
        yield Item("archives", packed.name, packed.path, read, check, away)
    for path, metadata in _production(project):
        yield _file("production", root, path, metadata.get("sha256"))
    for past in history.past_runs(project) if quarantine else ():
        for record in purge.waiting(past):
            if record.sha256 is not None:
                yield _file("quarantine", root, str(record.dst), record.sha256)


def verify(
    project: Project, item: Item, known: KnownHashes, when: str, quick: bool = False
) -> Checked:
    """Say whether a file is whole, and note that in `known`, as found at `when`.

    It is read to its end; if `quick`, only unless it is still what it was when it was read last.
    """
    state = known.state(item.path)
    sha256 = known.sha256_of(item.path) if quick else None  # damage has none: it is read again
    checked = _verified(project.root, item, sha256)
    is_news = checked.state == "damaged" or (checked.state == "whole" and not sha256)
    if is_news and item.kind != "quarantine":  # which holds many, and waits to be deleted
        known.note(item.path, state, Known(when, checked.sha256, checked.problem))
    return checked


def _verified(root: Path, item: Item, sha256: str | None) -> Checked:
    if item.away:
        return Checked(item.kind, item.name, item.path, "unknown", item.away)
    try:
        sha256 = sha256 or item.read()
        item.check(sha256)
    except Damaged as problem:
        said = str(problem).removeprefix(f"{root / item.path}: ").replace(f"{root}/", "")
        return Checked(item.kind, item.name, item.path, "damaged", said)
    except OSError as error:
        why = "has gone" if error.errno == errno.ENOENT else f"cannot be read: {error.strerror}"
        return Checked(item.kind, item.name, item.path, "damaged", why)
    return Checked(item.kind, item.name, item.path, "whole", None, sha256)


def size_of(project: Project, item: Item) -> int:
    """Return how many bytes there are to read, 0 if the file has gone."""
    try:
        return (project.root / item.path).lstat().st_size
    except OSError:
        return 0


def way_back(project: Project, checked: Checked) -> str | None:
    """Return the command that brings the originals of a damaged archive back, if one does."""
    for past in history.past_runs(project):
        held = {(record.kept or {}).get("archive") for record in purge.waiting(past)}
        if not past.undone and checked.path in held:
            return f"just undo {past.id}"
    return None


def _read_archive(root: Path, packed: Packed) -> str:
    if packed.problem:
        raise Damaged(packed.problem)
    return archive.verify(root / packed.path, packed.members.values()).sha256


def _check_archive(root: Path, packed: Packed, sha256: str) -> None:
    if packed.problem:
        raise Damaged(packed.problem)
    line = b""
    with contextlib.suppress(disk.Unreadable), disk.reading(root / packed.checksum) as file:
        line = os.read(file, LINE_LIMIT)
    if line != checksum_line(sha256, PurePosixPath(packed.path).name):
        raise Damaged(f"{packed.checksum}: {'is not its checksum' if line else 'has gone'}")


def _file(kind: Kind, root: Path, path: str, expected: object) -> Item:
    def check(sha256: str) -> None:
        if sha256 != expected:
            raise Damaged(f"its content differs from its sha256 {str(expected)[:12]}")

    away = None if isinstance(expected, str) else "no metadata says its sha256: just check"
    return Item(kind, path, path, lambda: content.fingerprint(root / path)[0], check, away)


def _production(project: Project) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each file of the production folder with its metadata, and what metadata misses."""
    folder = project.root / project.folders.production
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    models = [n for n in names if not n.startswith(".") and PurePosixPath(n).suffix != ".json"]
    stems = [identity.stem(name) for name in models]
    about_folders = {n for n in models if (folder / n).is_dir() and f"{n}.json" in names}
    for name in names:
        stem = name.removesuffix(".json")
        if name in models and ((folder / name).is_file() or stem in about_folders):
            about = read_metadata(folder / f"{identity.stem(name)}.json")
            twins = stems.count(identity.stem(name)) > 1  # one of them is what it tells of
            of_another = twins and not str(about.get("source")).endswith(PurePosixPath(name).suffix)
            yield f"{project.folders.production}/{name}", {} if of_another else about
        elif name != stem and stem not in stems:
            about = read_metadata(folder / name)
            if "sha256" in about:  # the metadata of a model that has gone
                source = PurePosixPath(str(about.get("source"))).suffix
                yield f"{project.folders.production}/{stem}{source}", about
