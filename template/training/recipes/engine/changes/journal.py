"""The journal of a run: what was about to be done to each file and what was done, synced.

One JSON object a line: `{"seq", "op", "id", "state", "src", "dst", "sha256", "size", "mode",
"mtime_ns", "kept", "crc"}`. `state` is `intent` before the disk is touched, `done` after it, and
`undone` once it was taken back; a line that only tells the new state of a step leaves out what the
line before of that step says. `crc` is zlib's CRC-32 of the line without it.
"""

import errno
import json
import os
import zlib
from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Literal, NamedTuple

from engine.changes import disk
from engine.errors import UserError

_LAST = 1 << 16  # bytes that surely hold the last line

State = Literal["intent", "done", "undone"]
Op = Literal[
    "phase",  # id is "apply", "undo" or "purge": when it began, when it was finished
    "checked",  # the originals of the archive `id` looked as they were packed, in quarantine
    "folder",  # dst was made
    "move",  # src was renamed to dst
    "quarantine",  # src was renamed to dst, in quarantine; `kept` says where its bytes are as well
    "create",  # dst was written: a document, an archive, a copy on another file system
    "remove_folder",  # src, empty, was removed
    "purge",  # src, in quarantine, was deleted for good
    "left",  # src was left alone; `kept` says why
]


class Record(NamedTuple):
    """One line of the journal. Paths are relative to the project root, or absolute outside it."""

    op: Op
    id: str  # the same for all states of one step
    state: State
    src: str | None = None
    dst: str | None = None
    sha256: str | None = None
    size: int | None = None  # bytes
    mode: int | None = None
    mtime_ns: int | None = None
    kept: Mapping[str, str] | None = (
        None  # {"archive", "member"} | {"copy"} | {"delete"} | {"remote"} | {"why"}
    )
    seq: int = 0


_KEYS = tuple(f'"{name}": ' for name in Record._fields)
_NOTHING = (None,) * 7


class Journal:
    """An append-only file of records. Whoever holds one holds the project's lock."""

    def __init__(self, path: Path) -> None:
        """Open the journal at `path`, new or existing; cuts off a last line that was torn."""
        lines, whole = _read(path)
        self._written = len(lines)
        self._last = {record[:2]: record for record in lines}  # as the steps began
        self._intact = True
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        os.ftruncate(self._descriptor, whole)
        disk.sync(self._descriptor)
        disk.sync_folder(path.parent)

    def close(self) -> None:
        """Close the file; nothing is buffered."""
        os.close(self._descriptor)

    def last(self, op: Op, id_: str) -> Record | None:
        """Return the last record of a step, None if it was never begun."""
        return self._last.get((op, id_))

    def standing(self, op: Op, id_: str) -> Record | None:
        """Return the last record of a step that was begun or done, and not taken back."""
        record = self.last(op, id_)
        return record if record and record.state != "undone" else None

    def state(self, op: Op, id_: str) -> State | None:
        """Return the last state of a step, None if it was never begun."""
        record = self.last(op, id_)
        return record.state if record else None

    def latest(self) -> tuple[Record, ...]:
        """Return the last record of each step, in the order in which the steps began."""
        return tuple(self._last.values())

    def write(self, records: Iterable[Record], state: State | None = None) -> None:
        """Append records and force them to the disk at once. Raises OSError.

        One that tells nothing but a new state of its step keeps what was told of that before.
        After a failure nothing more is written, unless the disk was full and the record is off it.
        """
        numbered, lines = [], []
        for number, record in enumerate(records, self._written + 1):
            before, told = self._last.get(record[:2]), _told(record)
            now = record._replace(state=state or record.state, seq=number)
            is_told = before is not None and told in (_NOTHING, _told(before))
            lines.append(_line(Record(*now[:3], seq=number) if is_told else now))
            numbered.append(_with_told(now, before))
        if not numbered:
            return
        if not self._intact:
            raise OSError(errno.EIO, "the journal could not be written to before")
        self._intact = False
        end = os.lseek(self._descriptor, 0, os.SEEK_END)
        try:
            disk.write_all(self._descriptor, b"".join(lines))
            disk.sync(self._descriptor)
        except OSError as problem:
            os.ftruncate(self._descriptor, end)  # half a line in the middle would stop everything
            self._intact = problem.errno in disk.FULL
            raise
        self._intact = True
        self._written += len(numbered)
        self._last |= {record[:2]: record for record in numbered}

    def mark(self, records: Iterable[Record], state: State) -> None:
        """Append the given records with another state."""
        self.write(records, state)


def latest(records: Iterable[Record]) -> tuple[Record, ...]:
    """Return the last record of each step, in the order in which the steps began."""
    return tuple({record[:2]: record for record in records}.values())


def read(path: Path) -> tuple[Record, ...]:
    """Return the records of a journal. Raises UserError if one before the last is damaged."""
    return tuple(_read(path)[0])


def last(path: Path) -> Record | None:
    """Return the last record without reading the others; None if there is none, or half of one."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LAST))
            lines = file.read().splitlines(keepends=True)
    except OSError:
        return None
    return _parse(lines[-1]) if lines else None


def _read(path: Path) -> tuple[list[Record], int]:
    """Return the records and how many bytes of the file they take up."""
    data = path.read_bytes() if path.exists() else b""
    lines = data.splitlines(keepends=True)
    records, whole = [], 0
    last: dict[tuple[Op, str], Record] = {}
    for number, line in enumerate(lines, 1):
        record = _parse(line)
        if record is None or record.seq != number:
            if number < len(lines):
                raise UserError(
                    f"{path}:{number}: the journal is damaged; nothing was changed. "
                    f"Keep the folder and restore the journal from a backup"
                )
            break
        last[record[:2]] = record = _with_told(record, last.get(record[:2]))
        records.append(record)
        whole += len(line)
    return records, whole


def _told(record: Record) -> tuple[object, ...]:
    """Return what a record tells beyond its step, state and number."""
    return record[3:10]


def _with_told(record: Record, before: Record | None) -> Record:
    if before and _told(record) == _NOTHING:
        return before._replace(state=record.state, seq=record.seq)
    return record


def _line(record: Record) -> bytes:
    pairs = [
        key + (quoted(value) if isinstance(value, str) else _json(value))
        for key, value in zip(_KEYS, record, strict=True)
        if value is not None
    ]
    text = f"{{{', '.join(pairs)}".encode("ascii")
    return b'%s, "crc": %d}\n' % (text, zlib.crc32(text + b"}"))


def _json(value: int | Mapping[str, str]) -> str:
    """Return it as JSON; `json` takes five times as long, and there are many."""
    if isinstance(value, int):
        return str(value)
    return f"{{{', '.join(f'{quoted(key)}: {quoted(text)}' for key, text in value.items())}}}"


def _parse(line: bytes) -> Record | None:
    text, _, crc = line.rpartition(b', "crc": ')
    text += b"}"
    try:
        is_whole = crc == b"%d}\n" % zlib.crc32(text)
        return Record(**json.loads(text)) if is_whole else None
    except (ValueError, TypeError):
        return None
