"""`results.txt` or `metrics.txt` of tests, a figure on each line: `mcc = 0.91`, `Test AUC: 0.71`.

A line may be the heading of those below it, `Validation set:`, and tell which data they are of.

simpletransformers writes `eval_results.txt` into the folder of each model that it saves after an
evaluation: `save_model` in `simpletransformers/classification/classification_model.py`.
"""

import re
from pathlib import Path

from engine.readers import Broken, keys
from engine.recognition import metrics
from engine.recognition.evidence import Reading

FORMAT = "result lines"
MAX_BYTES = 1 << 16
_PAIR = re.compile(r"(\w+(?= = )|[A-Za-z][\w@ -]*(?=: ))(?: = |: )\s*(\S.*)")
_HEADING = re.compile(r"((?:[A-Za-z]+ ?)+)(?::|\n[-=]{3,})")
_RULE = re.compile(r"[-=]{3,}")
_OF_PARTS = re.compile(r"\b(?:set|data|dataset)\b")


def read(path: Path, name: str) -> Reading | None:
    """Return the metrics, each on a line of its own; None if the file holds anything else.

    So it does if a name stands twice in one part: then nobody knows of which of several models.
    """
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise Broken("too complex: more than 64 kB of results")
    parts = _parts(data.decode("utf-8", "replace"))
    found = [
        measurement
        for part, pairs in (parts or {}).items()
        for measurement in keys.collect({part: pairs} if part else pairs, "final").measurements
    ]
    is_known = any(metrics.canonical(m.name) for m in found)
    return Reading(FORMAT, "results", tuple(found)) if is_known else None


def _parts(text: str) -> dict[str, dict[str, str]] | None:
    """Return the pairs below each heading by the part of the data that it tells, "" for none."""
    parts: dict[str, dict[str, str]] = {}
    part, lines = "", [line for line in map(str.strip, text.splitlines()) if line]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if match := _PAIR.fullmatch(line):
            pairs = parts.setdefault(part, {})
            if match[1] in pairs:
                return None
            pairs[match[1]] = match[2]
        elif _is_heading(line, following):
            part = metrics.split(line) or ""
        elif not _RULE.fullmatch(line):
            return None
    return parts


def _is_heading(line: str, following: str) -> bool:
    """Return whether this is a heading, underlined or before a colon, that names no model."""
    match = _HEADING.fullmatch(line) or _HEADING.fullmatch(f"{line}\n{following}")
    words = _OF_PARTS.sub("", match[1].lower()).split() if match else []
    return bool(words) and keys.is_group("_".join(words))
