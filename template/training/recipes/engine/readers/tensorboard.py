"""TensorBoard's event files: the scalars, read without TensorBoard.

A file is a sequence of records: length, its checksum, an `Event`, its checksum. An event is a
protocol buffer: step (2), wall time (1) and summary (5), whose values (1) have a tag (1) and a
simple value (2) or a tensor (8).
https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto
"""

import math
import re
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from engine.readers import Broken
from engine.readers.ultralytics import JUDGED_BY
from engine.recognition import metrics
from engine.recognition.evidence import Measurement, Noted, Reading

FIRST = 1.44e9  # TensorFlow came out in November 2015: before is time since a training began
MAX_RECORDS = 5_000_000
MAX_LENGTH = 1 << 40
MAX_RECORD = 1 << 16  # larger ones are pictures and histograms
# Scalars of one tag. Of more none is kept: half of them would name a wrong best.
MOST, MOST_OF_TRAINING = 20_000, 1000
# An event of a step with one scalar of such a tag.
_ONE_OF = (
    rb"\x09.{8}(?:\x10[\x80-\xff]*[\0-\x7f])?\x2a[\0-\x7f]\n[\0-\x7f]\n[\0-\x7f](?:%b)\x15.{4}"
)
Field = tuple[int, int, bytes]  # number, integer, bytes


def read(path: Path, name: str) -> Reading | None:
    """Return the scalars that are metrics, with their steps; None if there are none.

    Raises Broken for more events than are read.
    """
    found: list[Measurement] = []
    seen: Counter[str] = Counter()
    full: list[str] = []
    epochs: dict[int, int] = {}
    folder = path.parent.name  # Keras writes to `train` and to `validation`
    place = f"{folder}/" if metrics.split(folder) and len(folder) < 12 else ""
    for time, step, tag, value in _scalars(path, full):
        seen[tag] += 1
        most = MOST_OF_TRAINING if metrics.split(f"{place}{tag}") == "train" else MOST
        if tag == "epoch":
            epochs[step] = int(value)
        elif seen[tag] > most:
            full += [tag] if seen[tag] == most + 1 else []
        elif metrics.plausible(tag) and math.isfinite(value):
            when = datetime.fromtimestamp(time, UTC).replace(tzinfo=None) if time > FIRST else None
            where = f"tag {tag}, step {step}"
            found.append(Measurement(f"{place}{tag}", value, where, "epoch", None, step, time=when))
    dropped = {f"{place}{tag}" for tag in full}
    rows = tuple(m._replace(epoch=epochs.get(m.step or 0)) for m in found if m.name not in dropped)
    times = sorted(m.time.replace(microsecond=0).isoformat() for m in found if m.time)
    moments = zip(("started", "finished"), (times[:1], times[-1:]), strict=True)
    notes = [Noted(fact, moment[0], "wall time") for fact, moment in moments if moment]
    if judged_by := next((tag for tag in JUDGED_BY if tag in seen), None):
        notes.append(Noted("monitor", judged_by, "its tags are Ultralytics'"))
    return Reading("TensorBoard events", "results", rows, tuple(notes)) if found else None


def _scalars(path: Path, full: Sequence[str]) -> Iterator[tuple[float, int, str, float]]:
    """Yield wall time, step, tag and value of each scalar, but of `full` tags not of each."""
    known, is_of_full = 0, re.compile(b"(?!)")
    for event in _records(path):
        if len(full) > known:
            tags = b"|".join(re.escape(tag.encode()) for tag in full)
            known, is_of_full = len(full), re.compile(_ONE_OF % tags, re.DOTALL)
        if is_of_full.fullmatch(event):
            continue
        parts = list(fields(event))
        time = next((_double(raw) for number, _, raw in parts if number == 1), 0.0)
        step = next((value for number, value, _ in parts if number == 2), 0)
        for number, _, summary in parts:
            for inner, _, raw in fields(summary) if number == 5 else ():
                tag, value = _scalar(raw) if inner == 1 else ("", None)
                if value is not None and 0 < time < 1e11:
                    yield time, step, tag, value


def _records(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for _ in range(MAX_RECORDS):
            head = file.read(12)
            if len(head) < 12:  # the end, or what a crash left of a record
                return
            (length,) = struct.unpack("<Q", head[:8])
            if length > MAX_LENGTH:
                return  # no length: this is damaged, or was never a file of events
            if length > MAX_RECORD:
                file.seek(length + 4, 1)
                continue
            event = file.read(length + 4)[:-4]
            if len(event) == length:
                yield event
    raise Broken(f"holds more than {MAX_RECORDS:,} events, which are not read")


def _scalar(raw: bytes) -> tuple[str, float | None]:
    tag, value = "", None
    for number, _, data in fields(raw):
        if number == 1:
            tag = data.decode("utf-8", "replace")[:200]
        elif number == 2 and len(data) == 4:
            (value,) = struct.unpack("<f", data)
        elif number == 8:  # of a tensor: its content (4), or its floats (5)
            floats = [d for n, _, d in fields(data) if n in (4, 5) and len(d) == 4]
            value = struct.unpack("<f", floats[0])[0] if floats else value
    return tag, value


def _double(raw: bytes) -> float:
    return float(struct.unpack("<d", raw)[0]) if len(raw) == 8 else 0.0


def fields(data: bytes) -> Iterator[Field]:
    """Yield the fields of a protocol buffer."""
    at = 0
    while at < len(data):
        key, at = (data[at], at + 1) if data[at] < 128 else _varint(data, at)
        kind, value, size = key & 7, 0, {1: 8, 5: 4}.get(key & 7, 0)
        if kind == 0:
            value, at = _varint(data, at)
        elif kind == 2:
            size, at = _varint(data, at)
        elif kind not in (1, 5):
            raise Broken("damaged: no event file")
        yield key >> 3, value, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise Broken("damaged: an event that is cut off")
        byte = data[at]
        value, at = value | (byte & 127) << shift, at + 1
        if byte < 128:
            return value, at
    raise Broken("damaged: a number that does not end")
