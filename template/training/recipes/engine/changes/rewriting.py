"""Write a file anew with parts of it replaced; the old one waits in quarantine."""

import os
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from engine.changes import disk
from engine.changes.journal import Record
from engine.changes.steps import Steps

Edit = tuple[int, int, str]  # from this byte, to this byte, the new text


def edited(data: bytes, edits: Sequence[Edit]) -> bytes:
    """Return the content with each edit made; they do not overlap."""
    for start, end, text in sorted(edits, reverse=True):
        data = data[:start] + os.fsencode(text) + data[end:]
    return data


def rewrite(steps: Steps, old: Record, edits: Sequence[Edit]) -> None:
    """Put the old file into quarantine and a new one of the same mode in its place, once."""
    path, mode = str(old.src), old.mode or 0o644
    if steps.journal.state("create", path) == "done":
        return
    steps.quarantine([old])
    data = edited((steps.root / str(old.dst)).read_bytes(), edits)
    new = Record("create", path, "intent", dst=path, sha256=sha256(data).hexdigest())
    new = new._replace(size=len(data))
    steps.make(new, lambda: _write(steps.root / path, data, mode))


def _write(path: Path, data: bytes, mode: int) -> None:
    with disk.new_file(path) as (descriptor, partial):
        disk.write_all(descriptor, data)
        disk.stamp(descriptor, partial, mode, time.time_ns())
