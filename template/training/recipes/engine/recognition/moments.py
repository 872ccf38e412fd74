"""When in its training a checkpoint was written, and which rows of a record are of that moment."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from engine.readers.file_name import read_name
from engine.recognition import identity, metrics
from engine.recognition.agreement import TEST, on_its_scale, rounds_to, same_metric, split_rank
from engine.recognition.evidence import Measurement, Noted, Reading
from engine.recognition.runs import Run

# How epochs are counted by what writes checkpoints of these formats.
_FROM_ZERO = ("XGBoost", "CatBoost")
_FROM_ONE = ("Keras", "HDF5 (Keras)", "HDF5", "TensorFlow checkpoint")
_WHEN = ("epoch", "step")

Key = TypeVar("Key")
Value = TypeVar("Value")


class _Said(NamedTuple):
    """The epoch and the step that a checkpoint tells."""

    inside: int | None  # the epoch
    named: int | None  # the epoch
    step: int | None

    @classmethod
    def of(cls, reading: Reading, path: str) -> "_Said":
        own = (m.epoch for m in reading.measurements if m.kind == "own" and m.epoch is not None)
        in_name, inside = _when(read_name(path).notes), _when(reading.notes)
        if in_name.get("epoch") == in_name.get("step") == inside.get("step"):
            in_name.pop("epoch", None)  # a bare number may be either, and this one is the step
        step = inside.get("step", in_name.get("step"))
        return cls(next(own, inside.get("epoch")), in_name.get("epoch"), step)


class Counting(NamedTuple):
    """The numbers that a run's checkpoints give to the first epoch: 0 or 1; None is unknown."""

    inside: int | None = None
    named: int | None = None

    @classmethod
    def of(cls, run: Run, readings: Mapping[str, Reading]) -> "Counting":
        """Return what names and insides that differ by one tell, else the rows that name epochs.

        Many save `epoch` and name the file, or log, `epoch + 1`; some do it the other way round.
        """
        said = {path: _Said.of(readings[path], path) for path in run.checkpoints if run.records}
        both = ((s.inside, s.named) for s in said.values())
        apart = {n - i for i, n in both if i is not None and n is not None}
        if apart == {1}:
            return cls(0, 1)
        if apart == {-1}:
            return cls(1, 0)
        inside = {path: s.inside for path, s in said.items() if s.inside is not None}
        at_end = {e for p, e in inside.items() if identity.selector(identity.stem(p)) == "last"}
        epochs = (Table(readings[record].measurements).epochs for record in run.records)
        found = {_first_inside({*inside.values()}, at_end, rows) for rows in epochs} - {None}
        return cls(found.pop() if len(found) == 1 else None)


def _first_inside(epochs: set[int], at_end: set[int], rows: frozenset[int]) -> int | None:
    """Return how checkpoints of these epochs count, by the rows of one record.

    Behind the last of rows from 0 they count from 1. Where rows are from 1, a checkpoint of
    epoch 0 counts from 0, and so does the last of the run if it is one before the last row.
    """
    if not epochs or not rows:
        return None
    first, last = min(rows), max(rows)
    if first == 0:
        return 1 if max(epochs) == last + 1 else 0 if last in at_end else None
    if first == 1:
        return 1 if last in epochs else 0 if 0 in epochs or last - 1 in at_end else None
    return None


class Moment(NamedTuple):
    """When in its training a checkpoint was written."""

    epoch: int | None
    step: int | None
    named: tuple[Measurement, ...] = ()  # in the file's name
    first: int | None = None  # the number that it gives to the first epoch, if that is known
    number: int | None = None  # that ends the name, where no step is said
    series: frozenset[int] = frozenset()  # all such numbers of its run

    @classmethod
    def of(
        cls,
        reading: Reading,
        path: str,
        series: Mapping[str, frozenset[int]],
        counting: Counting,
    ) -> "Moment":
        """Return what the checkpoint's name, inside and, for a bare number, siblings tell of it."""
        said = _Said.of(reading, path)
        values = tuple(map(on_its_scale, read_name(path).measurements))
        epoch = said.named if said.inside is None else said.inside
        first = counting.named if said.inside is None else counting.inside
        first = 1 if reading.format in _FROM_ONE else first
        start, number = identity.counted(path) or ("", None)
        if said.step is not None or start not in series:
            return cls(epoch, said.step, values, first)
        return cls(epoch, said.step, values, first, number, series[start])

    def rows(self, table: "Table") -> list[Measurement]:
        """Return what was measured then: in that epoch, or where none is known, at that step."""
        epoch = self._as_counted_in(table)
        of_epoch = table.of_epoch.get(epoch, []) if epoch is not None else []
        if any(map(self._is_named, of_epoch)):  # its name tells which row it is
            return of_epoch
        at_step = table.at_step.get(self.step, []) if self.step is not None else []
        is_counted = bool(self.series) and self.series <= table.epochs
        of_number = table.of_epoch.get(self.number, []) if is_counted else []
        for found in (of_epoch, at_step, of_number):
            told = [m for m in found if m.name not in table.often or m.step == self.step]
            if rows := [m for m in told if not m.is_counted]:
                return rows
        return []

    def _as_counted_in(self, table: "Table") -> int | None:
        """Return the epoch as these rows count: that whose value the name has, if it has one."""
        if self.epoch is None:
            return None
        for epoch in (self.epoch, self.epoch - 1) if self.named else ():
            if any(map(self._is_named, table.of_epoch.get(epoch, []))):
                return epoch
        if self.first == 1 and 0 in table.of_epoch:
            return self.epoch - 1
        starts_at_one = 1 in table.of_epoch and 0 not in table.of_epoch
        return self.epoch + 1 if self.first == 0 and starts_at_one else self.epoch

    def _is_named(self, row: Measurement) -> bool:
        return any(same_metric(m, row) and rounds_to(m, row) for m in self.named)


