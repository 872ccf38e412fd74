"""Decide where each file of a mess goes. Pure: reads neither disk nor clock."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import chain, count
from pathlib import PurePosixPath
from typing import Any

from engine import identity, names
from engine.attribution import Checkpoint
from engine.evidence import Reading
from engine.plan import Action, Plan, emptied
from engine.project import Project
from engine.readers.file_name import read_name
from engine.runs import Run
from engine.scan import Inventory, matches
from engine.selection import Group, groups
from log_paths import numbered

UNKNOWN = "unknown"  # the model type in names of runs that no evidence tells it of


@dataclass(frozen=True)
class Options:
    """What the user said on the command line, and the time."""

    now: datetime
    picks: tuple[str, ...] = ()
    cutoff: date | None = None
    keep_active_days: int | None = None
    delete_redundant: bool = False


@dataclass(frozen=True)
class Mess:
    """All that was found and read."""

    inventory: Inventory
    readings: Mapping[str, Reading]
    runs: tuple[Run, ...]
    loose_logs: tuple[str, ...]
    checkpoints: tuple[Checkpoint, ...]  # of the mess
    production: tuple[Checkpoint, ...]  # already in the production folder
    duplicates: tuple[tuple[str, ...], ...]
    in_use: Mapping[str, str] = field(default_factory=dict)


def cleanup(project: Project, mess: Mess, options: Options) -> Plan:
    """Return the plan that brings the mess into the layout."""
    return _Planner(project, mess, options).plan()


class _Planner:
    """Collects actions; every path is given one action at most, the first that claims it."""

    def __init__(self, project: Project, mess: Mess, options: Options) -> None:
        self.project, self.mess, self.options = project, mess, options
        self.names, self.folders = project.conventions.names, project.folders
        self.actions: dict[str, Action] = {}
        self.documents: list[Action] = []
        self.archives: dict[str, dict[str, Any]] = {}
        self.notes: list[str] = []
        self.taken = {path.casefold() for path in mess.inventory.entries}
        self.by_path = {c.path: c for c in mess.checkpoints}
        self.busy = {run: why for run in mess.runs if (why := self._busy(run))}
        self.copies = self._copies()
        self.pretrained = frozenset(p for p in self.by_path if self._is_pretrained(p))
        self.groups = self._groups()
        self.winners = {g.winner.path: g for g in self.groups if g.winner}

    def plan(self) -> Plan:
        for run, why in self.busy.items():
            for path in run.files:
                self._add("skip", path, None, f"left out, in use: {why}", run)
        for path, why in self.mess.in_use.items():
            if path in self.mess.readings:
                self._add("skip", path, None, f"left out, in use: {why}")
        for copy, kept in self.copies.items():
            self._add("drop", copy, kept, f"same bytes as {kept}")
        for group in self.groups:
            self._promote(group)
        for path in sorted(self.pretrained):
            target = self._free(f"{self.folders.pretrained}/{PurePosixPath(path).name}")
            self._add("move", path, target, "published weights that training started from")
        cutoff = self._cutoff()
        self._old_logs(cutoff)
        for run in sorted(self.mess.runs, key=_order(self.by_path)):
            self._run(run)
        self._problems()
        actions = tuple(sorted(self.actions.values(), key=lambda a: (a.run, a.src or "")))
        if any(action.verb != "skip" for action in actions):
            self._report()
        return Plan(
            recipe="cleanup",
            created=self.options.now.isoformat(sep=" ", timespec="seconds"),
            actions=(*actions, *self.documents),
            archives=self.archives,
            emptied=emptied(self.mess.inventory, self.actions, self._layout()),
            checkpoints=tuple(self._described(c) for c in self.mess.checkpoints),
            notes=tuple(self.notes),
        )

    def _layout(self) -> tuple[str, ...]:
        return tuple(vars(self.folders).values())

    # --- facts -----------------------------------------------------------------------------------

    def _busy(self, run: Run) -> str | None:
        used = [path for path in run.files if path in self.mess.in_use]
        return f"{used[0]} ({self.mess.in_use[used[0]]})" if used else None

    def _copies(self) -> dict[str, str]:
        """Return each copy that can go, with the equal file that stays."""
        busy = {path for run in self.busy for path in run.files} | set(self.mess.in_use)
        copies: dict[str, str] = {}
        for group in self.mess.duplicates:
            kept = min(group, key=self._keeping)
            copies |= {path: kept for path in group if path != kept and not busy & {path, kept}}
        return {copy: kept for copy, kept in copies.items() if copy in self.by_path}

    def _keeping(self, path: str) -> tuple[bool, bool, int, bool, int, str]:
        """Sort first which of equal files is kept: in the layout, told of, of plain name."""
        known = self.by_path.get(path)
        plain = "copy" not in identity.tokens(PurePosixPath(path).name)
        told = -len(known.evidence) if known else 0
        return (
            known is not None,
            not plain,
            told,
            path not in self.mess.inventory.tracked,
            len(path),
            path,
        )

    def _is_pretrained(self, path: str) -> bool:
        if matches(path, self.project.conventions.pretrained.patterns):
            return True
        folders = PurePosixPath(path).parent.parts
        return "pretrained" in folders and self.by_path[path].role == "model"

    def _groups(self) -> tuple[Group, ...]:
        candidates = [
            c
            for c in self.mess.checkpoints
            if c.role == "model" and c.path not in self.copies and c.path not in self.pretrained
        ]
        picks = (*self.project.conventions.production.pick, *self.options.picks)
        return groups([*candidates, *self.mess.production], picks)

    def _cutoff(self) -> date:
        """Return the day before which scattered logs are old: that of the newest pick."""
        dates = [g.winner.date for g in self.groups if g.winner and g.winner.date]
        newest = max(dates).date() if dates else self.options.now.date()
        return self.options.cutoff or newest

    # --- decisions -------------------------------------------------------------------------------

    def _promote(self, group: Group) -> None:
        pick = group.winner
        if pick is None:
            self.notes.append(f"no winner among {len(group.members)} checkpoints: {group.reason}")
            return
        if pick.path not in self.by_path or pick.path in self.actions:
            return  # it is in production already, or in use
        fields = self._fields(pick)
        target = self._free(
            f"{self.folders.production}/{names.build(self.names.production, **fields)}",
            f"{self.folders.production}/{names.build(self.names.model, **fields)}",
        )
        self._add("move", pick.path, target, group.reason)
        log = self._canonical_log(pick, fields)
        facts = self._described(pick) | {
            "production": target,
            "log": log,
            "reason": group.reason,
            "name": identity.stem(target),
            "compared": [self._described(c) for c in group.members],
            "config": dict(pick.config),
            "facts": dict(pick.facts),
            "epochs": self._epochs(pick),
        }
        self._write("metadata", f"{target.removesuffix('.' + fields['ext'])}.json", facts)
        summary = f"{self.folders.results}/{names.build(self.names.summary, **fields)}"
        self._write("summary", self._free(summary), facts)

    def _canonical_log(self, pick: Checkpoint, fields: Mapping[str, Any]) -> str | None:
        if pick.log is None:
            self.notes.append(f"no training log was found for {pick.path}")
            return None
        if pick.log in self.actions:
            return self.actions[pick.log].dst
        name = names.build(self.names.canonical_log, **fields)
        target = self._free(f"{self.folders.logs}/{name}")
        self._add("move", pick.log, target, f"canonical log of {PurePosixPath(pick.path).name}")
        return target

    def _old_logs(self, cutoff: date) -> None:
        """Scattered logs of before the cut-off, and those which no run can be found for."""
        owned = {path for run in self.mess.runs for path in run.records}
        inside = {path for run in self.mess.runs if run.whole for path in self._inside(run)}
        archive = self._free(
            f"{self.folders.archived}/{names.build(self.names.old_logs, date=cutoff)}.tar.gz"
        )
        for path, reading in sorted(self.mess.readings.items()):
            if reading.role != "log" or path in inside or path in self.actions:
                continue
            dated = _log_date(reading, path)
            if dated and dated.date() >= cutoff:
                if path not in owned:
                    self._loose_log(path, reading, dated)
                continue
            when = f"of {dated.date()}, before {cutoff}" if dated else "of unknown date"
            self._pack(
                path, archive, f"training log {when}", {"name": "old logs", "before": str(cutoff)}
            )

    def _loose_log(self, path: str, reading: Reading, dated: datetime) -> None:
        said = [names.slugify(note.value) for note in reading.notes if note.fact == "model_type"]
        model_type = next(filter(None, said), names.slugify(identity.stem(path)) or UNKNOWN)
        name = names.build(
            self.names.training_log, model_type=model_type, date=dated.date(), time=dated.time()
        )
        target = self._free(f"{self.folders.logs}/{name}")
        self._add("move", path, target, "training log from the cut-off on, of no known checkpoint")

    def _run(self, run: Run) -> None:
        left = [path for path in self._own_files(run) if path not in self.actions]
        if not left:
            return
        leader = self._leader(run)
        fields = self._experiment_fields(run, leader)
        if self._young(leader):
            folder = self._free(
                f"{self.folders.active}/{names.build(self.names.experiment, **fields)}"
            )
            for path in left:
                self._add(
                    "move",
                    path,
                    f"{folder}/{self._inner(run, path)}",
                    "a young run stays active",
                    run,
                )
            return
        name = names.build(self.names.experiment, **fields)
        archive = self._free(
            f"{self.folders.archived}/{name}.tar.gz", *self._longer_names(fields, leader)
        )
        redundant = self._redundant()
        about = self._about(run, name)
        for path in left:
            if path in redundant:
                self._add("delete", path, None, redundant[path], run)
            else:
                self._pack(path, archive, self._why_packed(path), about, run)
        if archive in self.archives:
            self.archives[archive]["elsewhere"] = self._elsewhere(run, archive)

    def _redundant(self) -> dict[str, str]:
        if not self.options.delete_redundant:
            return {}
        return {
            c.path: f"{c.metric} {c.value:.4f} is worse than {g.winner.value:.4f}; deletion asked for"
            for g in self.groups
            if g.winner and g.winner.value is not None
            for c in g.members
            if c.value is not None and c.value != g.winner.value and c.path in self.by_path
        }

    def _why_packed(self, path: str) -> str:
        known = self.by_path.get(path)
        if known is None:
            return "part of the run"
        if known.problem:
            return f"kept as it is: {known.problem}"
        if known.role == "training_state":
            return "training state, travels with its run"
        if known.value is None:
            return "metric unknown"
        return f"{known.metric} {known.value:.4f}, not the best"

    def _young(self, leader: Checkpoint | None) -> bool:
        days = self.options.keep_active_days
        if days is None or leader is None or leader.date is None:
            return False
        return self.options.now - leader.date < timedelta(days=days)

    def _problems(self) -> None:
        for checkpoint in self.mess.checkpoints:
            if checkpoint.problem and "pointer" in checkpoint.problem:
                self.actions.pop(checkpoint.path, None)
            if checkpoint.problem:
                self.notes.append(f"{checkpoint.path}: {checkpoint.problem}")
        moved = [a.src for a in self.actions.values() if a.tracked]
        if moved:
            self.notes.append(
                f"{len(moved)} files that git tracks move to where it ignores them: colleagues lose "
                f"them with the commit (marked t); `git add -A` records it"
            )

    def _report(self) -> None:
        day = self.options.now.date()
        target = self._free(
            f"{self.folders.results}/{names.build(self.names.cleanup_report, date=day)}"
        )
        self._write("report", target, {"day": str(day)})

    # --- names -----------------------------------------------------------------------------------

    def _fields(self, c: Checkpoint) -> dict[str, Any]:
        name = PurePosixPath(c.path).name
        return {
            "model_type": c.model_type or UNKNOWN,
            "metric": c.value,
            "date": c.date.date() if c.date else None,
            "ext": name.removeprefix(identity.stem(c.path)).lstrip(".") or "bin",
            "decimals": self.project.conventions.metric.decimals,
        }

    def _leader(self, run: Run) -> Checkpoint | None:
        known = [self.by_path[p] for p in run.checkpoints if p in self.by_path]
        return max(
            known, key=lambda c: (c.model_type is not None, c.date or datetime.min), default=None
        )

    def _experiment_fields(self, run: Run, leader: Checkpoint | None) -> dict[str, Any]:
        model_type = leader.model_type if leader else None
        words = names.slugify(
            "_".join(identity.without_values(identity.run_key(run.name) or run.key))
        )
        rest = words.removeprefix(model_type or "").strip("_") if model_type else words
        day = leader.date.date() if leader and leader.date else None
        return {"date": day, "model_type": model_type or UNKNOWN, "experiment_name": rest}

    def _longer_names(self, fields: dict[str, Any], leader: Checkpoint | None) -> Iterator[str]:
        if leader and leader.date and leader.dated_to_second:
            name = f"{fields['experiment_name']}_{leader.date:%H%M%S}".strip("_")
            longer = names.build(self.names.experiment, **{**fields, "experiment_name": name})
            yield f"{self.folders.archived}/{longer}.tar.gz"

    def _free(self, wanted: str, *others: str) -> str:
        """Return the first path that nothing has: `wanted`, the others, or `wanted` numbered."""
        folder, _, name = wanted.rpartition("/")
        numbers = (f"{folder}/{numbered(name, number)}" for number in count(2))
        free = next(path for path in chain((wanted, *others), numbers) if not self._is_taken(path))
        self.taken.add(free.casefold())
        return free

    def _is_taken(self, path: str) -> bool:
        """An archive also needs its manifest's and its checksum's name. Case may not tell apart."""
        return path.casefold() in self.taken

    # --- actions ---------------------------------------------------------------------------------

    def _add(
        self, verb: Any, path: str, dst: str | None, reason: str, run: Run | None = None
    ) -> None:
        if path in self.actions:
            return
        entry = self.mess.inventory.entries[path]
        tracked = path in self.mess.inventory.tracked and verb != "skip"
        owner = run or next((r for r in self.mess.runs if path in r.files), None)
        heading = _heading(owner, path)
        self.actions[path] = Action(
            verb, path, dst, entry.size, reason, heading, entry.mtime_ns, tracked
        )

    def _pack(
        self, path: str, archive: str, reason: str, about: Mapping[str, Any], run: Run | None = None
    ) -> None:
        if path not in self.actions:
            self.archives.setdefault(archive, dict(about))
            self._add("pack", path, archive, reason, run)

    def _write(self, document: Any, dst: str, facts: Mapping[str, Any]) -> None:
        self.documents.append(
            Action(
                "write",
                None,
                dst,
                0,
                f"{document} of this clean-up"
                if document == "report"
                else f"{document} of {facts['production']}",
                "documents",
                document=document,
                facts=facts,
            )
        )

    # --- contents --------------------------------------------------------------------------------

    def _own_files(self, run: Run) -> list[str]:
        """Return what moves with a run: configs that lie elsewhere are evidence only."""
        inside = set(self._inside(run)) if run.whole else set()
        return [
            path
            for path in run.files
            if path in inside
            or path in run.checkpoints
            or self.mess.readings[path].role in ("log", "results")
        ]

    def _inside(self, run: Run) -> Iterator[str]:
        return (path for path in run.files if path.startswith(run.folder + "/"))

    def _inner(self, run: Run, path: str) -> str:
        inside = run.whole and path.startswith(run.folder + "/")
        return path.removeprefix(run.folder + "/") if inside else PurePosixPath(path).name

    def _about(self, run: Run, name: str) -> dict[str, Any]:
        known = [self.by_path[path] for path in run.checkpoints if path in self.by_path]
        return {
            "name": name,
            "folder": run.folder,
            "checkpoints": [self._described(c) for c in known],
        }

    def _elsewhere(self, run: Run, archive: str) -> list[dict[str, str]]:
        """Return the files of the run that went somewhere else, so that restore brings them too."""
        moved = [self.actions[path] for path in run.files if path in self.actions]
        return [{"path": a.src or "", "now": a.dst} for a in moved if a.dst and a.dst != archive]

    def _epochs(self, pick: Checkpoint) -> list[dict[str, Any]]:
        """Return the rows of the training curve: {"epoch": 1, "Val AUC": 0.5, ...}."""
        told = pick.log or next(
            iter(
                r
                for r in (pick.run.records if pick.run else ())
                if self.mess.readings[r].role == "results"
            ),
            None,
        )
        if told is None:
            return []
        found = [m for m in self.mess.readings[told].measurements if m.kind == "epoch"]
        last = max((m.session for m in found), default=0)
        rows: dict[int, dict[str, Any]] = {}
        for m in found:
            if m.session == last and m.epoch is not None:
                rows.setdefault(m.epoch, {"epoch": m.epoch})[m.name] = m.value
        return [rows[epoch] for epoch in sorted(rows)]

    def _role(self, c: Checkpoint) -> str:
        if c.path in self.copies:
            return "duplicate"
        if c.path in self.pretrained:
            return "pretrained"
        if c.role == "training_state":
            return "training_state"
        if c.role != "model":
            return "ignored"
        return "production" if c.path in self.winners else "candidate"

    def _described(self, c: Checkpoint) -> dict[str, Any]:
        return {
            "path": c.path,
            "role": self._role(c),
            "model_type": c.model_type,
            "metric": c.metric,
            "direction": c.direction,
            "value": c.value,
            "epoch": c.epoch,
            "date": c.date.date().isoformat() if c.date else None,
            "related": [p for p in (c.run.records if c.run else ())],
            "format": c.format,
            "problem": c.problem,
            "evidence": [
                {"fact": e.fact, "value": e.value, "path": e.path, "where": e.where, "used": e.used}
                for e in c.evidence
            ],
        }


def _order(by_path: Mapping[str, Checkpoint]) -> Any:
    def key(run: Run) -> tuple[datetime, str, identity.Tokens]:
        dates = [c.date for p in run.checkpoints if (c := by_path.get(p)) and c.date]
        return (min(dates, default=datetime.min), run.folder, run.key)

    return key


def _heading(run: Run | None, path: str) -> str:
    if run is None:
        return "scattered files"
    return run.folder if run.whole else f"{run.folder}/{'_'.join(run.key)}".removeprefix("./")


def _log_date(reading: Reading, path: str) -> datetime | None:
    """Return when a log was written to last, as it says itself, or else as its name does."""
    notes = (*reversed(reading.notes), *read_name(path).notes)
    for fact in ("finished", "started"):
        for note in notes:
            if note.fact == fact:
                return datetime.fromisoformat(note.value).replace(tzinfo=None)
    return None
