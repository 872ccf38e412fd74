"""Free the quarantine of finished runs: only what is proven to be kept elsewhere, and what the
user asked to be deleted."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine import archive, disk, history
from engine.apply import manifest_of
from engine.history import PastRun
from engine.journal import Journal, Record
from engine.plan import Action
from engine.project import Project
from engine.undo import remove_empty

_ONLY_HERE = object()


@dataclass(frozen=True)
class Proof:
    """That the bytes of one quarantined file need not stay there. Only this module makes one."""

    record: Record
    why: str
    token: object

    def __post_init__(self) -> None:
        """Refuse everyone but this module's checks."""
        if self.token is not _ONLY_HERE:
            raise TypeError("only a check makes a proof")


@dataclass
class Purged:
    """What came of it: bytes freed, and what was kept and why."""

    run: str
    files: int = 0
    bytes: int = 0
    kept: dict[str, str] = field(default_factory=dict)


def waiting(past: PastRun) -> tuple[Record, ...]:
    """Return what lies in the quarantine of a run."""
    latest: dict[tuple[str, str], Record] = {(r.op, r.id): r for r in past.records}
    return tuple(
        record
        for (op, id_), record in latest.items()
        if op == "quarantine" and record.state == "done" and _state(latest, id_) != "done"
    )


def _state(latest: Mapping[tuple[str, str], Record], id_: str) -> str | None:
    record = latest.get(("purge", id_))
    return record.state if record else None


def actions(project: Project, past: PastRun) -> Iterator[Action]:
    """Yield what a purge of the run would do, for showing."""
    for record in waiting(past):
        kept = dict(record.kept or {})
        where = kept.get("archive") or kept.get("copy")
        reason = f"bytes are in {where}" if where else f"asked for: {kept.get('delete')}"
        yield Action("delete", record.src, where, record.size or 0, reason, past.id)


def purge(project: Project, past: PastRun) -> Purged:
    """Delete what is proven to be elsewhere. The caller holds the lock. Raises OSError."""
    result = Purged(past.id)
    journal = Journal(past.folder / history.JOURNAL)
    try:
        phase = Record("phase", "purge", "intent")
        journal.write([phase])
        proofs = list(_proofs(project, past, result))
        for proof in proofs:
            _delete(project.root, journal, proof, result)
        remove_empty(past.folder / history.QUARANTINE)
        journal.mark([phase], "done")
    finally:
        journal.close()
    return result


def _delete(root: Path, journal: Journal, proof: Proof, result: Purged) -> None:
    source = proof.record
    record = Record("purge", source.id, "intent", src=source.dst, size=source.size)
    path = root / str(source.dst)
    journal.write([record])
    path.unlink(missing_ok=True)
    disk.sync_folder(path.parent)
    journal.mark([record], "done")
    result.files += 1
    result.bytes += source.size or 0


def _proofs(project: Project, past: PastRun, result: Purged) -> Iterator[Proof]:
    """Yield a proof for each file that may go; note in `result` why the others stay."""
    root = project.root
    by_archive: dict[str, list[Record]] = defaultdict(list)
    places = {action.src: action for action in past.plan.actions}
    for record in waiting(past):
        kept = dict(record.kept or {})
        if "delete" in kept:
            yield Proof(record, kept["delete"], _ONLY_HERE)
        elif "archive" in kept:
            by_archive[kept["archive"]].append(record)
        else:
            now = places.get(kept["copy"])
            place = (now.dst if now and now.dst else None) or kept["copy"]
            if now and now.verb == "pack":
                by_archive[place].append(record)
            elif _same(root, record, place):
                yield Proof(record, f"same bytes as {place}", _ONLY_HERE)
            else:
                result.kept[str(record.src)] = f"{place} does not have its bytes any more"
    for target, records in by_archive.items():
        yield from _proofs_by_archive(root, target, records, result)


def _proofs_by_archive(
    root: Path, target: str, records: list[Record], result: Purged
) -> Iterator[Proof]:
    try:
        members, _ = archive.read_manifest(root / manifest_of(target))
        verified = archive.verify(root / target, members)
    except (archive.Damaged, OSError) as problem:
        result.kept |= {
            str(record.src): f"its archive is not whole: {problem}" for record in records
        }
        return
    hashes = {member.sha256 for member in verified.members.values()}
    for record in records:
        path = root / str(record.dst)
        if record.sha256 is None or (record.sha256 in hashes and _unchanged(path, record)):
            yield Proof(record, f"in {target}, verified", _ONLY_HERE)
        else:
            result.kept[str(record.src)] = "was written to after it was packed"


def _unchanged(path: Path, record: Record) -> bool:
    return not path.exists() or disk.sha256_of(path) == record.sha256


def _same(root: Path, record: Record, place: str) -> bool:
    path, kept = root / str(record.dst), root / place
    return kept.is_file() and (not path.exists() or disk.same_bytes(path, kept))
