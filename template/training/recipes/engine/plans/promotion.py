"""Plan a promotion: a checkpoint and its papers into production, its predecessor into the archive.

Nothing of the experiment moves: production gets copies.
"""

import re
import shlex
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from engine import names
from engine.archives import catalog
from engine.changes import disk
from engine.errors import UserError
from engine.plans.destinations import Destinations
from engine.plans.new_papers import written
from engine.plans.plan import Action, Plan, emptied, writing
from engine.plans.production_papers import logged_epochs, papers
from engine.project import Project
from engine.recognition import experiments, in_use, metrics
from engine.recognition.attribution import Checkpoint, Evidence, attribute
from engine.recognition.evidence import Reading
from engine.recognition.production import in_production
from engine.recognition.runs import Run
from engine.recognition.scan import Inventory, scan_layout, tracked
from engine.recognition.selection import Group, groups
from engine.reports.curves import ways
from engine.reports.descriptions import describe, epochs, for_papers

TITLE = re.compile(r"\A(?:---\r?\n.*?^---\r?\n)?\s*# [^\n]*\n", re.DOTALL | re.MULTILINE)


class Wish(NamedTuple):
    """What the user asked for, and the time."""

    experiment: str
    now: datetime
    checkpoint: str | None = None
    value: float | None = None
    even_if_worse: bool = False


def promote(project: Project, wish: Wish, inventory: Inventory | None = None) -> Plan:
    """Return the plan of a promotion; it has no actions if the same bytes are in production.

    The caller's `inventory` will do for a look; a plan to carry out needs a fresh one, with what
    git tracks, and takes it itself.
    Raises UserError if nothing can be promoted, or should not be: its metric is worse.
    """
    if inventory is None:
        inventory = replace(scan_layout(project), tracked=tracked(project.root))
    home = _home(project, inventory, wish.experiment)
    run, readings = experiments.folder_run(project, inventory, home)
    found = attribute([run], readings, project.conventions)
    chosen, reason = _choose(project, home, found, wish)
    pick = _completed(project, run, chosen, wish)
    kind = inventory.entries[pick.path].kind if pick.path in inventory.entries else "set of files"
    if kind not in ("file", "folder"):
        raise UserError(f"{pick.path}: is a {kind}; name a file or a folder: --checkpoint PATH")
    there = in_production(project, inventory)
    if same := _same(project, inventory, pick.path, there):
        note = f"{pick.path} is in production already: {same} (--again: its summary anew)"
        return Plan("promote", _moment(wish), (), notes=(note,))
    _refuse_in_use(project, inventory, pick)
    group, why = _compared(project, pick, there, wish)
    return _Planner(project, inventory, readings, pick, wish).plan(
        [*(c for c in found if c.path != pick.path), pick], group, f"{reason}{why}"
    )


def _moment(wish: Wish) -> str:
    return wish.now.isoformat(sep=" ", timespec="seconds")


# --- which experiment, which checkpoint -----------------------------------------------------------


def _home(project: Project, inventory: Inventory, argument: str) -> str:
    """Return the folder of the experiment that was named, or whose path was given."""
    active = project.folders.active
    homes = [
        entry.path
        for entry in inventory.below(active)
        if entry.kind == "folder" and entry.path.rpartition("/")[0] == active
    ]
    typed = PurePosixPath(argument)
    meant = (f"{active}/{typed}", str(typed), *catalog.paths_meant(project, argument))
    if found := [path for path in meant if path in homes]:
        return found[0]
    raise experiments.no_experiment(project, inventory, argument, homes)


def _choose(
    project: Project, home: str, found: tuple[Checkpoint, ...], wish: Wish
) -> tuple[Checkpoint, str]:
    if wish.checkpoint is not None:
        return _named(project, home, found, wish.checkpoint), "named with --checkpoint"
    models = [c for c in found if c.role == "model"]
    if not models:
        raise UserError(
            f"{home}: holds no checkpoint that can be read; name one: --checkpoint FILE"
        )
    by = project.conventions.production.group_by
    winners = [(g.metric, g.winner, g.reason) for g in groups(models, (), by) if g.winner]
    wanted = {metrics.plausible(project.conventions.metric.of(c.model_type).name) for c in models}
    best = [winner for winner in winners if winner[0] in wanted] or winners
    if not best and wish.value is not None and len(models) == 1:
        return models[0], "the only checkpoint of its experiment"
    if not best:
        raise UserError(
            f"{home}: no evidence tells how good its {len(models)} checkpoints are; "
            "name one and its value: --checkpoint FILE --metric VALUE"
        )
    if len(best) > 1:
        listed = ", ".join(f"{metric} of {winner.path}" for metric, winner, _ in best)
        raise UserError(f"{home}: cannot be compared: {listed}; name one: --checkpoint FILE")
    _, winner, reason = best[0]
    return winner, reason


