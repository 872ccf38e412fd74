"""Many files, read by several processes once that is worth their start."""

import os
import time
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

from engine import cores, processes
from engine.readers import may_be_read, read
from engine.recognition.evidence import Reading

PATIENCE = 1.0  # seconds of reading after which the rest is shared; a process starts in 0.3
PARCELS = 32  # that each process is sent, so that all have work to the end;
PARCEL = 64  # and files in one at most


def read_all(root: Path, paths: Iterable[str]) -> dict[str, Reading]:
    """Return what the files say of which a reader reads any, by path, in their order.

    The paths are below `root`, or absolute. What is told is what `readers.read` returns for each.
    """
    end = time.monotonic() + PATIENCE
    places = {os.path.join(root, path): path for path in may_be_read(paths)}  # noqa: PTH118 - many
    rest, found = deque(places), list[Reading | None]()
    while rest and time.monotonic() < end:
        found.append(_read(rest.popleft()))
    count = cores.worth(len(rest))
    found += _shared([*rest], count) if count > 1 else map(_read, rest)
    told = zip(places.values(), found, strict=True)
    return {path: reading for path, reading in told if reading}


def _read(place: str) -> Reading | None:
    return read(place, place.rpartition("/")[2])


def _shared(places: Sequence[str], count: int) -> list[Reading | None]:
    """Return what each file says, read by `count` processes."""
    from concurrent.futures import ThreadPoolExecutor  # quick plans can spare it

    size = min(PARCEL, -(-len(places) // (count * PARCELS)))
    parcels = [places[start : start + size] for start in range(0, len(places), size)]
    with ThreadPoolExecutor(count) as pool, processes.sharing(_read_each, count) as read_parcel:
        return [reading for parcel in pool.map(read_parcel, parcels) for reading in parcel]


def _read_each(places: Sequence[str]) -> list[Reading | None]:
    return [_read(place) for place in places]
