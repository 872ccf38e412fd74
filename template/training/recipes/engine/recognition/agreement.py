"""How measurements are compared: on one scale, of one metric and split, within their rounding."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from engine.recognition import identity, metrics
from engine.recognition.evidence import Measurement, Reading

VALIDATION, UNSPLIT, TEST, TRAINING = range(4)  # how good a judge a figure is by its split
_OF_ROWS = ("epoch", "saved")  # kinds that one program wrote again and again, on one scale
_FLOAT32 = 7  # digits that it has
_TELLING = 4  # decimals of a figure that hardly stands in another training's table by chance


def as_compared(path: str, reading: Reading) -> Reading:
    """Return what a file says, on one scale; a final result in a file called "best" is the best."""
    rows = [m for m in reading.measurements if m.kind in _OF_ROWS]
    percent = {m.name for m in rows if metrics.is_percentage(m.name, m.value)}
    found = tuple(
        on_its_scale(m, is_percentage=m.kind in _OF_ROWS and m.name in percent)
        for m in reading.measurements
    )
    if reading.role == "results" and identity.selector(identity.stem(path)) == "best":
        found = tuple(m._replace(kind="best") if m.kind == "final" else m for m in found)
    return replace(reading, measurements=_as_written(found))


def _as_written(found: tuple[Measurement, ...]) -> tuple[Measurement, ...]:
    """Return the epochs with the decimals of their metric: 0.9 among 0.902 is no rounded 0.9049."""
    most: dict[str, int] = {}
    for m in found:
        if m.kind == "epoch" and m.digits is not None:
            most[m.name] = max(m.digits, most.get(m.name, 0))
    return tuple(
        m._replace(digits=most[m.name])
        if m.kind == "epoch" and m.digits is not None and m.digits < most[m.name]
        else m
        for m in found
    )


def on_its_scale(m: Measurement, *, is_percentage: bool = False) -> Measurement:
    """Return the measurement with its value as it is compared; what it was stays in `where`.

    `is_percentage` says that others of its column are: an error of 0.8 among such is of 0.8 %.
    """
    value, decimals = metrics.as_compared(m.name, m.value, is_percentage=is_percentage)
    if value == m.value or math.isnan(value):
        return m
    digits = None if m.digits is None else m.digits + decimals
    return m._replace(value=value, digits=digits, where=f"{m.where} ({m.value:g})")


def split_rank(measurement: Measurement) -> int:
    """Return how good a judge a figure is by its split, the best first."""
    ranks = {"val": VALIDATION, None: UNSPLIT, "test": TEST, "train": TRAINING}
    return ranks[metrics.split(measurement.name)]


def same_metric(one: Measurement, other: Measurement) -> bool:
    """Return whether both may mean the same: what names no split may be of validation."""
    if metrics.plausible(one.name) != metrics.plausible(other.name):
        return False
    splits = {split_rank(one), split_rank(other)}
    return len(splits) == 1 or max(splits) < TEST


def farthest(one: Measurement, digits: int | None) -> float:
    """Return how far a value of so many digits or more may be from one that it rounds to."""
    said = [_FLOAT32, *(d for d in (one.digits, digits) if d is not None)]
    return max(0.5 * 10.0 ** -min(said) * 1.0001, 1.1e-6 * abs(one.value) + 1e-9)


def rounds_to(one: Measurement, other: Measurement) -> bool:
    """Return whether two values are one, but for rounding: to so many digits, or to a float32."""
    digits = [d for d in (one.digits, other.digits) if d is not None]
    values = one.value, other.value
    if min(digits, default=_FLOAT32) >= _FLOAT32:
        return math.isclose(*values, rel_tol=1e-6, abs_tol=1e-9)
    return abs(values[0] - values[1]) <= 0.5 * 10.0 ** -min(digits) * 1.0001


Rows = Mapping[int, list[Measurement]]  # by their epochs


def rows_by_epoch(reading: Reading) -> Rows:
    """Return the rows of a record that are of an epoch."""
    found: defaultdict[int, list[Measurement]] = defaultdict(list)
    for m in reading.measurements:
        if m.kind == "epoch" and m.epoch is not None and _is_telling(m):
            found[m.epoch].append(m)
    return found


def has_row_of(rows: Rows, checkpoint: Reading) -> bool:
    """Return whether a figure inside a checkpoint stands in the row of its epoch."""
    return any(
        same_metric(own, row) and rounds_to(own, row)
        for own in checkpoint.measurements
        if own.kind == "own" and own.epoch is not None and _is_telling(own)
        for epoch in (own.epoch, own.epoch - 1, own.epoch + 1)
        for row in rows.get(epoch, [])
    )


def _is_telling(m: Measurement) -> bool:
    return m.value not in (0, 1) and (m.digits is None or m.digits >= _TELLING)
