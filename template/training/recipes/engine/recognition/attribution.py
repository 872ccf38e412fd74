"""Say of each checkpoint what it is: model type, metric, value and date, each with its evidence."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import NamedTuple

from engine.conventions import Conventions, MetricOfType, MetricTable
from engine.names import slugify
from engine.readers import WEIGHTS
from engine.readers.file_name import read_name
from engine.recognition import identity, metrics
from engine.recognition.agreement import (
    TEST,
    UNSPLIT,
    VALIDATION,
    as_compared,
    on_its_scale,
    rounds_to,
    same_metric,
    split_rank,
)
from engine.recognition.evidence import Measurement, Noted, Reading, Scalar
from engine.recognition.moments import Moment, Table, settled
from engine.recognition.parts import told_by_names
from engine.recognition.runs import COLLECTIONS, TRAININGS, Run
from engine.recognition.training import Training, by_weights, shared_records

# Which source is believed first; two that disagree are both shown.
PRECEDENCE = ("inside", "results", "log", "name")
_When = tuple[int | None, int | None]  # epoch, step
_Rows = dict[str, list[Measurement]]  # by the metric's name
_BEST = ("best", "only")  # the only checkpoint of a run is taken for its best
TASK_FACTS = ("task", "dataset", "classes")
# Notes that other fields of a checkpoint tell.
_TOLD_ELSEWHERE = frozenset(
    "started finished model_type monitor direction epoch step weights".split()
)


class Evidence(NamedTuple):
    """One fact about a checkpoint and the place where it was read."""

    fact: str  # "metric", "model_type", "date", "task", ...
    value: str
    path: str
    where: str  # "key val_auc", "line 812", "file name"
    used: bool = True  # False: it was read but something that is believed first says otherwise

    def __str__(self) -> str:
        return f"{self.fact} {self.value} ({self.path}: {self.where})"


@dataclass(frozen=True)
class Checkpoint:
    """One file of weights, or of training state, and what is known of it; None is unknown."""

    path: str
    role: str  # the reader's: "model", "training_state", "unreadable"
    run: Run | None
    format: str = ""
    model_type: str | None = None
    metric: str | None = None
    direction: str | None = None  # "max", "min"
    value: float | None = None
    epoch: int | None = None
    date: datetime | None = None
    dated_to_second: bool = False
    of_test: bool = False  # the value was measured on test data, and no validation figure is known
    facts: Mapping[str, str] = field(
        default_factory=dict
    )  # task, dataset, classes, fold, parameters, ...
    config: Mapping[str, Scalar] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    log: str | None = None  # the training log that tells of it
    problem: str | None = None


class _Aim(NamedTuple):
    """By which metrics a run's checkpoints are judged: the user's, then that which the run kept."""

    metric: str
    direction: str | None
    monitors: tuple[str, ...]  # canonical names
    judge: str | None  # by which alone the run's files tell a best
    noted: str | None  # the direction that the run's files tell, of its monitor
    kept_by: str | None = None  # the metric's name in that of a checkpoint, "best_val_loss"
    # Those in the names of the run's other bests; None is in it for one that names none.
    taken: frozenset[str | None] = frozenset()

    @classmethod
    def of(cls, rule: MetricTable | MetricOfType, told: Iterable[Reading]) -> "_Aim":
        readings = list(told)
        noted = [note for reading in readings for note in reading.notes]
        said = [metrics.plausible(n.value) for n in noted if n.fact == "monitor"]
        directions = (n.value for n in noted if n.fact == "direction")
        name = metrics.plausible(rule.name) or slugify(rule.name)
        monitors = tuple(dict.fromkeys(filter(None, said)))
        bests = (m.name for r in readings for m in r.measurements if m.kind == "best")
        judges = {metrics.canonical(name) for name in bests if metrics.split(name) != "train"}
        judge = judges.pop() if len(judges) == 1 else None
        return cls(name, rule.direction, monitors, judge, next(directions, None))

    def among(self, path: str, bests: Iterable[str | None]) -> "_Aim":
        """Return the aim for one checkpoint: a run may keep a best by each of several metrics."""
        taken = frozenset(metrics.plausible(judge or "") for judge in bests)
        return self._replace(kept_by=identity.judged_by(identity.stem(path)), taken=taken)

    def is_judge(self, m: Measurement) -> bool:
        """Return whether the checkpoint may have been kept by this metric."""
        metric, split = metrics.plausible(m.name), metrics.split(m.name)
        if self.kept_by is None:
            return metric not in self.taken
        said = metrics.split(self.kept_by)
        is_of_split = split in (said, None) if said else split != "train"
        return is_of_split and metric == metrics.plausible(self.kept_by)

    def asks_for(self, m: Measurement) -> bool:
        """Return whether the user, the run or the checkpoint's name asks for this very metric."""
        asked = (self.metric, *self.monitors, metrics.plausible(self.kept_by or ""))
        return metrics.plausible(m.name) in asked

    def direction_of(self, metric: str) -> str | None:
        """Return whether more or less of a metric is better: as the user says, else as is known."""
        if metric == self.metric:
            return self.direction
        told = self.noted if metric in self.monitors[:1] or not self.monitors else None
        return metrics.direction(metric) or told


