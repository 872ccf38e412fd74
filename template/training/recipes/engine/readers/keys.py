"""What the keys of a nested mapping say: metrics, dates, facts and hyper-parameters.

Checkpoints, result files and safetensors metadata all hold such mappings.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, NamedTuple, TypeGuard

from engine.readers import Broken, dates
from engine.readers.made import Made
from engine.readers.numbers import metric_value
from engine.recognition import metrics
from engine.recognition.evidence import Measurement, MeasurementKind, Noted, Scalar

MAX_CONFIG = 200
MAX_VISITS = 20_000  # of a walk: what is nested may be shared, and then a walk can take for ever
MAX_DEPTH = 12
MAX_MEASUREMENTS = 100_000
LONG = 1000  # values of a column that is not kept if there are too many of all
LONGEST_TEXT = 500

CONFIGS = frozenset(
    "args arguments config cfg configuration hparams hyper_parameters hyperparameters hyperparams "
    "params train_args training_args train_config training_config model_config model_args "
    "model_kwargs init_args options settings".split()
)
HISTORIES = frozenset(
    "history training_history train_history log_history epochs epoch_history logs log "
    "metrics_history".split()
)
_GROUP_WORDS = frozenset(
    "metrics metric results result scores score performance summary best final last train training "
    "val valid validation eval evaluation test dev model info overall foreground mean".split()
)
_FACTS = {
    key: fact
    for fact, keys in {
        "model_type": "model model_type model_name model_class arch architecture",
        "task": "task task_name",
        "dataset": "dataset dataset_name env env_id env_name",
        "classes": "classes num_classes n_classes",
        "parameters": "parameters num_parameters total_parameters total_params num_params n_params",
        "seed": "seed random_seed",
        "git_commit": "git_commit git_sha git_hash commit",
        "direction": "direction metric_mode monitor_mode greater_is_better",
        "monitor": "monitor monitor_metric metric_for_best_model best_metric_name eval_metric",
        "started": "started started_at start_time",
        "finished": "finished finished_at completed completed_at end_time stop_time timestamp date "
        "datetime saved_at created created_at time",
    }.items()
    for key in keys.split()
}
_DIRECTIONS = {
    **dict.fromkeys(("max", "maximize", "true"), "max"),
    **dict.fromkeys(("min", "minimize", "false"), "min"),
}
# What names the model in a nested config: `model.name`, Hydra's `_target_`, Lightning's class_path.
_MODEL_NAME = re.compile(
    r"(?:^|\.)(?:model|net|network|architecture)\."
    r"(?:name|type|arch|model_name|meta_architecture|_target_|class_path)\Z|\Abase_model_name_or_path\Z"
)
_CLASS_PATHS = ("_target_", "class_path")
_EPOCHS = ("epoch", "current_epoch")
_STEPS = ("global_step", "step", "iteration", "iter")

Resolve = Callable[[object], object]


@dataclass
class Facts:
    """What was found, in the order of the keys."""

    measurements: list[Measurement] = field(default_factory=list)
    notes: list[Noted] = field(default_factory=list)
    config: dict[str, Scalar] = field(default_factory=dict)


class _Place(NamedTuple):
    path: str
    kind: MeasurementKind
    epoch: int | None = None
    best_epoch: int | None = None
    step: int | None = None
    split: str | None = None  # that the mappings around say: `{"val": {"auc": 0.7}}`


def collect(
    mapping: Mapping[Any, object], kind: MeasurementKind, resolve: Resolve = lambda value: value
) -> Facts:
    """Return what `mapping` says.

    `kind` is said of a metric unless its keys say best or final; `resolve` turns what stands for a
    scalar, such as a tensor of one element, into one.
    """
    facts = Facts()
    _walk(facts, mapping, _Place("", kind), resolve, depth=0)
    top = _situated(mapping, _Place("", kind), resolve)
    for fact, number in (("epoch", top.epoch), ("step", top.step)):
        if number is not None:
            facts.notes.append(Noted(fact, str(number), f"key {fact}"))
    return facts


def _walk(
    facts: Facts, mapping: Mapping[Any, object], place: _Place, resolve: Resolve, depth: int
) -> None:
    place = _situated(mapping, place, resolve)
    for key, raw in list(mapping.items())[:MAX_VISITS]:
        if not isinstance(key, str) or len(facts.measurements) >= MAX_MEASUREMENTS:
            continue
        name, path = key.lower(), f"{place.path}{key}"[:LONGEST_TEXT]
        nested = as_mapping(raw)
        if name in HISTORIES and (rows := list(history(raw, path, resolve))):
            facts.measurements += rows
        elif (
            nested is not None
            and is_group(name)
            and (part := metrics.split(name))
            and is_columns(nested)
        ):
            facts.measurements += history(nested, path, resolve, part)
        elif name in CONFIGS and nested is not None:
            _add_config(facts, nested, path)
        elif nested is not None and depth < MAX_DEPTH and is_group(name):
            inner = place._replace(
                path=f"{path}.",
                kind=_kind(name, place.kind),
                split=metrics.split(name) or place.split,
            )
            _walk(facts, nested, inner, resolve, depth + 1)
        elif nested is None:
            _take_scalar(facts, key, path, resolve(raw) if metrics.plausible(key) else raw, place)


def _situated(mapping: Mapping[Any, object], place: _Place, resolve: Resolve) -> _Place:
    """Return `place` with the epoch and step that are said beside its metrics."""

    def number(*keys: str) -> int | None:
        found = (_whole(resolve(mapping.get(key))) for key in keys)
        return next((n for n in found if n is not None and n >= 0), None)

    of_best = _EPOCHS if place.kind == "best" else ()  # inside a mapping such as `best_metrics`

    def kept(found: int | None, otherwise: int | None) -> int | None:
        return otherwise if found is None else found

    return place._replace(
        epoch=kept(number(*_EPOCHS), place.epoch),
        best_epoch=kept(number("best_epoch", *of_best), place.best_epoch),
        step=kept(number(*_STEPS), place.step),
    )


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value) if value == int(value) else None


def is_group(key: str) -> bool:
    """Return whether this names a group of metrics: `best_metrics`, `val`, `test/scores`."""
    words = key.replace("-", "_").replace("/", "_").split("_")
    return all(word in _GROUP_WORDS for word in words) and words not in (["model"], ["info"])


def _kind(key: str, otherwise: MeasurementKind) -> MeasurementKind:
    words = key.lower().replace("-", "_").replace("/", "_").split("_")
    if "best" in words:
        return "best"
    return "final" if "final" in words else otherwise


def _take_scalar(facts: Facts, key: str, path: str, value: object, place: _Place) -> None:
    where = f"key {path}"
    if metrics.canonical(key) or _is_of_ones_own(key, value, place):
        measured = _measured(key, value, where, place)
        facts.measurements += [measured] if measured else []
        return
    noted = _noted(key, value, where)
    facts.notes += [noted] if noted else []
    if not noted and is_scalar(value) and key.lower() not in (*_EPOCHS, *_STEPS, "best_epoch"):
        facts.config.update(_limited(facts.config, path, value))


def _is_of_ones_own(key: str, value: object, place: _Place) -> bool:
    """Return whether this stands where metrics stand, so that it may be one that nobody knows."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    stands = _kind(key, "own") != "own" or metrics.split(key) is not None or place.path != ""
    return is_number and stands and metrics.plausible(key) is not None


