"""The journal of a run: what was about to be done to each file and what was done, synced.

One JSON object a line: `{"op", "id", "state", "src", "dst", "sha256", "size", "mode", "mtime_ns",
"kept", "seq", "crc"}`. `state` is `intent` before the disk is touched, `done` after it, and
`undone` once it was taken back. `seq` numbers the lines; `crc` is zlib's CRC-32 of the line without
it. What is null is left out, and so is all that only repeats what was told of the step before.

Steps that are journaled together share a line: `{"op", "state", "alike", "steps", "seq", "crc"}`. A
step is a list of its other values in the order above, or its id alone if only its state is new. The
values that are the same for all of these lists, or follow from the ids, are in `alike` instead.
"""

import errno
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import compress, groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal, NamedTuple

from engine.changes import disk
from engine.changes.alike import with_alike, without_alike
from engine.errors import UserError

_LAST = 1 << 16  # bytes that surely hold the last line

State = Literal["intent", "done", "undone"]
Op = Literal[
    "phase",  # id is "apply", "undo" or "purge": when it began, when it was finished
    "checked",  # the originals of the archive `id` were, in quarantine, what was packed
    "folder",  # dst was made; with src, by renaming that folder
    "move",  # src was renamed to dst
    "quarantine",  # src was renamed to dst, in quarantine; `kept` says where its bytes are as well
    "create",  # dst was written: a document, an archive, a copy on another file system
    "remove_folder",  # src, empty, was removed, or renamed with all in it
    "purge",  # src, in quarantine, was deleted for good
    "left",  # src was left alone; `kept` says why
]


class Record(NamedTuple):
    """A step in a state. Paths are relative to the project root, or absolute outside it."""

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


Step = tuple[Op, str]

_TOLD = Record._fields[3:10]
_NOTHING = (None,) * 7
_UNLIKE: Mapping[str, object] = {}
_TOGETHER = 1000  # steps of a line at most


class Journal:
    """An append-only file of records. Whoever holds one holds the project's lock."""

    def __init__(self, path: Path) -> None:
        """Open the journal at `path`, new or existing; cuts off a last line that was torn."""
        records, self._written, whole = _read(path)
        # What was told of each step, in the order in which they began, and what its line says.
        self._told = {record[:2]: record for record in records}
        self._now = {record[:2]: (record.state, record.seq) for record in records}
        self._intact = True
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, disk.SHARED)
        os.ftruncate(self._descriptor, whole)
        disk.sync(self._descriptor)
        disk.sync_folder(path.parent)

    def close(self) -> None:
        """Close the file; nothing is buffered."""
        os.close(self._descriptor)

    def last(self, op: Op, id_: str) -> Record | None:
        """Return the last record of a step, None if it was never begun."""
        record = self._told.get((op, id_))
        return self._as_it_is(record) if record else None

    def _as_it_is(self, record: Record) -> Record:
        """Return what was told of a step, in its last state."""
        state, seq = self._now[record[:2]]
        return Record._make((*record[:2], state, *record[3:10], seq))

    def standing(self, op: Op, id_: str) -> Record | None:
        """Return the last record of a step that was begun or done, and not taken back."""
        record = self.last(op, id_)
        return record if record and record.state != "undone" else None

    def state(self, op: Op, id_: str) -> State | None:
        """Return the last state of a step, None if it was never begun."""
        now = self._now.get((op, id_))
        return now[0] if now else None

    def latest(self, *ops: Op) -> tuple[Record, ...]:
        """Return the last record of each step, in the order in which the steps began.

        With `ops` only of these operations: of the others there may be very many.
        """
        return tuple(map(self._as_it_is, self.told(*ops)))

    def told(self, *ops: Op) -> Iterator[Record]:
        """Yield the same, in whatever state the steps were when most was told of them."""
        return (record for record in self._told.values() if not ops or record[0] in ops)

    def write(self, records: Iterable[Record], state: State | None = None) -> None:
        """Append records, in the given state if any, and force them to the disk at once.

        One that tells nothing but a new state of its step keeps what was told of that before.
        Raises OSError. After a failure nothing more is written, unless the disk was full and the
        records are off it.
        """
        if not self._intact:
            raise OSError(errno.EIO, "the journal could not be written to before")
        told: dict[Step, Record] = {}
        now: dict[Step, tuple[State, int]] = {}
        seq = self._written
        end = os.lseek(self._descriptor, 0, os.SEEK_END)
        self._intact = False
        try:
            for seq, (together, new) in enumerate(_together(records, state), self._written + 1):
                steps = [record[:2] for record in together]
                fresh = [*map(self._tells, steps, together)]
                told |= zip(compress(steps, fresh), compress(together, fresh), strict=True)
                now |= dict.fromkeys(steps, (new, seq))
                disk.write_all(self._descriptor, _line(new, together, fresh, seq))
            if now:
                disk.sync(self._descriptor)
        except OSError as problem:
            os.ftruncate(self._descriptor, end)  # half a line in the middle would stop everything
            self._intact = problem.errno in disk.FULL
            raise
        self._intact = True
        self._written = seq
        self._told |= told
        self._now |= now

    def _tells(self, step: Step, record: Record) -> bool:
        """Return whether a record tells more of its step than a state."""
        before = self._told.get(step)
        if before is None:
            return True
        return before is not record and record[3:10] not in (before[3:10], _NOTHING)

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
    found = _parse(lines[-1]) if lines else None
    return found[-1] if found else None


