"""Tables that a training prints into its log: names in columns, and a row for each epoch."""

import re
from typing import NamedTuple

from engine.readers.log_lines import Value
from engine.readers.numbers import parse
from engine.recognition import metrics

_BLANKS, _WIDE_BLANKS = re.compile(r"\s+"), re.compile(r"\s{2,}")
_MARKS = tuple(re.compile(rf"\s*{re.escape(mark)}\s*") for mark in ("|", "│", ",", "\t"))
_EPOCH = re.compile(r"\[?(\d{1,6})(?:/\d+)?\]?")
_NAME = re.compile(r"[A-Za-z].")


class Head(NamedTuple):
    """What stands above a table."""

    columns: tuple[str, ...]
    between: re.Pattern[str]  # what stands between two cells of a row

    def row(self, body: str) -> tuple[int, list[Value]] | None:
        """Return the epoch and the metrics in a row; None if the line is none of this table.

        What follows the last cell, such as a star beside the best, is left out.
        """
        cells = _cells(self.between, body)
        if len(cells) < len(self.columns):
            return None
        told = dict(zip(self.columns, cells, strict=False))
        epoch = next(_EPOCH.fullmatch(v) for k, v in told.items() if _is_epoch(k))
        texts = {name: text for name, text in told.items() if metrics.canonical(name)}
        read = {name: parse(text.partition(" ")[0]) for name, text in texts.items()}
        if epoch is None or None in read.values():
            return None
        found = ((name, number, texts[name]) for name, number in read.items() if number)
        return int(epoch[1]), [Value(name, *number, text, "") for name, number, text in found]


def head(body: str) -> Head | None:
    """Return the names of a table's columns: `Epoch | Train Loss | Val Acc`; None of other lines.

    One is the epoch, and at least one is a metric.
    """
    mark = next((mark for mark in _MARKS if mark.search(body.strip())), None)
    columns = _cells(mark or _WIDE_BLANKS, body)
    is_named = len({*columns}) == len(columns) > 2 and all(map(_NAME.match, columns))
    if not is_named or sum(map(_is_epoch, columns)) != 1:
        return None
    return Head(tuple(columns), mark or _BLANKS) if any(map(metrics.canonical, columns)) else None


def _cells(between: re.Pattern[str], body: str) -> list[str]:
    return between.split(body.strip().strip("|│").strip())


def _is_epoch(name: str) -> bool:
    return name.lower() in ("epoch", "epochs")
