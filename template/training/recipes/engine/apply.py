"""Carry a plan out: journaled step by step, so that it can be resumed and taken back.

The order is: copies into quarantine, moves, archives (packed, verified, and only then their
originals into quarantine), documents, empty folders. Nothing is deleted: that is for `purge`.
"""

import contextlib
import errno
import json
import os
import stat
import subprocess
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path, PurePosixPath

from engine import archive, disk, documents, history, plan
from engine.errors import UserError
from engine.history import PastRun
from engine.journal import Journal, Record
from engine.lock import project_lock
from engine.plan import Action, Plan
from engine.project import Project
from engine.steps import Steps, discard
from engine.unpack import unpack

SPARE_BYTES = 64 << 20  # left free beside what the archives need
Progress = Callable[[int], None]


@dataclass
class Outcome:
    """What a run came to: `left` maps each path that was not dealt with to why."""

    run: str
    left: dict[str, str] = field(default_factory=dict)


def apply(
    project: Project, wanted: Plan, now: datetime, on_bytes: Progress | None = None
) -> Outcome:
    """Carry out a plan as a new run. Raises UserError before anything is changed, and OSError."""
    times = _folder_times(project.root, wanted)
    refuse_merge(project.root)
    refuse_full_disk(project, wanted)
    with project_lock(project.root / project.folders.history):
        history.refuse_unfinished(project)
        sweep(project)
        folder = (
            project.root / project.folders.history / history.new_run_id(project, wanted.recipe, now)
        )
        disk.make_folders(folder, project.root)
        disk.write_new(folder / history.FOLDERS, json.dumps(times).encode())
        disk.write_new(folder / history.PLAN, plan.to_json(wanted))
        return _carry_out(project, PastRun(folder.name, folder), on_bytes)


def resume(project: Project, past: PastRun, on_bytes: Progress | None = None) -> Outcome:
    """Finish an interrupted run. The caller holds the project's lock."""
    return _carry_out(project, past, on_bytes)


def sweep(project: Project) -> None:
    """Remove run folders in which nothing had begun: they hold only files made for the run."""
    folder = project.root / project.folders.history
    for run in folder.iterdir() if folder.is_dir() else ():
        if run.is_dir() and not (run / history.PLAN).exists():
            for name in (history.FOLDERS, history.PLAN):
                discard(run / name)
                discard(disk.partial_of(run / name))
            with contextlib.suppress(OSError):
                run.rmdir()


