"""Carry a plan out: journaled step by step, so that it can be resumed and taken back.

The order is: copies into quarantine, moves, archives and their originals, documents, empty folders.
Nothing is deleted, unless the run is to purge as it goes.
"""

import contextlib
import json
import os
import stat
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from engine import layouts
from engine.archives.manifest import checksum_line, manifest_of
from engine.changes import disk, history, new_files, preflight, purge
from engine.changes.history import PastRun
from engine.changes.journal import Journal, Op, Record
from engine.changes.kept import taken
from engine.changes.known_hashes import note_run
from engine.changes.leaving import Leaving
from engine.changes.lock import project_lock
from engine.changes.packing import Packing
from engine.changes.rewriting import rewrite
from engine.changes.steps import Steps, discard, is_empty
from engine.changes.unpack import unpack
from engine.garbage import no_collection
from engine.plans import plan
from engine.plans.plan import Action, Plan
from engine.project import Project
from engine.recognition import content
from engine.reports import documents

Progress = Callable[[int], None]
PURGE_AS_THEY_GO = ("cleanup", "archive")  # the recipes with that option


@dataclass
class Outcome:
    """What a run came to: `left` maps each path that was not dealt with to why.

    `plan` is the plan as it was carried out: what was not done is a `skip` in it.
    """

    run: str
    plan: Plan
    left: dict[str, str] = field(default_factory=dict)
    waiting: int = 0  # bytes of originals in quarantine


@no_collection()
def apply(
    project: Project,
    wanted: Plan,
    now: datetime,
    on_bytes: Progress | None = None,
    purge_as_you_go: bool = False,
) -> Outcome:
    """Carry out a plan as a new run. Raises UserError before anything is changed, and OSError."""
    states = preflight.folder_states(project, wanted)
    preflight.refuse_merge(project.root)
    preflight.refuse_unwritable(project, wanted)
    or_else = ", or pack with --purge-as-you-go" if wanted.recipe in PURGE_AS_THEY_GO else ""
    preflight.refuse_full_disk(preflight.space(project, wanted, purge_as_you_go), or_else)
    home = project.root / project.folders.history
    with project_lock(home):
        history.refuse_unfinished(project)
        preflight.refuse_conflicts(project, wanted)
        sweep(project)
        layouts.remember(project)
        folder = home / history.new_run_id(project, wanted.recipe, now)
        disk.make_folders(folder, project.root)
        disk.write_new(folder / history.FOLDERS, json.dumps(states).encode())
        disk.write_new(folder / history.PLAN, plan.to_json(wanted))
        past = PastRun(folder.name, folder)
        return _carry_out(project, past, wanted, on_bytes, purge_as_you_go)


@no_collection()
def resume(project: Project, past: PastRun, on_bytes: Progress | None = None) -> Outcome:
    """Finish an interrupted run. The caller holds the project's lock."""
    preflight.refuse_merge(project.root)
    return _carry_out(project, past, past.plan, on_bytes)


def sweep(project: Project) -> None:
    """Remove run folders in which nothing had begun: they hold only files made for the run."""
    folder = project.root / project.folders.history
    for run in folder.iterdir() if folder.is_dir() else ():
        if history.is_run(run) and run.is_dir() and not _has_begun(run):
            for name in (history.FOLDERS, history.PLAN):
                discard(run / name)
                discard(disk.partial_of(run / name))
            with contextlib.suppress(OSError):
                run.rmdir()


def _has_begun(run: Path) -> bool:
    return (run / history.PLAN).exists() or (run / history.JOURNAL).exists()


def discard_partials(root: Path, planned: Plan) -> None:
    """Remove what an interrupted run was writing: files that never got their names."""
    paths = (os.path.join(root, path) for path in preflight.made(planned))  # noqa: PTH118
    new_files.discard_partial(paths)


def _carry_out(
    project: Project,
    past: PastRun,
    wanted: Plan,
    on_bytes: Progress | None,
    purge_as_you_go: bool = False,
) -> Outcome:
    journal = Journal(past.folder / history.JOURNAL)
    try:
        return _Run(project, past, wanted, journal, on_bytes, purge_as_you_go).carry_out()
    finally:
        journal.close()


