"""Find files with equal bytes, reading as little as possible."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from engine.changes import disk
from engine.garbage import no_collection
from engine.recognition.scan import Entry

WHOLE = 3 * disk.SAMPLE  # bytes of a file that is read at once, so nothing is left to compare

Known = Callable[[Entry], str | None]  # the hash of a file that was read before and did not change


@no_collection()
def find(
    root: Path, entries: Iterable[Entry], known: Known = lambda entry: None
) -> tuple[tuple[str, ...], ...]:
    """Return groups of two and more paths whose files have equal bytes, each group sorted.

    Empty files are never duplicates, and names of one file (hard links) are one file. What cannot
    be read equals nothing. Of two large ones, known hashes are believed: this is for a plan, and
    whoever drops a file reads both again.
    """
    by_size: dict[int, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.kind == "file" and entry.size:
            by_size[entry.size].append(entry)
    alike = [g for same in by_size.values() if len(same) > 1 for g in _alike(str(root), same)]
    groups = [group for group in map(_one_per_inode, alike) if len(group) > 1]
    large = [same for g in groups if g[0].size > WHOLE for same in _equal(root, g, known)]
    groups = [group for group in groups if group[0].size <= WHOLE] + large
    return tuple(sorted(tuple(sorted(entry.path for entry in group)) for group in groups))


def _alike(root: str, group: list[Entry]) -> Iterable[list[Entry]]:
    """Return those of one size that are alike where they are probed: small ones in all bytes."""
    first: dict[bytes, Entry] = {}
    alike: dict[bytes, list[Entry]] = {}
    probed, size = _whole if group[0].size <= WHOLE else disk.sample, group[0].size
    for entry in group:
        try:
            descriptor = disk.open_seen(f"{root}/{entry.path}")
            try:
                probe = probed(descriptor, size)
            finally:
                os.close(descriptor)
        except OSError:
            continue
        other = first.setdefault(probe, entry)
        if other is not entry:
            alike.setdefault(probe, [other]).append(entry)
    return alike.values()


def _one_per_inode(group: list[Entry]) -> list[Entry]:
    return list({(entry.device, entry.inode): entry for entry in reversed(group)}.values())


def _whole(descriptor: int, size: int) -> bytes:
    """Return all bytes of a small file, or one more if it has grown."""
    return os.read(descriptor, size + 1)


def _equal(root: Path, group: list[Entry], known: Known) -> Iterator[list[Entry]]:
    """Yield those that hold the same bytes: each is compared with the first of each kind."""
    kinds: list[list[Entry]] = []
    for entry in group:
        kind = next((kind for kind in kinds if _is_same(root, kind[0], entry, known)), None)
        if kind:
            kind.append(entry)
        else:
            kinds.append([entry])
    return (kind for kind in kinds if len(kind) > 1)


def _is_same(root: Path, a: Entry, b: Entry, known: Known) -> bool:
    if (one := known(a)) and (other := known(b)):
        return one == other
    with suppress(OSError):
        return disk.same_bytes(root / a.path, root / b.path)
    return False