class Table:
    """What a record says, in such order that a checkpoint need not look at all of it.

    `last` is what it says of its last `session` and of no checkpoint by name, `of_file` what of
    each by name. `of_epoch` and `at_step` are the rows of `last` by their epochs and steps;
    `epochs` are those that the rows themselves name. What was measured `often`, at several steps of
    an epoch, is not of a checkpoint by its epoch alone.
    """

    def __init__(self, measurements: Sequence[Measurement]) -> None:
        self.session = max((m.session for m in measurements), default=0)
        self.last = [m for m in measurements if m.session == self.session and not m.checkpoint]
        self.of_file = _by((m.checkpoint, m) for m in measurements if m.checkpoint)
        rows = [m for m in self.last if m.kind == "epoch"]
        self.of_epoch = _by((m.epoch, m) for m in rows)
        self.at_step = _by((m.step, m) for m in rows)
        steps = _by(((m.epoch, m.name), m.step) for m in rows)
        self.often = frozenset(name for (_, name), found in steps.items() if len({*found}) > 1)
        self.epochs = frozenset(m.epoch for m in rows if m.epoch is not None and not m.is_counted)
        parts = {metrics.split(name) for name in {m.name for m in rows}}
        self._loss_is_of_training = "val" in parts and "train" not in parts

    def is_of_training(self, row: Measurement) -> bool:
        """Return whether a row has a bare `loss`, and rows tell of `val` and none of `train`."""
        is_bare = row.kind == "epoch" and metrics.split(row.name) is None
        return is_bare and self._loss_is_of_training and metrics.canonical(row.name) == "loss"


def _by(pairs: Iterable[tuple[Key, Value]]) -> dict[Key, list[Value]]:
    found: dict[Key, list[Value]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


def _when(notes: tuple[Noted, ...]) -> dict[str, int]:
    """Return the epoch and the step that are noted; the first note of each counts."""
    return {note.fact: int(note.value) for note in reversed(notes) if note.fact in _WHEN}


def settled(reading: Reading) -> Reading:
    """Return the reading with a test that followed the training as final: it is of no epoch.

    Such a test was made once, and not in the only row; PyTorch Lightning writes it into the last.
    """
    tested: dict[_Column, set[_When]] = defaultdict(set)
    trained: dict[int, set[_When]] = defaultdict(set)
    for m in reading.measurements:
        if m.kind == "epoch" and split_rank(m) == TEST:
            tested[m.session, m.name].add((m.epoch, m.step))
        elif m.kind == "epoch":
            trained[m.session].add((m.epoch, m.step))
    once = {column: found for column, found in tested.items() if len(found) == 1}
    after = {column for column, found in once.items() if trained[column[0]] - found}
    if not after:
        return reading
    return replace(
        reading,
        measurements=tuple(
            m._replace(kind="final", epoch=None, step=None)
            if m.kind == "epoch" and (m.session, m.name) in after
            else m
            for m in reading.measurements
        ),
    )


_Column = tuple[int, str]  # session, name
_When = tuple[int | None, int | None]  # epoch, step


def numbered(
    run: Run,
    readings: Mapping[str, Reading],
    series: Mapping[str, frozenset[int]],
    counting: Counting,
) -> Mapping[str, Reading]:
    """Return the readings, with the epochs of rows that name none as the run's checkpoints count.

    These count from 0 if one says so, or if the last is one less than there are rows; from 1 if the
    last is their number; some formats are known to do the one or the other. Otherwise nobody knows
    which row is whose.
    """
    lists = [r for r in run.records if any(m.is_counted for m in readings[r].measurements)]
    moments = [
        Moment.of(readings[path], path, series, counting) for path in run.checkpoints if lists
    ]
    said = {m.epoch for m in moments if m.epoch is not None}
    said = said.union(*{moment.series for moment in moments})
    from_one = any(moment.first == 1 for moment in moments)
    from_zero = any(readings[path].format.startswith(_FROM_ZERO) for path in run.checkpoints)
    told = dict(readings) if said else {}
    for record in lists if said else ():
        found = readings[record].measurements
        count = 1 + max(m.epoch or 0 for m in found if m.is_counted)
        if counting.inside is not None:
            first = counting.inside
        elif from_zero or 0 in said or (max(said) == count - 1 and not from_one):
            first = 0
        elif max(said) == count or from_one:
            first = 1
        elif (told_by_figures := _first_by_figures(run, readings, found)) is not None:
            first = told_by_figures
        else:
            continue
        told[record] = replace(
            readings[record],
            measurements=tuple(
                m._replace(epoch=m.epoch + first, is_counted=False)
                if m.is_counted and m.epoch is not None
                else m
                for m in found
            ),
        )
    return told or readings


def _first_by_figures(
    run: Run, readings: Mapping[str, Reading], rows: Iterable[Measurement]
) -> int | None:
    """Return how epochs are counted by checkpoints whose own figures stand in these rows."""
    inside = (m for path in run.checkpoints for m in readings[path].measurements)
    own = [m for m in inside if m.kind == "own" and m.epoch is not None]
    firsts = {
        m.epoch - row.epoch
        for row in rows
        for m in own
        if row.is_counted and same_metric(m, row) and rounds_to(m, row)
        if m.epoch is not None and row.epoch is not None
    }
    return firsts.pop() if len(firsts) == 1 and firsts <= {0, 1} else None
