"""Take a run back, last step first: every file to its place, byte for byte, with mode and time."""

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from engine.changes import disk, history, preflight, whole_folders
from engine.changes.apply import discard_partials
from engine.changes.history import PastRun
from engine.changes.journal import Journal, Record, latest
from engine.changes.purge import unmask
from engine.changes.rebuild import Rebuilding, refuse_damaged, refuse_missing
from engine.changes.steps import Steps, remove_empty
from engine.errors import UserError
from engine.project import Project


@dataclass
class Undone:
    """What came of it: how many files came back, and what could not be put back exactly."""

    run: str
    restored: int = 0
    removed: int = 0  # files that the run had made
    notes: list[str] = field(default_factory=list)  # worth saying of what is in its place
    remarks: list[str] = field(default_factory=list)


def undo(project: Project, past: PastRun) -> Undone:
    """Take back one run. The caller holds the lock. Raises UserError before anything is changed."""
    check(project, past)
    journal = Journal(past.folder / history.JOURNAL)
    try:
        return _Undo(project, past, journal).take_back()
    finally:
        journal.close()


def check(project: Project, past: PastRun) -> None:
    """Raise UserError if the run cannot be taken back now."""
    preflight.refuse_merge(project.root)
    history.refuse_lost(project, past)
    steps = [record for record in latest(past.records) if record.state != "undone"]
    refuse_damaged(project.root, steps)
    needed = {record.dst for record in steps if record.op in ("move", "create")}
    needed |= set(_relied_on(steps))
    for newer in history.past_runs(project):
        if newer.id > past.id and not newer.undone:
            since = [record for record in latest(newer.records) if record.state != "undone"]
            touched = {r.src for r in since if r.op in ("move", "quarantine")}
            # what was restored since is in the place that this undo needs
            touched |= {r.src for r in since if "archive" in (r.kept or {}) and r.op == "create"}
            if common := sorted(str(path) for path in needed & {*touched, *_relied_on(since)}):
                raise UserError(
                    f"{past.id}: {newer.id} needs {common[0]}; take that back first: "
                    f"just undo {newer.id}"
                )
    refuse_missing(project.root, steps)
    preflight.refuse_no_folders(project.root, _folders_needed(steps))
    fix = "put the folder back in its place"  # nothing is taken out of another by a link
    preflight.refuse_no_folders(project.root, _folders_filled(steps), fix)
    if past.plan.recipe == "new":
        _refuse_used(project, past, {str(record.dst) for record in steps})


def _refuse_used(project: Project, past: PastRun, made: set[str]) -> None:
    """Raise UserError if a new experiment holds more than it was made with."""
    folder = past.plan.actions[0].run
    for path in (project.root / folder).rglob("*"):
        inner = f"{folder}/{path.relative_to(project.root / folder).as_posix()}"
        if inner not in made:
            raise UserError(f"{inner}: came after {past.id}; move it away to take that back")


def _folders_needed(steps: Iterable[Record]) -> set[str]:
    """Return the folders that come back, and those into which something does."""
    gone = {str(r.src) for r in steps if r.op == "remove_folder"}
    return gone | {str(r.src).rpartition("/")[0] for r in steps if r.op in ("move", "quarantine")}


def _folders_filled(steps: Iterable[Record]) -> set[str]:
    """Return the folders in which a run put something."""
    made = (r for r in steps if r.op in ("move", "quarantine", "create"))
    return {str(r.dst).rpartition("/")[0] for r in made}


def _relied_on(steps: Iterable[Record]) -> Iterator[str]:
    """Yield the archives and files that keep the bytes of what a run put into quarantine."""
    for record in steps:
        if record.op == "quarantine":
            kept = record.kept or {}
            yield from (kept[key] for key in ("archive", "copy") if key in kept)