class _Claim(NamedTuple):
    """A measurement that may be this checkpoint's."""

    source: str  # one of PRECEDENCE
    path: str
    measurement: Measurement

    @property
    def metric(self) -> str | None:
        return metrics.plausible(self.measurement.name)

    @property
    def rank(self) -> tuple[bool, bool, int, int]:
        split, name = split_rank(self.measurement), self.measurement.name
        return split >= TEST, metrics.is_estimate(name), PRECEDENCE.index(self.source), split


def attribute(
    runs: Iterable[Run], readings: Mapping[str, Reading], conventions: Conventions
) -> tuple[Checkpoint, ...]:
    """Return one `Checkpoint` for each file of weights and training state, sorted by path."""
    runs = tuple(runs)
    told = told_by_names(readings)
    readings = {path: as_compared(path, settled(reading)) for path, reading in told.items()}
    vocabulary = _vocabulary(readings.values(), conventions)
    bests, shared = by_weights(readings), shared_records(runs)
    found = [
        _checkpoint(path, training, conventions, vocabulary)
        for training in (Training(run, readings, bests, shared) for run in runs)
        for path in training.run.checkpoints
    ]
    return tuple(sorted(found, key=lambda checkpoint: checkpoint.path))


def _vocabulary(readings: Iterable[Reading], conventions: Conventions) -> tuple[str, ...]:
    """Return the known model types, longest first: the user's, and those that files name."""
    read = {_slug_of(note) for r in readings for note in r.notes if note.fact == "model_type"}
    known = {*conventions.project.model_types, *read} - {""}
    return tuple(sorted(known, key=lambda word: (-len(word), word)))


def _checkpoint(
    path: str, training: Training, conventions: Conventions, vocabulary: tuple[str, ...]
) -> Checkpoint:
    run, readings = training.run, training.readings
    reading = readings[path]
    model_type, typed = _model_type(path, training, conventions, vocabulary)
    model_type = conventions.project.renamed.get(model_type or "", model_type)
    rule = conventions.metric.of(model_type)
    aim = _Aim.of(rule, (readings[source] for source in (path, *run.records)))
    claims = sorted(_judging(path, training, aim), key=lambda claim: claim.rank)
    chosen = _choose(claims, aim) if reading.role == "model" else None
    metric = chosen.metric if chosen else None
    logs = [record for record in run.records if readings[record].role == "log"]
    told = _told(path, chosen, training)
    date, dated = _date(path, run, readings, told)
    return Checkpoint(
        path,
        reading.role,
        run,
        reading.format,
        model_type,
        metric,
        aim.direction_of(metric) if metric else None,
        _full_value(chosen, claims) if chosen else None,
        next((m.epoch for m in _said(chosen, claims) if m.epoch is not None), None),
        date,
        date is not None and (date.hour, date.minute, date.second) != (0, 0, 0),
        chosen is not None and split_rank(chosen.measurement) == TEST,
        _facts(path, run, readings, told),
        _config(path, training, told),
        (*typed, *_metric_evidence(chosen, claims), *dated),
        told.path if told else (logs[0] if len(logs) == 1 else None),
        reading.problem,
    )


# --- which measurements may be this checkpoint's -------------------------------------------------


def _judging(path: str, training: Training, aim: _Aim) -> list[_Claim]:
    """Return the claims but for figures of training: `acc` is one where `val_acc` stands beside.

    So it is beside a `test_acc` of each epoch, which some training loops have for a validation, and
    so is a `loss` that a record, which has the validation's as well, calls the very `train_loss`.
    """
    found = list(_claims(path, training, aim))
    validated = {_stands(c) for c in found if _is_validated(c.measurement)}
    both = {metric for *_, metric, _ in validated}
    trained = {
        (c.metric, c.measurement.value)
        for c in found
        if metrics.split(c.measurement.name) == "train" and c.metric in both
    }
    return [
        c
        for c in found
        if metrics.split(c.measurement.name)
        or (_stands(c) not in validated and (c.metric, c.measurement.value) not in trained)
    ]


