"""Say of each checkpoint what it is: model type, metric, value and date, each with its evidence."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import NamedTuple

from engine.conventions import Conventions
from engine.names import slugify
from engine.readers import WEIGHTS
from engine.readers.file_name import read_name
from engine.recognition import identity, metrics
from engine.recognition.agreement import (
    TEST,
    as_compared,
    rounds_to,
    same_metric,
    split_rank,
)
from engine.recognition.aim import Aim
from engine.recognition.best_rows import SELDOM_KEPT_BY
from engine.recognition.claims import Claim, claims_of
from engine.recognition.evidence import Measurement, Noted, Reading, Scalar
from engine.recognition.moments import settled
from engine.recognition.parts import told_by_names
from engine.recognition.runs import COLLECTIONS, TRAININGS, Run
from engine.recognition.training import Training, by_weights, shared_records

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


def attribute(
    runs: Iterable[Run], readings: Mapping[str, Reading], conventions: Conventions
) -> tuple[Checkpoint, ...]:
    """Return one `Checkpoint` for each file of weights and training state, sorted by path."""
    runs = tuple(runs)
    told = told_by_names(readings)
    readings = {path: as_compared(path, settled(reading)) for path, reading in told.items()}
    vocabulary = _vocabulary(readings.values(), conventions)
    twins, shared = by_weights(readings), shared_records(runs)
    found = [
        _checkpoint(path, training, conventions, vocabulary)
        for training in (Training(run, readings, twins, shared) for run in runs)
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
    aim = Aim.of(rule, (readings[source] for source in (path, *run.records)))
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


def _judging(path: str, training: Training, aim: Aim) -> list[Claim]:
    """Return the claims but for figures of training: `acc` is one where `val_acc` stands beside.

    So it is beside a `test_acc` of each epoch, which some training loops have for a validation, and
    so is a `loss` that a record, which has the validation's as well, calls the very `train_loss`.
    """
    found = list(claims_of(path, training, aim))
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


def _stands(claim: Claim) -> tuple[str, str, str | None, str]:
    return claim.source, claim.path, claim.metric, claim.measurement.kind


# --- which of them is believed -------------------------------------------------------------------


def _choose(claims: list[Claim], aim: Aim) -> Claim | None:
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


def _is_rarely_decisive(claim: Claim) -> bool:
    return metrics.at_any_rank(claim.metric or "") in _RARELY_DECISIVE


_RARELY_DECISIVE = ("loss", *SELDOM_KEPT_BY)


def _usable(claim: Claim) -> bool:
    measurement, metric = claim.measurement, claim.metric
    if metric is None or metrics.split(measurement.name) == "train":
        return False
    return metrics.comparable(metric, measurement.value)


def _agreeing(chosen: Claim | None, claims: list[Claim]) -> Iterator[Claim]:
    """Yield the chosen claim and those which say the same value, within their rounding."""
    if chosen is None:
        return
    yield chosen
    for claim in claims:
        if claim is not chosen and _agree(claim, chosen):
            yield claim


def _said(chosen: Claim | None, claims: list[Claim]) -> Iterator[Measurement]:
    return (claim.measurement for claim in _agreeing(chosen, claims))


def _full_value(chosen: Claim, claims: list[Claim]) -> float:
    """Return the value with the most digits among those that agree with the chosen one."""
    return max(_said(chosen, claims), key=lambda m: 99 if m.digits is None else m.digits).value


def _agree(one: Claim, other: Claim) -> bool:
    same = same_metric(one.measurement, other.measurement)
    return same and rounds_to(one.measurement, other.measurement)


def _metric_evidence(chosen: Claim | None, claims: list[Claim]) -> Iterator[Evidence]:
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


def _told(path: str, chosen: Claim | None, training: Training) -> Claim | None:
    """Return the log line at which a checkpoint with the chosen value was saved or scored."""
    if chosen is None:
        return None
    lines = (Claim("log", *line) for line in training.lines(path, chosen.measurement))
    order, believed = ("saved", "epoch", "best", "final", "own"), chosen.measurement

    def distance(claim: Claim) -> tuple[float, bool, int, int]:
        m = claim.measurement
        is_of_another = None not in (m.epoch, believed.epoch) and m.epoch != believed.epoch
        return abs(m.value - believed.value), is_of_another, order.index(m.kind), -m.session

    same = [c for c in lines if _agree(c, chosen)]
    return min(same, key=distance, default=None)


def _date(
    path: str, run: Run, readings: Mapping[str, Reading], told: Claim | None
) -> tuple[datetime | None, tuple[Evidence, ...]]:
    """Return when it was trained. File times are no evidence: a checkout resets them."""
    found = next(_dates(path, run, readings, told), None)
    if found is None:
        return None, ()
    date, source, where = found
    return date, (Evidence("date", date.isoformat(sep=" "), source, where),)


def _dates(
    path: str, run: Run, readings: Mapping[str, Reading], told: Claim | None
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
    path: str, run: Run, readings: Mapping[str, Reading], told: Claim | None
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


def _config(path: str, training: Training, told: Claim | None) -> dict[str, Scalar]:
    """Return the hyper-parameters. A log has those of its last run; no other's file gets them."""
    sources = (path, *training.run.records)
    if told and told.measurement.session != training.tables[told.path].session:
        sources = tuple(source for source in sources if source != told.path)
    config: dict[str, Scalar] = {}
    for source in sources:
        for key, value in training.readings[source].config.items():
            config.setdefault(key, value)
    return config
