"""Bring back what left the quarantine, from the archive or the copy that keeps its bytes."""

import os
import shlex
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from engine.archives import archive, catalog
from engine.archives.manifest import Damaged, manifest_of, read_manifest
from engine.changes import disk
from engine.changes.journal import Record
from engine.changes.preflight import Space, refuse_full_disk
from engine.changes.steps import PutBack, Steps, is_same
from engine.errors import UserError


def refuse_damaged(root: Path, records: Iterable[Record]) -> None:
    """Raise UserError if what has left the quarantine cannot be had from its archive, or no space.

    Whether the archive is there at all, `refuse_missing` asks.
    """
    gone = _gone(root, records)
    _refuse_away(root, gone)
    for target in _archives(gone):
        path = root / target
        if os.path.lexists(path):
            try:
                archive.verify(path, read_manifest(root / manifest_of(target))[0])
            except (Damaged, OSError) as problem:
                raise UserError(f"{problem}; put a whole one there, nothing was changed") from None
    sizes: dict[object, list[Record]] = defaultdict(list)
    for record in gone:
        sizes[disk.volume((root / str(record.src)).parent)].append(record)
    refuse_full_disk(
        Space(place, sum(r.size or 0 for r in group), disk.free_bytes(place))
        for group in sizes.values()
        if (place := disk.existing((root / str(group[0].src)).parent))
    )


def refuse_missing(root: Path, records: Iterable[Record]) -> None:
    """Raise UserError if an archive is not there that alone keeps what has left the quarantine."""
    for target in _archives(_gone(root, records)):
        if not os.path.lexists(root / target):
            pull = shlex.join(["just", "pull", Path(target).name.removesuffix(catalog.SUFFIX)])
            raise UserError(
                f"{target}: is not there, and alone keeps what was purged; put it back, "
                f"or `{pull}` if a store has it; nothing was changed"
            )


def _gone(root: Path, records: Iterable[Record]) -> list[Record]:
    return [r for r in records if r.op == "quarantine" and not _is_around(root, r)]


def _archives(gone: Iterable[Record]) -> list[str]:
    return sorted({how["archive"] for r in gone if "archive" in (how := r.kept or {})})


def _refuse_away(root: Path, gone: Iterable[Record]) -> None:
    """Raise UserError if archives are needed that are at a store, and not on this machine."""
    needed = {
        str(record.src if "remote" in how else how.get("archive")): "remote" in how
        for record in gone
        if (how := record.kept or {})
    }
    away = [
        Path(target).name.removesuffix(catalog.SUFFIX)
        for target, dropped in sorted(needed.items())
        if not os.path.lexists(root / target) and (dropped or catalog.mark(root, target))
    ]
    if away:
        raise UserError(f"{away[0]}: is at a store; {shlex.join(['just', 'pull', *away])} first")


def _is_around(root: Path, record: Record) -> bool:
    return any(
        path is not None and os.path.lexists(root / path)
        for path in (record.dst, record.src if record.state == "intent" else None)
    )


class Rebuilding:
    """Brings back the files that `back` did not find, and adds to what it says."""

    def __init__(self, steps: Steps, back: PutBack) -> None:
        self.steps, self.root, self.journal, self.back = steps, steps.root, steps.journal, back

    def rebuild(self) -> None:
        """Bring back what can be; say of the rest why not."""
        by_archive, copies = defaultdict(list), []
        for record in self.back.gone:
            kept = dict(record.kept or {})
            if "delete" in kept:
                self._say(record, "was deleted on request; it cannot come back")
            elif "archive" in kept:
                by_archive[kept["archive"]].append(record)
            elif "copy" in kept:
                copies.append(record)
            elif "remote" in kept:
                self._fetched(record)
            else:
                self._say(record, f"{record.dst} has gone; nothing to put back")
        for target, records in by_archive.items():
            self._extract(target, records)
        for record in copies:  # last: what was kept may have been packed as well
            self._copy(record)

    def _say(self, record: Record, why: str) -> None:
        self.back.remarks.append(f"{record.src}: {why}")

    def _fetched(self, record: Record) -> None:
        """Take an archive that was dropped here as back if `just pull` has fetched it."""
        place = self.root / str(record.src)
        if is_same(record, place):
            self._note([record])
        else:
            name = place.name.removesuffix(".tar.gz")
            self._say(record, f"is at {(record.kept or {})['remote']}: just pull {name}")

    def _extract(self, target: str, records: Sequence[Record]) -> None:
        members, _ = read_manifest(self.root / manifest_of(target))
        wanted = [(self._place(record), (record.kept or {})["member"]) for record in records]
        missing = {place: name for place, name in wanted if place is not None}
        if missing:
            archive.extract(self.root / target, missing, members)
        self._note(records)

    def _copy(self, record: Record) -> None:
        kept = self.root / (record.kept or {})["copy"]
        gone = f"{kept.name}, which had the same bytes, has gone or was changed"
        if not os.path.lexists(kept) or not is_same(record, kept):
            self._say(record, gone)
            return
        if place := self._place(record):
            try:
                disk.copy_new(kept, place)
            except disk.Changed:
                self._say(record, gone)
                return
        place = place or self.root / str(record.src)
        os.utime(place, ns=(record.mtime_ns or 0, record.mtime_ns or 0))
        place.chmod((record.mode or 0o644) & 0o777)
        self._note([record])

    def _place(self, record: Record) -> Path | None:
        """Return where to rebuild a file; None if an interrupted undo had rebuilt it."""
        src = self.root / str(record.src)
        if not src.parent.is_dir():
            disk.make_folders(src.parent, self.root)
        if not os.path.lexists(src):
            return src
        if is_same(record, src):
            return None
        place = self.steps.beside(src)
        self._say(record, f"something new is there; the old is {place.name}")
        return place

    def _note(self, records: Sequence[Record]) -> None:
        for record in records:
            if (record.mode or 0) & 0o7000:
                self.back.notes.append(f"{record.src}: comes back without setuid")
        self.back.files += len(records)
        self.journal.mark(records, "undone")
