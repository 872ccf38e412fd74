"""Read archives and production models again, and remember what was found and when."""

import contextlib
import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from engine.archives import archive, catalog
from engine.archives.catalog import Packed
from engine.archives.manifest import Damaged, checksum_line
from engine.changes import disk, history, purge
from engine.project import Project
from engine.recognition import content, identity
from engine.recognition.findings import read_metadata

RECORD = "verified.json"  # in the history: {kind: {name: {"when", "sha256", "size", "mtime_ns"}}}
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
    size: int | None = None
    mtime_ns: int | None = None


@dataclass(frozen=True)
class Item:
    """A file to verify: `read` reads all of it and returns its SHA-256, or raises Damaged."""

    kind: Kind
    name: str
    path: str
    read: Callable[[], str]
    away: str | None = None  # why it cannot be read here, though nothing is wrong


def items(project: Project, quarantine: bool = False) -> Iterator[Item]:
    """Yield the archives, the production models and, if asked for, the originals in quarantine."""
    root = project.root
    for packed in catalog.archives(project):
        away = f"is at {packed.remote}: just pull {packed.name}" if packed.remote else None
        yield Item("archives", packed.name, packed.path, _archive_reader(root, packed), away)
    for path, metadata in _production(project):
        yield Item("production", path, path, _file_reader(root, path, metadata.get("sha256")))
    for past in history.past_runs(project) if quarantine else ():
        for record in purge.waiting(past):
            if record.sha256 is not None:
                place = str(record.dst)
                yield Item("quarantine", place, place, _file_reader(root, place, record.sha256))


def verify(project: Project, item: Item) -> Checked:
    """Read a file to its end and say whether it is whole."""
    if item.away:
        return Checked(item.kind, item.name, item.path, "unknown", item.away)
    path = project.root / item.path
    try:
        before = disk.identity(path)
        sha256 = item.read()
    except _Unknown as reason:
        return Checked(item.kind, item.name, item.path, "unknown", str(reason))
    except Damaged as problem:
        said = str(problem).removeprefix(f"{path}: ").replace(f"{project.root}/", "")
        return Checked(item.kind, item.name, item.path, "damaged", said)
    except OSError as error:
        why = "has gone" if error.errno == errno.ENOENT else f"cannot be read: {error.strerror}"
        return Checked(item.kind, item.name, item.path, "damaged", why)
    facts = sha256, before.size, before.mtime_ns
    return Checked(item.kind, item.name, item.path, "whole", None, *facts)


def size_of(project: Project, item: Item) -> int:
    """Return how many bytes there are to read, 0 if the file has gone."""
    try:
        return (project.root / item.path).lstat().st_size
    except OSError:
        return 0


def compare(project: Project, item: Item, past: Mapping[str, Any]) -> Checked:
    """Say of a file whether it looks as it did when it was verified last; it is not read."""
    known = past.get(item.kind, {}).get(item.name)
    if item.away or not known:
        why = item.away or "was never verified: just verify"
        return Checked(item.kind, item.name, item.path, "unknown", why)
    problem = known.get("problem")
    try:
        now = disk.identity(project.root / item.path)
    except OSError as error:
        problem = f"cannot be found: {error.strerror}"
    else:
        if not problem and (now.size, now.mtime_ns) != (known.get("size"), known.get("mtime_ns")):
            problem = f"changed since it was verified on {known.get('when')}: just verify"
    state: State = "damaged" if problem else "whole"
    return Checked(item.kind, item.name, item.path, state, problem)


def last(project: Project) -> dict[str, dict[str, Any]]:
    """Return what the last verifications found, by kind and name; empty if nothing is known."""
    try:
        found = json.loads((project.root / project.folders.history / RECORD).read_bytes())
        return {kind: dict(found[kind]) for kind in ("archives", "production")}
    except (OSError, ValueError, TypeError, KeyError):
        return {"archives": {}, "production": {}}


def remember(project: Project, checked: Iterable[Checked], when: str) -> None:
    """Note what was found, and forget what is there no more. Raises OSError."""
    there = {(item.kind, item.name) for item in items(project)}
    past = last(project)
    known = {
        kind: {name: facts for name, facts in past[kind].items() if (kind, name) in there}
        for kind in past
    }
    for one in checked:
        if one.kind in known and one.state != "unknown":
            facts = {key: asdict(one)[key] for key in ("problem", "sha256", "size", "mtime_ns")}
            known[one.kind][one.name] = {"when": when, **facts}
    folder = project.root / project.folders.history
    folder.mkdir(parents=True, exist_ok=True)
    partial = disk.partial_of(folder / RECORD)
    partial.write_text(json.dumps(known, indent=1) + "\n", encoding="ascii")
    os.replace(partial, folder / RECORD)  # noqa: PTH105 - replaces on Windows as well


def way_back(project: Project, checked: Checked) -> str | None:
    """Return the command that brings the originals of a damaged archive back, if one does."""
    for past in history.past_runs(project):
        held = {(record.kept or {}).get("archive") for record in purge.waiting(past)}
        if not past.undone and checked.path in held:
            return f"just undo {past.id}"
    return None


class _Unknown(Exception):
    """Nothing says what the file must be."""


def _archive_reader(root: Path, packed: Packed) -> Callable[[], str]:
    def read() -> str:
        if packed.problem:
            raise Damaged(packed.problem)
        line = b""
        with contextlib.suppress(disk.Unreadable), disk.reading(root / packed.checksum) as file:
            line = os.read(file, LINE_LIMIT)
        sha256 = archive.verify(root / packed.path, packed.members.values()).sha256
        if line != checksum_line(sha256, PurePosixPath(packed.path).name):
            raise Damaged(f"{packed.checksum}: {'is not its checksum' if line else 'has gone'}")
        return sha256

    return read


def _file_reader(root: Path, path: str, expected: object) -> Callable[[], str]:
    def read() -> str:
        if not isinstance(expected, str):
            raise _Unknown("no metadata says its sha256: just check")
        sha256, _ = content.fingerprint(root / path)
        if sha256 != expected:
            raise Damaged(f"its content differs from its sha256 {expected[:12]}")
        return sha256

    return read


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
