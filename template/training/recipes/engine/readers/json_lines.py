"""Histories with a JSON object on each line, as detectron2, mmengine and many others write."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from engine.readers import Broken, keys
from engine.readers.numbers import metric_value
from engine.recognition import metrics
from engine.recognition.evidence import Measurement, Reading

MAX_BYTES = 128 << 20
LONGEST_LINE = 1 << 16


def read(path: Path, name: str) -> Reading | None:
    """Return the metrics on the lines; None if they tell of no epoch or step."""
    of_snapshots: list[Measurement] = []
    rows = counted = last = 0
    has_both = False
    for where, row in _rows(path):
        of_snapshots += _of_snapshot(where, row)
        rows, counted = rows + 1, counted + bool(_MOMENTS & row.keys())
        has_both = has_both or ("epoch" in row and "step" in row)
        last = max(last, row["epoch"]) if isinstance(row.get("epoch"), int) else last
    if 2 * counted <= rows:
        return Reading("JSON lines", "results", tuple(of_snapshots)) if of_snapshots else None
    epochs = last if has_both else 0
    found = keys.epoch_rows((where, _meant(row, epochs)) for where, row in _rows(path))
    return Reading("JSON lines", "results", tuple(found)) if found else None


_MOMENTS = {"epoch", "step", "global_step", "iter", "iteration"}


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    left = MAX_BYTES
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LONGEST_LINE):
            if left < 0:
                raise Broken(f"is larger than {MAX_BYTES >> 20} MiB, which is not read")
            number, left = number + 1, left - len(line)
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):  # cut off by a crash, or not for us
                continue
            if isinstance(row, dict):
                yield f"line {number}, key ", row


def _of_snapshot(where: str, row: dict[str, Any]) -> Iterator[Measurement]:
    """Yield what StyleGAN's `metric-fid50k_full.jsonl` says of the snapshot that a line names.

    The format: `metrics/metric_main.py` of github.com/NVlabs/stylegan2-ada-pytorch.
    """
    results, snapshot = row.get("results"), row.get("snapshot_pkl")
    for name, value in results.items() if isinstance(results, dict) else ():
        read = metric_value(value)
        if isinstance(snapshot, str) and read and metrics.plausible(name):
            named = PurePosixPath(snapshot.replace("\\", "/")).name
            yield Measurement(name, read[0], f"{where}results.{name}", "saved", checkpoint=named)


def _meant(row: dict[str, Any], epochs: int) -> Mapping[str, Any]:
    """Return a row as what it means.

    mmengine calls the epoch of a validation "step", while its training rows have both: then
    `epochs` says how many there are. Rows of older versions say in `mode` what they are of.
    """
    step = row.get("step")
    if "epoch" not in row and isinstance(step, int) and step <= epochs:
        return {"epoch": step, **{key: value for key, value in row.items() if key != "step"}}
    if row.get("mode") == "train":
        return {k if k in ("epoch", "iter") else f"train/{k}": v for k, v in row.items()}
    return row