def _measured(key: str, value: object, where: str, place: _Place) -> Measurement | None:
    read = metric_value(value)
    if read is None:
        return None
    kind = _kind(key, place.kind)
    epoch = place.best_epoch if kind == "best" else place.epoch
    if not math.isfinite(read[0]):
        where = f"{where} ({value})"[:LONGEST_TEXT]
    step = None if kind == "best" else place.step
    if place.split and metrics.split(key) is None:
        key = f"{place.split}_{key}"
    return Measurement(key, read[0], where, kind, epoch, step, digits=read[1])


def _noted(key: str, value: object, where: str) -> Noted | None:
    fact = _FACTS.get(key.lower())
    if fact in ("started", "finished"):
        date = value.isoformat() if isinstance(value, datetime) else dates.of_value(value)
        return Noted(fact, date, where) if date else None
    if fact == "direction":
        direction = _DIRECTIONS.get(str(value).lower()) if isinstance(value, str | bool) else None
        return Noted(fact, direction, where) if direction else None
    is_text = isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT
    is_count = isinstance(value, int) and not isinstance(value, bool) and fact != "model_type"
    return Noted(fact, str(value), where) if fact and (is_text or is_count) else None


def _add_config(facts: Facts, nested: Mapping[Any, object], path: str) -> None:
    for key, value in flatten(nested).items():
        facts.config.update(_limited(facts.config, key, value))
        if _MODEL_NAME.search(key.lower()) and isinstance(value, str) and value:
            name = value.rpartition(".")[2] if key.endswith(_CLASS_PATHS) else value
            facts.notes.append(Noted("model_type", name, f"key {path}.{key}"))
        if key == "data" and (dataset := _described_in(value)):
            facts.notes.append(Noted("dataset", dataset, f"key {path}.{key}"))
        fact = _FACTS.get(key.rpartition(".")[2].lower())
        if (
            fact
            and fact not in ("started", "finished")
            and (noted := _noted(key.rpartition(".")[2], value, f"key {path}.{key}"))
        ):
            facts.notes.append(noted)


