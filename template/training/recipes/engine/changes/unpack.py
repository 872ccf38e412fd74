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

    Nothing is replaced, and nothing comes back if any part of the archive is damaged. What an
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
    fresh, found, is_there = [], [], disk.looking()
    for record in (_record(action, members) for action in held):
        state, place = steps.journal.state("create", record.id), steps.place(record.id)
        if state == "done":
            continue
        if not is_there(place):
            fresh.append(record)
        elif state == "intent" and is_same(record, place):
            found.append(record)
        else:
            left[record.id] = "something is there already"
    steps.journal.mark(found, "done")
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


def _extract(
    steps: Steps,
    packed: Path,
    listed: tuple[Member, ...],
    records: list[Record],
    on_bytes: OnBytes,
) -> dict[str, str]:
    folders = steps.missing_folders(*(record.id for record in records))
    together = [*folders, *records]
    steps.journal.write(together)
    places = {steps.place(record.id): (record.kept or {})["member"] for record in records}
    try:
        archive.extract(packed, places, listed, on_bytes)
    except (Damaged, disk.Unreadable, FileExistsError) as problem:
        there = {record.id for record in together if _is_there(steps, record)}
        steps.journal.mark([record for record in together if record.id in there], "done")
        steps.journal.mark([record for record in together if record.id not in there], "undone")
        return {record.id: str(problem) for record in records if record.id not in there}
    steps.journal.mark(together, "done")  # each was hashed before it got its name
    return {}


def _is_there(steps: Steps, record: Record) -> bool:
    place = steps.place(record.id)
    return Path(place).is_dir() if record.op == "folder" else is_same(record, place)
