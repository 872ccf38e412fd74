"""Which finished experiments are packed and which stay: a pure function of facts, policy, clock."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fnmatch import fnmatchcase

from engine.selection import Task, by_task


@dataclass(frozen=True)
class Experiment:
    """What the rules need to know of one experiment folder."""

    name: str
    model_type: str | None = None
    started: date | None = None
    metric: str | None = None
    direction: str | None = None
    value: float | None = None  # of its best checkpoint
    task: Task = ()  # what tells it from others of the same metric
    busy: str | None = None  # why it must not be touched: in use, unfinished
    in_production: str | None = None  # the production model that came from it


@dataclass(frozen=True)
class Policy:
    """The rules, from conventions.toml and the command line; `None` is no rule."""

    older_than: timedelta | None
    keep_best: int
    keep_last: int
    keep: tuple[str, ...]
    names: tuple[str, ...] = ()  # asked for by name: age and ranks do not matter


@dataclass(frozen=True)
class Decision:
    """What becomes of an experiment, and the rule that decided."""

    experiment: Experiment
    pack: bool
    rule: str


def decide(experiments: Iterable[Experiment], policy: Policy, today: date) -> tuple[Decision, ...]:
    """Return a decision for each experiment, in the order of their names.

    The first rule that applies decides: busy, in production, kept by name, asked for by name,
    best of its comparable group, last of its model type, age. An experiment of unknown age is kept.
    """
    found = sorted(experiments, key=lambda experiment: experiment.name)
    best, last = _best(found, policy.keep_best), _last(found, policy.keep_last)
    return tuple(_decide(experiment, policy, today, best, last) for experiment in found)


def _decide(
    experiment: Experiment,
    policy: Policy,
    today: date,
    best: dict[str, str],
    last: dict[str, str],
) -> Decision:
    name = experiment.name
    if experiment.busy:
        return Decision(experiment, False, experiment.busy)
    if experiment.in_production and name not in policy.names:
        return Decision(experiment, False, f"source of {experiment.in_production}")
    if glob := next((glob for glob in policy.keep if fnmatchcase(name, glob)), None):
        return Decision(experiment, False, f"kept by name: {glob}")
    if policy.names:
        return Decision(
            experiment,
            name in policy.names,
            "asked for by name" if name in policy.names else "not asked for",
        )
    if reason := best.get(name) or last.get(name):
        return Decision(experiment, False, reason)
    return _by_age(experiment, policy, today)


def _by_age(experiment: Experiment, policy: Policy, today: date) -> Decision:
    if policy.older_than is None:
        return Decision(experiment, True, "no age asked for")
    if experiment.started is None:
        return Decision(experiment, False, "its age is unknown")
    age = today - experiment.started
    days = f"{age.days} days old, the limit is {policy.older_than.days}"
    return Decision(experiment, age >= policy.older_than, days)


def _best(experiments: Sequence[Experiment], count: int) -> dict[str, str]:
    """Return the best of each comparable group; unknown values and directions never rank."""
    ranked = defaultdict(list)
    for experiment in experiments:
        if math.isfinite(_value(experiment)) and experiment.direction is not None:
            ranked[experiment.metric, experiment.direction].append(experiment)
    reasons: dict[str, str] = {}
    for (metric, direction), found in ranked.items():
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
        if experiment.started is not None:
            dated[experiment.model_type].append(experiment)
    reasons: dict[str, str] = {}
    for members in dated.values():
        members.sort(key=lambda e: (e.started or date.min, e.name), reverse=True)
        reasons |= {e.name: f"one of the last {count}" for e in members[:count]}
    return reasons
