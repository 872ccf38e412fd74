"""Decide where each file of a mess goes. Pure: reads neither disk nor clock."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from engine import names
from engine.errors import UserError
from engine.plans.destinations import UNKNOWN, Destinations
from engine.plans.new_papers import written
from engine.plans.plan import Action, Plan, Verb, emptied, writing
from engine.project import Project
from engine.readers import NEURAL
from engine.readers.file_name import read_name
from engine.recognition import identity, metrics, origins
from engine.recognition.attribution import Checkpoint
from engine.recognition.evidence import Reading
from engine.recognition.left_in_place import is_shipped
from engine.recognition.runs import (
    Run,
    is_pointer,
    output_folders,
    points_to,
    under,
    waiting_folders,
)
from engine.recognition.scan import Inventory
from engine.recognition.selection import Group, groups
from engine.reports.curves import ways
from engine.reports.descriptions import describe, epochs, for_papers
from log_paths import metric_text

MANY = 3  # files of one problem that are still told of one by one, as checkpoints always are
UNSEEN = ("another repository", "another project")  # are not looked into, and may hold outputs


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
    checkpoints: tuple[Checkpoint, ...]  # of the mess
    production: tuple[Checkpoint, ...]  # already in the production folder
    duplicates: tuple[tuple[str, ...], ...]
    in_use: Mapping[str, str] = field(default_factory=dict)  # path -> why
    folders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # that are one checkpoint
    left: tuple[Checkpoint, ...] = ()  # known, and left in place: their problem says why
    links: Mapping[str, str] = field(default_factory=dict)  # to what else is listed -> that path

    def files_of(self, checkpoint: str) -> tuple[str, ...]:
        """Return the files of a checkpoint: its own path, or what its folder holds."""
        return self.folders.get(checkpoint, (checkpoint,))


def cleanup(project: Project, mess: Mess, options: Options) -> Plan:
    """Return the plan that brings the mess into the layout."""
    return _Planner(project, mess, options).plan()


def refuse_beaten(picks: tuple[str, ...], plan: Plan) -> None:
    """Raise UserError if of two `--pick` that compete one would not go to production."""
    stays = {action.src for action in plan.actions if action.verb == "skip"}
    for checkpoint in plan.checkpoints:
        path = checkpoint["path"]
        if path in picks and checkpoint["role"] == "candidate" and path not in stays:
            raise UserError(
                f"--pick {path}: another --pick takes its place, as only one of each task goes to "
                "production; name one, or tell tasks apart by [production] group_by"
            )


class _Planner:
    """Collects the actions. A path has one action: the first decision that claims it stands."""

    def __init__(self, project: Project, mess: Mess, options: Options) -> None:
        self.project, self.mess, self.options = project, mess, options
        self.to = Destinations(project, mess.inventory.entries)
        self.actions: dict[str, Action] = {}
        self.documents: list[Action] = []
        self.archives: dict[str, dict[str, Any]] = {}
        self.packed_runs: dict[str, Run] = {}  # by their archives
        self.notes: list[str] = []
        self.by_path = {c.path: c for c in mess.checkpoints}
        self.outputs = output_folders(self.by_path)
        self.waiting = waiting_folders(mess.readings)
        self.left_at = output_folders(c.path for c in mess.left)
        self.told_of_left = {path for c in mess.left if c.run for path in c.run.records}
        self.run_of = {path: run for run in reversed(mess.runs) for path in run.files}
        self.folder_of = {f: folder for folder, files in mess.folders.items() for f in files}
        self.picks = (*options.picks, *project.conventions.production.pick)
        self.of_programs = {run for run in mess.runs if self._is_loaded_by_a_program(run)}
        self.origins = origins.find(mess.readings, project.conventions.pretrained.patterns)
        self.roles = {c.path: self._role(c) for c in mess.checkpoints}
        self.busy = self._busy()
        self.copies = self._copies()
        self.groups = self._groups()
        self.winners = [group.winner for group in self.groups if group.winner]
        self.redundant = self._redundant() if options.delete_redundant else {}

    def plan(self) -> Plan:
        for path, why in self.busy.items():
            if path not in self.mess.folders:
                self._add("skip", path, None, why)
        for copy, kept in self.copies.items():
            if kept in self.redundant:
                self._add_all("delete", copy, None, f"a copy of {kept}: {self.redundant[kept]}")
            else:
                self._add_all("drop", copy, kept, "the bytes are equal")
        for group in self.groups:
            self._promote(group)
        for path, role in self.roles.items():
            if role == "pretrained":
                target = self.to.pretrained(path)
                self._add_all("move", path, target, "weights that training starts from")
        self._old_logs(self._cutoff())
        self._settle_runs()
        self._remark()
        actions = sorted(self.actions.values(), key=self._shown_order)
        if any(action.verb != "skip" for action in actions):
            day = self.options.now.date()
            about = {"day": str(day)}
            reason = "report of this clean-up"
            self.documents.append(writing("report", self.to.report(day), reason, about))
        return Plan(
            "cleanup",
            self.options.now.isoformat(sep=" ", timespec="seconds"),
            (*actions, *self.documents),
            self.archives,
            emptied(self.mess.inventory, self.actions, vars(self.project.folders).values()),
            (
                *(self._described(c) for c in self.mess.checkpoints),
                *(describe(c, "ignored") for c in self.mess.left),
            ),
            tuple(self.notes),
        )

    # --- what each checkpoint is ---------------------------------------------------------------

    def _role(self, checkpoint: Checkpoint) -> str:
        path = checkpoint.path
        if checkpoint.role != "model":
            return "training_state" if checkpoint.role == "training_state" else "ignored"
        if path in self.picks:
            return "candidate"
        if checkpoint.run in self.of_programs:
            return "ignored"
        return "pretrained" if path in self.origins else "candidate"

    def _copies(self) -> dict[str, str]:
        """Return each copy that can go, with the equal file that stays."""
        copies = {}
        for equal in self.mess.duplicates:
            kept = min(equal, key=self._staying)
            for path in equal:
                is_ours = path in self.by_path and self.roles[path] != "ignored"
                if path != kept and is_ours and not {path, kept} & self.busy.keys():
                    copies[path] = kept
                    self.roles[path] = "duplicate"
        return copies

    def _staying(self, path: str) -> tuple[object, ...]:
        """Sort first which of equal files stays.

        It is the one in the layout, then what was picked, what training starts from, the one that
        is plainly named, the one whose metric is known, the wanted one before another, and the one
        that most is told of.
        """
        known, picked = self.by_path.get(path), path in self.picks
        pretrained = self.roles.get(path) == "pretrained"
        copy, told = identity.is_copy(path), len(known.evidence) if known else 0
        value, metric = (known.value, known.metric) if known else (None, None)
        wanted = self.project.conventions.metric.of(known.model_type if known else None)
        worth = value is None, metric != metrics.plausible(wanted.name), -told
        return known is not None, not picked, not pretrained, copy, *worth, len(path), path

    def _groups(self) -> tuple[Group, ...]:
        candidates = [c for c in self.mess.checkpoints if self.roles[c.path] == "candidate"]
        found = groups(
            [*candidates, *self.mess.production],
            self.picks,
            self.project.conventions.production.group_by,
        )
        for group in found:
            if group.winner and group.winner.path in self.roles:
                self.roles[group.winner.path] = "production"
        return found

    # --- what becomes of it --------------------------------------------------------------------

    def _busy(self) -> dict[str, str]:
        """Return each file that is in use, or of a run that is, and why."""
        why = {path: f"in use: {path} ({how})" for path, how in self.mess.in_use.items()}
        busy: dict[str, str] = {}
        for run in self.mess.runs:
            own = self._own_files(run)
            hindrance = next((why[path] for path in own if path in why), self._unreadable(run))
            if hindrance:
                busy |= dict.fromkeys((*own, *run.checkpoints), hindrance)
        loose = (path for path in why if path not in self.run_of and self._is_log(path))
        return busy | {path: why[path] for path in loose}

    def _unreadable(self, run: Run) -> str | None:
        """Return why a run's folder cannot be dealt with: something in it cannot be listed."""
        closed = self.mess.inventory.closed.items() if run.whole else ()
        told = (f"{path}: {why}" for path, why in closed if run.holds(path) and "cannot" in why)
        return next(told, None)

    def _promote(self, group: Group) -> None:
        pick = group.winner
        if pick is None:
            self.notes.append(f"no winner among {len(group.members)} checkpoints: {group.reason}")
        elif pick.path in self.busy:
            self.notes.append(
                f"{pick.path}: {group.reason}, but it is in use; plan again when it is not"
            )
        elif pick.path in self.by_path:
            target = self.to.production(pick)
            self._add_all("move", pick.path, target, group.reason)
            self._document(pick, group, target, self._canonical_log(pick))

    def _document(self, pick: Checkpoint, group: Group, target: str, log: str | None) -> None:
        facts = for_papers(
            pick,
            self.roles.get(pick.path, "production"),
            target,
            log,
            group.reason,
            compared=[self._described(c) for c in group.members],
            epochs=epochs(pick, self.mess.readings),
        )
        self.documents += written(self.to, pick, facts)

    def _canonical_log(self, pick: Checkpoint) -> str | None:
        if pick.log is None:
            self.notes.append(f"no training log was found for {pick.path}")
            return None
        name = PurePosixPath(pick.path).name
        if pick.log not in self.actions:
            self._add("move", pick.log, self.to.canonical_log(pick), f"canonical log of {name}")
        return self.actions[pick.log].dst

    def _cutoff(self) -> date:
        """Return the day before which scattered logs are old: that of the newest winner."""
        dates = [winner.date.date() for winner in self.winners if winner.date]
        return self.options.cutoff or max(dates, default=self.options.now.date())

    def _old_logs(self, cutoff: date) -> None:
        """Deal with logs that lie in no run's folder: old ones, and those of no known run."""
        logs = sorted(path for path in self.mess.readings if self._is_log(path))
        archive = self.to.old_logs(cutoff) if logs else ""
        about = {"name": "old logs", "before": cutoff.isoformat()}
        tracked = {_parent(p) for p, r in self.mess.readings.items() if r.format == "Sacred run"}
        for path in logs:
            run, reading = self.run_of.get(path), self.mess.readings[path]
            if self._waits(path) or (run and run.whole and run.holds(path)):
                continue
            if _parent(path) in tracked:  # Sacred shows it with what lies beside it
                continue
            if run is None and self._is_of_what_stays(path):
                continue
            written = last_written(reading, path)
            if written is None or written.date() < cutoff:
                day = f"of {written.date()}, before {cutoff}" if written else "of unknown date"
                self._pack(path, archive, f"training log {day}", about)
            elif run is None:
                self._loose_log(path, reading, written)

    def _loose_log(self, path: str, reading: Reading, written: datetime) -> None:
        said = [names.slugify(note.value) for note in reading.notes if note.fact == "model_type"]
        words = identity.variants(identity.stem(path))[-1:] or ((),)
        model_type = next(filter(None, (*said, names.slugify("_".join(words[0])))), UNKNOWN)
        target = self.to.training_log(model_type, written)
        self._add("move", path, target, "training log, not old, of no checkpoint that was found")

    def _settle_runs(self) -> None:
        for run in sorted(self.mess.runs, key=self._started):
            self._settle(run)
        for archive, run in self.packed_runs.items():  # by now every file has its place
            self.archives[archive]["elsewhere"] = list(self._elsewhere(run, archive))

    def _settle(self, run: Run) -> None:
        """Give the files of a run that nothing claimed a place: its archive, or its folder."""
        left = [path for path in self._own_files(run) if path not in self.actions]
        known = [self.by_path[path] for path in run.checkpoints]
        ranked = [(c.role == "model", c.date or datetime.min, c.path, c) for c in known]
        leader = max(ranked)[3] if ranked else None
        if left and self._is_young(leader):
            folder = self.to.active(run, leader)
            for path in left:
                target = self.to.inside(folder, run.inner(path))
                self._add("move", path, target, "young: stays a folder")
            return
        for checkpoint in self.redundant.keys() & {*run.checkpoints}:
            self._add_all("delete", checkpoint, None, self.redundant[checkpoint])
        left = [path for path in left if path not in self.actions]
        if left:
            archive = self.to.archive(run, leader)
            described = [self._described(c) for c in known]
            about = {
                "name": PurePosixPath(archive).name.removesuffix(".tar.gz"),
                "folder": run.folder,
                "curves": ways(leader.metric, epochs(leader, self.mess.readings)) if leader else {},
            }
            for path in left:
                self._pack(
                    path, archive, self._why_packed(path), {**about, "checkpoints": described}
                )
            self.packed_runs[archive] = run

    def _is_young(self, leader: Checkpoint | None) -> bool:
        days = self.options.keep_active_days
        if days is None or leader is None or leader.date is None:
            return False
        return self.options.now - leader.date < timedelta(days=days)

    def _redundant(self) -> dict[str, str]:
        """Return the checkpoints that are worse than a winner which is or goes to production."""
        return {
            c.path: f"{c.metric} {self._shown(c.value)} is worse than {self._shown(best)}; "
            "deletion was asked for"
            for group in self.groups
            if group.winner and group.winner.path not in self.busy
            if (best := group.winner.value) is not None and group.direction
            for c in group.members
            if c.value is not None and c.path in self.by_path and c.path not in self.picks
            if _data_of(c) == _data_of(group.winner)
            if (c.value < best if group.direction == "max" else c.value > best)
        }

    def _why_packed(self, path: str) -> str:
        known = self.by_path.get(path) or self.by_path.get(self.folder_of.get(path, ""))
        if known is None:
            return "part of the run"
        if known.problem:
            return f"kept as it is: {known.problem}"
        if known.role == "training_state":
            return "training state, goes with its run"
        if known.value is None:
            return "metric unknown"
        said = "is not the best" if known.direction else "cannot be compared"
        return f"{known.metric} {self._shown(known.value)} {said}"

    def _shown(self, value: float) -> str:
        return metric_text(value, self.project.conventions.metric.decimals)

    def _remark(self) -> None:
        self.notes += self._unread()
        self.notes += self._unseen()
        self.notes += self._beaten()
        self.notes += self._undecided()
        self.notes += [
            f"{entry.path}: is no file, folder or link; it stays where it is"
            for entry in self.mess.inventory.entries.values()
            if entry.kind == "special" and entry.zone is None
        ]
        self.notes += self._staying_put()
        self.notes += self._misled()
        self.notes += self._dangling()
        moved = sum(action.tracked for action in self.actions.values())
        if moved:
            self.notes.append(
                f"git tracks {moved} of these files and may ignore them where they go; then they "
                "vanish from your colleagues' checkouts. `git add -A` records the moves"
            )

    def _unread(self) -> Iterator[str]:
        """Yield a line for each file that could not be read; one for many of the same problem."""
        alike: dict[tuple[str, str], list[str]] = {}
        for path, reading in sorted(self.mess.readings.items()):
            if reading.problem:
                is_named = path in self.by_path and not is_pointer(reading)
                alike.setdefault((path if is_named else "", reading.problem), []).append(path)
        for (_, problem), paths in alike.items():
            is_away = is_pointer(self.mess.readings[paths[0]])
            more = len(paths) - 1 if is_away or len(paths) > MANY else 0
            fix = " (`git lfs pull` brings it)" if is_away else ""
            for path in paths[:1] if more else paths:
                yield f"{path}{f' and {more} more' if more else ''}: {problem}{fix}"

    def _unseen(self) -> Iterator[str]:
        """Yield a line for each reason why folders were not looked into that may hold outputs."""
        alike: dict[str, list[str]] = {}
        for path, why in sorted(self.mess.inventory.closed.items()):
            if why in UNSEEN or "cannot" in why:
                alike.setdefault(why, []).append(path)
        for why, paths in alike.items():
            more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
            yield f"{paths[0]}{more}: {why}; what it holds was not looked at, and stays"

    def _beaten(self) -> Iterator[str]:
        """Yield a line for each pick that another has the place of: one of a group wins."""
        for group in self.groups:
            for path in (c.path for c in group.members if c is not group.winner):
                if path in self.picks and path in self.by_path and group.winner:
                    yield f"{path}: was picked as well as {group.winner.path}, which comes first"

    def _undecided(self) -> Iterator[str]:
        """Yield a line for each reason why of models it is not told which epoch they are of.

        Their runs tell of epochs, and no other of the run is called the best, or is there at all.
        """
        found: dict[str, list[str]] = defaultdict(list)
        known = {c.path for c in self.mess.checkpoints if c.role == "model"}
        for run in self.mess.runs:
            models = sorted(known & {*run.checkpoints})
            bests = [p for p in models if identity.selector(identity.stem(p)) == "best"]
            only = bests if len(bests) == 1 else models
            if len(only) != 1 or not self._is_undecided(only[0]):
                continue
            if bests and identity.judged_by(identity.stem(only[0])) is None:
                reason = (
                    "best by which metric, nothing says; [metric] in conventions.toml settles it"
                )
                found[f"{reason}, or --pick PATH"].append(only[0])
            elif identity.selector(identity.stem(only[0])) is None:
                reason = "of the best epoch or of the last, nothing says"
                found[f"{reason}; --pick PATH takes one all the same"].append(only[0])
        for reason, paths in found.items():
            more = f" and {len(paths) - 1} more" if paths[1:] else ""
            yield f"{paths[0]}{more}: {reason}"

    def _is_undecided(self, path: str) -> bool:
        is_open = self.by_path[path].value is None and self.roles[path] == "candidate"
        return is_open and bool(epochs(self.by_path[path], self.mess.readings))

    def _staying_put(self) -> Iterator[str]:
        """Yield a line for each reason why checkpoints stay where they are."""
        by_reason: dict[str, list[str]] = {}
        for checkpoint in self.mess.left:
            by_reason.setdefault(checkpoint.problem or "", []).append(checkpoint.path)
        for reason, paths in by_reason.items():
            named = (path for path in paths if f" names {PurePosixPath(path).name}," in reason)
            first, others = next(named, paths[0]), len(paths) - 1
            yield (
                f"{first} and {others} more: {_of_several(reason)}"
                if others
                else (f"{first}: {reason}")
            )
        data = sorted(
            entry.path
            for entry in self.mess.inventory.entries.values()
            if entry.zone == "data sets" and entry.path.lower().endswith((*NEURAL, ".keras"))
        )
        if data:
            more = f" and {len(data) - 1} more" if data[1:] else ""
            yield f"{data[0]}{more}: left alone, as data sets; checkpoints there are not looked for"
        if not (self.mess.left or self.mess.checkpoints or self.mess.production or self.actions):
            yield "no checkpoints, logs or results of a training lie out of place"

    def _misled(self) -> Iterator[str]:
        """Yield a line for each file that names a checkpoint which will not lie beside it."""
        for path, reading in self.mess.readings.items():
            for target in points_to(path, reading):
                there, own = self.actions.get(self.mess.files_of(target)[0]), self.actions.get(path)
                if there and there.dst and own and _folder(own) != _folder(there):
                    yield f"{path}: names {PurePosixPath(target).name}, which will be {there.dst}"

    def _dangling(self) -> Iterator[str]:
        """Yield a line for each link that stays while what it leads to goes."""
        for path, target in self.mess.links.items():
            there = self.actions.get(self.mess.files_of(target)[0])
            if there and there.dst and there.verb != "skip" and path not in self.actions:
                yield f"{path}: links to {target}, and will lead nowhere; that goes to {there.dst}"

    # --- the run's files -----------------------------------------------------------------------

    def _own_files(self, run: Run) -> list[str]:
        """Return what goes with a run; what is not here stays where it is."""
        return [path for path in run.files if self._goes_with(path, run)]

    def _goes_with(self, path: str, run: Run) -> bool:
        """Configs, and results that lie by no checkpoint, are evidence and stay.

        So do the pointers of git-lfs.
        """
        reading = self.mess.readings.get(path)
        folder = self.mess.readings.get(self.folder_of.get(path, path))
        if path in self.mess.folders or any(r and is_pointer(r) for r in (reading, folder)):
            return False
        if path not in self.mess.inventory.entries:  # in a tracker's store
            return False
        if self._waits(path):
            return False
        if run in self.of_programs:
            return False
        if path in run.checkpoints or path in self.folder_of or (run.whole and run.holds(path)):
            return True
        if not run.checkpoints and self._is_of_what_stays(path):
            return False  # a table of CatBoost, whose model stays, among other checkpoints
        if reading and reading.role == "results":
            return run.is_beside(path) or under(path, self.outputs)
        return self._is_log(path) or bool(reading and points_to(path, reading))

    def _is_of_what_stays(self, path: str) -> bool:
        """Return whether a record, of none that goes, tells of a model that stays or is by it."""
        return path in self.told_of_left or under(path, self.left_at | self.waiting)

    def _waits(self, path: str) -> bool:
        return _parent(path) in self.waiting

    def _is_loaded_by_a_program(self, run: Run) -> bool:
        """Return whether nothing tells of a training of these models, which programs ship."""
        known = [self.by_path[path] for path in run.checkpoints]
        is_told = any(self.mess.readings[path].role in ("log", "results") for path in run.records)
        picked = any(path in self.picks for path in run.checkpoints)
        untold = (is_shipped(c.format) and c.value is None for c in known)
        return bool(known) and not is_told and not picked and all(untold)

    def _is_log(self, path: str) -> bool:
        reading = self.mess.readings.get(path)
        return reading is not None and reading.role == "log"

    def _elsewhere(self, run: Run, archive: str) -> Iterator[dict[str, str]]:
        """Yield each file of the run that is not packed under its name, and where its bytes are."""
        for path in run.files:
            source, action = path, self.actions.get(path)
            if action is None or action.dst is None:
                continue
            while action and action.verb == "drop":
                source = str(action.dst)
                action = self.actions.get(source)
            now = (action and action.dst) or source
            if (source, now) != (path, archive):
                copied = action and action.verb == "pack" and source != path
                yield {"path": path, "now": now} | ({"member": source} if copied else {})

    def _started(self, run: Run) -> tuple[datetime, str, identity.Tokens]:
        dates = [date for path in run.checkpoints if (date := self.by_path[path].date)]
        return min(dates, default=datetime.min), run.folder, run.key

    # --- writing it down -----------------------------------------------------------------------

    def _add(self, verb: Verb, path: str, dst: str | None, reason: str) -> None:
        if path in self.actions:
            return
        entry, run = self.mess.inventory.entries[path], self.run_of.get(path)
        tracked = path in self.mess.inventory.tracked and verb != "skip"
        heading = run.heading if run else "scattered files"
        self.actions[path] = Action(
            verb, path, dst, entry.size, reason, heading, entry.mtime_ns, tracked
        )

    def _add_all(self, verb: Verb, checkpoint: str, dst: str | None, reason: str) -> None:
        """Add the action for each file of a checkpoint; a folder's keep their inner names."""
        for path in self.mess.files_of(checkpoint):
            inner = path.removeprefix(checkpoint)
            self._add(verb, path, None if dst is None else f"{dst}{inner}", reason)

    def _pack(self, path: str, archive: str, reason: str, about: Mapping[str, Any]) -> None:
        if path not in self.actions:
            self.archives.setdefault(archive, dict(about))
            self._add("pack", path, archive, reason)

    def _described(self, checkpoint: Checkpoint) -> dict[str, Any]:
        return describe(checkpoint, self.roles.get(checkpoint.path, "production"))

    def _shown_order(self, action: Action) -> tuple[bool, str, str]:
        """Sort first what goes to production."""
        winning = {run.heading for w in self.winners if (run := self.run_of.get(w.path))}
        return action.run not in winning, action.run, action.src or ""


