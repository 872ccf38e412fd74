"""Carry out the `restore` actions of a plan: members of a verified archive become files again."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from engine.archives import archive
from engine.archives.manifest import Damaged, Member, read_manifest
from engine.changes import disk
from engine.changes.journal import Record
from engine.changes.steps import Steps, is_same
from engine.plans.plan import Action

OnBytes = Callable[[int], None] | None


def unpack(
    steps: Steps, manifest: Path, actions: Sequence[Action], on_bytes: OnBytes = None
) -> dict[str, str]:
    """Restore members of one archive, journaled; return why for each `dst` that was not.

    Nothing is replaced, and nothing is written if any part of the archive is damaged. What an
    interrupted attempt had restored is found whole and kept. Raises OSError.
    """
    packed = steps.root / str(actions[0].src)
    try:
        listed, _ = read_manifest(manifest)
        with disk.reading(packed):
            pass
    except (Damaged, disk.Unreadable) as problem:
        return {str(action.dst): str(problem) for action in actions}
    members = {member.path: member for member in listed}
    held = [action for action in actions if action.facts["member"] in members]
    gone = (str(a.dst) for a in actions if a.facts["member"] not in members)
    left = dict.fromkeys(gone, "its archive does not hold it any more")
    fresh, is_there = [], disk.looking()
    for record in (_record(action, members) for action in held):
        if steps.journal.state("create", record.id) == "done" or _found(steps, record):
            continue
        if is_there(steps.place(record.id)):
            left[record.id] = "something is there already"
        else:
            fresh.append(record)
    return left | _extract(steps, packed, listed, fresh, on_bytes) if fresh else left


def _record(action: Action, members: Mapping[str, Member]) -> Record:
    """Return the journal's record, with what makes out the file: undo removes nothing else."""
    dst, name = str(action.dst), str(action.facts["member"])
    member = members[name]
    kept = {"archive": str(action.src), "member": name}
    if member.target is not None:
        kept["target"] = member.target
    return Record(
        "create",
        dst,
        "intent",
        str(action.src),
        dst,
        member.sha256,
        member.size,
        member.mode,
        member.mtime_ns,
        kept,
    )


def _found(steps: Steps, record: Record) -> bool:
    """Note as done what an interrupted attempt had restored."""
    begun = steps.journal.state("create", record.id) == "intent"
    if begun and is_same(record, steps.root / record.id):
        steps.journal.mark([record], "done")
        return True
    return False


def _extract(
    steps: Steps,
    packed: Path,
    listed: tuple[Member, ...],
    records: list[Record],
    on_bytes: OnBytes,
) -> dict[str, str]:
    steps.folder_for(*(record.id for record in records))
    steps.journal.write(records)
    places = {(record.kept or {})["member"]: steps.place(record.id) for record in records}
    try:
        archive.extract(packed, places, listed, on_bytes)
    except (Damaged, disk.Unreadable, FileExistsError) as problem:
        whole = {record.id for record in records if is_same(record, steps.root / record.id)}
        steps.journal.mark([record for record in records if record.id in whole], "done")
        missing = [record for record in records if record.id not in whole]
        steps.journal.mark(missing, "undone")
        return {record.id: str(problem) for record in missing}
    steps.journal.mark(records, "done")  # each was hashed before it got its name
    return {}
