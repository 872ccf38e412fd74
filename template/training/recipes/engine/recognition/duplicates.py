"""Find files with equal bytes, reading as little as possible."""

import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from engine.changes import disk
from engine.recognition.scan import Entry

PROBE = 4096  # bytes read at the start, the middle and the end before a whole file is compared
WHOLE = 3 * PROBE  # bytes of a file that is read at once, so there is nothing left to compare


def find(root: Path, entries: Iterable[Entry]) -> tuple[tuple[str, ...], ...]:
    """Return groups of two and more paths whose files have equal bytes, each group sorted.

    Empty files are never duplicates, and names of one file (hard links) are one file. What cannot
    be read equals nothing.
    """
    regular = [entry for entry in entries if entry.kind == "file" and entry.size > 0]
    groups = _split([regular], lambda entry: entry.size)
    groups = [_one_per_inode(group) for group in groups]
    groups = _split(groups, lambda entry: _probe(f"{root}/{entry.path}", entry.size))
    large = [same for g in groups if g[0].size > WHOLE for same in _equal(root, g)]
    groups = [group for group in groups if group[0].size <= WHOLE] + large
    return tuple(sorted(tuple(sorted(entry.path for entry in group)) for group in groups))


def _split(groups: list[list[Entry]], key: Callable[[Entry], Hashable]) -> list[list[Entry]]:
    result = []
    for group in groups:
        if len(group) < 2:
            continue
        parts = defaultdict(list)
        for entry in group:
            with suppress(OSError):
                parts[key(entry)].append(entry)
        result += [part for part in parts.values() if len(part) > 1]
    return result


def _one_per_inode(group: list[Entry]) -> list[Entry]:
    return list({entry.status()[2:]: entry for entry in reversed(group)}.values())


def _probe(path: str, size: int) -> bytes:
    descriptor = disk.open_regular(path)
    try:
        if size <= WHOLE:
            return os.read(descriptor, WHOLE)
        parts = []
        for start in (0, size // 2, size - PROBE):
            os.lseek(descriptor, start, os.SEEK_SET)
            parts.append(os.read(descriptor, PROBE))
    finally:
        os.close(descriptor)
    return b"".join(parts)


def _equal(root: Path, group: list[Entry]) -> Iterator[list[Entry]]:
    """Yield those that hold the same bytes: each is compared with the first of each kind."""
    kinds: list[list[Entry]] = []
    for entry in group:
        known = next((kind for kind in kinds if _is_same(root, kind[0], entry)), None)
        if known:
            known.append(entry)
        else:
            kinds.append([entry])
    return (kind for kind in kinds if len(kind) > 1)


def _is_same(root: Path, a: Entry, b: Entry) -> bool:
    with suppress(OSError):
        return disk.same_bytes(root / a.path, root / b.path)
    return False
