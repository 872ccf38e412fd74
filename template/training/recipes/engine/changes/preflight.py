"""What must hold before a run begins: nothing is changed while any of it does not."""

import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path, PurePosixPath

from engine.archives.manifest import checksum_of, manifest_of
from engine.changes import disk
from engine.errors import UserError
from engine.plans.plan import Action, Plan
from engine.project import Project
from engine.show import size

RECORD_BYTES = 4096  # what journal, plan and report take for a file, generously
GOING = ("move", "pack", "drop", "delete", "rewrite", "offload")
BUSY_GIT = ("MERGE_HEAD", "rebase-merge", "rebase-apply", "CHERRY_PICK_HEAD", "REVERT_HEAD")


@dataclass(frozen=True)
class Space:
    """What a run needs on one file system, in bytes, and what is free there."""

    place: Path
    needed: int
    free: int


def refuse_merge(root: Path) -> None:
    """Raise UserError while git is in the middle of something that moves files itself."""
    for folder in (root, *root.parents):
        git = folder / ".git"
        if git.is_file():  # a worktree or a submodule: the file names the folder
            git = folder / git.read_text("utf-8", "surrogateescape").removeprefix("gitdir:").strip()
        if git.is_dir():
            if any((git / name).exists() for name in BUSY_GIT):
                raise UserError(f"{root}: git is in the middle of a merge or rebase; end it first")
            return


def refuse_conflicts(project: Project, wanted: Plan) -> None:
    """Raise UserError if something lies where the plan puts a file, or on the way there."""
    parents: set[str] = set()
    root, going = str(project.root), {a.src for a in wanted.actions if a.verb in GOING}
    is_there = disk.looking()
    for path in made(wanted):
        there = os.path.join(root, path)  # noqa: PTH118 - for each of many files
        if path not in going and is_there(there):
            raise UserError(f"{path}: is there already; move it away, or plan again")
        parents.add(path.rpartition("/")[0])
    fix = "put a folder there, or name one on another disk in .env"
    refuse_no_folders(project.root, parents, fix)


def refuse_no_folders(root: Path, names: Iterable[str], fix: str = "move it away") -> None:
    """Raise UserError if anything but a folder lies where one of these is, or on the way there."""
    folders = {f for name in names for f in (PurePosixPath(name), *PurePosixPath(name).parents)}
    for folder in sorted(folders):
        place = root / folder
        if os.path.lexists(place) and not stat.S_ISDIR(place.lstat().st_mode):
            if folder.is_absolute():
                continue  # outside, where the user said so: links on the way are the system's
            raise UserError(f"{folder}: is a link or a file, not a folder; {fix}")


def refuse_unwritable(project: Project, wanted: Plan, *, only_outside: bool = False) -> None:
    """Raise UserError if a folder in which the plan makes something may not be written to.

    With `only_outside` of no folder in the project: who may only read that may see a plan of it.
    """
    going = {action.src for action in wanted.actions}  # those are left alone one by one
    names = {path.rpartition("/")[0] for path in made(wanted) if path not in going}
    names.add(project.folders.history)
    for folder in sorted({disk.existing(project.root / name) for name in names}):
        if only_outside and folder.is_relative_to(project.root):
            continue
        disk.refuse_unwritable(folder)


def made(wanted: Plan) -> Iterator[str]:
    """Yield each file that the plan makes, with those that come with an archive."""
    archives: set[str] = set()
    for action in wanted.actions:
        if action.verb == "pack":
            archives.add(str(action.dst))
        elif action.verb not in ("skip", "drop", "delete", "folder", "offload"):
            yield str(action.dst)
    for target in sorted(archives):
        yield from (target, manifest_of(target), checksum_of(target))


def space(project: Project, wanted: Plan, purge_as_you_go: bool = False) -> tuple[Space, ...]:
    """Return what the plan needs at most on each file system while it is carried out.

    An archive may be a little larger than what it holds. With `purge_as_you_go` the originals of
    one are freed before the next is begun.
    """
    history = disk.existing(project.root / project.folders.history)
    places = {disk.volume(history): history}
    used = defaultdict(int, {disk.volume(history): (1 << 20) + RECORD_BYTES * len(wanted.actions)})
    peak = defaultdict(int, used)
    nearest = cache(lambda folder: disk.existing(project.root / folder))
    for target, actions in groupby(sorted(_copied(project, wanted), key=_target), key=_target):
        place = nearest(target.rpartition("/")[0])
        there, freed = disk.volume(place), 0
        for action in actions:
            used[there] += action.bytes + action.bytes // 100 + 2048
            if purge_as_you_go and action.verb == "pack" and _volume(project, action) == there:
                freed += action.bytes
        places[there] = place
        peak[there] = max(peak[there], used[there])
        used[there] -= freed
    return tuple(Space(places[at], peak[at], disk.free_bytes(places[at])) for at in places)


def _copied(project: Project, wanted: Plan) -> Iterator[Action]:
    """Yield the actions that write the bytes of a file once more."""
    for action in wanted.actions:
        across = action.verb == "move" and not _is_rename(project, action)
        if across or action.verb in ("pack", "restore", "copy"):
            yield action


def _is_rename(project: Project, action: Action) -> bool:
    return _volume(project, action) == disk.volume(project.root / str(action.dst))


def _target(action: Action) -> str:
    return str(action.dst)


def _volume(project: Project, action: Action) -> tuple[int, str]:
    return disk.volume((project.root / str(action.src)).parent)


def refuse_full_disk(spaces: Iterable[Space], or_else: str = "") -> None:
    """Raise UserError if a file system has less than is needed; with what helps `or_else`."""
    for there in spaces:
        if there.needed > there.free:
            raise UserError(
                f"{there.place}: {size(there.needed)} are needed and {size(there.free)} are free; "
                f"free some space{or_else}"
            )


def folder_states(project: Project, wanted: Plan) -> dict[str, tuple[int, ...]]:
    """Return what undo gives back to each folder in which something will change.

    That is its mode and time and, where the system has them, its user and group.
    """
    parents = {action.src.rpartition("/")[0] for action in wanted.actions if action.src}
    changed = (*made(wanted), *wanted.emptied, f"{project.folders.history}/run")
    parents |= {path.rpartition("/")[0] for path in changed}
    nearest = {disk.existing(project.root / parent) for parent in parents}
    nearest |= {project.root / path for path in wanted.emptied}
    states = {}
    for folder in nearest:
        if folder.is_dir():
            status = folder.stat()
            inside = folder.is_relative_to(project.root)
            name = (folder.relative_to(project.root) if inside else folder).as_posix()
            owner = (status.st_uid, status.st_gid) if hasattr(os, "chown") else ()
            states[name] = (stat.S_IMODE(status.st_mode), status.st_mtime_ns, *owner)
    return states
