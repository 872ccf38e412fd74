"""Take a run back, last step first: every file to its place, byte for byte, with mode and time."""

import json
import os
import stat
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from engine import archive, disk, history
from engine.apply import manifest_of
from engine.errors import UserError
from engine.history import PastRun
from engine.journal import Journal, Record
from engine.project import Project
from engine.steps import BATCH, Steps, discard, rename
from engine.unpack import is_as_written


@dataclass
class Undone:
    """What came of it: how many files came back, and what could not be put back exactly."""

    run: str
    restored: int = 0
    removed: int = 0  # files that the run had made
    remarks: list[str] = field(default_factory=list)


def undo(project: Project, past: PastRun) -> Undone:
    """Take back one run. The caller holds the lock. Raises UserError if newer runs depend on it."""
    _refuse_if_needed(project, past)
    journal = Journal(past.folder / history.JOURNAL)
    try:
        return _Undo(project, past, journal).take_back()
    finally:
        journal.close()


def _refuse_if_needed(project: Project, past: PastRun) -> None:
    """Raise UserError if a newer run, not taken back, changed something that this one made."""
    made = {record.dst for record in past.records if record.op in ("move", "create")}
    for newer in history.past_runs(project):
        if newer.id > past.id and not newer.undone:
            touched = {record.src for record in newer.records if record.src}
            if common := sorted(str(path) for path in made & touched):
                raise UserError(
                    f"{past.id}: {newer.id} used {common[0]} since; take that back first: "
                    f"just undo {newer.id}"
                )


