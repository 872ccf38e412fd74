"""Which finished experiments are packed and which stay: a pure function of facts, policy, clock."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from fnmatch import fnmatchcase
from typing import NamedTuple

from engine.recognition.selection import Task, by_task


class Experiment(NamedTuple):
    """What the rules need to know of one experiment folder; None is unknown."""

    name: str
    model_type: str | None = None
    started: date | None = None
    metric: str | None = None
    direction: str | None = None
    value: float | None = None  # the best that it reached
    task: Task = ()  # what tells it from others of the same metric
    busy: str | None = None  # why it must not be touched: in use, unfinished
    in_production: str | None = None  # the production model that came from it
    ended: date | None = None
    tags: tuple[str, ...] | None = ()
    size: int = 0  # bytes

    @property
    def day(self) -> date | None:
        """Return the last day that is known of it, from which its age counts."""
        return max(filter(None, (self.started, self.ended)), default=None)


class Policy(NamedTuple):
    """The rules, from conventions.toml and the command line; `None` and 0 are no rule."""

    older_than: timedelta | None
    keep_best: int
    keep_last: int
    keep: tuple[str, ...]
    names: tuple[str, ...] = ()  # asked for by name: age and ranks do not matter
    even_production: bool = False  # the source of a production model may go like any other
    min_free: int = 0  # bytes that are to be free

    @property
    def is_empty(self) -> bool:
        """Return whether no rule lets anything go."""
        return self.older_than is None and not self.names and not self.min_free

    def logs_before(self, today: date) -> date | None:
        """Return the day before which raw logs are old, if they are packed at all."""
        return None if self.older_than is None or self.names else today - self.older_than


class Decision(NamedTuple):
    """What becomes of an experiment, and the rule that decided."""

    experiment: Experiment
    pack: bool
    rule: str
    too_young: bool = False  # nothing but its age keeps it


def decide(
    experiments: Iterable[Experiment], policy: Policy, today: date, free: int = 0
) -> tuple[Decision, ...]:
    """Return a decision for each experiment, in the order of their names.

    The first rule that applies decides: busy, in production, kept by name or tag, asked for by
    name, best of its model type and task, last of its model type, age. What is unknown is kept.
    Where fewer bytes than the policy's minimum would be `free` after that, the age rule is waived
    for the oldest until what they take up makes good for it.
    """
    found = sorted(experiments, key=lambda experiment: experiment.name)
    ranks = _last(found, policy.keep_last) | _best(found, policy.keep_best)
    decisions = tuple(_decide(experiment, policy, today, ranks) for experiment in found)
    return _make_room(decisions, policy, free) if policy.min_free else decisions


def _decide(experiment: Experiment, policy: Policy, today: date, ranks: dict[str, str]) -> Decision:
    asked = experiment.name in policy.names
    if experiment.busy:
        return Decision(experiment, False, experiment.busy)
    if experiment.in_production and not (asked or policy.even_production):
        return Decision(experiment, False, f"source of {experiment.in_production}")
    if reason := _kept(experiment, policy.keep):
        return Decision(experiment, False, reason)
    if policy.names:
        return Decision(experiment, asked, "asked for by name" if asked else "not asked for")
    if reason := ranks.get(experiment.name):
        return Decision(experiment, False, reason)
    return _by_age(experiment, policy.older_than, today)


def _kept(experiment: Experiment, globs: Sequence[str]) -> str | None:
    for glob in globs:
        if fnmatchcase(experiment.name, glob):
            return f"kept by name: {glob}"
        if any(fnmatchcase(tag, glob) for tag in experiment.tags or ()):
            return f"kept by tag: {glob}"
    return "its tags cannot be read" if globs and experiment.tags is None else None


def _by_age(experiment: Experiment, older_than: timedelta | None, today: date) -> Decision:
    if experiment.day is None:
        return Decision(experiment, False, "its age is unknown")
    if older_than is None:
        return Decision(experiment, False, "no age was set", True)
    age = today - experiment.day
    rule = f"{age.days} days old, the limit is {older_than.days}"
    return Decision(experiment, age >= older_than, rule, age < older_than)


def _make_room(decisions: tuple[Decision, ...], policy: Policy, free: int) -> tuple[Decision, ...]:
    free += sum(decision.experiment.size for decision in decisions if decision.pack)
    young = [decision for decision in decisions if decision.too_young and not policy.names]
    waived: dict[str, str] = {}
    for decision in sorted(young, key=lambda d: (d.experiment.day or date.max, d.experiment.name)):
        if free < policy.min_free:
            name, limit = decision.experiment.name, f"the minimum is {policy.min_free / 1e9:.1f} GB"
            waived[name] = f"{free / 1e9:.1f} GB would be free, {limit}: the oldest go first"
            free += decision.experiment.size
    return tuple(
        d._replace(pack=True, rule=waived[d.experiment.name]) if d.experiment.name in waived else d
        for d in decisions
    )


def _best(experiments: Sequence[Experiment], count: int) -> dict[str, str]:
    """Return the best of each model type and task; unknown values and directions never rank."""
    ranked = defaultdict(list)
    for experiment in experiments:
        if math.isfinite(_value(experiment)) and experiment.direction is not None:
            kind = experiment.model_type, experiment.metric, experiment.direction
            ranked[kind].append(experiment)
    reasons: dict[str, str] = {}
    for (_, metric, direction), found in ranked.items():
        sign = -1 if direction == "max" else 1
        for members in by_task(found, lambda experiment: experiment.task).values():
            members.sort(key=lambda e: (sign * _value(e), e.name))
            reasons |= {e.name: f"one of the best {count} by {metric}" for e in members[:count]}
    return reasons


def _value(experiment: Experiment) -> float:
    return math.nan if experiment.value is None else experiment.value


def _last(experiments: Sequence[Experiment], count: int) -> dict[str, str]:
    dated = defaultdict(list)
    for experiment in experiments:
        if experiment.day is not None:
            dated[experiment.model_type].append(experiment)
    reasons: dict[str, str] = {}
    for members in dated.values():
        members.sort(key=lambda e: (e.day or date.min, e.name), reverse=True)
        reasons |= {e.name: f"one of the last {count}" for e in members[:count]}
    return reasons
