"""Where the bytes of a file are after the runs that moved, packed or dropped it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from engine.changes.journal import Record


@dataclass(frozen=True)
class Place:
    """A file, or a member of an archive. Paths are relative to the project root."""

    path: str
    member: str | None = None


Taken = Mapping[str | None, Record]  # what one run moved or took away, by where it lay


def taken(records: Iterable[Record]) -> Taken:
    """Return what a run, given as the last record of each of its steps, moved or took away."""
    return {r.src: r for r in records if r.op in ("move", "quarantine") and r.state == "done"}


def follow(runs: Iterable[Taken], place: Place) -> Place | None:
    """Return where the bytes are that lay at `place` before these runs, oldest first.

    None if one of them took the file away on request.
    """
    now: Place | None = place
    for gone in runs:
        been: set[str] = set()
        while now and now.path not in been and (record := gone.get(now.path)):
            been.add(now.path)
            now = _after(record, now)
    return now


def _after(record: Record, place: Place) -> Place | None:
    kept = record.kept or {}
    if record.op == "move":
        return replace(place, path=str(record.dst))
    if "remote" in kept:
        return place  # an archive, which may be fetched into its place again
    if "copy" in kept:
        return replace(place, path=kept["copy"])
    if "archive" in kept and place.member is None:
        return Place(kept["archive"], kept["member"])
    return None
