"""What the checkpoints of Ultralytics tell of themselves.

When a training ends, epoch and fitness are blanked; `train_metrics` stays, and is this file's own.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.readers.keys import Facts, Resolve, as_mapping
from engine.recognition.evidence import Noted

MARK = "train_metrics"
# What fitness is made of, by task; the first that is there.
JUDGED_BY = (
    *("metrics/mAP50-95(B)", "metrics/accuracy_top1", "metrics/mAP50-95(M)"),
    *("metrics/mAP50-95(P)", "metrics/mIoU", "metrics/mAP_0.5:0.95"),
)


def add(facts: Facts, entries: Mapping[Any, object], path: Path, resolve: Resolve) -> None:
    """Count epochs from 1, as results.csv does, and say what the best was judged by."""
    own = as_mapping(entries.get(MARK)) or {}
    facts.measurements[:] = [
        m._replace(epoch=None if m.epoch is None else m.epoch + 1) for m in facts.measurements
    ]
    facts.notes[:] = [
        Noted("epoch", str(int(note.value) + 1), f"{note.where} (from 0)")
        if note.fact == "epoch"
        else note
        for note in facts.notes
    ]
    if name := next((key for key in JUDGED_BY if key in own), None):
        facts.notes.append(Noted("monitor", name, f"key {MARK}"))