def _is_validated(m: Measurement) -> bool:
    split = metrics.split(m.name)
    return split == "val" or (split == "test" and m.kind == "epoch")


def _stands(claim: _Claim) -> tuple[str, str, str | None, str]:
    return claim.source, claim.path, claim.metric, claim.measurement.kind


def _claims(path: str, training: Training, aim: _Aim) -> Iterator[_Claim]:
    inside = training.readings[path].measurements
    yield from (_Claim("inside", path, m) for m in inside if m.kind == "own")
    same = training.same_as(path)
    which, rivals = training.which(same), training.rivals(same)
    aim = aim.among(same, rivals if which == "best" else ())
    moment, has_own = training.moment(same), any(m.kind == "own" for m in inside)
    if which in _BEST:
        best = [m for m in inside if m.kind == "best" and aim.is_judge(m)]
        if which == "only" and best:  # what is saved each time has the best so far inside as well
            then = [m for table in training.tables.values() for m in moment.rows(table)]
            best = [m for m in best if _may_be_of(m, then)]
        yield from (_Claim("inside", path, m) for m in best)
    if rivals[aim.kept_by]:
        which = None
    for record, table in training.tables.items():
        is_inside = has_own and record.startswith(f"{path}/")  # its own figures are those
        is_told = is_inside or training.is_of_another(record, path)
        told = list(_of_checkpoint(table, path, which, moment, aim))
        denied = {_row(m) for m in told if any(_denies(own, m) for own in inside)}
        for measurement in told:
            is_row = measurement.kind == "epoch" and _row(measurement) in denied
            if is_row and not any(_denies(own, measurement) for own in inside):
                continue  # the figure that disagrees is shown, and those beside it are none
            is_other = table.is_of_training(measurement) and not aim.asks_for(measurement)
            if is_other or (is_told and measurement.kind == "final"):
                continue
            if training.is_tested_in(record) or not _is_after_training(measurement):
                yield _Claim(training.readings[record].role, record, measurement)
    for measurement in read_name(path).measurements:
        yield _Claim("name", path, on_its_scale(measurement))


def _row(m: Measurement) -> _When:
    return m.epoch, m.step


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
    table: Table, path: str, which: str | None, moment: Moment, aim: _Aim
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
            yield from _best_rows(told, aim, is_best=which == "best")
        yield from filter(_is_after_training, ours)
    if which == "only" and all(m.kind == "final" for m in ours):
        yield from ours
    if which == "last":
        yield from (m for m in ours if m.kind == "final")
        rows = [m for m in ours if m.kind == "epoch"]
        yield from (m for m in rows if _row(m) == _row(rows[-1]))


def _is_after_training(m: Measurement) -> bool:
    """Return whether it tells of a test that followed: of what was loaded then, which none says."""
    return m.kind == "final" and split_rank(m) == TEST and m.checkpoint is None


def _latest(measurements: Iterable[Measurement]) -> list[Measurement]:
    """Return the last value of each metric: what a file holds that was written several times."""
    return list({m.name: m for m in measurements}.values())


def _best_rows(
    measurements: list[Measurement], aim: _Aim, *, is_best: bool
) -> Iterator[Measurement]:
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
    at = [_row(m) for m in sorted(kept, key=split_rank)]
    if not at:
        judges = _judges(best, rows, aim if is_best else None)
        at, last = _at_once(judges), [_row(m) for m in measurements[-1:]]
        if is_best and at and len({_row(found[0]) for found in judges}) > 1:
            yield from (found[0]._replace(epoch=None, step=None) for found in judges)
            return  # each has its value, whichever kept it
        at = at if is_best else [moment for moment in at if moment in last]
    yield from (m for row in rows.values() for m in row if _row(m) in at[:1])


def _judges(best: _Rows, rows: _Rows, aim: _Aim | None) -> list[list[Measurement]]:
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
    decisive = [n for n in varying if metrics.plausible(n) not in _SELDOM_KEPT_BY]
    return [best[name] for name in wanted or decisive or varying]