def refuse_merge(root: Path) -> None:
    """Raise UserError while git is in the middle of something that moves files itself."""
    command = ["git", "-C", str(root), "rev-parse", "--absolute-git-dir"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return
    for name in ("MERGE_HEAD", "rebase-merge", "rebase-apply", "CHERRY_PICK_HEAD", "REVERT_HEAD"):
        if done.returncode == 0 and (Path(done.stdout.strip()) / name).exists():
            raise UserError(f"{root}: git is in the middle of a merge or rebase; finish it first")


def needed_bytes(project: Project, wanted: Plan) -> dict[Path, int]:
    """Return a folder on each file system that gets archives, and the bytes they may take."""
    needed: dict[int, tuple[Path, int]] = {}
    for action in wanted.actions:
        if action.verb in ("pack", "restore", "copy"):
            place = _existing(project.root / str(action.dst))
            device = place.stat().st_dev
            folder, size = needed.get(device, (place, 0))
            needed[device] = (folder, size + action.bytes + action.bytes // 100 + 2048)
    return dict(needed.values())


def refuse_full_disk(project: Project, wanted: Plan) -> None:
    """Raise UserError if a file system cannot hold the archives beside their originals."""
    for place, size in needed_bytes(project, wanted).items():
        free = disk.free_bytes(place)
        if size + SPARE_BYTES > free:
            raise UserError(
                f"{place}: {size / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free; "
                f"free some space"
            )


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _folder_times(root: Path, wanted: Plan) -> dict[str, tuple[int, int]]:
    """Return mode and time of each folder in which something will change, for undo."""
    paths = {path for action in wanted.actions for path in (action.src, action.dst) if path}
    folders = {
        parent
        for path in (*paths, *wanted.emptied, "training/.history")
        for parent in PurePosixPath(path).parents
    }
    folders |= {PurePosixPath(path) for path in wanted.emptied}
    times = {}
    for folder in sorted(folders):
        if (root / folder).is_dir():
            status = (root / folder).stat()
            times[str(folder)] = (stat.S_IMODE(status.st_mode), status.st_mtime_ns)
    return times


def _carry_out(project: Project, past: PastRun, on_bytes: Progress | None) -> Outcome:
    journal = Journal(past.folder / history.JOURNAL)
    try:
        return _Run(project, past, journal, on_bytes).carry_out()
    finally:
        journal.close()


class _Run:
    def __init__(
        self, project: Project, past: PastRun, journal: Journal, on_bytes: Progress | None
    ) -> None:
        self.project, self.root, self.past, self.journal = project, project.root, past, journal
        self.plan, self.on_bytes = past.plan, on_bytes
        self.steps = Steps(project, past.folder, journal)
        self.outcome = Outcome(
            past.id,
            {r.src or "": (r.kept or {})["why"] for r in journal.latest() if r.op == "left"},
        )
        self.before = json.loads((past.folder / history.FOLDERS).read_bytes())

    def carry_out(self) -> Outcome:
        phase = Record("phase", "apply", "intent")
        if self.journal.state("phase", "apply") is None:
            self.journal.write([phase])
        actions = self.plan.actions
        for action in actions:
            if action.verb == "skip" and action.src not in self.outcome.left:
                self._leave(action, action.reason)
        self._drop([a for a in actions if a.verb == "drop"])
        self._delete([a for a in actions if a.verb == "delete"])
        for action in actions:
            if action.verb == "move":
                self._move(action)
        self._copy([a for a in actions if a.verb == "copy"])
        for target, members in _by_archive(actions).items():
            self._pack(target, members)
        self._restore([a for a in actions if a.verb == "restore"])
        for action in actions:
            if action.verb == "write":
                self._document(action)
            elif action.verb == "folder":
                self.steps.folder_for(f"{action.dst}/inside")
        for path in self.plan.emptied:
            self.steps.remove_folder(path, *self.before[path])
        self.journal.mark([phase], "done")
        return self.outcome

    def _leave(self, action: Action, why: str) -> None:
        path = str(action.dst if action.verb == "restore" else action.src)
        self.outcome.left[path] = why
        self.journal.write([Record("left", path, "done", src=path, kept={"why": why})])

    def _restore(self, actions: Sequence[Action]) -> None:
        for target in dict.fromkeys(str(action.src) for action in actions):
            members = [a for a in actions if a.src == target and a.dst not in self.outcome.left]
            if members:
                left = unpack(self.steps, self.root / manifest_of(target), members)
                for action in members:
                    if why := left.get(str(action.dst)):
                        self._leave(action, why)

    def _ready(self, actions: Sequence[Action]) -> bool:
        """Return whether all are as they were planned; else leave them all alone, aloud."""
        for action in actions:
            try:
                status = (self.root / str(action.src)).lstat()
            except OSError as error:
                why = f"{action.src}: {error.strerror}"
            else:
                if (status.st_size, status.st_mtime_ns) == (action.bytes, action.mtime_ns):
                    continue
                why = f"{action.src} changed since it was planned"
            for other in actions:
                self._leave(other, why)
            return False
        return True

    def _drop(self, actions: Sequence[Action]) -> None:
        records = []
        for action in actions:
            src, kept = str(action.src), str(action.dst)
            if src in self.outcome.left:
                continue
            if (state := self.journal.state("quarantine", src)) is None:
                if not self._ready([action]):
                    continue
                if not disk.same_bytes(self.root / src, self.root / kept):
                    self._leave(action, f"differs from {kept}")
                    continue
            if state != "done":
                records.append(self._quarantine(src, {"copy": kept}))
        self.steps.move("quarantine", records)

    def _delete(self, actions: Sequence[Action]) -> None:
        fresh = [
            a
            for a in actions
            if a.src not in self.outcome.left
            and (self.journal.state("quarantine", str(a.src)) or self._ready([a]))
        ]
        records = [self._quarantine(str(a.src), {"delete": a.reason}) for a in fresh]
        self.steps.move("quarantine", records)

    def _quarantine(
        self, src: str, kept: dict[str, str], member: archive.Member | None = None
    ) -> Record:
        """Return the record for a rename into quarantine, as journaled if it was begun before."""
        for record in self.journal.latest():
            if record.op == "quarantine" and record.id == src:
                return record
        status = (self.root / src).lstat()
        sha256 = member.sha256 if member else disk.sha256_of(self.root / src)
        return Record(
            "quarantine",
            src,
            "intent",
            src,
            self.steps.quarantine_path(src),
            sha256,
            status.st_size,
            stat.S_IMODE(status.st_mode),
            status.st_mtime_ns,
            kept,
        )

    def _move(self, action: Action) -> None:
        src, dst = str(action.src), str(action.dst)
        if src in self.outcome.left or self.journal.state("quarantine", src) == "done":
            return
        state = self.journal.state("move", src)
        if state is None and not self._ready([action]):
            return
        if state in (None, "intent"):
            record = Record(
                "move", src, "intent", src, dst, None, action.bytes, None, action.mtime_ns
            )
            try:
                self.steps.move("move", [record])
                return
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
            self.journal.mark([record], "undone")
        self._move_across(src, dst)

    def _move_across(self, src: str, dst: str) -> None:
        """Copy to another file system, verified, then quarantine the original on its own."""
        if self.journal.state("create", dst) != "done":
            record = Record("create", dst, "intent", dst=dst, kept={"copy": src})
            if self.journal.state("create", dst) == "intent":
                discard(self.root / dst)
            else:
                self.journal.write([record])
            disk.copy_new(self.root / src, self.root / dst)
            self.steps.created(record)
        self.steps.move("quarantine", [self._quarantine(src, {"copy": dst})])

    def _copy(self, actions: Sequence[Action]) -> None:
        """Make all copies or none; then nothing is packed either: it would have no successor."""
        together = [*actions, *(a for a in self.plan.actions if actions and a.verb == "pack")]
        if any(action.src in self.outcome.left for action in together):
            return
        begun = any(self.journal.state("create", str(a.dst)) for a in actions)
        if not begun and not self._ready(together):
            return
        try:
            for action in actions:
                self.steps.copy(str(action.src), str(action.dst))
        except (disk.Changed, disk.Unreadable, FileExistsError) as problem:
            for action in actions:
                self._take_back(str(action.dst))
            for action in together:
                self._leave(action, f"nothing was done: {problem}")

    def _pack(self, target: str, actions: Sequence[Action]) -> None:
        if any(action.src in self.outcome.left for action in actions):
            return
        if self.journal.state("create", target) != "done":
            if self.journal.state("create", target) == "intent":
                self._restart(target)
            if not self._ready(actions):
                return
            try:
                self._pack_new(target, [str(action.src) for action in actions])
            except (disk.Changed, disk.Unreadable) as problem:
                self._restart(target)
                for action in actions:
                    self._leave(action, f"the run was left alone: {problem}")
                return
        members, _ = archive.read_manifest(self.root / manifest_of(target))
        records = [
            self._quarantine(m.path, {"archive": target, "member": m.path}, m) for m in members
        ]
        self.steps.move("quarantine", records)
        self._check_again(records)

    def _pack_new(self, target: str, paths: Sequence[str]) -> None:
        record = Record("create", target, "intent", dst=target)
        self.steps.folder_for(target)
        self.journal.write([record])
        path = self.root / target
        members = archive.pack(self.root, paths, path, on_bytes=self.on_bytes)
        about = {"archive": path.name, "created": self.plan.created, **self.plan.archives[target]}
        self.steps.create(manifest_of(target), archive.manifest_bytes(members, about))
        checksum = archive.checksum_line(disk.sha256_of(path), path.name)
        self.steps.create(checksum_of(target), checksum)
        self.steps.created(record)

    def _restart(self, target: str) -> None:
        """Take back an archive whose originals are all in their places still."""
        for path in (target, manifest_of(target), checksum_of(target)):
            self._take_back(path)

    def _take_back(self, path: str) -> None:
        """Remove a file that this run made; one of that name that it did not make stays."""
        if self.journal.state("create", path) in ("intent", "done"):
            discard(self.root / path)
            discard(disk.partial_of(self.root / path))
            self.journal.write([Record("create", path, "undone", dst=path)])

    def _check_again(self, records: Sequence[Record]) -> None:
        """Hash what is in quarantine; what was written to since it was packed goes back."""
        for record in records:
            if record.sha256 is None or self.journal.state("quarantine", record.id) != "done":
                continue
            waiting = self.root / str(record.dst)
            if waiting.exists() and disk.sha256_of(waiting) != record.sha256:
                disk.rename_no_replace(waiting, self.root / str(record.src))
                disk.sync_folder((self.root / str(record.src)).parent)
                self.journal.mark([record], "undone")
                action = next(a for a in self.plan.actions if a.src == record.src)
                self._leave(action, "was written to while it was packed: put back")

    def _document(self, action: Action) -> None:
        target = str(action.dst)
        if self.journal.state("create", target) == "done":
            return
        if self.journal.state("create", target) is None and os.path.lexists(self.root / target):
            self._leave(replace(action, src=target), "exists already: not written")
            return
        facts = dict(action.facts)
        if production := facts.get("production"):
            path = self.root / production
            if not path.exists():
                return  # left alone, so there is nothing to write about
            facts |= {"sha256": disk.sha256_of(path), "size": path.stat().st_size}
        context = {"run": self.past.id, "left": self.outcome.left, "hashes": self._hashes()}
        self.steps.create(
            target, documents.render(action.document or "report", facts, self.plan, context)
        )

    def _hashes(self) -> dict[str, str]:
        return {r.id: r.sha256 for r in self.journal.latest() if r.op == "quarantine" and r.sha256}


def manifest_of(target: str) -> str:
    """Return where the manifest of an archive lies."""
    return target.removesuffix(".tar.gz") + ".json"


def checksum_of(target: str) -> str:
    """Return where the checksum of an archive lies."""
    return target.removesuffix(".tar.gz") + ".sha256"


def _by_archive(actions: Sequence[Action]) -> dict[str, list[Action]]:
    archives = defaultdict(list)
    for action in actions:
        if action.verb == "pack":
            archives[str(action.dst)].append(action)
    return dict(archives)