def _named(project: Project, home: str, found: tuple[Checkpoint, ...], file: str) -> Checkpoint:
    inner = project.conventions.names.experiment_checkpoints
    plain = PurePosixPath(file)
    meant = {*catalog.paths_meant(project, file), f"{home}/{plain}", f"{home}/{inner}/{plain}"}
    fitting = [c for c in found if c.path in meant]
    if not fitting:
        listed = ", ".join(c.path.removeprefix(f"{home}/") for c in found) or "none"
        raise UserError(f"--checkpoint {file}: is no checkpoint of {home}; it holds: {listed}")
    if fitting[0].role == "training_state":
        raise UserError(f"--checkpoint {file}: is training state and no model; name the model")
    return fitting[0]


def _completed(project: Project, run: Run, chosen: Checkpoint, wish: Wish) -> Checkpoint:
    """Return the checkpoint with what the folder's name and the user say of it."""
    conventions = project.conventions
    fields = names.parse(
        conventions.names.experiment,
        PurePosixPath(run.folder).name,
        model_types=conventions.project.model_types,
    )
    day = (fields or {}).get("date", "")
    pick = replace(
        chosen,
        model_type=chosen.model_type or (fields or {}).get("model_type"),
        date=chosen.date or (datetime.fromisoformat(day) if day.isdigit() else None),
        log=chosen.log or _own_log(conventions.names.experiment_log, run),
    )
    if wish.value is not None:
        return _with_value(project, pick, wish.value)
    if pick.value is None:
        raise UserError(f"{pick.path}: no evidence tells how good it is; say so: --metric VALUE")
    return pick


def _own_log(name: str, run: Run) -> str | None:
    path = f"{run.folder}/{name}"
    return path if path in run.files else None


def _with_value(project: Project, pick: Checkpoint, value: float) -> Checkpoint:
    rule = project.conventions.metric.of(pick.model_type)
    metric = metrics.plausible(rule.name) or rule.name
    if not metrics.comparable(metric, value):
        raise UserError(
            f"--metric {value:g}: can be no {metric}; write it as a fraction, like 0.91"
        )
    said = Evidence("metric", f"{metric} {value:.6g}", pick.path, "said by the user (--metric)")
    others = (e._replace(used=e.used and e.fact != "metric") for e in pick.evidence)
    return replace(
        pick, metric=metric, direction=rule.direction, value=value, evidence=(said, *others)
    )


# --- may it be promoted ---------------------------------------------------------------------------


def _same(
    project: Project, inventory: Inventory, path: str, there: Iterable[Checkpoint]
) -> str | None:
    """Return the production model with the bytes of a checkpoint."""
    files = _files(inventory, path)
    for model in there:
        theirs = _files(inventory, model.path)
        if files.keys() == theirs.keys() and all(
            _equal(project, inventory, files[inner], theirs[inner]) for inner in files
        ):
            return model.path
    return None


def _equal(project: Project, inventory: Inventory, path: str, other: str) -> bool:
    if inventory.entries[path].size != inventory.entries[other].size:
        return False
    return disk.same_bytes(project.root / path, project.root / other)


def _files(inventory: Inventory, path: str) -> dict[str, str]:
    """Return the files of a checkpoint by how their paths go on after its own: a file's by ""."""
    if inventory.entries[path].kind != "folder":
        return {"": path}
    inside = (entry for entry in inventory.below(path) if entry.kind != "folder")
    return {entry.path.removeprefix(path): entry.path for entry in inside}


def _refuse_in_use(project: Project, inventory: Inventory, pick: Checkpoint) -> None:
    files = [*_files(inventory, pick.path).values(), *filter(None, [pick.log])]
    for path, why in in_use.in_use(project.root, files, time.time(), 0).items():
        raise UserError(f"{path}: {why}; promote it when it is written")


def _compared(
    project: Project, pick: Checkpoint, there: tuple[Checkpoint, ...], wish: Wish
) -> tuple[Group, str]:
    """Return the pick's comparable group and, if another is better, that this was asked for."""
    pinned, by = project.conventions.production.pick, project.conventions.production.group_by
    group = next(g for g in groups([pick, *there], pinned, by) if pick in g.members)
    best = group.members[0]
    if best is pick or (best.value == pick.value and best.path not in pinned):
        return group, ""
    if best.path in pinned:
        why = f"{best.path} is [production].pick in conventions.toml"
    elif group.winner is None:
        why = group.reason
    else:
        why = f"{group.metric} {pick.value:.6g} is worse than {best.value:.6g} of {best.path}"
    if not wish.even_if_worse:
        raise UserError(f"{pick.path}: {why}; --even-if-worse promotes it all the same")
    return group, f"; promoted with --even-if-worse, though {why}"


# --- what is done ---------------------------------------------------------------------------------


