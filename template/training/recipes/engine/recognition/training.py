"""One run with what its files say: found once, for it may have thousands of checkpoints."""

import math
import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import PurePosixPath

from engine.recognition import identity, metrics
from engine.recognition.agreement import farthest
from engine.recognition.evidence import Measurement, Noted, Reading
from engine.recognition.moments import Counting, Moment, Table, numbered
from engine.recognition.runs import CONTAINERS, Run

_OF_SEVERAL = re.compile(r":v\d+\Z")  # a version of a W&B artifact; its run logged others, too
_Line = tuple[float, int, str, Measurement]  # value, place among all, log, what it says
_Judges = Counter[str | None]  # metrics in names
Twins = Mapping[str | None, Sequence[str]]  # the best and those of an epoch, by their weights


def by_weights(readings: Mapping[str, Reading]) -> Twins:
    """Return the checkpoints that are of a known moment, by what tells equal weights."""
    found: defaultdict[str | None, list[str]] = defaultdict(list)
    for path, reading in readings.items():
        if (weights := _weights(reading)) and _which(path) in ("best", "epoch"):
            found[weights].append(path)
    return found


def shared_records(runs: Iterable[Run]) -> frozenset[str]:
    """Return the records that more than one of the runs with checkpoints have."""
    records = Counter(record for run in runs if run.checkpoints for record in run.records)
    return frozenset(record for record, number in records.items() if number > 1)


