"""`trial.json` of Keras Tuner: the metrics at the trial's best epoch, and its hyper-parameters.

The weights beside it are of that epoch. Format: `keras_tuner/engine/trial.py`, `Trial.get_state`,
and `metrics_tracking.py`: a value for each execution of the trial, of which the mean is judged.
"""

import math
from collections.abc import Mapping
from statistics import fmean
from typing import Any

from engine.readers.keys import as_mapping
from engine.readers.numbers import metric_value
from engine.recognition.evidence import Measurement, Noted, Reading, Scalar

MARKS = frozenset({"trial_id", "hyperparameters", "metrics", "score", "best_step"})


def reading(trial: Mapping[str, Any]) -> Reading:
    """Return the metrics at the best epoch; the objective is the one that is equal to the score."""
    metrics = as_mapping((as_mapping(trial["metrics"]) or {}).get("metrics")) or {}
    best: list[Measurement] = []
    notes: list[Noted] = []
    for name, told in metrics.items():
        where, history = f"key metrics.metrics.{name}", as_mapping(told) or {}
        value = _mean_at(trial["best_step"], history)
        if value is None:
            continue
        best.append(Measurement(str(name), value, where, "best", trial["best_step"]))
        score = metric_value(trial["score"])
        if score and not notes and math.isclose(score[0], value):
            notes.append(Noted("monitor", str(name), "key score"))
            if (direction := history.get("direction")) in ("max", "min"):
                notes.append(Noted("direction", direction, f"{where}.direction"))
    return Reading("Keras Tuner trial", "results", tuple(best), tuple(notes), _config(trial))


def _mean_at(step: object, history: Mapping[Any, Any]) -> float | None:
    """Return the mean over the executions at an epoch; None if it was not observed there."""
    rows = [row for row in history.get("observations") or () if as_mapping(row)]
    found = next((row.get("value") for row in rows if row.get("step") == step), None)
    values = [read[0] for value in found or () if (read := metric_value(value))]
    return fmean(values) if values else None


def _config(trial: Mapping[str, Any]) -> dict[str, Scalar]:
    values = as_mapping((as_mapping(trial["hyperparameters"]) or {}).get("values")) or {}
    return {str(k): v for k, v in values.items() if isinstance(v, str | int | float | bool)}