def _read(path: Path) -> tuple[list[Record], int, int]:
    """Return the records, how many lines they are, and how many bytes of the file these take up."""
    data = path.read_bytes() if path.exists() else b""
    lines = data.splitlines(keepends=True)
    records: list[Record] = []
    whole = 0
    told: dict[Step, Record] = {}
    for number, line in enumerate(lines, 1):
        found = _parse(line)
        if not found or found[0].seq != number:
            if number < len(lines):
                raise UserError(
                    f"{path}:{number}: the journal is damaged; nothing was changed. "
                    f"Keep the folder and restore the journal from a backup"
                )
            return records, number - 1, whole
        for record in found:
            told[record[:2]] = now = _with_told(record, told.get(record[:2]))
            records.append(now)
        whole += len(line)
    return records, len(lines), whole


def _together(
    records: Iterable[Record], state: State | None
) -> Iterator[tuple[Sequence[Record], State]]:
    """Yield the records that share a line, and their state."""
    for (_, own), alike in groupby(records, itemgetter(0, 2)):
        same = list(alike)
        for start in range(0, len(same), _TOGETHER):
            yield same[start : start + _TOGETHER], state or own


def _with_told(record: Record, before: Record | None) -> Record:
    """Return the record, with what was told of its step before if it tells nothing more."""
    if before and record[3:10] == _NOTHING:
        return before._replace(state=record.state, seq=record.seq)
    return record


def _line(state: State, records: Sequence[Record], fresh: Sequence[bool], seq: int) -> bytes:
    """Return the line that tells of records; those that are not `fresh` by their ids alone."""
    content: dict[str, object] = {"op": records[0].op, "state": state}
    if len(records) == 1:
        (record,) = records
        values = zip(_TOLD, record[3:10] if fresh[0] else _NOTHING, strict=True)
        content = {"op": record.op, "id": record.id, "state": state}
        content |= {name: value for name, value in values if value is not None}
    else:
        told = [record[1:2] + record[3:10] for record in compress(records, fresh)]
        same, lists = without_alike(_TOLD, told)
        steps = (next(lists) if new else r.id for r, new in zip(records, fresh, strict=True))
        content |= {"alike": same, "steps": [*steps]}
    text = json.dumps(content | {"seq": seq}).removesuffix("}").encode("ascii")
    return b'%s, "crc": %d}\n' % (text, zlib.crc32(text + b"}"))


def _parse(line: bytes) -> list[Record] | None:
    """Return the records of a line, None if it is not whole."""
    text, _, crc = line.rpartition(b', "crc": ')
    text += b"}"
    try:
        if crc != b"%d}\n" % zlib.crc32(text):
            return None
        content = json.loads(text)
        steps = content.pop("steps", None)
        if steps is None:
            return [Record(**content)]
        return _records(steps, **content)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _records(
    steps: Sequence[Any],
    op: Op,
    state: State,
    seq: int,
    alike: Mapping[str, object] = _UNLIKE,
) -> list[Record]:
    """Return the records that share a line."""
    told = with_alike(_TOLD, alike, [step for step in steps if not isinstance(step, str)])
    rows = ((step, *_NOTHING) if isinstance(step, str) else next(told) for step in steps)
    return [Record._make((op, id_, state, *values, seq)) for id_, *values in rows]