def _described_in(value: object) -> str | None:
    """Return the data set that YOLO's `data` names: `coins` of coins.yaml and of coins/data.yaml.

    None for what is no such file, or is called so in any folder.
    """
    if not isinstance(value, str) or not value.endswith((".yaml", ".yml")):
        return None
    path = PurePosixPath(value.replace("\\", "/"))
    return (path.parent.name if path.stem in ("data", "dataset") else path.stem) or None


def _limited(config: Mapping[str, Scalar], key: str, value: object) -> dict[str, Scalar]:
    room = len(config) < MAX_CONFIG or key in config
    return {key: _short(value)} if room and is_scalar(value) else {}


def _short(value: object) -> Scalar:
    if isinstance(value, str):
        return value[:LONGEST_TEXT]
    return value if isinstance(value, int | float) else None


def is_scalar(value: object) -> bool:
    """Return whether `value` can stand in a config as it is."""
    return value is None or isinstance(value, str | int | float)


def as_mapping(value: object) -> Mapping[Any, object] | None:
    """Return the mapping that `value` is, or that an object such as a Namespace holds."""
    if isinstance(value, Made):
        state = value.state[0] if isinstance(value.state, tuple) and value.state else value.state
        return value.entries or (state if isinstance(state, dict) else None)
    return value if isinstance(value, dict) else None


def flatten(mapping: Mapping[Any, object]) -> dict[str, Scalar]:
    """Return the scalars of a nested mapping by dotted keys, at most `MAX_CONFIG` of them.

    Short lists of scalars become one text; whatever else is no scalar is left out.
    """
    flat: dict[str, Scalar] = {}
    waiting: list[tuple[str, int, object]] = [("", 0, mapping)]
    for _ in range(MAX_VISITS):
        if not waiting or len(flat) >= MAX_CONFIG:
            break
        path, depth, value = waiting.pop(0)
        nested = as_mapping(value)
        if nested is not None and depth < MAX_DEPTH:
            start = f"{path}." if path else ""
            children = [(f"{start}{k}", depth + 1, v) for k, v in _text_keys(nested)]
            waiting[:0] = children
        elif is_scalar(value):
            flat[path] = _short(value)
        elif isinstance(value, list | tuple) and len(value) <= 8 and all(map(is_scalar, value)):
            flat[path] = _short(str([_short(item) for item in value]))
        elif (
            isinstance(value, Made) and len(value.arguments) == 1 and is_scalar(value.arguments[0])
        ):
            flat[path] = _short(value.arguments[0])  # an enum's value
    return flat


