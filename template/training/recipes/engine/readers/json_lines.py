"""Histories with a JSON object on each line, as detectron2, mmengine and many others write."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.evidence import Reading
from engine.readers import keys

MAX_BYTES = 64 << 20
LONGEST_LINE = 1 << 16


def read(path: Path, name: str) -> Reading | None:
    """Return the metrics on the lines; None if they tell of no epoch or step."""
    rows = list(_rows(path))
    counted = [row for _, row in rows if {"epoch", "step", "iter", "iteration"} & row.keys()]
    found = keys.epoch_rows(_with_epochs(rows)) if 2 * len(counted) > len(rows) else []
    return Reading("JSON lines", "results", tuple(found)) if found else None


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    left = MAX_BYTES
    with path.open("rb") as file:
        number = 0
        while left > 0 and (line := file.readline(LONGEST_LINE)):
            number, left = number + 1, left - len(line)
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):  # cut off by a crash, or not for us
                continue
            if isinstance(row, dict):
                yield f"line {number}, key ", row


def _with_epochs(
    rows: list[tuple[str, dict[str, Any]]],
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the rows as what they mean.

    mmengine calls the epoch of a validation "step" while training rows have both. Rows of older
    versions say in `mode` what they are of.
    """
    last = max((row["epoch"] for _, row in rows if isinstance(row.get("epoch"), int)), default=None)
    has_both = any("epoch" in row and "step" in row for _, row in rows)
    for where, row in rows:
        step = row.get("step")
        if has_both and "epoch" not in row and isinstance(step, int) and step <= (last or 0):
            yield where, {"epoch": step, **{k: v for k, v in row.items() if k != "step"}}
        elif row.get("mode") == "train":
            yield where, {k if k in ("epoch", "iter") else f"train/{k}": v for k, v in row.items()}
        else:
            yield where, row
