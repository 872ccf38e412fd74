"""Which checkpoint of each comparable group is the best, and by which rule."""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple, TypeVar

from engine.recognition import identity
from engine.recognition.attribution import TASK_FACTS, Checkpoint

Task = tuple[tuple[str, str], ...]
Item = TypeVar("Item")


class Group(NamedTuple):
    """Checkpoints that may be compared: one metric and direction, nothing tells tasks apart."""

    metric: str | None
    direction: str | None
    task: Task
    members: tuple[Checkpoint, ...]  # best first
    winner: Checkpoint | None
    reason: str


def groups(
    checkpoints: Iterable[Checkpoint], picks: Iterable[str] = (), by: Collection[str] = TASK_FACTS
) -> tuple[Group, ...]:
    """Return the comparable groups of the given candidates, each with its winner.

    Besides metric and direction, the facts in `by` tell groups apart.

    A path in `picks` wins its group whatever the numbers say, of several the first; one of unknown
    metric belongs to the only group there is. Equal values, as are those that one line tells,
    rounded or not: what is in production already wins, then the checkpoint with more evidence, then
    one named best, then the shorter path, then the path that sorts first. Where no direction is
    known nothing wins.
    """
    picked = {path: number for number, path in enumerate(dict.fromkeys(picks))}
    by_metric = defaultdict(list)
    for checkpoint in checkpoints:
        if (checkpoint.value is not None and math.isfinite(checkpoint.value)) or (
            checkpoint.path in picked
        ):
            by_metric[checkpoint.metric, checkpoint.direction].append(checkpoint)
    if len(by_metric) == 2 and (unknown := by_metric.pop((None, None), None)):
        by_metric[next(iter(by_metric))] += unknown
    return tuple(
        _group(metric, direction, task, members, picked)
        for (metric, direction), found in sorted(by_metric.items(), key=lambda item: str(item[0]))
        for task, members in sorted(by_task(found, lambda c: task_of(c, by)).items())
    )


def task_of(checkpoint: Checkpoint, by: Collection[str] = TASK_FACTS) -> Task:
    """Return what the evidence says that a checkpoint was trained for: the facts in `by`."""
    facts = {"model_type": checkpoint.model_type, **checkpoint.facts}
    return tuple((fact, value) for fact in by if (value := facts.get(fact)))


def by_task(items: Iterable[Item], task: Callable[[Item], Task]) -> dict[Task, list[Item]]:
    """Split by task. Those of unknown task join the others if there is one known task only."""
    split = defaultdict(list)
    for item in items:
        split[task(item)].append(item)
    known = [task for task in split if task]
    if len(known) == 1 and () in split:
        split[known[0]] += split.pop(())
    return dict(split)


def _tie(c: Checkpoint) -> tuple[object, ...]:
    """Sort first which of those with one value wins."""
    return (
        c.run is not None,  # what is in production has none
        -sum(evidence.used for evidence in c.evidence),
        identity.selector(identity.stem(c.path)) != "best",
        len(c.path),
        c.path,
    )


def _is_one(one: Checkpoint, other: Checkpoint) -> bool:
    """Return whether the same line tells both values: one is only rounded, then."""
    told, of_other = (
        {(e.path, e.where) for e in c.evidence if e.used and e.fact == "metric"}
        for c in (one, other)
    )
    return one.of_test == other.of_test and not told.isdisjoint(of_other)


def _group(
    metric: str | None,
    direction: str | None,
    task: Task,
    members: list[Checkpoint],
    picks: Mapping[str, int],
) -> Group:
    sign = -1 if direction == "max" else 1
    ordered = tuple(
        sorted(
            members,
            key=lambda c: (
                picks.get(c.path, len(picks)),
                c.of_test,  # test figures pick no model where there are validation figures
                math.inf if c.value is None else sign * c.value,
                _tie(c),
            ),
        )
    )
    first = ordered[0]
    alike = [c for c in ordered if first.path not in picks and _is_one(c, first)]
    best = min((first, *alike), key=_tie)
    ordered = (best, *(c for c in ordered if c is not best))
    if best.path in picks:
        return Group(metric, direction, task, ordered, best, "picked by you")
    if direction is None:
        reason = f"is {metric} better when larger or smaller? say so in conventions.toml"
        return Group(metric, direction, task, ordered, None, reason)
    ties = sum((c.of_test, c.value) == (best.of_test, best.value) for c in ordered)
    rule = "in production, most evidence, named best, then shortest path"
    tie = f", {ties} with this value: {rule}" if ties > 1 else ""
    rank = "highest" if direction == "max" else "lowest"
    of = "".join(f", {fact} {value}" for fact, value in task)
    compared = sum(c.of_test == best.of_test for c in ordered)
    number = f"{compared} comparable checkpoint{'s' if compared > 1 else ''}"
    reason = f"{rank} {metric} of {number}{of}{tie}"
    return Group(metric, direction, task, ordered, best, reason)
