"""Free the quarantine of finished runs: only what is proven to be kept elsewhere, and what the
user asked to be deleted."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from engine.archives import archive
from engine.archives.manifest import Damaged, Member, manifest_of, read_manifest
from engine.archives.remote import unproven
from engine.changes import disk, history
from engine.changes.disk import Identity
from engine.changes.history import PastRun
from engine.changes.journal import Journal, Record, latest
from engine.changes.kept import Place, Taken, follow, taken
from engine.changes.steps import BATCH, LINKED, Steps, is_same, remove_empty
from engine.errors import RemoteError, UserError
from engine.plans.plan import Action
from engine.project import Project
from engine.recognition.in_use import in_use

_ONLY_HERE = object()
Runs = Sequence[Taken]  # what each run moved or took away, oldest first


@dataclass(frozen=True)
class Proof:
    """That the bytes of one quarantined file need not stay there. Only this module makes one."""

    record: Record
    seen: Mapping[Path, Identity]  # what was read to prove it, as it was then
    token: object

    def __post_init__(self) -> None:
        """Refuse everyone but this module's checks."""
        if self.token is not _ONLY_HERE:
            raise TypeError("only a check makes a proof")

    def holds(self, waiting: Path, now_at: Path) -> bool:
        """Return whether nothing that was read has changed; the file itself has another name."""
        places = {path: now_at if path == waiting else path for path in self.seen}
        return all(disk.identity(places[path]) == was for path, was in self.seen.items())


@dataclass
class Purged:
    """What came of it: bytes freed, what was kept and why, and what is to be said."""

    run: str
    files: int = 0
    bytes: int = 0
    kept: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def waiting(past: PastRun) -> tuple[Record, ...]:
    """Return what lies in the quarantine of a run."""
    return still_waiting(latest(past.records))


def still_waiting(records: Sequence[Record]) -> tuple[Record, ...]:
    """Return what lies in quarantine by the last record of each step of a run."""
    purged = {r.id for r in records if r.op == "purge" and r.state == "done"}
    return tuple(
        r
        for r in records
        if r.op == "quarantine" and r.state == "done" and r.id not in purged
        if "rewritten" not in (r.kept or {})  # a source, the only copy: small, and it stays
    )


def actions(project: Project, past: PastRun) -> Iterator[Action]:
    """Yield what a purge of the run would do, for showing."""
    runs, is_there = _since(project, past), cache(os.path.lexists)
    for record in waiting(past):
        how = dict(record.kept or {})
        kept = _kept_at(how)
        now = kept and (follow(runs, kept) or kept)  # it may have been moved in the same run
        where = now.path if now else how.get("remote")
        reason = f"bytes are in {where}" if where else f"asked for: {how.get('delete')}"
        if now and not is_there(project.root / now.path):
            yield Action("skip", record.src, None, 0, f"{now.path} has gone", past.id)
        else:
            yield Action("delete", record.src, where, record.size or 0, reason, past.id)


def _kept_at(how: Mapping[str, str]) -> Place | None:
    """Return where the bytes were put, by what the journal says of how they are kept."""
    if "archive" in how:
        return Place(how["archive"], how["member"])
    return Place(how["copy"]) if "copy" in how else None


def purge(project: Project, past: PastRun) -> Purged:
    """Delete what is proven to be elsewhere. The caller holds the lock. Raises OSError."""
    journal = Journal(past.folder / history.JOURNAL)
    try:
        steps = Steps(project, past.folder, journal)
        phase = Record("phase", "purge", "intent")
        _write_unless_full(journal, [phase])
        result = free(steps, _since(project, past), waiting(past))
        folders = (r.id for r in reversed(journal.latest("folder")) if steps.in_quarantine(r.id))
        remove_empty(project.root / id_ for id_ in folders if not steps.is_linked(id_))
        steps.end(phase)
    finally:
        journal.close()
    return result


def _since(project: Project, past: PastRun) -> Runs:
    since = [run for run in history.past_runs(project) if run.id >= past.id and not run.undone]
    return [taken(latest(run.records)) for run in since]


def free(steps: Steps, runs: Runs, records: Sequence[Record]) -> Purged:
    """Delete those of the quarantined files of a run that are proven to be elsewhere.

    `runs` are that run and all since, which may have moved on what this one kept.
    """
    result = Purged(steps.folder.name)
    left = [record for record in records if steps.journal.state("purge", record.id) != "done"]
    unmask(steps.root, left)
    here: list[Record] = []
    gone: list[Record] = []
    is_linked = cache(steps.is_linked)
    for record in left:
        if is_linked(str(record.dst).rpartition("/")[0]):
            result.kept[record.id] = LINKED
        else:
            (here if os.path.lexists(steps.root / str(record.dst)) else gone).append(record)
    proofs = list(_proofs(steps.project, runs, here, result))
    for start in range(0, len(proofs), BATCH):
        _delete(steps, proofs[start : start + BATCH], result)
    steps.journal.mark(map(_note, gone), "done")
    return result


def unmask(root: Path, records: Iterable[Record]) -> None:
    """Give what an interrupted purge was about to delete its name in quarantine again."""
    for record in records:
        path = root / str(record.dst)
        if os.path.lexists(_mask(path)) and not os.path.lexists(path):
            disk.rename_no_replace(_mask(path), path)


def _mask(path: Path) -> Path:
    """Return the name under which a file is deleted: nobody else writes to a file of that name."""
    return disk.partial_of(path)


