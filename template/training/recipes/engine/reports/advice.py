"""What to do next, by what there is: one command, and why."""

import shlex
from collections import Counter
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

from engine import layouts, names
from engine.changes.lock import Held, refuse_held
from engine.errors import UserError
from engine.project import Project
from engine.recognition.attribution import Checkpoint
from engine.recognition.runs import Run
from engine.recognition.scan import Inventory
from engine.recognition.selection import groups
from engine.reports.curves import Curve
from engine.reports.overview import Experiment, Overview
from log_paths import metric_text


def next_step(project: Project, seen: Overview, now: datetime) -> tuple[str, str]:
    """Return the next sensible command, and why."""
    if seen.interrupted:
        return _on_its_way(project, seen.interrupted)
    if damaged := [archive for archive in seen.archives if archive.problem]:
        return shlex.join(["just", "verify", damaged[0].name]), f"damaged: {damaged[0].problem}"
    if spoilt := [model for model in seen.models if model.problem]:
        name = spoilt[0].checkpoint.path.rpartition("/")[2]
        return shlex.join(["just", "verify", name]), f"damaged: {name}: {spoilt[0].problem}"
    if better := _better(project, seen, now):
        return shlex.join(["just", "promote", better[0].name]), better[1]
    if bare := [m for m in seen.models if not (m.papers.metadata and m.papers.summary)]:
        return "just check", f"{bare[0].checkpoint.path} has no metadata or no summary"
    days = project.conventions.archive.after_days
    if days and (old := _old(project, seen, now - timedelta(days=days))):
        return "just archive", f"finished experiments older than {days} days can go: {old} or more"
    days, since = project.conventions.archive.purge_after_days, seen.waiting_since
    before = (now - timedelta(days=days)).astimezone(UTC)  # of which runs are called
    if days and since and since < f"{before:%Y%m%dT%H%M%S}":
        return "just purge", f"originals wait in quarantine since {since}"
    if any(a.verified is None and a.remote is None for a in seen.archives):
        return "just verify", "an archive was never read, or was changed since"
    return _nothing_urgent(project, seen, now)


def _nothing_urgent(project: Project, seen: Overview, now: datetime) -> tuple[str, str]:
    if layouts.is_new(project) or _is_misnamed(project, seen, now):
        return "just check", "the conventions have changed; it lists what no longer follows them"
    absent = _without_weights(project, seen)
    if not (seen.experiments or seen.models or seen.archives or absent):
        return "just cleanup", "the layout is empty; outputs elsewhere can be brought into it"
    silent = next((m.checkpoint.path for m in seen.models if not m.papers.log), None)
    lacking = f"{silent} has no training log" if silent else ""
    if absent:  # as in a clone, where git has the papers alone
        lacking = f"the weights that {absent} tells of are not here"
    said = f"{lacking}, all else in the layout is in order"
    if not lacking:
        said = "the layout is in order; just check also reads the code"
    return "just train MODEL_TYPE -- COMMAND", said


def _without_weights(project: Project, seen: Overview) -> str | None:
    """Return the metadata of a model that is not there, if there is any."""
    templates, home = project.conventions.names, project.folders.production
    models = [model.checkpoint.path for model in seen.models]
    for path in (entry.path for entry in seen.inventory.below(home)):
        name, stem = path.removeprefix(f"{home}/"), path.removesuffix(".json")
        fields = names.parse(templates.production, name) or names.parse(templates.model, name) or {}
        is_there = any(model == stem or model.startswith(f"{stem}.") for model in models)
        if fields.get("ext") == "json" and not is_there:
            return path
    return None


def _is_misnamed(project: Project, seen: Overview, now: datetime) -> bool:
    """Return whether a model or a paper of it is called by other conventions, such as decimals.

    Experiments and archives may be thousands, and what they are called is part of the layout.
    """
    if not seen.models:
        return False
    from engine.plans.cleanup_plan import Mess  # who has no model can spare it
    from engine.plans.realign import realign

    named = (project.folders.production, project.folders.results)
    entries = {entry.path: entry for folder in named for entry in seen.inventory.below(folder)}
    few = Inventory(entries, frozenset(), {})
    return bool(realign(project, Mess(few, {}, (), (), (), ()), now).actions)


def _on_its_way(project: Project, run: str) -> tuple[str, str]:
    try:
        refuse_held(project.root / project.folders.history)
    except Held as other:
        return "just status", f"{run} is at work: {other}"
    return "just resume", f"{run} was interrupted; just undo takes it back"


def _better(project: Project, seen: Overview, now: datetime) -> tuple[Experiment, str] | None:
    """Return the finished experiment that beats what is in production, and what says so."""
    known = {e.path: e for e in seen.experiments if _is_open(seen, e) and e.checkpoints}
    candidates = [_candidate(experiment) for experiment in known.values() if experiment.curve]
    models = [model.checkpoint for model in seen.models]
    decimals = project.conventions.metric.decimals
    for group in groups([*candidates, *models], (), project.conventions.production.group_by):
        best = group.winner
        rival = next((member for member in group.members if member in models), None)
        if best is None or best.path not in known:
            continue
        said, other = (
            "" if of is None or of.value is None else metric_text(of.value, decimals)
            for of in (best, rival)
        )
        if said != other and _can_be_promoted(project, seen, known[best.path], now):
            than = f", {rival.path} {other}" if rival else ", nothing like it is in production"
            return known[best.path], f"its {group.metric} is {said}{than}"
    return None


def _can_be_promoted(
    project: Project, seen: Overview, experiment: Experiment, now: datetime
) -> bool:
    """Return whether promote finds what its log tells of: a checkpoint, and evidence for it."""
    from engine.plans.promotion import Wish, promote  # most overviews need none of it

    try:
        return bool(promote(project, Wish(experiment.name, now), seen.inventory).changes)
    except (UserError, OSError):
        return False


def _candidate(experiment: Experiment) -> Checkpoint:
    curve = experiment.curve or Curve()
    return Checkpoint(
        experiment.path,
        "model",
        Run(experiment.path, (), True, ()),
        metric=curve.metric,
        direction=curve.direction,
        value=curve.value,
        facts=dict(curve.task),
    )


def _is_open(seen: Overview, experiment: Experiment) -> bool:
    """Return whether it is finished, and no model in production came from it."""
    sources = (str(model.source) for model in seen.models)
    home = f"{experiment.path}/"
    return experiment.state == "finished" and not any(s.startswith(home) for s in sources)


def _old(project: Project, seen: Overview, before: datetime) -> int:
    """Return how many experiments are older and more than the rules may keep for their ranks."""
    rules = project.conventions.archive
    old = Counter(
        experiment.model_type
        for experiment in seen.experiments
        if experiment.started and experiment.started < before and _is_open(seen, experiment)
        if not any(fnmatchcase(experiment.name, glob) for glob in rules.keep)
    )
    return sum(max(0, number - rules.keep_best - rules.keep_last) for number in old.values())
