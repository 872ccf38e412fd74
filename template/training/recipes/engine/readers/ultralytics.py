"""What the checkpoints of Ultralytics tell of themselves.

At the end of a training epoch and fitness are blanked; `train_metrics` stays and is this file's.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine import metrics
from engine.evidence import Noted
from engine.readers import keys
from engine.readers.keys import Facts, Resolve, as_mapping

MARK = "train_metrics"
# What fitness is made of, by task; the first that is there.
_JUDGED_BY = (
    *("metrics/mAP50-95(B)", "metrics/accuracy_top1", "metrics/mAP50-95(M)"),
    *("metrics/mAP50-95(P)", "metrics/mIoU"),
)


def add(facts: Facts, entries: Mapping[Any, object], path: Path, resolve: Resolve) -> None:
    """Add the metrics of this checkpoint; its epoch as results.csv counts it, from 1."""
    own = as_mapping(entries.get(MARK)) or {}
    found = keys.collect({"metrics": {k: v for k, v in own.items() if metrics.plausible(str(k))}}, "own", resolve)
    facts.measurements += found.measurements
    facts.notes[:] = [
        Noted("epoch", str(int(note.value) + 1), f"{note.where} (from 0)")
        if note.fact == "epoch"
        else note
        for note in facts.notes
    ]
    if name := next((key for key in _JUDGED_BY if key in own), None):
        facts.notes.append(Noted("monitor", name, f"key {MARK}"))
