"""`trainer_state.json` of the Hugging Face Trainer: the curve, and which step was the best."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from engine.readers import keys
from engine.recognition import metrics
from engine.recognition.evidence import Measurement, Noted, Reading

MARKS = frozenset({"log_history", "global_step"})


def reading(state: Mapping[str, Any]) -> Reading:
    """Return the evaluations of the curve by step, the step of this state, and the best metric."""
    history = state["log_history"]
    rows = ((f"key log_history[{i}].", _evaluated(row)) for i, row in enumerate(history))
    curve = keys.epoch_rows((where, row) for where, row in rows if row)
    step, best = state.get("global_step"), state.get("best_metric")
    notes = [Noted("step", str(step), "key global_step")] if isinstance(step, int) else []
    best_step, best_folder = _best_step(state), _best_folder(state)
    of_best = [m for m in curve if m.step == best_step]
    if monitor := next((m for m in of_best if m.value == best), None):
        notes.append(Noted("monitor", monitor.name, "key best_metric"))
    named = [m._replace(kind="best", checkpoint=best_folder) for m in of_best]
    return Reading("trainer state", "results", (*curve, *named), tuple(notes))


def _evaluated(row: object) -> dict[str, Any]:
    """Return an evaluation; rows of training have a learning rate, and no metric of a split."""
    entries = row if isinstance(row, dict) else {}
    found = {k: v for k, v in entries.items() if metrics.split(str(k)) in ("val", "test")}
    return found | {k: entries[k] for k in ("epoch", "step") if k in entries} if found else {}


def _best_step(state: Mapping[str, Any]) -> int | None:
    """Return the step of the best; before version 4.50 only the folder's name told it."""
    step, said = state.get("best_global_step"), _best_folder(state).rpartition("-")[2]
    return step if isinstance(step, int) else int(said) if said.isdigit() else None


def _best_folder(state: Mapping[str, Any]) -> str:
    return PurePosixPath(str(state.get("best_model_checkpoint")).replace("\\", "/")).name


def at_step(reading: Reading) -> tuple[Measurement, ...]:
    """Return the evaluation at the step of the state itself."""
    steps = {int(note.value) for note in reading.notes if note.fact == "step"}
    return tuple(m for m in reading.measurements if m.step in steps and m.kind == "epoch")
