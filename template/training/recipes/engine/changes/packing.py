"""Pack the files of a plan: an archive, verified, and only then its originals into quarantine."""

import stat
from collections.abc import Callable, Sequence

from engine.archives import archive
from engine.archives.manifest import (
    Member,
    checksum_line,
    checksum_of,
    manifest_bytes,
    manifest_of,
    read_manifest,
)
from engine.changes import disk, whole_folders
from engine.changes.file_flags import is_protected
from engine.changes.journal import Record
from engine.changes.leaving import PROTECTED, Leaving
from engine.changes.steps import LINKED, Steps, is_same, looks_same
from engine.plans.plan import Action, Plan


class Packing:
    """Packs archive by archive. A run of which one member cannot be packed is left alone whole."""

    def __init__(
        self, steps: Steps, plan: Plan, leaving: Leaving, on_bytes: Callable[[int], None] | None
    ) -> None:
        self.steps, self.root, self.journal = steps, steps.root, steps.journal
        self.plan, self.leaving, self.on_bytes = plan, leaving, on_bytes
        self.packed: dict[str, disk.Identity] = {}  # each original of an archive, as it was read

    def pack(self, target: str, actions: Sequence[Action]) -> list[Record]:
        """Return the records of the originals, now in quarantine; none if they were left alone."""
        if self.leaving.any_left(actions):
            self._give_up(target, actions)
        elif members := self._packed(target, actions):
            records = [self._record(target, member) for member in members]
            if self.journal.state("checked", target) == "done":
                return records
            if any(map(self.steps.is_linked, {r.id.rpartition("/")[0] for r in records})):
                self.leaving.leave(actions, LINKED)
                self._give_up(target, actions)
                return []
            whole_folders.quarantine(self.steps, self.plan.emptied, records)
            if (changed := self._changed(records)) is None:
                self.journal.write([Record("checked", target, "done")])
                return records
            self.leaving.leave(actions, f"{changed}: was written to while it was packed")
            self._give_up(target, actions)
        return []

    def _changed(self, records: Sequence[Record]) -> str | None:
        """Return one that was written to after it was packed, by a writer who had it open.

        Its time and size tell; a purge, which deletes, reads it again. If there is none, what came
        into a folder while it was renamed goes back.
        """
        left = {str(record.dst): record for record in records}
        has_others = False
        for path, now in whole_folders.found(self.steps, self.plan.emptied, records):
            if path not in left:
                has_others = True
            elif self.packed.get(left[path].id) == now:
                del left[path]
        changed = next((r.id for r in left.values() if not self._is_as_packed(r)), None)
        if changed is None and has_others:
            whole_folders.return_strays(self.steps, self.plan.emptied, records)
        return changed

    def _packed(self, target: str, actions: Sequence[Action]) -> tuple[Member, ...]:
        """Return what is in the archive, which is whole and in its place; () if it is not."""
        if self.journal.state("create", target) == "done":
            return read_manifest(self.root / manifest_of(target))[0]
        self._remove(target)
        if not self.leaving.ready(actions, asked_later=True):
            return ()
        self.steps.prepare(target)
        record = Record("create", target, "intent", dst=target)

        def note(verified: archive.Verified) -> None:
            """From now on the archive may have its name, and is known by its hash."""
            nonlocal record
            size = verified.archive.lstat().st_size
            record = record._replace(sha256=verified.sha256, size=size)
            self.journal.write([record])

        path = self.root / target
        self.packed.clear()
        try:
            members = archive.pack(
                self.root,
                {str(action.src): (action.bytes, action.mtime_ns) for action in actions},
                path,
                on_open=_refuse_protected,
                on_read=self.packed.__setitem__,
                on_bytes=self.on_bytes,
                on_verified=note,
                fast=self.plan.fast,
            )
        except (disk.Changed, disk.Unreadable) as problem:
            self.leaving.leave(actions, f"its run was left alone: {problem}")
            return ()
        about = {"archive": path.name, "created": self.plan.created, **self.plan.archives[target]}
        self.steps.create(manifest_of(target), manifest_bytes(members, about))
        line = checksum_line(str(record.sha256), path.name)
        self.steps.create(checksum_of(target), line)
        self.journal.mark([record], "done")
        return members

    def _record(self, target: str, member: Member) -> Record:
        path = member.path
        if known := self.journal.standing("quarantine", path):
            return known
        found = self.packed.get(path) or disk.identity(self.steps.place(path))
        kept = {"archive": target, "member": path}
        if member.target is not None:
            kept["target"] = member.target
        return Record(
            "quarantine",
            path,
            "intent",
            path,
            self.steps.quarantine_path(path),
            member.sha256,
            found.size,
            stat.S_IMODE(found.mode),
            member.mtime_ns,
            kept,
        )

    def _is_as_packed(self, record: Record) -> bool:
        """Return whether what lies in quarantine is what was packed, and was not written to."""
        there, packed = self.steps.place(record.dst), self.packed.get(record.id)
        try:
            if packed is None:  # before an interruption
                return looks_same(record, there)
            # A layered file system may give a file that it renames another inode.
            return disk.identity(there) == packed or is_same(record, there)
        except FileNotFoundError:
            return False

    def _give_up(self, target: str, actions: Sequence[Action]) -> None:
        """Put the members back in their places, and take the archive away."""
        begun = [self.journal.standing("quarantine", str(action.src)) for action in actions]
        records = [record for record in begun if record]
        back = whole_folders.put_back(self.steps, self.plan.emptied, records)
        for remark in back.remarks:  # at the least that something new is in a place
            self.leaving.left[target] = remark
        self._remove(target)

    def _remove(self, target: str) -> None:
        self.steps.take_back(target, manifest_of(target), checksum_of(target))


def _refuse_protected(descriptor: int) -> None:
    if is_protected(descriptor):
        raise disk.Changed(PROTECTED)