class _Undo:
    def __init__(self, project: Project, past: PastRun, journal: Journal) -> None:
        self.root, self.past, self.journal = project.root, past, journal
        self.steps = Steps(project, past.folder, journal)
        self.result = Undone(past.id)

    def take_back(self) -> Undone:
        phase = Record("phase", "undo", "intent")
        self.journal.write([phase])
        standing = [r for r in reversed(self.journal.latest()) if r.state in ("intent", "done")]
        renamed = [r for r in standing if r.op in ("move", "quarantine")]
        made = [r for r in standing if r.op == "create"]
        discard_partials(self.root, self.past.plan)
        unmask(self.root, renamed)
        self._remake_folders([r for r in standing if r.op == "remove_folder"])
        places = {record.src for record in renamed}
        # Texts written anew make room; of one that was changed since, `put_back` tells.
        self._remove([r for r in made if r.dst in places], tells=False)
        back = self.steps.put_back(renamed)
        Rebuilding(self.steps, back).rebuild()
        self.result.restored += back.files
        self.result.notes += back.notes
        self.result.remarks += back.remarks
        self._remove([r for r in made if r.dst not in places])
        folders = [r for r in standing if r.op == "folder"]
        waiting = {str(record.dst) for record in renamed}
        for record in folders:
            if record.src and (self.root / record.id).is_dir():
                whole_folders.return_others(self.steps, record.id, record.src, waiting)
        self._remove_folders(folders)
        self._restore_folders()
        self.steps.end(phase)
        return self.result

    def _remake_folders(self, records: Sequence[Record]) -> None:
        for record in sorted(records, key=lambda r: str(r.src).count("/")):
            folder = self.root / str(record.src)
            if not os.path.lexists(folder):
                disk.make_folders(folder, self.root)
        # their modes are given back last: a folder may be read-only

    def _remove(self, records: Sequence[Record], tells: bool = True) -> None:
        """Remove what the run wrote, unless someone changed it or still needs it."""
        needed = set(_relied_on(r for r in self.journal.latest() if r.state != "undone"))
        there = [record.id for record in records if os.path.lexists(self.root / record.id)]
        kept = needed.intersection(there)
        self.result.remarks += [
            f"{path}: holds what could not be put back; kept" for path in sorted(kept)
        ]
        others = self.steps.take_back(*(r.id for r in records if r.id not in kept))
        if tells:
            self.result.remarks += [
                f"{path}: was changed since; left where it is" for path in sorted(others)
            ]
        self.result.removed += len(there) - len(kept) - len(others)

    def _remove_folders(self, records: Sequence[Record]) -> None:
        remove_empty(self.root / r.id for r in records if not self.steps.is_linked(r.id))
        gone = [record for record in records if not (self.root / record.id).is_dir()]
        self.journal.mark(gone, "undone")

    def _restore_folders(self) -> None:
        before = self.past.folders
        if before is None:
            self.result.remarks.append(
                f"{self.past.folder / history.FOLDERS}: cannot be read; the modes and times of "
                "folders are not put back"
            )
            return
        for path in sorted(before, key=lambda p: -len(PurePosixPath(p).parts)):
            mode, mtime_ns, *owner = before[path]  # older versions noted no owner
            folder = self.root / path
            if folder.is_dir() and not self.steps.is_linked(path):
                self._give_back(folder, path, owner)
                status = folder.stat()
                if (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (mode, mtime_ns):
                    continue
                try:
                    folder.chmod(mode)
                    os.utime(folder, ns=(mtime_ns, mtime_ns))
                except PermissionError:
                    remark = f"{path}: is another user's; its time is not put back"
                    self.result.remarks.append(remark)

    def _give_back(self, folder: Path, path: str, owner: Sequence[int]) -> None:
        """Give a folder to the user and the group that had it, if this process may."""
        status = folder.stat()
        if sys.platform != "win32" and owner and [status.st_uid, status.st_gid] != [*owner]:
            try:
                os.chown(folder, *owner)
            except OSError:
                self.result.notes.append(f"{path}: was another user's or group's, and is yours now")
