"""What lies in the archived folder, as the manifests tell it: no archive is opened."""

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from engine.archives.manifest import (
    Damaged,
    Member,
    checksum_line,
    checksum_of,
    manifest_of,
    read_manifest,
)
from engine.errors import UserError, meant
from engine.plans.plan import Action, Plan
from engine.project import Project

SUFFIX = ".tar.gz"
MARK = ".remote"  # beside the manifest: the archive is at a store as well, see `transfer`
MARK_LIMIT = 1 << 16  # bytes


class Elsewhere(NamedTuple):
    """A file of a run that its archive does not hold."""

    path: str  # where it lay
    now: str  # where its bytes were put: a file or an archive
    member: str  # what they are called in that archive


@dataclass(frozen=True)
class Packed:
    """One archive. Without a readable manifest it has no members, and `problem` says why."""

    name: str  # without .tar.gz
    path: str  # of the archive: relative to the project root, or absolute outside it
    members: Mapping[str, Member] = field(default_factory=dict)  # by path, in their order
    about: Mapping[str, Any] = field(default_factory=dict)  # the rest of the manifest
    problem: str | None = None
    here: bool = True  # on this machine
    remote: str | None = None  # the store that has it, where it is not here

    @property
    def manifest(self) -> str:
        """Return where its manifest lies."""
        return manifest_of(self.path)

    @property
    def checksum(self) -> str:
        """Return where its checksum lies."""
        return checksum_of(self.path)

    @property
    def elsewhere(self) -> tuple[Elsewhere, ...]:
        """Return the run's files that it does not hold."""
        listed = self.about.get("elsewhere")
        found = []
        for entry in listed if isinstance(listed, list) else ():
            told = entry if isinstance(entry, dict) else {}
            path, now = told.get("path"), told.get("now")
            member = told.get("member", path)
            if isinstance(path, str) and isinstance(now, str) and isinstance(member, str):
                found.append(Elsewhere(path, now, member))
        return tuple(found)


def archives(project: Project) -> tuple[Packed, ...]:
    """Return all archives, sorted by name: also those of which only the checksum is left."""
    folder = project.root / project.folders.archived
    names = {
        path.name.removesuffix(suffix)
        for suffix in (SUFFIX, ".sha256")
        for path in folder.glob(f"*{suffix}")
        if not path.name.startswith(".")
    }
    return tuple(
        _packed(project, f"{project.folders.archived}/{name}{SUFFIX}") for name in sorted(names)
    )


def find(project: Project, argument: str) -> Packed:
    """Return the archive that a user means: by its name, its path, or the run folder it holds.

    Raises UserError if none or several fit.
    """
    known = archives(project)
    name = PurePosixPath(argument).name.removesuffix(SUFFIX)
    folders = paths_meant(project, argument)
    fitting = [packed for packed in known if packed.name == name] or [
        packed for packed in known if packed.about.get("folder") in folders
    ]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        listed = ", ".join(packed.name for packed in fitting)
        raise UserError(f"{argument}: several archives hold runs of that folder: {listed}")
    fix = meant(name, (packed.name for packed in known), f"see {project.folders.archived}")
    raise UserError(f"{argument}: there is no archive of that name; {fix}")


def packed_already(project: Project, wanted: Plan) -> Iterator[str]:
    """Yield a line for each run that a plan packs although an archive seems to hold all of it.

    By path, size and time: what was restored has them. Nothing is read, so nothing follows from it.
    """
    runs: dict[str, list[Action]] = defaultdict(list)
    for action in wanted.actions:
        if action.verb == "pack":
            runs[action.run].append(action)
    for packed in archives(project) if runs else ():
        for run, actions in runs.items():
            if all(_seems_held(packed.members.get(str(action.src)), action) for action in actions):
                yield (
                    f"{run}: {packed.name} seems to hold it already; it is packed once more "
                    f"unless --keep names it, or just undo takes the restore back"
                )


def _seems_held(member: Member | None, action: Action) -> bool:
    if member is None or member.mtime_ns != action.mtime_ns:
        return False
    return member.kind == "link" or member.size == action.bytes


def paths_meant(project: Project, argument: str) -> tuple[str, ...]:
    """Return what a path that was typed may mean, relative to the root; it need not exist.

    First as seen from the current folder, then as seen from the root; empty if outside the project.
    """
    found = []
    for base in (Path.cwd(), project.root):
        parts: list[str] = []
        for part in (base / argument).parts:
            parts = parts[:-1] if part == ".." else [*parts, part]
        path = Path(*parts)
        if path.is_relative_to(project.root):
            found.append(path.relative_to(project.root).as_posix())
    return tuple(dict.fromkeys(found))


def mark(root: Path, path: str) -> Mapping[str, Any]:
    """Return what is noted of an archive at a store: {"remote", "sha256", "size"}, or nothing.

    A note of another archive, which once had that name, is none.
    """
    name = PurePosixPath(path).name
    try:
        with (root / f"{path.removesuffix(SUFFIX)}{MARK}").open("rb") as file:
            said = json.loads(file.read(MARK_LIMIT))
        line = (root / checksum_of(path)).read_bytes()
        known = line == checksum_line(str(said["sha256"]), name)
        sound = isinstance(said["remote"], str) and isinstance(said["size"], int)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}
    return said if known and sound else {}


def _packed(project: Project, path: str) -> Packed:
    name = PurePosixPath(path).name.removesuffix(SUFFIX)
    here = os.path.lexists(project.root / path)
    remote = None if here else mark(project.root, path).get("remote")
    try:
        members, about = read_manifest(project.root / manifest_of(path))
    except Damaged as damage:
        return Packed(name, path, problem=str(damage), here=here, remote=remote)
    except OSError as error:
        problem = f"{manifest_of(path)}: {error.strerror}"
        return Packed(name, path, problem=problem, here=here, remote=remote)
    by_path = {member.path: member for member in members}
    return Packed(name, path, by_path, about, here=here, remote=remote)
