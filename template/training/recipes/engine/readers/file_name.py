"""What the name of a file says: metrics, epoch, dates."""

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

from engine.readers import dates
from engine.readers.numbers import PATTERN, parse
from engine.recognition import identity, metrics
from engine.recognition.evidence import Measurement, Noted

_SUFFIX = re.compile(r"(?:\.(?:tar|gz|[A-Za-z][A-Za-z0-9]{0,10}))+\Z")
_EPOCH = re.compile(
    r"(?<![a-z])ep(?:och)?[=_-]?(\d{1,6})(?![\d.]*\.\d)|"
    r"(?<![a-z\d.])(\d{1,6})epochs?(?![a-z]|[=_-]?\d)",  # ESPnet's "3epoch"
    re.IGNORECASE,
)
_STEP = re.compile(
    r"(?<![a-z])(?:step|iter(?:ation)?)[=_-]?(\d{1,9})(?![\d.]*\.\d)|"
    r"(?<![a-z])ep(?:och)?\d{1,6}[_-](\d{1,7})\Z",  # "epoch1_2001"
    re.IGNORECASE,
)
_COUNT = re.compile(
    r"(?:(?:checkpoint|ckpt)[_-]?|(?:cp|model)[_-]|(?:model|weights)(?=0\d))(\d{1,9})\Z",
    re.IGNORECASE,
)
# Keras: "{epoch:02d}-{val_loss:.2f}", with or without the metric's name.
_BEFORE_VALUE = re.compile(r"(?:\A|[_.-])(\d{2,4})-(?:[a-z_]+[=_-]?)?\d*\.\d+\Z", re.IGNORECASE)
# A number with decimals, or after "=": a bare integer counts things.
_VALUE = re.compile(
    rf"(?:(?P<assigned>=)|(?P<joint>[_\s-]|(?<=[A-Za-z])))(?P<number>{PATTERN})(?![A-Za-z0-9])",
    re.IGNORECASE | re.ASCII,
)
_WORDS = re.compile(r"[A-Za-z@][A-Za-z0-9@]*")
_REFUSED = re.compile(
    r"target|goal|gap|baseline|paper|thresh|thr\b|delta|margin|(?:epoch|step)\Z", re.IGNORECASE
)
MOST_WORDS = 4


class NameFacts(NamedTuple):
    """What was read in a name."""

    measurements: tuple[Measurement, ...] = ()
    notes: tuple[Noted, ...] = ()


@lru_cache(maxsize=4096)
def read_name(path_text: str) -> NameFacts:
    """Return the metrics in a file's name, and the dates in it and in its folders, nearest first.

    A metric is a number that directly follows a metric's name: a learning rate, a version, a hash
    or a size is none.
    """
    path = PurePosixPath(path_text)
    return NameFacts(tuple(_measurements(path)), (*_notes(path), *_moment(path)))


def _measurements(path: PurePosixPath) -> list[Measurement]:
    stem = _stem(path)
    epoch, step = _number(_EPOCH, stem), _number(_STEP, stem)
    epoch = _number(_BEFORE_VALUE, stem) if epoch is None else epoch
    found = []
    for match in _VALUE.finditer(stem):
        name = _metric_before(stem[: match.start()]) or _assigned(stem, match)
        is_value = match["assigned"] or "." in match["number"] or "," in match["number"]
        read = parse(match["number"])
        is_filled_in = match["assigned"] and read and read[0] == 0  # by Lightning: not logged
        if name and is_value and read and not is_filled_in:
            where = "file name" if "," not in match["number"] else f"file name ({match['number']})"
            found.append(Measurement(name, read[0], where, "own", epoch, step, digits=read[1]))
    return found


def _assigned(stem: str, match: re.Match[str]) -> str | None:
    """Return the name before "=" that may be a metric's, `my_score` of `epoch=1-my_score=0.5`."""
    before = re.split(r"[-=]", stem[: match.start()])[-1] if match["assigned"] else ""
    return before if metrics.plausible(before) and not _REFUSED.search(before) else None


def _stem(path: PurePosixPath) -> str:
    """Return the name without its suffix; a "/" in the metric's name has made a folder."""
    name, folder = _SUFFIX.sub("", path.name), path.parent.name
    return f"{folder}_{name}" if identity.is_half_a_name(folder) else name


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    match = pattern.search(text)
    return int(match[match.lastindex or 0]) if match else None


def _metric_before(text: str) -> str | None:
    """Return the longest run of words that ends `text` and names a metric."""
    if not re.search(r"[A-Za-z0-9@]\Z", text):
        return None
    words = list(_WORDS.finditer(text))[-MOST_WORDS:]
    for word in words:
        name = text[word.start() :]
        if metrics.canonical(name):
            return None if _REFUSED.search(text) else name
    return None


def _moment(path: PurePosixPath) -> Iterator[Noted]:
    """Yield the epoch and the step that the name tells; a number alone may be either."""
    stem = _stem(path)
    is_half = identity.is_half_a_name(path.parent.name)
    alone = _number(_COUNT, path.parent.name if is_half else stem)
    before = _number(_BEFORE_VALUE, stem)
    for fact, pattern in (("epoch", _EPOCH), ("step", _STEP)):
        number = _number(pattern, stem)
        if number is None and not (_EPOCH.search(stem) or _STEP.search(stem)):
            number = before if before is not None and fact == "epoch" else alone
        if number is not None:
            yield Noted(fact, str(number), "file name")


def _notes(path: PurePosixPath) -> list[Noted]:
    notes = []
    for depth, part in enumerate(reversed(path.parts)):
        where = "folder name" if depth else "file name"
        for when, has_time, _ in dates.find(part):
            notes.append(Noted("started", dates.iso(when, has_time), where))
    return notes
