"""What the checkpoints of fairseq tell of themselves: `val_loss` in `extra_state`.

It is the value of whatever metric decided which checkpoint was the best, of this very checkpoint
(`fairseq/checkpoint_utils.py`). Older versions hold the settings as `args`, newer ones as `cfg`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.readers.keys import Facts, Resolve, as_mapping
from engine.readers.numbers import metric_value
from engine.recognition.evidence import Measurement, Noted

MARK = "extra_state"
_WHERE = "key extra_state.val_loss"


def add(facts: Facts, entries: Mapping[Any, object], path: Path, resolve: Resolve) -> None:
    """Add the value by which the best was kept, and the metric's name and direction."""
    settings = as_mapping(entries.get("args"))
    settings = settings or as_mapping((as_mapping(entries.get("cfg")) or {}).get("checkpoint"))
    value = (as_mapping(entries[MARK]) or {}).get("val_loss")
    read = metric_value(resolve(value)) if value is not None and settings is not None else None
    if read is None or settings is None:
        return
    said = settings.get("best_checkpoint_metric")
    name = f"valid_{said if isinstance(said, str) else 'loss'}"
    facts.measurements.append(Measurement(name, read[0], _WHERE, "own"))
    direction = "max" if settings.get("maximize_best_checkpoint_metric") else "min"
    facts.notes += [Noted("monitor", name, _WHERE), Noted("direction", direction, _WHERE)]