class _Undo:
    def __init__(self, project: Project, past: PastRun, journal: Journal) -> None:
        self.root, self.past, self.journal = project.root, past, journal
        self.steps = Steps(project, past.folder, journal)
        self.result = Undone(past.id)
        self.purged = {r.id for r in journal.latest() if r.op == "purge" and r.state == "done"}
        self.lost: set[str] = set()

    def take_back(self) -> Undone:
        phase = Record("phase", "undo", "intent")
        self.journal.write([phase])
        open_steps = [r for r in reversed(self.journal.latest()) if r.state in ("intent", "done")]
        self._remake_folders([r for r in open_steps if r.op == "remove_folder"])
        renamed = [r for r in open_steps if r.op in ("move", "quarantine")]
        created = [r for r in open_steps if r.op == "create"]
        packed = {r.src for r in renamed if r.op == "quarantine"}
        for record in created:
            if record.dst in packed:  # a text that was written anew: its place is needed
                self._remove(record)
        for start in range(0, len(renamed), BATCH):
            self._put_back(renamed[start : start + BATCH])
        self._rebuild([r for r in renamed if r.id in self.purged and r.op == "quarantine"])
        for record in created:
            if record.dst not in packed:
                self._remove(record)
        for record in open_steps:
            if record.op == "folder":
                self._remove_folder(record)
        self._restore_times()
        self.journal.mark([phase], "done")
        return self.result

    def _remake_folders(self, records: Iterable[Record]) -> None:
        for record in sorted(records, key=lambda r: str(r.src).count("/")):
            folder = self.root / str(record.src)
            if not os.path.lexists(folder):
                disk.make_folders(folder, self.root)
        # their modes are given back last: a folder may be read-only

    def _put_back(self, records: list[Record]) -> None:
        back, parents = [], set()
        for record in records:
            if record.id in self.purged and record.op == "quarantine":
                continue
            src, dst = self.root / str(record.src), self.root / str(record.dst)
            if os.path.lexists(src) and not os.path.lexists(dst):
                back.append(record)  # never begun, or put back before an interruption
                continue
            if not os.path.lexists(dst):
                self.result.remarks.append(
                    f"{record.src}: {record.dst} has gone; nothing to put back"
                )
                self.lost.add(record.id)
                continue
            disk.make_folders(src.parent, self.root)
            rename(dst, self._place(record, src))
            parents |= {src.parent, dst.parent}
            self.result.restored += 1
            back.append(record)
        for parent in sorted(parents):
            disk.sync_folder(parent)
        self.journal.mark(back, "undone")

    def _place(self, record: Record, src: Path) -> Path:
        """Return the original place, or one beside it if something new is there."""
        if not os.path.lexists(src):
            return src
        beside = src.with_name(f"{src.stem}.before_{self.past.id}{src.suffix}")
        self.result.remarks.append(
            f"{record.src}: a new file is there; the old one is {beside.name}"
        )
        return beside

    def _rebuild(self, records: list[Record]) -> None:
        """Bring back what was purged, from the archive or the copy that keeps its bytes."""
        by_archive = defaultdict(list)
        for record in records:
            kept = dict(record.kept or {})
            if "delete" in kept:
                self.result.remarks.append(
                    f"{record.src}: was deleted on request; it cannot come back"
                )
                self.lost.add(record.id)
            elif "archive" in kept:
                by_archive[kept["archive"]].append(record)
            else:
                self._copy_back(record, kept["copy"])
        for target, members in by_archive.items():
            self._extract(target, members)

    def _copy_back(self, record: Record, kept: str) -> None:
        src = self.root / str(record.src)
        if not self._is_back(record, src):
            if disk.sha256_of(self.root / kept) != record.sha256:
                raise UserError(f"{kept}: changed since; {record.src} cannot be rebuilt from it")
            self.steps_folder(src)
            place = self._place(record, src)
            disk.copy_new(self.root / kept, place)
            _stamp(place, record)
            self.result.restored += 1
        self.journal.mark([record], "undone")

    def _extract(self, target: str, records: list[Record]) -> None:
        members, _ = archive.read_manifest(self.root / manifest_of(target))
        wanted = {}
        for record in records:
            src = self.root / str(record.src)
            if not self._is_back(record, src):
                self.steps_folder(src)
                wanted[str((record.kept or {})["member"])] = self._place(record, src)
        if wanted:
            archive.extract(self.root / target, wanted, members)
        self.result.restored += len(records)
        self.journal.mark(records, "undone")

    def steps_folder(self, src: Path) -> None:
        disk.make_folders(src.parent, self.root)

    def _is_back(self, record: Record, src: Path) -> bool:
        """Return whether an undo that was interrupted had rebuilt it already."""
        if not os.path.lexists(src):
            return False
        status = src.lstat()
        if stat.S_ISLNK(status.st_mode):
            return record.sha256 is None
        return status.st_size == record.size and disk.sha256_of(src) == record.sha256

    def _remove(self, record: Record) -> None:
        """Remove what the run wrote, unless someone changed it or still needs it."""
        path = self.root / str(record.dst)
        discard(disk.partial_of(path))
        if os.path.lexists(path):
            known = record.state == "done" or record.sha256 or (record.kept or {}).get("target")
            if known and not is_as_written(path, record):
                self.result.remarks.append(f"{record.dst}: was changed since; left where it is")
                return
            if self._needed(record):
                self.result.remarks.append(
                    f"{record.dst}: still holds what could not be put back; kept"
                )
                return
            discard(path)
            self.result.removed += 1
        self.journal.mark([record], "undone")

    def _needed(self, record: Record) -> bool:
        return any(
            r.op == "quarantine"
            and r.state != "undone"
            and record.dst in ((r.kept or {}).get("archive"), (r.kept or {}).get("copy"))
            for r in self.journal.latest()
        )

    def _remove_folder(self, record: Record) -> None:
        folder = self.root / str(record.dst)
        if folder.is_dir():
            if any(folder.iterdir()):
                return
            folder.rmdir()
            disk.sync_folder(folder.parent)
        self.journal.mark([record], "undone")

    def _restore_times(self) -> None:
        quarantine = self.past.folder / history.QUARANTINE
        remove_empty(quarantine)
        before = json.loads((self.past.folder / history.FOLDERS).read_bytes())
        for path in sorted(before, key=lambda p: -len(PurePosixPath(p).parts)):
            mode, mtime_ns = before[path]
            folder = self.root / path
            if folder.is_dir():
                folder.chmod(mode)
                os.utime(folder, ns=(mtime_ns, mtime_ns))


def remove_empty(folder: Path) -> None:
    """Remove a folder and those in it as far as they are empty."""
    for where, _, _ in os.walk(folder, topdown=False):
        path = Path(where)
        if not any(path.iterdir()):
            path.rmdir()


def _stamp(path: Path, record: Record) -> None:
    if record.mode is not None and record.mtime_ns is not None:
        path.chmod(record.mode)
        os.utime(path, ns=(record.mtime_ns, record.mtime_ns))