def _text_keys(mapping: Mapping[Any, object]) -> Iterator[tuple[str, object]]:
    for key, value in list(mapping.items())[: MAX_CONFIG * 2]:
        if isinstance(key, str) and len(key) <= LONGEST_TEXT:
            yield key, value


def history(
    value: object, path: str, resolve: Resolve = lambda value: value, part: str | None = None
) -> Iterator[Measurement]:
    """Yield the metrics of each epoch: `value` is a mapping of lists, or a list of mappings.

    `part` is that of the data which the lists are of, where what holds them says so. None if there
    are too many: a checkpoint is one, whatever its history.
    """
    columns = as_mapping(value)
    if columns is not None:
        yield from _columns(columns, path, resolve, part)
    elif isinstance(value, list):
        entries = ((f"key {path}[{i}].", as_mapping(row) or {}) for i, row in enumerate(value))
        with suppress(Broken):
            yield from epoch_rows(entries, resolve)


def _columns(
    columns: Mapping[Any, object], path: str, resolve: Resolve, part: str | None
) -> Iterator[Measurement]:
    said = columns.get("epoch", columns.get("epochs"))
    epochs = said if isinstance(said, list) else []
    left = MAX_MEASUREMENTS
    for key, values in columns.items():
        if not (isinstance(key, str) and isinstance(values, list) and metrics.plausible(key)):
            continue
        if len(values) <= left:  # all of them or none
            left -= len(values)
            name = f"{part}_{key}" if part and metrics.split(key) is None else key
            for index, raw in enumerate(values):
                is_said = index < len(epochs)
                epoch = _whole(epochs[index]) if is_said else index
                where = f"key {path}.{key}[{index}]"
                moment = Measurement("", 0, where, "epoch", epoch, is_counted=not is_said)
                yield from _of_epoch(name, resolve(raw), moment)


def is_columns(value: object) -> TypeGuard[dict[str, list[object]]]:
    """Return whether this is a mapping of names to lists."""
    columns = as_mapping(value) or {}
    return bool(columns) and all(
        isinstance(key, str) and isinstance(column, list) for key, column in columns.items()
    )


def curves_among(mapping: Mapping[Any, object]) -> dict[str, list[object]]:
    """Return the curves that stand among other things: of training and of validation, alike long.

    Lists of other lengths are none, nor is what a cross-validation gave for each fold.
    """
    lists = {k: v for k, v in mapping.items() if isinstance(k, str) and isinstance(v, list)}
    trained = {(metrics.canonical(k), len(v)) for k, v in lists.items() if _may_be_trained(k)}
    validated = {(metrics.canonical(k), len(v)) for k, v in lists.items() if _is_validated(k)}
    lengths = {length for metric, length in trained & validated if metric}
    return {k: v for k, v in lists.items() if len(v) in lengths}


def _may_be_trained(key: str) -> bool:
    return metrics.split(key) in (None, "train") and "fold" not in key.lower()


def _is_validated(key: str) -> bool:
    return metrics.split(key) == "val" and "fold" not in key.lower()


