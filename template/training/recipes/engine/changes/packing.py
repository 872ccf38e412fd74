"""Pack the files of a plan: an archive, verified, and only then its originals into quarantine."""

import os
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
from engine.changes import disk
from engine.changes.journal import Record
from engine.changes.leaving import Leaving
from engine.changes.steps import Steps, looks_same
from engine.plans.plan import Action, Plan


class Packing:
    """Packs archive by archive. A run of which one member cannot be packed is left alone whole."""

    def __init__(
        self, steps: Steps, plan: Plan, leaving: Leaving, on_bytes: Callable[[int], None] | None
    ) -> None:
        self.steps, self.root, self.journal = steps, steps.root, steps.journal
        self.plan, self.leaving, self.on_bytes = plan, leaving, on_bytes

    def pack(self, target: str, actions: Sequence[Action]) -> list[Record]:
        """Return the records of the originals, now in quarantine; none if they were left alone."""
        if self.leaving.any_left(actions):
            self._give_up(target, actions)
        elif members := self._packed(target, actions):
            records = [self._record(target, member) for member in members]
            if self.journal.state("checked", target) == "done":
                return records
            self.steps.quarantine(records)
            # A writer that had a file open may have written to it after it was packed. Its time
            # and size tell; a purge, which deletes, reads it again.
            changed = [r.src for r in records if not looks_same(r, f"{self.root}/{r.dst}")]
            if not changed:
                self.journal.write([Record("checked", target, "done")])
                return records
            self.leaving.leave(actions, f"{changed[0]}: was written to while it was packed")
            self._give_up(target, actions)
        return []

    def _packed(self, target: str, actions: Sequence[Action]) -> tuple[Member, ...]:
        """Return what is in the archive, which is whole and in its place; () if it is not."""
        if self.journal.state("create", target) == "done":
            return read_manifest(self.root / manifest_of(target))[0]
        self._remove(target)
        if not self.leaving.ready(actions):
            return ()
        self.steps.prepare(target)
        record = Record("create", target, "intent", dst=target)

        def note(verified: archive.Verified) -> None:
            """From now on the archive may have its name, and is known by its hash."""
            nonlocal record
            size = verified.archive.lstat().st_size
            record = record._replace(sha256=verified.sha256, size=size)
            self.journal.write([record])

        paths, path = [str(action.src) for action in actions], self.root / target
        try:
            members = archive.pack(
                self.root,
                paths,
                path,
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
        if known := self.journal.standing("quarantine", member.path):
            return known
        kept = {"archive": target, "member": member.path}
        status = os.lstat(f"{self.root}/{member.path}")
        size = member.size
        if member.target is not None:
            kept["target"], size = member.target, status.st_size
        return Record(
            "quarantine",
            member.path,
            "intent",
            member.path,
            self.steps.quarantine_path(member.path),
            member.sha256,
            size,
            stat.S_IMODE(status.st_mode),
            member.mtime_ns,
            kept,
        )

    def _give_up(self, target: str, actions: Sequence[Action]) -> None:
        """Put the members back in their places, and take the archive away."""
        begun = [self.journal.standing("quarantine", str(action.src)) for action in actions]
        back = self.steps.put_back([record for record in begun if record])
        for remark in back.remarks:  # at the least that something new is in a place
            self.leaving.left[target] = remark
        self._remove(target)

    def _remove(self, target: str) -> None:
        self.steps.take_back(target, manifest_of(target), checksum_of(target))
