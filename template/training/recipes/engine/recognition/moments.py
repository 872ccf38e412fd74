"""When in its training a checkpoint was written, and which rows of a record are of that moment."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from engine.readers.file_name import read_name
from engine.recognition import identity
from engine.recognition.agreement import TEST, on_its_scale, rounds_to, same_metric, split_rank
from engine.recognition.evidence import Measurement, Noted, Reading
from engine.recognition.runs import Run

# How epochs are counted by what writes checkpoints of these formats.
_FROM_ZERO = ("XGBoost", "CatBoost")
_FROM_ONE = ("Keras", "HDF5 (Keras)", "HDF5", "TensorFlow checkpoint")
_WHEN = ("epoch", "step")

Key = TypeVar("Key")


class Moment(NamedTuple):
    """When in its training a checkpoint was written."""

    epoch: int | None
    step: int | None
    named: tuple[Measurement, ...] = ()  # in the file's name
    from_one: bool = False  # names count epochs from 1, whatever tables do
    number: int | None = None  # that ends the name, where no step is said
    series: frozenset[int] = frozenset()  # all such numbers of its run
    named_next: bool = False  # the name tells the epoch behind that inside, which counts from 0

    @classmethod
    def of(cls, reading: Reading, path: str, series: Mapping[str, frozenset[int]]) -> "Moment":
        """Return what the checkpoint's name, inside and, for a bare number, siblings tell of it."""
        named = read_name(path)
        own = (m.epoch for m in reading.measurements if m.kind == "own" and m.epoch is not None)
        in_name, inside = _when(named.notes), _when(reading.notes)
        if in_name.get("epoch") == in_name.get("step") == inside.get("step"):
            in_name.pop("epoch", None)  # a bare number may be either, and this one is the step
        said = {**in_name, **inside}
        values = tuple(map(on_its_scale, named.measurements))
        from_one = reading.format in _FROM_ONE
        epoch, step = next(own, said.get("epoch")), said.get("step")
        moment = cls(epoch, step, values, from_one)
        if epoch is not None and in_name.get("epoch") == epoch + 1:
            moment = moment._replace(named_next=True)
        start, number = identity.counted(path) or ("", None)
        if "step" in said or start not in series:
            return moment
        return moment._replace(number=number, series=series[start])

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
            if rows := [m for m in found if not m.is_counted]:
                return rows
        return []

    def _as_counted_in(self, table: "Table") -> int | None:
        """Return the epoch as these rows count: that whose value the name has, if it has one."""
        if self.epoch is None:
            return None
        for epoch in (self.epoch, self.epoch - 1) if self.named else ():
            if any(map(self._is_named, table.of_epoch.get(epoch, []))):
                return epoch
        if self.named_next and 1 in table.epochs and 0 not in table.epochs:
            return self.epoch + 1
        return self.epoch - 1 if self.from_one and 0 in table.of_epoch else self.epoch

    def _is_named(self, row: Measurement) -> bool:
        return any(same_metric(m, row) and rounds_to(m, row) for m in self.named)


class Table:
    """What a record says, in such order that a checkpoint need not look at all of it.

    `last` is what it says of its last `session` and of no checkpoint by name, `of_file` what of
    each by name. `of_epoch` and `at_step` are the rows of `last` by their epochs and steps;
    `epochs` are those that the rows themselves name.
    """

    def __init__(self, measurements: Sequence[Measurement]) -> None:
        self.session = max((m.session for m in measurements), default=0)
        self.last = [m for m in measurements if m.session == self.session and not m.checkpoint]
        self.of_file = _by((m.checkpoint, m) for m in measurements if m.checkpoint)
        rows = [m for m in self.last if m.kind == "epoch"]
        self.of_epoch = _by((m.epoch, m) for m in rows)
        self.at_step = _by((m.step, m) for m in rows)
        self.epochs = frozenset(m.epoch for m in rows if not m.is_counted)


def _by(pairs: Iterable[tuple[Key, Measurement]]) -> dict[Key, list[Measurement]]:
    found: dict[Key, list[Measurement]] = {}
    for key, measurement in pairs:
        found.setdefault(key, []).append(measurement)
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
    run: Run, readings: Mapping[str, Reading], series: Mapping[str, frozenset[int]]
) -> Mapping[str, Reading]:
    """Return the readings, with the epochs of rows that name none as the run's checkpoints count.

    These count from 0 if one says so, or if the last is one less than there are rows; from 1 if the
    last is their number; some formats are known to do the one or the other. Otherwise nobody knows
    which row is whose.
    """
    counting = [r for r in run.records if any(m.is_counted for m in readings[r].measurements)]
    moments = [Moment.of(readings[path], path, series) for path in run.checkpoints if counting]
    said = {m.epoch for m in moments if m.epoch is not None}
    said = said.union(*{moment.series for moment in moments})
    from_one = any(moment.from_one for moment in moments)
    from_zero = any(readings[path].format.startswith(_FROM_ZERO) for path in run.checkpoints)
    told = dict(readings) if said else {}
    for record in counting if said else ():
        found = readings[record].measurements
        count = 1 + max(m.epoch or 0 for m in found if m.is_counted)
        if from_zero or 0 in said or (max(said) == count - 1 and not from_one):
            first = 0
        elif max(said) == count or from_one:
            first = 1
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