def _at_once(judges: Iterable[list[Measurement]]) -> list[_When]:
    """Return the moments, in their order, in which all of these were."""
    moments = [[_row(m) for m in found] for found in judges]
    return [moment for moment in moments[0] if all(moment in m for m in moments)] if moments else []


# --- which of them is believed -------------------------------------------------------------------


def _choose(claims: list[_Claim], aim: _Aim) -> _Claim | None:
    """Return the claim that is believed: the wanted metric if any source has it.

    Then that by which the run kept its best, then another that is known. A name that nobody knows
    for a metric's is none, unless one of these says so; a bare `best_score` is one of no direction.
    """
    usable = [claim for claim in claims if _usable(claim)]
    for metric in (aim.metric, *aim.monitors):
        for claim in usable:
            if claim.metric == metric:
                return claim
    known = [claim for claim in usable if metrics.canonical(claim.measurement.name)]
    unnamed = [claim for claim in usable if (claim.source, claim.metric) == ("inside", "score")]
    return min(known or unnamed[:1], key=_is_rarely_decisive, default=None)


def _is_rarely_decisive(claim: _Claim) -> bool:
    return metrics.at_any_rank(claim.metric or "") in _RARELY_DECISIVE


_RARELY_DECISIVE = ("loss", "precision", "recall", "specificity", "npv")
_SELDOM_KEPT_BY = (*_RARELY_DECISIVE[1:], "accuracy_top5")


def _usable(claim: _Claim) -> bool:
    measurement, metric = claim.measurement, claim.metric
    if metric is None or metrics.split(measurement.name) == "train":
        return False
    return metrics.comparable(metric, measurement.value)


def _agreeing(chosen: _Claim | None, claims: list[_Claim]) -> Iterator[_Claim]:
    """Yield the chosen claim and those which say the same value, within their rounding."""
    if chosen is None:
        return
    yield chosen
    for claim in claims:
        if claim is not chosen and _agree(claim, chosen):
            yield claim


def _said(chosen: _Claim | None, claims: list[_Claim]) -> Iterator[Measurement]:
    return (claim.measurement for claim in _agreeing(chosen, claims))


def _full_value(chosen: _Claim, claims: list[_Claim]) -> float:
    """Return the value with the most digits among those that agree with the chosen one."""
    return max(_said(chosen, claims), key=lambda m: 99 if m.digits is None else m.digits).value


def _agree(one: _Claim, other: _Claim) -> bool:
    same = same_metric(one.measurement, other.measurement)
    return same and rounds_to(one.measurement, other.measurement)


def _metric_evidence(chosen: _Claim | None, claims: list[_Claim]) -> Iterator[Evidence]:
    """Yield one line for each source: the strongest claim of each file, and what disagrees.

    Where nothing was chosen nothing disagrees; what is no number says nothing.
    """
    agreeing = list(_agreeing(chosen, claims))
    seen = set()
    for claim in [*agreeing, *claims]:
        if chosen and not same_metric(claim.measurement, chosen.measurement):
            continue
        m = claim.measurement
        is_new = (claim.source, claim.path) not in seen and claim.metric is not None
        if is_new and math.isfinite(m.value):
            seen.add((claim.source, claim.path))
            used = chosen is None or claim in agreeing
            yield Evidence("metric", f"{m.name} {m.value:.6g}", claim.path, m.where, used)


# --- model type, date, facts ---------------------------------------------------------------------


def _model_type(
    path: str, training: Training, conventions: Conventions, vocabulary: tuple[str, ...]
) -> tuple[str | None, tuple[Evidence, ...]]:
    """Return the model type: the user's own if a name starts with one, else what a file says."""
    run, reading = training.run, training.readings[path]
    names = [(source, "folder name", words) for source, words in _folder_names(run)]
    if reading.role != "training_state":
        words = identity.run_key(identity.without_hash(path))
        words = run.key if words[:-1] == run.key else words  # whose number counts epochs, after all
        names.insert(0, (path, "file name", words))
    for known in (conventions.project.model_types, vocabulary):
        for source, where, words in names:
            if match := _starts_with(words, known):
                return match, (Evidence("model_type", match, source, where),)
        own = ((path, note) for note in reading.notes if note.fact == "model_type")
        for note_path, note in (*own, *training.model_types):
            slug = _slug_of(note)
            if slug in known:
                return slug, (Evidence("model_type", slug, note_path, note.where),)
    for source, where, words in names:
        words = identity.without_counters(words)
        slug = slugify("_".join(words)) if not run.whole or where == "folder name" else ""
        if slug:
            return slug, (Evidence("model_type", slug, source, where),)
    return None, ()