class Training:
    """A run and its readings, as each of its checkpoints asks for them.

    `twins` are those of `by_weights`, and `shared` the records that other runs have as well.
    """

    def __init__(
        self, run: Run, readings: Mapping[str, Reading], twins: Twins, shared: Collection[str]
    ) -> None:
        self.run = run
        self._twins, self._shared = twins, shared
        self._series = identity.series(run.checkpoints)
        self._counting = Counting.of(run, readings)
        self.readings = numbered(run, readings, self._series, self._counting)

    # --- which checkpoint it is ---------------------------------------------------------------

    def moment(self, path: str) -> Moment:
        """Return when in the training a checkpoint was written."""
        return Moment.of(self.readings[path], path, self._series, self._counting)

    @cached_property
    def is_sole(self) -> bool:
        """Return whether there is one model, and was no other."""
        return len(self._models) == 1 and not _OF_SEVERAL.search(self.run.folder)

    def is_tested_in(self, record: str) -> bool:
        """Return whether a test that followed the training is of this run's only model."""
        return self.is_sole and record not in self._shared

    @cached_property
    def _models(self) -> list[str]:
        return [p for p in self.run.checkpoints if self.readings[p].role == "model"]

    def which(self, path: str) -> str | None:
        """Return which checkpoint of the run it is: "best", "last", "epoch", ..., or "only"."""
        return _which(path) or ("only" if self.is_sole else None)

    def same_as(self, path: str) -> str:
        """Return the checkpoint that a last one or a best is, by its weights, or the path itself.

        Many load the best again when they stop, and save it as the last; and a best may have been
        saved at an epoch, too. What tells an epoch or a figure of its own is of that, and one that
        lies elsewhere may have been copied from here.
        """
        reading, which = self.readings[path], _which(path)
        tells = any(note.fact in ("epoch", "step") for note in reading.notes)
        if which not in ("last", "best") or reading.measurements or tells:
            return path
        twins = [t for t in self._twins.get(_weights(reading), ()) if _home(t) == _home(path)]
        bests = [twin for twin in twins if _which(twin) == "best" and twin != path]
        epochs = [twin for twin in twins if _which(twin) == "epoch"]
        alike = bests if which == "last" and bests else epochs[:1] if len(epochs) == 1 else []
        return next(iter(alike), path)

    def rivals(self, path: str) -> _Judges:
        """Return how many others say that they are the same, by the metrics in their names.

        Beside one that is not averaged those that are do not count; copies never do, nor does for a
        training state the model that it is of.
        """
        which, own = _which(path), identity.judged_by(identity.stem(path))
        if which is None and self.is_sole:
            return Counter()
        rivals = self._rivals[which, False]
        if identity.is_averaged(path):
            rivals = rivals + self._rivals[which, True]
        is_counted = not identity.is_copy(path) or self.readings[path].role != "model"
        return rivals - Counter([own] if is_counted else [])

    @cached_property
    def _rivals(self) -> defaultdict[tuple[str | None, bool], _Judges]:
        found: defaultdict[tuple[str | None, bool], _Judges] = defaultdict(Counter)
        for path in self._models:
            if not identity.is_copy(path):
                judge = identity.judged_by(identity.stem(path))
                found[_which(path), identity.is_averaged(path)][judge] += 1
        return found

    # --- what records say ---------------------------------------------------------------------

    @cached_property
    def tables(self) -> dict[str, Table]:
        """Return what each log and each file of results says."""
        found = {path: self.readings[path] for path in self.run.records}
        return {p: Table(r.measurements) for p, r in found.items() if r.role in ("results", "log")}

    def is_of_another(self, record: str, path: str) -> bool:
        """Return whether a record lies in a folder that is another checkpoint, beside this one."""
        return any(
            not f"{path}/".startswith(f"{other}/") and not other.startswith(f"{path}/")
            for other in self._holders.get(record, ())
        )

    @cached_property
    def _holders(self) -> dict[str, list[str]]:
        """The checkpoints, which are folders, that each record lies in."""
        checkpoints = {*self.run.checkpoints}
        above = {path: map(str, PurePosixPath(path).parents) for path in self.run.records}
        return {path: [p for p in folders if p in checkpoints] for path, folders in above.items()}

    @cached_property
    def model_types(self) -> list[tuple[str, Noted]]:
        """Return the notes of a model type in all files of the run, with their files."""
        sources = dict.fromkeys((*self.run.records, *self.run.checkpoints))
        notes = ((source, note) for source in sources for note in self.readings[source].notes)
        return [(source, note) for source, note in notes if note.fact == "model_type"]

    def lines(self, path: str, value: Measurement) -> Iterator[tuple[str, Measurement]]:
        """Yield what logs say of this checkpoint, or of none by name, and may be the same value."""
        lines, coarsest = self._lines.get(metrics.plausible(value.name), ([], None))
        far = farthest(value, coarsest)
        first = bisect_left(lines, (value.value - far,))
        behind = bisect_right(lines, (value.value + far, math.inf))
        named = self._named.get(PurePosixPath(path).name, [])
        for _, _, log, measurement in sorted((*lines[first:behind], *named), key=_place):
            yield log, measurement

    @cached_property
    def _logged(self) -> list[_Line]:
        logs = [path for path in self.run.records if self.readings[path].role == "log"]
        found = ((path, m) for path in logs for m in self.readings[path].measurements)
        return [(m.value, place, path, m) for place, (path, m) in enumerate(found)]

    @cached_property
    def _named(self) -> Mapping[str, list[_Line]]:
        """What logs say of checkpoints by their names."""
        named = defaultdict(list)
        for line in self._logged:
            if line[3].checkpoint is not None:
                named[line[3].checkpoint].append(line)
        return named

    @cached_property
    def _lines(self) -> Mapping[str | None, tuple[list[_Line], int | None]]:
        """What logs say of no checkpoint by name: by metric, sorted, with the fewest digits."""
        lines = defaultdict(list)
        for line in self._logged:
            if line[3].checkpoint is None and math.isfinite(line[0]):
                lines[metrics.plausible(line[3].name)].append(line)
        return {metric: (sorted(found), _coarsest(found)) for metric, found in lines.items()}


def _place(line: _Line) -> int:
    return line[1]


def _coarsest(lines: list[_Line]) -> int | None:
    return min((m.digits for *_, m in lines if m.digits is not None), default=None)


@lru_cache(maxsize=1 << 14)
def _which(path: str) -> str | None:
    """Return which checkpoint of its run a path says it is: `best_weights/after-epoch-9`, too."""
    own, folder = identity.selector(identity.stem(path)), PurePosixPath(path).parent.name
    if own is None and identity.OVERWRITTEN & {folder, PurePosixPath(path).name}:
        return "last"
    is_told = own == "epoch" and folder in CONTAINERS
    return identity.selector(folder) or own if is_told else own


def _weights(reading: Reading) -> str | None:
    return next((note.value for note in reading.notes if note.fact == "weights"), None)


def _home(path: str) -> PurePosixPath:
    folder = PurePosixPath(path).parent
    while folder.name in CONTAINERS:
        folder = folder.parent
    return folder
