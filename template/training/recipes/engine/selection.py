"""Which checkpoint of each comparable group is the best, and by which rule."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from engine.attribution import TASK_FACTS, Checkpoint

Task = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Group:
    """Checkpoints that may be compared: same metric and direction, nothing that tells tasks apart."""

    metric: str | None
    direction: str | None
    task: Task
    members: tuple[Checkpoint, ...]  # best first
    winner: Checkpoint | None
    reason: str


def groups(checkpoints: Iterable[Checkpoint], picks: Iterable[str] = ()) -> tuple[Group, ...]:
    """Return the comparable groups of the given candidates, each with its winner.

    A path in `picks` wins its group whatever the numbers say. Equal values: the checkpoint with
    more evidence wins, then the shorter path, then the path that sorts first. Where no direction
    is known nothing wins.
    """
    by_metric = defaultdict(list)
    for checkpoint in checkpoints:
        if checkpoint.value is not None or checkpoint.path in picks:
            by_metric[checkpoint.metric, checkpoint.direction].append(checkpoint)
    picked = frozenset(picks)
    return tuple(
        _group(metric, direction, task, members, picked)
        for (metric, direction), found in sorted(by_metric.items(), key=str)
        for task, members in sorted(_by_task(found).items())
    )


def task_of(checkpoint: Checkpoint) -> Task:
    """Return what the evidence says that a checkpoint was trained for."""
    facts = checkpoint.facts
    return tuple((fact, facts[fact]) for fact in TASK_FACTS if fact in facts)


def _by_task(checkpoints: list[Checkpoint]) -> dict[Task, list[Checkpoint]]:
    """Split by task. Those of unknown task join the others if there is one known task only."""
    split = defaultdict(list)
    for checkpoint in checkpoints:
        split[task_of(checkpoint)].append(checkpoint)
    known = [task for task in split if task]
    if len(known) == 1 and () in split:
        split[known[0]] += split.pop(())
    return dict(split)


def _group(
    metric: str | None,
    direction: str | None,
    task: Task,
    members: list[Checkpoint],
    picks: frozenset[str],
) -> Group:
    sign = -1 if direction == "max" else 1
    ordered = tuple(
        sorted(
            members,
            key=lambda c: (
                c.path not in picks,
                float("inf") if c.value is None else sign * c.value,
                -sum(evidence.used for evidence in c.evidence),
                len(c.path),
                c.path,
            ),
        )
    )
    best = ordered[0]
    if best.path in picks:
        return Group(metric, direction, task, ordered, best, "picked by you")
    if direction is None:
        reason = f"is {metric} better when larger or smaller? say so in conventions.toml"
        return Group(metric, direction, task, ordered, None, reason)
    ties = sum(c.value == best.value for c in ordered)
    tie = f", {ties} with this value: most evidence, then shortest path" if ties > 1 else ""
    rank = "highest" if direction == "max" else "lowest"
    reason = f"{rank} {metric} of {len(ordered)} comparable checkpoints{tie}"
    return Group(metric, direction, task, ordered, best, reason)