def _delete(steps: Steps, proofs: Sequence[Proof], result: Purged) -> None:
    _write_unless_full(steps.journal, [_note(proof.record) for proof in proofs])
    deleted, parents = [], set()
    for proof in proofs:
        path = steps.root / str(proof.record.dst)
        why = "something was written meanwhile"
        try:
            freed = _delete_proven(path, proof)
        except OSError as problem:  # which must not hold up the others
            freed, why = None, f"cannot be deleted: {problem.strerror}"
        if freed is not None:
            deleted.append(_note(proof.record))
            parents.add(path.parent)
            result.files += 1
            result.bytes += freed
        else:
            result.kept[proof.record.id] = why
    for parent in sorted(parents):
        disk.sync_folder(parent)
    steps.journal.mark(deleted, "done")


def _delete_proven(path: Path, proof: Proof) -> int | None:
    """Return the bytes that it freed, none if another name of the file stays; None if it stays."""
    mask = _mask(path)
    disk.rename_no_replace(path, mask)
    try:
        if proof.holds(path, mask):
            status = mask.lstat()
            mask.unlink()
            return 0 if status.st_nlink > 1 else status.st_size
    except OSError:
        disk.rename_no_replace(mask, path)
        raise
    disk.rename_no_replace(mask, path)
    return None


def _note(record: Record) -> Record:
    return Record("purge", record.id, "intent", src=record.dst, size=record.size)


def _write_unless_full(journal: Journal, records: Sequence[Record]) -> None:
    """Journal what is going to be done; on a full disk do without, for this frees it."""
    try:
        journal.write(records)
    except OSError as problem:
        if problem.errno not in disk.FULL:
            raise


# --- proofs -----------------------------------------------------------------------------------


def _proofs(
    project: Project, runs: Runs, records: Sequence[Record], result: Purged
) -> Iterator[Proof]:
    """Yield a proof for each file that may go; note in `result` why the others stay."""
    root = project.root
    writers = in_use(root, [str(record.dst) for record in records], time.time(), 0)
    archives: dict[Path, _Archive] = {}
    only_here = _only_here(project, [r for r in records if "remote" in (r.kept or {})])
    for record in records:
        try:
            if record.id in only_here:
                raise _Unproven(only_here[record.id])
            if str(record.dst) in writers:
                raise _Unproven(f"in use: {writers[str(record.dst)]}")
            yield Proof(record, dict(_evidence(root, runs, record, archives)), _ONLY_HERE)
        except (_Unproven, OSError) as problem:
            result.kept[record.id] = str(problem)
        else:
            if (record.mode or 0) & 0o7000 and "delete" not in (record.kept or {}):
                result.remarks.append(f"{record.id}: what is kept of it is without setuid")


def _only_here(project: Project, records: Sequence[Record]) -> dict[str, str]:
    """Return which of these archives the stores do not have after all, and why."""
    if not records:
        return {}
    try:
        why = unproven(project, [project.root / str(record.dst) for record in records])
    except (UserError, RemoteError) as problem:
        return {record.id: str(problem) for record in records}
    places = {record.id: project.root / str(record.dst) for record in records}
    return {id_: why[place] for id_, place in places.items() if place in why}


class _Unproven(Exception):
    pass


@dataclass(frozen=True)
class _Archive:
    """An archive as it was when it was verified, or why it could not be."""

    seen: Mapping[Path, Identity]
    members: Mapping[str, Member]
    problem: str = ""


def _evidence(
    root: Path, runs: Runs, record: Record, archives: dict[Path, _Archive]
) -> Iterator[tuple[Path, Identity]]:
    """Yield what was read to prove that the bytes of a record are elsewhere, as it was then."""
    waiting, how = root / str(record.dst), record.kept or {}
    yield waiting, disk.identity(waiting)
    if not is_same(record, waiting):
        raise _Unproven("was written to since")
    if "delete" in how or "remote" in how:  # of the latter `_proofs` asked the stores
        return
    start = _kept_at(how)
    place = follow(runs, start) if start else None
    if place is None:
        raise _Unproven("the copy that was kept of it was deleted on request")
    kept = root / place.path
    if not os.path.lexists(kept):
        raise _Unproven(f"{place.path} has gone")
    if place.member is None:
        yield kept, disk.identity(kept)
        if not is_same(record, kept):
            raise _Unproven(f"{place.path} does not have its bytes any more")
        _sync(kept)
        return
    if kept not in archives:
        archives[kept] = _verified(kept, root / manifest_of(place.path))
    if archives[kept].problem:
        raise _Unproven(f"its archive is not whole: {archives[kept].problem}")
    member = archives[kept].members.get(place.member)
    if member is None or (member.sha256, member.target) != (record.sha256, how.get("target")):
        raise _Unproven(f"{place.path} does not hold it")
    yield from archives[kept].seen.items()


def _verified(path: Path, manifest: Path) -> _Archive:
    try:
        seen = {file: disk.identity(file) for file in (path, manifest)}
        verified = archive.verify(path, read_manifest(manifest)[0])
    except (Damaged, OSError) as problem:
        return _Archive({}, {}, str(problem))
    for file in seen:
        _sync(file)
    return _Archive(seen, verified.members)


def _sync(kept: Path) -> None:
    """Force to the disk what is about to become the only copy."""
    disk.sync_file(kept)
    disk.sync_folder(kept.parent)
