"""The steps that change the disk, each journaled before and after, so that each can be resumed.

A step is named by its operation and an id. One that is `done` is not done again; for one that was
interrupted (`intent`) the disk decides what is left to do.
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from engine import disk
from engine.errors import UserError
from engine.history import QUARANTINE
from engine.journal import Journal, Op, Record
from engine.project import Project

BATCH = 500  # renames that share one synced journal entry
ELSEWHERE = ".training_quarantine"  # at the top of another file system, for files that lie there


class Steps:
    """Carries out journaled steps for one run."""

    def __init__(self, project: Project, folder: Path, journal: Journal) -> None:
        self.root, self.folder, self.journal = project.root, folder, journal
        self.quarantine_root = folder / QUARANTINE

    def folder_for(self, path: str) -> None:
        """Make the missing folders above `path`, which is relative to the project root."""
        missing: list[PurePosixPath] = []
        folder = PurePosixPath(path).parent
        while not os.path.lexists(self.root / folder):
            missing.append(folder)
            folder = folder.parent
        if not stat.S_ISDIR((self.root / folder).lstat().st_mode):
            raise UserError(f"{folder}: is a link or a file where a folder is needed; move it away")
        for folder in reversed(missing):
            record = Record("folder", str(folder), "intent", dst=str(folder))
            self.journal.write([record])
            disk.make_folders(self.root / folder, (self.root / folder).parent)
            self.journal.mark([record], "done")

    def move(self, op: Op, records: Sequence[Record]) -> None:
        """Rename each `src` to its `dst`, in batches. Raises OSError; EXDEV with nothing begun."""
        for batch in _batches([r for r in records if self.journal.state(op, r.id) != "done"]):
            begun = [r for r in batch if self.journal.state(op, r.id) == "intent"]
            fresh = [r for r in batch if r not in begun]
            for record in fresh:
                self.folder_for(_named(record.dst))
            self.journal.write(fresh)
            try:
                for record in batch:
                    rename(self.root / _named(record.src), self.root / _named(record.dst))
            finally:
                self._sync_parents(batch)
            self.journal.mark(batch, "done")

    def create(self, path: str, data: bytes) -> None:
        """Write a new file."""
        if self.journal.state("create", path) == "done":
            return
        self.folder_for(path)
        record = Record("create", path, "intent", dst=path)
        if self.journal.state("create", path) is None:
            self.journal.write([record])
        else:
            discard(self.root / path)  # ours, of the interrupted attempt
        disk.write_new(self.root / path, data)
        self.created(record)

    def created(self, record: Record) -> None:
        """Note what was written, so that undo removes it only if nobody changed it since."""
        path = self.root / _named(record.dst)
        self.journal.write([_with(record, path)])

    def remove_folder(self, path: str, mode: int, mtime_ns: int) -> None:
        """Remove a folder if it is empty."""
        if self.journal.state("remove_folder", path) == "done":
            return
        record = Record("remove_folder", path, "intent", src=path, mode=mode, mtime_ns=mtime_ns)
        folder = self.root / path
        if folder.is_dir() and any(folder.iterdir()):
            return
        self.journal.write([record])
        if folder.is_dir():
            folder.rmdir()
            disk.sync_folder(folder.parent)
        self.journal.mark([record], "done")

    def quarantine_path(self, path: str) -> str:
        """Return where the original of `path` waits: on its own file system."""
        source, inside = self.root / path, path.lstrip("/").replace(":", "_")
        device = source.lstat().st_dev
        if device == self.folder.stat().st_dev:
            return (self.quarantine_root / inside).relative_to(self.root).as_posix()
        top = source.parent
        while top != self.root and top.parent.stat().st_dev == device:
            top = top.parent
        return str((top / ELSEWHERE / self.folder.name / inside).relative_to(self.root).as_posix())

    def _sync_parents(self, records: Sequence[Record]) -> None:
        parents = {(self.root / _named(p)).parent for r in records for p in (r.src, r.dst)}
        for parent in sorted(parents):
            if parent.is_dir():
                disk.sync_folder(parent)


def rename(src: Path, dst: Path) -> None:
    """Rename without replacing, or find that an interrupted attempt had done so already."""
    here, there = os.path.lexists(src), os.path.lexists(dst)
    if here and there and disk.identity(src) == disk.identity(dst):
        src.unlink()  # two names of one file: the second half of a rename by hard link
    elif here and not there:
        disk.rename_no_replace(src, dst)
    elif here:
        raise FileExistsError(errno.EEXIST, "both exist; keeping both", str(src), None, str(dst))
    elif not there:
        raise FileNotFoundError(errno.ENOENT, "has gone meanwhile", str(src))


def discard(path: Path) -> None:
    """Remove a file that was made by an interrupted step from bytes that are still elsewhere."""
    if os.path.lexists(path):
        path.unlink()
        disk.sync_folder(path.parent)


def _with(record: Record, path: Path) -> Record:
    status = path.lstat()
    return Record(
        record.op,
        record.id,
        "done",
        record.src,
        record.dst,
        disk.sha256_of(path),
        status.st_size,
        stat.S_IMODE(status.st_mode),
        status.st_mtime_ns,
        record.kept,
    )


def _named(path: str | None) -> str:
    if path is None:
        raise ValueError("this step has no such path")
    return path


def _batches(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    for start in range(0, len(records), BATCH):
        yield records[start : start + BATCH]
