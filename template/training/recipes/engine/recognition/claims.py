"""What is said of one checkpoint: inside it, in the records of its run, in its name."""

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

from engine.readers.file_name import read_name
from engine.recognition import identity, metrics
from engine.recognition.agreement import TEST, on_its_scale, rounds_to, same_metric, split_rank
from engine.recognition.aim import Aim
from engine.recognition.best_rows import best_rows, row_of
from engine.recognition.evidence import Measurement
from engine.recognition.moments import Moment, Table
from engine.recognition.training import Training

# Which source is believed first; two that disagree are both shown.
PRECEDENCE = ("inside", "results", "log", "name")
_BEST = ("best", "only")  # the only checkpoint of a run is taken for its best
_KERAS = ("Keras", "HDF5 (Keras)", "HDF5")


class Claim(NamedTuple):
    """A measurement that may be this checkpoint's."""

    source: str  # one of PRECEDENCE
    path: str
    measurement: Measurement

    @property
    def metric(self) -> str | None:
        """The canonical name of its metric, or its own."""
        return metrics.plausible(self.measurement.name)

    @property
    def rank(self) -> tuple[bool, bool, int, int]:
        """What says how soon it is believed, the first the least."""
        split, name = split_rank(self.measurement), self.measurement.name
        return split >= TEST, metrics.is_estimate(name), PRECEDENCE.index(self.source), split


def claims_of(path: str, training: Training, aim: Aim) -> Iterator[Claim]:
    """Yield what the readings of a run say of one of its checkpoints."""
    same = training.same_as(path)
    inside = training.readings[same].measurements
    yield from (Claim("inside", same, m) for m in inside if m.kind == "own")
    which, rivals = training.which(same), training.rivals(same)
    aim = aim.among(same, rivals if which == "best" else ())
    moment, has_own = training.moment(same), any(m.kind == "own" for m in inside)
    if which in _BEST:
        best = [m for m in inside if m.kind == "best" and aim.is_judge(m)]
        if which == "only" and best:  # what is saved each time has the best so far inside as well
            then = [m for table in training.tables.values() for m in moment.rows(table)]
            best = [m for m in best if _may_be_of(m, then)]
        yield from (Claim("inside", same, m) for m in best)
    which = None if rivals[aim.kept_by] else _last_or_final(which, same, training)
    own = {same: Table(rows)} if (rows := _own_history(inside, which, moment)) else {}
    for record, table in {**own, **training.tables}.items():
        is_inside = has_own and record.startswith(f"{path}/")  # its own figures are those
        is_told = is_inside or training.is_of_another(record, path)
        told = list(_of_checkpoint(table, path, which, moment, aim))
        denied = {row_of(m) for m in told if any(_denies(own, m) for own in inside)}
        for measurement in told:
            is_row = measurement.kind == "epoch" and row_of(measurement) in denied
            if is_row and not any(_denies(own, measurement) for own in inside):
                continue  # the figure that disagrees is shown, and those beside it are none
            is_other = table.is_of_training(measurement) and not aim.asks_for(measurement)
            if is_other or (is_told and measurement.kind == "final"):
                continue
            if training.is_tested_in(record) or not _is_after_training(measurement):
                source = "inside" if record == same else training.readings[record].role
                yield Claim(source, record, measurement)
    for measurement in read_name(path).measurements:
        yield Claim("name", path, on_its_scale(measurement))


def _own_history(
    inside: Iterable[Measurement], which: str | None, moment: Moment
) -> list[Measurement]:
    """Return the history in a checkpoint. The last row is of the epoch at which it was saved.

    So it is if that is the number of rows, which are counted from 1, then; or one less. A best may
    have been saved at the end, with the number of an epoch before the last; one of an epoch that
    is beyond the rows may have been saved before that had its own.
    """
    rows = [m for m in inside if m.kind == "epoch"]
    last = max((m.epoch for m in rows if m.epoch is not None), default=0)
    if not all(m.is_counted for m in rows) or moment.epoch is None:
        return rows
    if which in _BEST:
        return rows if moment.epoch <= last else []
    if moment.epoch not in (last, last + 1):
        return rows
    first = moment.epoch - last
    return [m._replace(epoch=(m.epoch or 0) + first, is_counted=False) for m in rows]