def _of_several(reason: str) -> str:
    """Return why one checkpoint stays, as it is said of more."""
    for one, more in _PLURALS:
        reason = reason.replace(one, more, 1)
    return reason


_PLURALS = (
    ("stays", "stay"),
    ("tracks it", "tracks them"),
    ("beside it", "beside them"),
    ("good it is", "good they are"),
)


def _data_of(checkpoint: Checkpoint) -> tuple[bool, str | None]:
    """Return on which data it was measured: of two of other data none is the worse for sure."""
    return checkpoint.of_test, checkpoint.facts.get("fold")


def _parent(path: str) -> str:
    """Return the folder that a file lies in."""
    return path.rpartition("/")[0]


def _folder(action: Action) -> str | None:
    """Return the archive or the folder that an action puts a file in."""
    return action.dst if action.verb == "pack" else str(action.dst).rpartition("/")[0]


def last_written(reading: Reading, path: str) -> datetime | None:
    """Return when a log was written to last, as it says itself, or else as its name does."""
    found: Iterator[str] = (
        note.value
        for fact in ("finished", "started")
        for note in (*reversed(reading.notes), *read_name(path).notes)
        if note.fact == fact
    )
    text = next(found, None)
    return datetime.fromisoformat(text).replace(tzinfo=None) if text else None
