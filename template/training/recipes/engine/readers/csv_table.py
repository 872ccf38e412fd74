"""Tables of results: a row for each epoch or step, or a row for each model."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from engine.readers import WEIGHTS, Broken, keys
from engine.readers.numbers import metric_value
from engine.readers.ultralytics import JUDGED_BY
from engine.recognition import metrics
from engine.recognition.evidence import Measurement, Noted, Reading

MAX_ROWS = 1_000_000
LONGEST_LINE = 1 << 16
_WORD = re.compile(r"[A-Za-z]{2}")
_MOMENTS = {"epoch", "epochs", "step", "global_step", "iteration", "iter"}
_MODELS = (
    *("checkpoint", "checkpoint_path", "model_path", "model_file", "weights", "file", "filename"),
    *("path", "model", "model_name", "run", "run_name", "experiment", "name"),
)


def read(path: Path, name: str) -> Reading | None:
    """Return the metrics in a table; None if its columns are not those of results."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        head = file.readline(LONGEST_LINE)
        if not _WORD.search(head):
            return None  # numbers alone, without a header
        comma = max(",;\t", key=head.count)
        comma = comma if comma in head else " "
        names = [cell.strip() for cell in next(_cells([head], comma), [])]
        columns = [name.lower() for name in names]
        known = [name for name in names if metrics.canonical(name)]
        moment = _MOMENTS & set(columns)
        model = next((column for column in _MODELS if column in columns), None)
        if not (known or any(metrics.split(c) and metrics.plausible(c) for c in columns)):
            return None
        by_row = bool(moment) or sum(metrics.split(column) is not None for column in columns) > 1
        if not by_row and not model:
            return None
        rows = _rows(_cells(file, comma), names)
        found = keys.epoch_rows(rows) if moment or not model else list(_models(rows, model or ""))
    judged_by = next((c for c in JUDGED_BY if c.lower() in columns), None)
    notes = (Noted("monitor", judged_by, "its columns are Ultralytics'"),) if judged_by else ()
    return Reading("results table", "results", tuple(found), notes) if found else None


def _cells(lines: Iterable[str], comma: str) -> Iterator[list[str]]:
    return csv.reader(lines, delimiter=comma, skipinitialspace=comma == " ")


def _rows(
    lines: Iterator[list[str]], columns: list[str]
) -> Iterator[tuple[str, Mapping[str, str]]]:
    for number, cells in enumerate(lines, start=2):
        if number > MAX_ROWS:
            raise Broken(f"has more than {MAX_ROWS:,} lines, which are not read")
        is_header = cells[:1] and cells[0].strip() == columns[0]  # again, where one appended
        if not is_header or [cell.strip() for cell in cells] != columns:
            pairs = zip(columns, cells, strict=False)
            yield f"line {number}, ", {column: cell for column, cell in pairs if cell.strip()}


def _models(rows: Iterator[tuple[str, Mapping[str, str]]], model: str) -> Iterator[Measurement]:
    for where, row in rows:
        said = next((cell for column, cell in row.items() if column.lower() == model), "").strip()
        named = (
            PurePosixPath(said.replace("\\", "/")).name if said.lower().endswith(WEIGHTS) else said
        )
        for column, cell in row.items():
            if metrics.plausible(column) and named and (value := metric_value(cell)):
                yield Measurement(
                    column, value[0], f"{where}{column}", "saved", checkpoint=named, digits=value[1]
                )
