"""Result and summary files that training scripts write: `history`, `best_*`, `final_*`, metrics."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.readers import Broken, hf_trainer, keras_tuner, keys
from engine.recognition import metrics
from engine.recognition.evidence import Measurement, Reading

MAX_BYTES = 16 << 20
_NAMED = re.compile(r"result|metric|history|summary|score|eval|performance")
_SACRED = {"experiment", "heartbeat", "start_time"}  # its `result` has no name
_RUN_KEYS = frozenset(
    "model model_type model_name architecture arch epoch epochs best_epoch checkpoint method "
    "optimizer batch_size learning_rate lr train_samples val_samples total_params "
    "performance".split()
)
_FEWEST_TOKENS = 50


def read(path: Path, name: str) -> Reading | None:
    """Return the results in a JSON file; None if it holds anything else."""
    try:
        value = _load(path)
    except (ValueError, RecursionError) as error:
        if is_named(name):
            raise Broken(f"not valid JSON, or truncated: {error}") from error
        return None
    found = of_value(value, is_named=is_named(name))
    if found is None and "history" in name.lower() and _is_of_no_split(value):
        return Reading("result JSON", "results")  # of its run; nobody knows which data it tells of
    return found


def is_named(name: str) -> bool:
    """Return whether a file is called like one of results."""
    return _NAMED.search(name.lower()) is not None


def of_value(value: Any, *, is_named: bool) -> Reading | None:
    """Return the results that a value tells; None if it is anything else."""
    if isinstance(value, dict) and value.keys() >= hf_trainer.MARKS:
        return hf_trainer.reading(value)
    if isinstance(value, dict) and value.keys() >= keras_tuner.MARKS:
        return keras_tuner.reading(value)
    if _is_vocabulary(value):
        return None
    rows = list(_history(_listed(value)))
    mapping = value if isinstance(value, dict) and not rows else {}
    rows = rows or list(keys.history(keys.curves_among(mapping), ""))
    facts = keys.collect(mapping, "final")
    facts.measurements += rows
    if mapping.keys() >= _SACRED:
        return Reading("Sacred run", "results", (), tuple(facts.notes))
    if not facts.measurements or not (rows or _is_result(mapping, facts, is_named)):
        return None
    return Reading(
        "result JSON", "results", tuple(facts.measurements), tuple(facts.notes), facts.config
    )


def _is_vocabulary(value: Any) -> bool:
    """Return whether words are numbered, as in a tokenizer's `vocab.json`: "loss" is one."""
    numbers = value.values() if isinstance(value, dict) and len(value) >= _FEWEST_TOKENS else ()
    return bool(numbers) and all(type(n) is int for n in numbers) and len({*numbers}) == len(value)


def _load(path: Path) -> Any:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError("larger than 16 MB")
    return json.loads(data)


def _history(value: Any) -> Iterator[Measurement]:
    """Yield the rows of a bare history; boosters have one for each set that they watch.

    Sacred has a mapping of steps and values for each metric.
    """
    if _is_history(value):
        yield from keys.history(value, "")
    elif isinstance(value, dict) and value and all(map(keys.is_columns, value.values())):
        for name, columns in value.items():
            if columns.keys() >= {"steps", "values"}:
                pairs = zip(columns["steps"], columns["values"], strict=False)
                rows = (
                    (f"key {name}.values[{index}], ", {"step": step, name: number})
                    for index, (step, number) in enumerate(pairs)
                )
                yield from keys.epoch_rows(rows)
            elif any(map(metrics.canonical, columns)):
                yield from keys.history(columns, name, part=_watched(str(name)))


def _listed(value: Any) -> Any:
    """Return columns as lists where pandas' `to_json` made mappings by row of them."""
    columns = value.values() if isinstance(value, dict) else ()
    is_numbered = all(
        isinstance(column, dict) and [*column] == [str(n) for n in range(len(column))]
        for column in columns
    )
    return {k: [*c.values()] for k, c in value.items()} if columns and is_numbered else value


def _watched(name: str) -> str:
    """Return which part of the data XGBoost's `validation_0` and LightGBM's `valid_0` are."""
    return {"learn": "train"}.get(name, metrics.split(name) or "val")


def _is_history(value: object) -> bool:
    """Return whether this is a bare history: lists by metric, or one mapping for each epoch."""
    if isinstance(value, dict):
        columns = [key for key, values in value.items() if isinstance(values, list)]
        return len(columns) == len(value) and any(metrics.split(key) for key in columns)
    rows = value if isinstance(value, list) else []
    return bool(rows) and all(isinstance(row, dict) and "epoch" in row for row in rows)


def _is_of_no_split(value: object) -> bool:
    """Return whether these are lists by metric, and none says which data it was measured on."""
    return keys.is_columns(value) and any(map(metrics.canonical, value))


def _is_result(mapping: dict[str, object], facts: keys.Facts, is_named: bool) -> bool:
    """Return whether the metrics are those of a training: `accuracy` is also said of a position."""
    said_of_run = any(m.kind != "final" or "final" in m.where for m in facts.measurements)
    of_split = any(metrics.split(m.where) for m in facts.measurements)
    return is_named or said_of_run or of_split or bool(_RUN_KEYS & mapping.keys())