def _denies(own: Measurement, row: Measurement) -> bool:
    """Return whether a checkpoint has another figure inside than a row: then it is not its own."""
    of_split = metrics.split(own.name)
    is_same = of_split == metrics.split(row.name) and same_metric(own, row)
    is_alike = of_split in ("val", "test") or metrics.canonical(own.name) != "loss"
    return (
        own.kind == "own"
        and row.kind == "epoch"
        and is_same
        and is_alike
        and not rounds_to(own, row)
    )


def _may_be_of(best: Measurement, rows: list[Measurement]) -> bool:
    """Return whether the best so far may be the figure of an epoch with these rows."""
    split, metric = metrics.split(best.name), metrics.plausible(best.name)
    alike = [m for m in rows if metrics.plausible(m.name) == metric]
    told = [
        m for m in alike if metrics.split(m.name) in ({split} if split else {None, "val", "test"})
    ]
    return not told or any(rounds_to(best, m) for m in told)


def _of_checkpoint(
    table: Table, path: str, which: str | None, moment: Moment, aim: Aim
) -> Iterator[Measurement]:
    """Yield what a record of the run says of this one checkpoint."""
    called = [name for name in [PurePosixPath(path).name] if name in table.of_file]
    if not called and which in _BEST:  # a table of models need not tell their files' whole names
        called = [name for name in table.of_file if identity.is_called(path, name)]
    if called:  # the last run that wrote the file owns it
        named = [m for name in called for m in table.of_file[name]]
        last = max(m.session for m in named)
        yield from _latest(m for m in named if m.session == last)
        return
    yield from moment.rows(table)
    ours = table.last
    if which in _BEST:
        saved = _latest(m for m in ours if m.kind == "saved" and (not aim.taken or aim.is_judge(m)))
        yield from saved
        yield from _latest(m for m in ours if m.kind == "best" and aim.is_judge(m))
        if aim.kept_by or not saved:
            told = [m for m in ours if aim.asks_for(m) or not table.is_of_training(m)]
            yield from best_rows(told, aim, is_best=which == "best")
        yield from filter(_is_after_training, ours)
    if which == "only" and all(m.kind == "final" for m in ours):
        yield from ours
    if which == "epoch" and _is_at_end(table, moment) and not _is_validated(table, moment):
        yield from filter(_is_after_training, ours)
    if which in ("last", "final"):
        yield from (m for m in ours if m.kind == "final")
        rows = [m for m in ours if m.kind == "epoch"]
        at = {row_of(m) for m in rows[-1:]}
        if which == "final":
            told = [m for m in rows if not table.is_of_training(m)]
            at &= {row_of(m) for m in best_rows(told, aim, is_best=False)}
        yield from (m for m in rows if row_of(m) in at and _may_be_at(m, moment))


def _last_or_final(which: str | None, path: str, training: Training) -> str | None:
    """Return `which`, but `final` for a last checkpoint that may have the weights of the best.

    Keras loads them again at the end: `EarlyStopping(restore_best_weights=True)`.
    """
    words = identity.tokens(identity.stem(path))
    is_called_last = not {"last", "latest", "epoch"}.isdisjoint(words)
    may_be_best = training.readings[path].format in _KERAS and not is_called_last
    return "final" if which == "last" and may_be_best else which


def _is_at_end(table: Table, moment: Moment) -> bool:
    """Return whether a checkpoint is of the last row, or of its step where both tell one."""
    last = next((m for m in reversed(table.last) if m.kind == "epoch"), None)
    if last is None:
        return False
    if moment.step is not None and last.step is not None:
        return abs(moment.step - last.step) <= 1
    return row_of(last) in map(row_of, moment.rows(table))


def _is_validated(table: Table, moment: Moment) -> bool:
    """Return whether a row of the checkpoint's epoch tells more than how it was trained."""
    return any(split_rank(m) < TEST for m in moment.rows(table))


def _may_be_at(row: Measurement, moment: Moment) -> bool:
    """Return whether a checkpoint may be of a row, however the epochs or the steps are counted."""
    if moment.epoch is not None and row.epoch is not None:
        return moment.epoch - row.epoch in ((0, 1) if row.is_counted else (-1, 0, 1))
    if moment.step is not None and row.step is not None:
        return abs(moment.step - row.step) <= 1
    return True


def _is_after_training(m: Measurement) -> bool:
    """Return whether it tells of a test that followed: of what was loaded then, which none says."""
    return m.kind == "final" and split_rank(m) == TEST and m.checkpoint is None


def _latest(measurements: Iterable[Measurement]) -> list[Measurement]:
    """Return the last value of each metric: what a file holds that was written several times."""
    return list({m.name: m for m in measurements}.values())
