"""The epoch of which a checkpoint is that is called the best, where no line says so."""

import math
from collections.abc import Iterator, Sequence

from engine.recognition import metrics
from engine.recognition.agreement import TEST, UNSPLIT, VALIDATION, split_rank
from engine.recognition.aim import Aim
from engine.recognition.evidence import Measurement

SELDOM_KEPT_BY = ("precision", "recall", "specificity", "npv", "accuracy_top5")  # is a best

_When = tuple[int | None, int | None]  # epoch, step
_Rows = dict[str, list[Measurement]]  # by the metric's name


def row_of(m: Measurement) -> _When:
    """Return in which row of its table a measurement stands."""
    return m.epoch, m.step


def best_rows(measurements: list[Measurement], aim: Aim, *, is_best: bool) -> Iterator[Measurement]:
    """Yield the epoch that was best by the run's monitor; if none is known, by all that may be one.

    Where these disagree, nothing says which epoch it was. A checkpoint that nothing calls the best
    may be the last as well: then it is of an epoch that was both.
    """
    rows: _Rows = {}
    for m in measurements:
        if m.kind == "epoch" and math.isfinite(m.value):
            rows.setdefault(m.name, []).append(m)
    best = {}
    for name, row in rows.items():
        direction = aim.direction_of(metrics.plausible(name) or "")
        if direction and aim.is_judge(row[0]):
            value = (max if direction == "max" else min)(m.value for m in row)
            best[name] = [m for m in row if m.value == value]
    firsts = [found[0] for found in best.values()]
    monitors = aim.monitors or (aim.judge,)
    kept = [m for m in firsts if aim.kept_by or metrics.plausible(m.name) in monitors]
    kept = [m for m in kept if aim.kept_by or metrics.split(m.name) != "train"]
    at = [row_of(m) for m in sorted(kept, key=split_rank)]
    if not at:
        judges = _judges(best, rows, aim if is_best else None)
        at, last = _at_once(judges), [row_of(m) for m in measurements[-1:]]
        if is_best and at and len({row_of(found[0]) for found in judges}) > 1:
            yield from (found[0]._replace(epoch=None, step=None) for found in judges)
            return  # each has its value, whichever kept it
        at = at if is_best else [moment for moment in at if moment in last]
    yield from (m for row in rows.values() for m in row if row_of(m) in at[:1])


def _judges(best: _Rows, rows: _Rows, aim: Aim | None) -> list[list[Measurement]]:
    """Return the best rows of each metric by which a best may have been kept: the user's, or all.

    What names no split is of training beside the like of validation, or of a test of each epoch.
    """
    ranks = {name: split_rank(found[0]) for name, found in best.items()}
    split = {metrics.plausible(name) for name, rank in ranks.items() if rank in (VALIDATION, TEST)}
    unsplit = [
        n for n, rank in ranks.items() if rank == UNSPLIT and metrics.plausible(n) not in split
    ]
    names = [n for n in ranks if ranks[n] == VALIDATION or n in unsplit]
    names = names or [n for n in ranks if ranks[n] == TEST]
    wanted = [n for n in names if aim and metrics.plausible(n) == aim.metric]
    varying = [n for n in names if len(best[n]) < len(rows[n])] or names
    decisive = [n for n in varying if metrics.plausible(n) not in SELDOM_KEPT_BY]
    return [best[name] for name in wanted or decisive or varying]


def _at_once(judges: Sequence[list[Measurement]]) -> list[_When]:
    """Return the moments, in their order, in which all of these were."""
    moments = [[row_of(m) for m in found] for found in judges]
    return [moment for moment in moments[0] if all(moment in m for m in moments)] if moments else []