class _Run:
    def __init__(
        self,
        project: Project,
        past: PastRun,
        wanted: Plan,
        journal: Journal,
        on_bytes: Progress | None,
        purge_as_you_go: bool,
    ) -> None:
        self.root, self.past, self.journal, self.plan = project.root, past, journal, wanted
        self.steps = Steps(project, past.folder, journal)
        self.leaving = Leaving(self.steps)
        self.packing = Packing(self.steps, wanted, self.leaving, on_bytes)
        self.outcome = Outcome(past.id, wanted, self.leaving.left)
        self.fingerprint = lru_cache(1)(content.fingerprint)  # three papers tell of one model
        how = {"purge": "as you go"} if purge_as_you_go else None
        self.phase = journal.last("phase", "apply") or Record("phase", "apply", "intent", kept=how)
        self.purges = "purge" in (self.phase.kept or {})

    def carry_out(self) -> Outcome:
        if self.phase.seq:  # it was interrupted
            discard_partials(self.root, self.plan)
        else:
            self.journal.write([self.phase])
        by_verb = defaultdict(list)
        for action in self.plan.actions:
            by_verb[action.verb].append(action)
        for action in by_verb["skip"]:
            self.leaving.leave([action], action.reason)
        self._quarantine(self._records("quarantine", by_verb["drop"], self._dropped))
        self._quarantine(self._records("quarantine", by_verb["delete"], self._deleted))
        self._quarantine(self._records("quarantine", by_verb["offload"], self._offloaded))
        self._move(by_verb["move"])
        edits = {action.src: action.facts["edits"] for action in by_verb["rewrite"]}
        for record in self._records("quarantine", by_verb["rewrite"], self._rewritten):
            rewrite(self.steps, record, edits[record.id])
        self._copy(by_verb["copy"], by_verb["pack"])
        for target, members in _grouped(by_verb["pack"], lambda action: action.dst).items():
            self._free(self.packing.pack(target, members))
        for target, members in _grouped(by_verb["restore"], lambda action: action.src).items():
            self._restore(target, members)
        for action in by_verb["folder"]:
            self.steps.folder_for(f"{action.dst}/inside")
        for action in by_verb["write"]:
            self._document(action)
        self._remove_folders()
        made = self.journal.latest("create", "move")
        note_run(self.steps.project, made, self.plan.created)
        self.steps.end(self.phase)
        waiting = purge.still_waiting(self.journal.latest("quarantine", "purge"))
        self.outcome.waiting = sum(record.size or 0 for record in waiting)
        carried_out = tuple(map(self._carried_out, self.plan.actions))
        self.outcome.plan = replace(self.plan, actions=carried_out)
        return self.outcome

    def _carried_out(self, action: Action) -> Action:
        """Return the action, as a skip if it was not done."""
        if why := self.leaving.why(action):
            return action._replace(verb="skip", reason=why)
        if action.verb == "write" and self.journal.state("create", str(action.dst)) != "done":
            return action._replace(verb="skip", reason="its model was left alone")
        return action

    # --- into quarantine, and moves ---------------------------------------------------------------

    def _records(
        self, op: Op, actions: Sequence[Action], record: Callable[[Action], Record]
    ) -> list[Record]:
        """Return the records of the renames that can be done; leaves the others alone, aloud.

        The files are synced: what was written to them a moment ago may be in memory alone.
        """
        records = []
        for action in actions:
            src = str(action.src)
            if self.leaving.any_left([action]):
                continue
            if known := self.journal.last(op, src):
                records.append(known)
            elif self.leaving.ready([action]):
                try:
                    records.append(record(action))
                except (disk.Changed, disk.Unreadable) as problem:
                    self.leaving.leave([action], str(problem))
        fresh = (r for r in records if r.sha256 and not self.journal.last(op, r.id))
        disk.sync_files([self.root / str(record.src) for record in fresh])
        return records

    def _dropped(self, action: Action) -> Record:
        record = self._waiting(action, {"copy": str(action.dst)})
        if record.sha256 is None or disk.sha256_of(self.root / str(action.dst)) != record.sha256:
            raise disk.Changed(f"{action.src}: differs from {action.dst}")
        return record

    def _rewritten(self, action: Action) -> Record:
        return self._waiting(action, {"rewritten": str(action.dst)})

    def _offloaded(self, action: Action) -> Record:
        """Return the record of an archive that stores have. Whether they do, the purge asks."""
        line = str(action.facts["checksum"])
        sha256 = line.lstrip("\\")[:64]  # by which it was pushed; the purge reads it again
        if checksum_line(sha256, Path(str(action.src)).name) != os.fsencode(line):
            raise disk.Changed(f"{action.src}: has no checksum that can be read")
        return self._waiting(action, {"remote": str(action.dst)}, sha256)

    def _deleted(self, action: Action) -> Record:
        return self._waiting(action, {"delete": action.reason})

    def _waiting(
        self, action: Action, kept: Mapping[str, str], sha256: str | None = None
    ) -> Record:
        where = self.steps.quarantine_path(str(action.src))
        return self._rename("quarantine", str(action.src), where, kept, sha256)

    def _moved(self, action: Action) -> Record:
        return self._rename("move", str(action.src), str(action.dst), {})

    def _rename(
        self, op: Op, src: str, dst: str, kept: Mapping[str, str], sha256: str | None = None
    ) -> Record:
        """Return the record of a rename; reads a file of unknown hash. Raises Unreadable."""
        path = self.root / src
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            kept = {**kept, "target": os.readlink(path)}  # noqa: PTH115 - exact
        else:
            sha256 = sha256 or disk.sha256_of(path)
        size, mode = status.st_size, stat.S_IMODE(status.st_mode)
        return Record(op, src, "intent", src, dst, sha256, size, mode, status.st_mtime_ns, kept)

    def _quarantine(self, records: Sequence[Record]) -> None:
        self.steps.quarantine(records)
        self._free(records)

    def _free(self, records: Sequence[Record]) -> None:
        """Delete what is in quarantine, if the run is to purge as it goes."""
        if records and self.purges:
            gone = taken(self.journal.latest("move", "quarantine"))
            purge.free(self.steps, [gone], records)

    def _move(self, actions: Sequence[Action]) -> None:
        records = self._records("move", actions, self._moved)
        self.steps.move("move", [record for record in records if record.state != "undone"])
        for record in records:
            if self.journal.state("move", record.id) == "undone":
                self._move_across(record)

    def _move_across(self, move: Record) -> None:
        """Copy to another file system, verified, then quarantine the original on its own."""
        src, dst = str(move.src), str(move.dst)
        same = [action for action in self.plan.actions if action.src == src]
        try:
            self.steps.copy(src, dst, move)
        except (disk.Changed, disk.Unreadable) as problem:
            self.leaving.leave(same, str(problem))
            return
        where = self.steps.quarantine_path(src)
        known = self.journal.standing("quarantine", src)
        record = known or self._rename("quarantine", src, where, {"copy": dst})
        if record.sha256 != move.sha256:
            self.leaving.leave(same, f"{src}: was written to after it was copied")
            self.steps.take_back(dst)
            return
        self._quarantine([record])

    # --- what is made ---------------------------------------------------------------------------

    def _copy(self, actions: Sequence[Action], packed: Sequence[Action]) -> None:
        """Make all copies or none; then nothing is packed either: it would have no successor."""
        together = [*actions, *packed] if actions else []
        begun = any(self.journal.standing("create", str(a.dst)) for a in actions)
        if self.leaving.any_left(together) or not (begun or self.leaving.ready(together)):
            return
        try:
            for action in actions:
                src, dst = str(action.src), str(action.dst)
                if self.journal.state("create", dst) != "done":
                    self.steps.copy(src, dst, self._rename("move", src, dst, {}))
        except (disk.Changed, disk.Unreadable) as problem:
            self.leaving.leave(together, f"nothing was done: {problem}")
            self.steps.take_back(*(str(action.dst) for action in actions))

    def _restore(self, target: str, actions: Sequence[Action]) -> None:
        members = [action for action in actions if not self.leaving.any_left([action])]
        if members:
            manifest = self.root / manifest_of(target)
            left = unpack(self.steps, manifest, members, self.packing.on_bytes)
            for action in members:
                if why := left.get(str(action.dst)):
                    self.leaving.leave([action], why)

    def _document(self, action: Action) -> None:
        target = str(action.dst)
        if self.journal.state("create", target) == "done":
            return
        if not self.journal.standing("create", target) and os.path.lexists(self.root / target):
            self.leaving.leave([action], "exists already: not written")
            return
        facts = dict(action.facts)
        if production := facts.get("production"):
            path = self.root / production
            if not path.exists():
                return  # left alone, so there is nothing to write about
            facts |= dict(zip(("sha256", "size"), self.fingerprint(path), strict=True))
        hashes = {r.id: r.sha256 for r in self.journal.latest("quarantine")}
        context = {"run": self.past.id, "left": self.outcome.left, "hashes": hashes}
        self.steps.create(
            target, documents.render(action.document or "report", facts, self.plan, context)
        )

    def _remove_folders(self) -> None:
        before = self.past.folders
        if before is None:
            self.leaving.left[history.FOLDERS] = "cannot be read, so empty folders stay"
            return
        held = {path: why for path in self.plan.emptied if (why := self.leaving.hold(path))}
        going = [path for path in self.plan.emptied if path in before and path not in held]
        self.steps.remove_folders({path: (before[path][0], before[path][1]) for path in going})
        empty = {path: why for path, why in held.items() if is_empty(self.root / path)}
        self.leaving.left |= empty


def _grouped(
    actions: Sequence[Action], key: Callable[[Action], str | None]
) -> dict[str, list[Action]]:
    groups = defaultdict(list)
    for action in actions:
        groups[str(key(action))].append(action)
    return dict(groups)
