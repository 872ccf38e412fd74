"""What the checkpoints of nnU-Net (v2) tell of themselves: the curves in `logging`.

`current_epoch` is that of the next epoch. The curves are of "pseudo Dice", on patches: for the last
checkpoint, the Dice of the validation that follows is believed first (`validation/summary.json`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.readers.keys import Facts, Resolve, as_mapping
from engine.readers.numbers import metric_value
from engine.recognition.evidence import Measurement, Noted

MARK = "network_weights"
_CURVES = ("ema_fg_dice", "val_losses")  # the former is what `checkpoint_best` is kept by


def add(facts: Facts, entries: Mapping[Any, object], path: Path, resolve: Resolve) -> None:
    """Add the last values of the curves: those of the epoch after which this was written."""
    curves = as_mapping(entries.get("logging")) or {}
    after = entries.get("current_epoch")
    epoch = after - 1 if isinstance(after, int) else None
    facts.notes[:] = [note for note in facts.notes if note.fact != "epoch"]
    for name in _CURVES:
        values = curves.get(name)
        if isinstance(values, list) and values and (read := metric_value(resolve(values[-1]))):
            where = f"key logging.{name}[{len(values) - 1}]"
            facts.measurements.append(Measurement(name, read[0], where, "own", epoch))
    facts.notes.append(Noted("monitor", _CURVES[0], "key _best_ema"))