class _Planner:
    def __init__(
        self,
        project: Project,
        inventory: Inventory,
        readings: Mapping[str, Reading],
        pick: Checkpoint,
        wish: Wish,
    ) -> None:
        self.project, self.inventory, self.readings = project, inventory, readings
        self.pick, self.wish = pick, wish
        self.to = Destinations(project, inventory.entries)
        self.target = self.to.production(pick)
        self.heading = pick.run.folder if pick.run else ""
        self.actions: list[Action] = []
        self.documents: list[Action] = []
        self.archives: dict[str, dict[str, Any]] = {}
        self.notes: list[str] = []

    def plan(self, found: list[Checkpoint], group: Group, reason: str) -> Plan:
        """Return the plan. `found` is what the experiment holds, `group` who is compared."""
        self._copy(self.pick.path, self.target, reason)
        log = None
        if self.pick.log:
            log = self.to.canonical_log(self.pick)
            self._copy(self.pick.log, log, f"canonical log of {PurePosixPath(self.target).name}")
        else:
            self.notes.append(f"no training log was found for {self.pick.path}")
        if self.pick.problem:
            self.notes.append(f"{self.pick.path}: {self.pick.problem}")
        old = [member for member in group.members if member is not self.pick]
        superseded = [entry for model in old if (entry := self._supersede(model))]
        described = [self._described(c) for c in found]
        facts = for_papers(
            self.pick,
            "production",
            self.target,
            log,
            reason,
            compared=[*described, *(describe(model, "production") for model in old)],
            epochs=epochs(self.pick, self.readings),
            supersedes=superseded,
        )
        self.documents += written(self.to, self.pick, facts)
        going = {str(action.src): action for action in self.actions if action.verb == "pack"}
        keep = vars(self.project.folders).values()
        return Plan(
            "promote",
            _moment(self.wish),
            (*self.actions, *self.documents),
            self.archives,
            emptied(self.inventory, going, keep),
            checkpoints=tuple(described),
            notes=tuple(self.notes),
        )

    def _supersede(self, model: Checkpoint) -> dict[str, Any] | None:
        """Pack a model with its metadata and summary; the summary is written anew and says so."""
        if PurePosixPath(model.path).is_absolute():
            self.notes.append(f"{model.path} stays: what lies outside the project is not packed")
            return None
        archive, of = self.to.superseded(model), papers(self.project, self.inventory, model)
        self.archives[archive] = {
            "name": PurePosixPath(archive).name.removesuffix(catalog.SUFFIX),
            "model_type": model.model_type,
            "metric": model.metric,
            "value": model.value,
            "date": model.date.date().isoformat() if model.date else None,
            "superseded_by": self.target,
            "checkpoints": [describe(model, "production")],
            "curves": ways(model.metric, logged_epochs(self.project, model, of.log)),
        }
        heading = str(PurePosixPath(model.path).parent)
        weights = _files(self.inventory, model.path).values()
        is_outside = of.summary is not None and PurePosixPath(of.summary).is_absolute()
        if is_outside:
            self.notes.append(f"{of.summary} stays as it is: it lies outside the project")
        for path in filter(None, (*weights, of.metadata, None if is_outside else of.summary)):
            known = path in self.inventory.tracked
            self._add("pack", path, archive, f"superseded by {self.target}", heading, known)
        if of.summary and not is_outside:
            text = self._saying_so((self.project.root / of.summary).read_bytes(), model, archive)
            reason = f"summary of {model.path}: now says by what it was superseded"
            self.documents.append(writing("text", of.summary, reason, {"text": text}))
        return {"path": model.path, "value": model.value, "archive": archive}

    def _saying_so(self, summary: bytes, model: Checkpoint, archive: str) -> str:
        """Return a summary with the news below its title, or at its end if it has none."""
        text = summary.decode("utf-8", "replace")
        title = TITLE.match(text)
        place = title.end() if title else len(text)
        name = PurePosixPath(archive).name.removesuffix(catalog.SUFFIX)
        back = shlex.join(["just", "restore", name, f"{PurePosixPath(model.path).parent}/*"])
        news = (
            f"\n> Superseded by `{self.target}` ({self.pick.metric} {self.pick.value:.6g}) on "
            f"{self.wish.now.date()}. `{back}` brings this model back.\n"
        )
        return f"{text[:place]}{news}{text[place:]}"

    def _copy(self, path: str, target: str, reason: str) -> None:
        for inner, file in _files(self.inventory, path).items():
            self._add("copy", file, f"{target}{inner}", reason, self.heading)

    def _add(
        self, verb: Any, path: str, dst: str, reason: str, heading: str, known: bool = False
    ) -> None:
        entry = self.inventory.entries[path]
        self.actions.append(
            Action(verb, path, dst, entry.size, reason, heading, entry.mtime_ns, known)
        )

    def _described(self, checkpoint: Checkpoint) -> dict[str, Any]:
        role = "candidate" if checkpoint.role == "model" else "training_state"
        return describe(checkpoint, "production" if checkpoint is self.pick else role)