def epoch_rows(
    rows: Iterable[tuple[str, Mapping[Any, object]]], resolve: Resolve = lambda value: value
) -> list[Measurement]:
    """Return the metrics in rows, one for each epoch or step; each row with where it stands.

    A row that goes back to the start begins the next of the runs that were appended; one that goes
    back less far was written by a run that was resumed, and counts. Of training figures the last of
    an epoch is kept. A bare `loss` beside a learning rate is one, if there is anything else. Of
    columns that are too long nothing is kept: half of one would name a wrong best. Raises Broken if
    nothing is left then.
    """
    found: dict[_Cell, tuple[str, object, bool]] = {}
    of_training: set[_Cell] = set()
    too_long: set[str] = set()
    sessions = _Sessions()
    for index, (where, row) in enumerate(rows):
        keyed = {key.strip(): raw for key, raw in _text_keys(row)}
        spelled = {key.lower().replace(" ", "_"): raw for key, raw in keyed.items()}
        epoch, step = (_first_number(spelled, names) for names in (_EPOCHS, _STEPS))
        session = sessions.of(epoch, step)
        is_counted = epoch is None and step is None
        whole = _whole(index if is_counted else epoch)
        whole_step = _whole(step)
        trains = not _OF_TRAINING.isdisjoint(spelled)
        for key, raw in keyed.items():
            if key in too_long or metrics.plausible(key) is None:
                continue
            is_loss = trains and _is_loss_of_training(key)
            often = (is_loss or metrics.split(key) == "train") and whole is not None
            cell = (session, key, whole, None if often else whole_step)
            found[cell] = where, raw, is_counted
            if is_loss:
                of_training.add(cell)
        if len(found) > MAX_MEASUREMENTS:
            too_long.add(_longest(found))
            found = {cell: said for cell, said in found.items() if cell[1] not in too_long}
    if too_long and not found:
        raise Broken(_too_many())
    judged = found.keys() - of_training
    return [
        measured
        for (session, key, epoch, step), (where, raw, is_counted) in found.items()
        if not judged or (session, key, epoch, step) in judged
        for measured in _of_epoch(
            key,
            resolve(raw),
            Measurement(
                *("", 0, f"{where}{key}", "epoch", epoch, step),
                session=session,
                is_counted=is_counted,
            ),
        )
    ]


_Cell = tuple[int, str, int | None, int | None]  # session, key, epoch, step


def _longest(found: Iterable[_Cell]) -> str:
    """Return the longest column, if one of training figures is long the longest of these.

    Raises Broken if none is long: then there are too many columns.
    """
    lengths = Counter(key for _, key, _, _ in found)
    long = [key for key, length in lengths.items() if length >= LONG]
    if not long:
        raise Broken(_too_many())
    return max(long, key=lambda key: (metrics.split(key) == "train", lengths[key]))


def _too_many() -> str:
    return f"holds more than {MAX_MEASUREMENTS:,} values, which are not read"


class _Sessions:
    """Counts the runs that were appended to one history."""

    def __init__(self) -> None:
        self._number = 0
        self._span: dict[bool, tuple[float, float]] = {}  # in epochs, in steps: first and last

    def of(self, epoch: float | None, step: float | None) -> int:
        """Return which run a row is of; epochs tell, and steps where there are none."""
        now = step if epoch is None else epoch
        if now is not None:
            first, last = self._span.get(epoch is None, (now, now))
            if now < last and now <= first:
                self._number, first = self._number + 1, now
                self._span.clear()
            self._span[epoch is None] = (first, now)
        return self._number


def _first_number(row: Mapping[str, object], names: Iterable[str]) -> float | None:
    """Return what a row has under one of the names; cells of tables are texts."""
    for name in names:
        read = metric_value(row.get(name)) if name in row else None
        if read and math.isfinite(read[0]):
            return read[0]
    return None


_OF_TRAINING = {"lr", "learning_rate", "grad_norm", "data_time", "base_lr"}


@lru_cache(maxsize=1024)
def _is_loss_of_training(key: str) -> bool:
    return "loss" in key.lower() and metrics.split(key) is None


def _of_epoch(key: str, value: object, moment: Measurement) -> Iterator[Measurement]:
    read = metric_value(value)
    if read and (metrics.canonical(key) or math.isfinite(read[0])):
        yield moment._replace(name=key, value=read[0], digits=read[1])
