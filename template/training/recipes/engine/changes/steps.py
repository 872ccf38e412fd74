"""The steps that change the disk, each journaled before and after, so that each can be resumed.

A step is named by its operation and an id. One that is `done` is not done again; for one that was
interrupted (`intent`) the disk decides what is left to do.
"""

import contextlib
import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, groupby
from pathlib import Path, PurePosixPath

from engine.changes import disk, history
from engine.changes.journal import Journal, Op, Record
from engine.errors import UserError
from engine.project import Project
from engine.recognition.in_use import in_use

LINKED = "is behind a link by now, and none is followed"
BATCH = 2000  # renames that share one synced journal entry
# As high up on another file system as this user may write, for files that lie there.
ELSEWHERE = ".training_quarantine"
_STAYS = {errno.EBUSY, errno.ENOTEMPTY, errno.EEXIST}  # a folder that is mounted, or in use again


@dataclass
class PutBack:
    """How many files are in their places again, what is to be said, and what was not found."""

    files: int = 0
    notes: list[str] = field(default_factory=list)  # of what is in its place
    remarks: list[str] = field(default_factory=list)  # of what is not
    gone: list[Record] = field(default_factory=list)


class Steps:
    """Carries out journaled steps for one run."""

    def __init__(self, project: Project, folder: Path, journal: Journal) -> None:
        self.project, self.root = project, project.root
        self.folder, self.journal = folder, journal
        self._root = f"{self.root}/"
        self.quarantine_root = folder / history.QUARANTINE
        self._waiting_below: dict[str, str] = {}  # where what lies in a folder waits

    def folder_for(self, *paths: str) -> None:
        """Make the missing folders above `paths`, which are relative to the project root."""
        records = self.missing_folders(*paths)
        self.journal.write(records)
        disk.make_each(self.root / record.id for record in records)
        self.journal.mark(records, "done")

    def missing_folders(self, *paths: str) -> list[Record]:
        """Return what the journal tells of the folders that `paths` lack, outer ones first.

        Raises UserError if something else is where one is needed.
        """
        missing: set[PurePosixPath] = set()
        for name in {path.rpartition("/")[0] for path in paths}:
            folder = PurePosixPath(name)
            while folder not in missing and not os.path.lexists(self.root / folder):
                missing.add(folder)
                folder = folder.parent
            if folder not in missing and not stat.S_ISDIR((self.root / folder).lstat().st_mode):
                raise UserError(
                    f"{folder}: is a link or a file where a folder is needed; move it away"
                )
        return [Record("folder", str(new), "intent", dst=str(new)) for new in sorted(missing)]

    def move(self, op: Op, records: Sequence[Record]) -> list[Record]:
        """Rename each `src` to its `dst`; return what is undone again: it lies across volumes."""
        across: list[Record] = []
        for batch in _batches([r for r in records if self.journal.state(op, r.id) != "done"]):
            fresh = [r for r in batch if self.journal.state(op, r.id) != "intent"]
            self.folder_for(*(_named(record.dst) for record in batch))
            self.journal.write(fresh)
            with self._synced(batch):
                stay = [record for record in batch if not self._rename(record)]
            self.journal.mark([r for r in batch if r not in stay], "done")
            self.journal.mark(stay, "undone")
            across += stay
        return across

    def _rename(self, record: Record) -> bool:
        """Rename without replacing, unless an interrupted attempt had; False across volumes."""
        try:
            return _renamed(self.place(record.src), self.place(record.dst))
        except (FileExistsError, FileNotFoundError):
            pass  # an interrupted attempt may have done it
        src, dst = Path(self.place(record.src)), Path(self.place(record.dst))
        here, there = os.path.lexists(src), os.path.lexists(dst)
        if there and here and _is_half_renamed(src, dst):
            src.unlink()
        elif there and here:
            raise FileExistsError(
                errno.EEXIST, "both exist; keeping both", str(src), None, str(dst)
            )
        elif there and not (looks_same(record, dst) or is_same(record, dst)):
            raise FileExistsError(errno.EEXIST, "was written to; `just undo` it", str(dst))
        elif not there:
            return _renamed(src, dst)  # tells what is wrong
        return True

    def place(self, path: str | None) -> str:
        """Return where a path of a record is, as text: a `Path` for each of many takes too long."""
        path = _named(path)
        return path if os.path.isabs(path) else self._root + path  # noqa: PTH117

    def is_linked(self, path: str) -> bool:
        """Return whether a link lies on the way from the root to a path, or there."""
        while path and not os.path.isabs(path):  # noqa: PTH117 - outside, where the user said so
            if os.path.islink(self.place(path)):  # noqa: PTH114 - for each of many folders
                return True
            path = path.rpartition("/")[0]
        return False

    def quarantine(self, records: Sequence[Record]) -> None:
        """Rename into quarantine. Raises OSError with EXDEV if that is on another volume."""
        if across := self.move("quarantine", records):
            raise OSError(errno.EXDEV, "its quarantine is on another volume", across[0].src)

    def put_back(self, records: Sequence[Record]) -> PutBack:
        """Rename each `dst` to its `src`, or to a name beside it if something new is there.

        What has the very same bytes, as after a `git checkout`, makes room: it adds nothing.
        """
        result = PutBack()
        for batch in _batches(records):
            equal = self._equal(batch)
            with self._synced(batch):
                back = [record for record in batch if self._return(record, result, equal)]
            self.journal.mark(back, "undone")
        return result

    def _equal(self, records: Sequence[Record]) -> dict[str, disk.Identity]:
        """Return the files that stand in a place, hold what comes back, and nobody writes to."""
        found = {}
        for record in records:
            name, src, dst = _named(record.src), self.place(record.src), self.place(record.dst)
            if os.path.isabs(name) or not (os.path.lexists(src) and os.path.lexists(dst)):  # noqa: PTH117
                continue
            standing = disk.identity(src)
            with contextlib.suppress(disk.Unreadable):  # a link, a folder, another user's
                if disk.same_bytes(Path(src), Path(dst)):
                    found[name] = standing
        for name in in_use(self.root, list(found), time.time(), 0):
            del found[name]
        return found

    def _return(self, record: Record, result: PutBack, equal: Mapping[str, disk.Identity]) -> bool:
        src, dst = self.place(record.src), self.place(record.dst)
        here, there = os.path.lexists(src), os.path.lexists(dst)
        if here and there and _is_half_renamed(Path(src), Path(dst)):
            os.unlink(dst)  # noqa: PTH108 - there may be many
            return True
        if here and record.state == "intent" and (not there or looks_same(record, src)):
            return True  # never begun
        if here and not there and looks_same(record, src):
            return True  # put back before an interruption
        if not there:
            result.gone.append(record)
            return False
        if not looks_same(record, dst):
            result.notes.append(f"{record.src}: was written to since; it comes back as it is now")
        place = src
        if here and equal.get(_named(record.src)) == disk.identity(src):
            os.unlink(src)  # noqa: PTH108 - there may be many
        elif here:
            free = self.beside(Path(src))
            result.remarks.append(f"{record.src}: something new is there; the old is {free.name}")
            place = str(free)
        if not os.path.isdir(os.path.dirname(src)):  # noqa: PTH112, PTH120 - for each of many
            disk.make_folders(Path(src).parent, self.root)
        disk.rename_no_replace(dst, place)
        result.files += 1
        return True

    def beside(self, path: Path) -> Path:
        """Return a free name in the folder of `path` for what was there before this run."""
        marks = (f"before_{self.folder.name}_{number or ''}" for number in count())
        # no name is longer than 255 bytes
        names = (os.fsdecode(os.fsencode(f"{mark}{path.name}")[:255]) for mark in marks)
        return next(free for name in names if not os.path.lexists(free := path.with_name(name)))

    def create(self, path: str, data: bytes) -> None:
        """Write a new file."""
        sha256 = hashlib.sha256(data).hexdigest()
        record = Record("create", path, "intent", dst=path, sha256=sha256, size=len(data))
        self.make(record, lambda: disk.write_new(self.root / path, data))

    def make(self, record: Record, write: Callable[[], object]) -> None:
        """Have `write` make the new file of which `record` tells the hash, once."""
        if self.journal.state("create", record.id) == "done":
            return
        self.prepare(record.id)
        self.journal.write([record])
        write()
        self.journal.mark([record], "done")

    def copy(self, src: str, dst: str, known: Record) -> None:
        """Copy a file, of which `known` tells size and hash. Raises Changed and Unreadable."""
        record = Record(
            "create", dst, "intent", src, dst, known.sha256, known.size, kept={"copy": src}
        )

        def write() -> None:
            if disk.copy_new(self.root / src, self.root / dst) != known.sha256:
                discard(self.root / dst)
                raise disk.Changed(f"{src}: {disk.CHANGED}")

        self.make(record, write)

    def prepare(self, path: str) -> None:
        """Clear the place of a new file of an interrupted attempt. Raises FileExistsError."""
        self.take_back(path)
        self.folder_for(path)
        if os.path.lexists(self.root / path):
            raise FileExistsError(errno.EEXIST, "is already there", str(self.root / path))

    def take_back(self, *paths: str) -> set[str]:
        """Remove files that this run made; return, and leave, those that are others now."""
        made = [record for path in paths if (record := self.journal.standing("create", path))]
        others = set()
        for batch in _batches(made):
            there = [record for record in batch if os.path.lexists(self.place(record.id))]
            same = [record for record in there if is_same(record, self.place(record.id))]
            for record in same:
                os.unlink(self.place(record.id))  # noqa: PTH108 - there may be many
            disk.sync_folders(list({Path(self.place(record.id)).parent for record in same}))
            others |= {r.id for r in there} - {r.id for r in same}
            self.journal.mark([record for record in batch if record.id not in others], "undone")
        return others

    def remove_folders(self, facts: Mapping[str, tuple[int, int]]) -> None:
        """Remove the folders that are empty, the deepest first; `facts` are mode and mtime_ns."""
        for _, level in groupby(sorted(facts, key=_depth, reverse=True), key=_depth):
            records = [
                Record("remove_folder", path, "intent", src=path, mode=mode, mtime_ns=mtime_ns)
                for path in level
                if self.journal.state("remove_folder", path) != "done"
                if is_empty(self.root / path)
                for mode, mtime_ns in (facts[path],)
            ]
            self.journal.write(records)
            gone = {record.id for record in records if _removed(self.root / record.id)}
            parents = {path.rpartition("/")[0] for path in gone}
            disk.sync_folders([self.root / parent for parent in parents])
            self.journal.mark([record for record in records if record.id in gone], "done")
            self.journal.mark([record for record in records if record.id not in gone], "undone")

    def quarantine_path(self, path: str) -> str:
        """Return where the original of `path` waits: on its own file system."""
        folder = path.rpartition("/")[0]
        if folder not in self._waiting_below:
            below = self._quarantine_of(self.root / folder)
            is_inside = below.is_relative_to(self.root)
            below = below.relative_to(self.root) if is_inside else below
            self._waiting_below[folder] = below.as_posix()
        return f"{self._waiting_below[folder]}/{path.lstrip('/')}"

    def _quarantine_of(self, folder: Path) -> Path:
        volume = disk.volume(folder)
        if volume == disk.volume(self.folder):
            return self.quarantine_root
        while folder not in (self.root, above := folder.parent):
            if disk.volume(above) != volume or not disk.may_change(above):
                break
            folder = above
        return folder / ELSEWHERE / self.folder.name

    def end(self, phase: Record) -> None:
        """Note that a phase is done, and where originals wait that cannot in the run's folder."""
        records = self.journal.told("quarantine")
        places = {_named(r.dst).removesuffix(f"/{r.id.lstrip('/')}") for r in records}
        there = [
            p for p in sorted(places) if self._is_elsewhere(p) and Path(self.place(p)).is_dir()
        ]
        told = {history.OTHER_QUARANTINES: "\0".join(there)} if there else {}
        kept = {**(phase.kept or {}), **told} or None
        self.journal.write([phase._replace(kept=kept)], "done")

    def _is_elsewhere(self, place: str) -> bool:
        return place.endswith(f"/{ELSEWHERE}/{self.folder.name}")

    def in_quarantine(self, path: str) -> bool:
        """Return whether a path is one of those that `quarantine_path` makes up for this run."""
        here = (self.root / path).is_relative_to(self.quarantine_root)
        return here or ELSEWHERE in PurePosixPath(path).parts

    @contextlib.contextmanager
    def _synced(self, records: Sequence[Record]) -> Iterator[None]:
        try:
            yield
        finally:
            paths = (_named(path) for r in records for path in (r.src, r.dst))
            parents = (self.root / name for name in {path.rpartition("/")[0] for path in paths})
            disk.sync_folders([parent for parent in parents if parent.is_dir()])


