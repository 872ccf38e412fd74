"""`results.txt` of YOLOv5 (until version 5) and YOLOv7: a row of numbers for each epoch, no header.

The format: `train.py` of github.com/WongKinYiu/yolov7.
"""

from collections.abc import Iterator
from pathlib import Path

from engine.readers import keys
from engine.readers.ultralytics import JUDGED_BY
from engine.recognition.evidence import Noted, Reading

LONGEST_LINE = 1 << 12
_COLUMNS = (
    *("train/box_loss", "train/obj_loss", "train/cls_loss", "train/loss", "labels", "img_size"),
    *("metrics/precision", "metrics/recall", "metrics/mAP_0.5", "metrics/mAP_0.5:0.95"),
    *("val/box_loss", "val/obj_loss", "val/cls_loss"),
)


def read(path: Path, name: str) -> Reading | None:
    """Return the metrics of each epoch, which are counted from 0; None if no row is whole."""
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = iter(lambda: file.readline(LONGEST_LINE), "")
        found = keys.epoch_rows(_rows(lines))
    judged_by = next(name for name in JUDGED_BY if name in _COLUMNS)
    notes = (Noted("monitor", judged_by, "its columns are YOLO's"),)
    return Reading("YOLO results", "results", tuple(found), notes) if found else None


def _rows(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, str]]]:
    for number, line in enumerate(lines, start=1):
        epoch, *cells = line.split() or [""]
        if len(cells) == len(_COLUMNS) + 1:  # the memory that was used comes first
            row = dict(zip(_COLUMNS, cells[1:], strict=True))
            yield f"line {number}, ", {"epoch": epoch.partition("/")[0], **row}