def _folder_names(run: Run) -> Iterator[tuple[str, identity.Tokens]]:
    """Yield the run's folder with its words, and folders above it: `resnet50/version_0` says more.

    Folders that hold many things, or are called after a date, tell nothing.
    """
    folder = PurePosixPath(run.folder)
    for place in (folder, *folder.parents[:3]) if run.whole else ():
        words, name = identity.run_key(place.name), place.name.lower()
        tells = name not in COLLECTIONS and not TRAININGS.fullmatch(name)
        if tells and identity.without_counters(words):
            yield str(place), identity.without_values(words)


def _slug_of(note: Noted) -> str:
    """Return the model type in a note: `yolov8n` of "yolov8n.pt", `vit` of "google/vit"."""
    name = note.value.replace("\\", "/").rstrip("/").rpartition("/")[2]
    is_file = name.lower().endswith((*WEIGHTS, ".yaml", ".yml", ".json", ".py"))
    return slugify(identity.stem(name) if is_file else name)


def _starts_with(words: identity.Tokens, known: Iterable[str]) -> str | None:
    text = slugify("_".join(words)) + "_"
    return max((k for k in known if text.startswith(k + "_")), key=len, default=None)


def _told(path: str, chosen: _Claim | None, training: Training) -> _Claim | None:
    """Return the log line at which a checkpoint with the chosen value was saved or scored."""
    if chosen is None:
        return None
    lines = (_Claim("log", *line) for line in training.lines(path, chosen.measurement))
    order, value = ("saved", "epoch", "best", "final", "own"), chosen.measurement.value

    def distance(claim: _Claim) -> tuple[float, int, int]:
        m = claim.measurement
        return abs(m.value - value), order.index(m.kind), -m.session

    same = [c for c in lines if _agree(c, chosen)]
    return min(same, key=distance, default=None)


def _date(
    path: str, run: Run, readings: Mapping[str, Reading], told: _Claim | None
) -> tuple[datetime | None, tuple[Evidence, ...]]:
    """Return when it was trained. File times are no evidence: a checkout resets them."""
    found = next(_dates(path, run, readings, told), None)
    if found is None:
        return None, ()
    date, source, where = found
    return date, (Evidence("date", date.isoformat(sep=" "), source, where),)


def _dates(
    path: str, run: Run, readings: Mapping[str, Reading], told: _Claim | None
) -> Iterator[tuple[datetime, str, str]]:
    yield from _noted_dates(path, reversed(readings[path].notes))
    if told and told.measurement.time:
        yield told.measurement.time, told.path, told.measurement.where
    for role in ("results", "log"):
        for record in run.records:
            if readings[record].role == role:
                yield from _noted_dates(record, reversed(readings[record].notes))
    for source in (path, *run.records):
        yield from _noted_dates(source, read_name(source).notes)


def _noted_dates(source: str, notes: Iterable[Noted]) -> Iterator[tuple[datetime, str, str]]:
    noted = tuple(notes)
    for fact in ("finished", "started"):
        for note in noted:
            if note.fact == fact:
                yield datetime.fromisoformat(note.value).replace(tzinfo=None), source, note.where


def _facts(
    path: str, run: Run, readings: Mapping[str, Reading], told: _Claim | None
) -> dict[str, str]:
    facts: dict[str, str] = {}
    for source in (path, *run.records):
        in_log = readings[source].role == "log"
        for note in readings[source].notes:
            if note.fact in _TOLD_ELSEWHERE:
                continue
            if told and source == told.path and note.session != told.measurement.session:
                continue
            # Prose does not tell tasks apart: two scripts may greet with other words.
            fact = f"{note.fact} in log" if in_log and note.fact in TASK_FACTS else note.fact
            facts.setdefault(fact, note.value)
    fold = identity.fold(path)
    return facts | ({"fold": fold} if fold else {})


def _config(path: str, training: Training, told: _Claim | None) -> dict[str, Scalar]:
    """Return the hyper-parameters. A log has those of its last run; no other's file gets them."""
    sources = (path, *training.run.records)
    if told and told.measurement.session != training.tables[told.path].session:
        sources = tuple(source for source in sources if source != told.path)
    config: dict[str, Scalar] = {}
    for source in sources:
        for key, value in training.readings[source].config.items():
            config.setdefault(key, value)
    return config
