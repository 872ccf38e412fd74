"""Find files with equal bytes, reading as little as possible."""

import mmap
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from pathlib import Path

from engine.recognition.scan import Entry

PROBE = 4096  # bytes read at the start, the middle and the end before a whole file is hashed
WHOLE = 3 * PROBE  # bytes of a file that is read at once, so there is nothing left to hash


def find(root: Path, entries: Iterable[Entry]) -> tuple[tuple[str, ...], ...]:
    """Return groups of two and more paths whose files have equal bytes, each group sorted.

    Empty files are never duplicates, and names of one file (hard links) are one file. What cannot
    be read equals nothing. Equality of large files is by blake3: whoever drops a copy compares the
    bytes again.
    """
    regular = [entry for entry in entries if entry.kind == "file" and entry.size > 0]
    groups = _split([regular], lambda entry: entry.size)
    groups = [_one_per_inode(group) for group in groups]
    groups = _split(groups, lambda entry: _probe(f"{root}/{entry.path}", entry.size))
    large = _split([g for g in groups if g[0].size > WHOLE], lambda entry: _hash(root / entry.path))
    groups = [group for group in groups if group[0].size <= WHOLE] + large
    return tuple(sorted(tuple(sorted(entry.path for entry in group)) for group in groups))


def _split(groups: list[list[Entry]], key: Callable[[Entry], Hashable]) -> list[list[Entry]]:
    result = []
    for group in groups:
        if len(group) < 2:
            continue
        parts = defaultdict(list)
        for entry in group:
            with suppress(OSError, ValueError):  # mmap's: it has become empty meanwhile
                parts[key(entry)].append(entry)
        result += [part for part in parts.values() if len(part) > 1]
    return result


def _one_per_inode(group: list[Entry]) -> list[Entry]:
    return list({(entry.device, entry.inode): entry for entry in reversed(group)}.values())


def _probe(path: str, size: int) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - there may be many thousands
        if size <= WHOLE:
            return file.read(WHOLE)
        parts = []
        for start in (0, size // 2, size - PROBE):
            file.seek(start)
            parts.append(file.read(PROBE))
    return b"".join(parts)


def _hash(path: Path) -> bytes:
    from blake3 import blake3  # heavy: only where it is used

    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        return blake3(view).digest()