def _renamed(src: disk.Name, dst: disk.Name) -> bool:
    """Rename without replacing; return False, and do nothing, across volumes."""
    try:
        disk.rename_no_replace(src, dst)
    except OSError as problem:
        if problem.errno != errno.EXDEV:
            raise
        return False
    return True


def _is_half_renamed(src: Path, dst: Path) -> bool:
    """Return whether both are names of one file: a rename by hard link was interrupted.

    A file with one name is no such, be it that case makes no difference, or inodes tell nothing.
    """
    return disk.identity(src) == disk.identity(dst) and src.lstat().st_nlink > 1


def is_same(record: Record, path: disk.Name) -> bool:
    """Return whether a file or symlink has the content that the record tells of."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(path) == (record.kept or {}).get("target")  # noqa: PTH115 - exact
    if not stat.S_ISREG(status.st_mode) or status.st_size != record.size:
        return False
    return disk.sha256_of(path) == record.sha256


def looks_same(record: Record, path: disk.Name) -> bool:
    """Return whether a file has size and time that the record tells of; it is not read."""
    status = os.lstat(path)
    return (status.st_size, status.st_mtime_ns) == (record.size, record.mtime_ns)


def discard(path: Path) -> None:
    """Remove a file that was made by an interrupted step from bytes that are still elsewhere."""
    if os.path.lexists(path):
        path.unlink()
        disk.sync_folder(path.parent)


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove those that have nothing in them and can go; inner ones come first."""
    parents: dict[Path, None] = {}
    for folder in folders:
        parents.pop(folder, None)
        if _removed(folder):
            parents[folder.parent] = None
    disk.sync_folders(list(parents))


def _removed(folder: Path) -> bool:
    """Remove a folder; return False if something is in it, or mounted on it."""
    if not is_empty(folder):
        return False
    try:
        folder.rmdir()
    except OSError as problem:
        if problem.errno not in _STAYS:
            raise
        return False
    return True


def is_empty(folder: Path) -> bool:
    """Return whether this is a folder, not a link to one, and nothing is in it."""
    return folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())


def _depth(path: str) -> int:
    return path.count("/")


def _named(path: str | None) -> str:
    if path is None:
        raise ValueError("this step has no such path")
    return path


def _batches(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    for start in range(0, len(records), BATCH):
        yield records[start : start + BATCH]
