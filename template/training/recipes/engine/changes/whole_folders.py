"""Folders of which all files go into quarantine: renamed as one, for there may be many files.

The journal has each file all the same, so whatever comes later need not know of it: undo puts back
file by file, and a purge deletes file by file.
"""

import contextlib
import errno
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from pathlib import Path

from engine.changes import disk
from engine.changes.journal import Record
from engine.changes.steps import PutBack, Steps

# Why a folder cannot be renamed although its files may be: it is mounted, or on another volume, ...
_ONE_BY_ONE = {errno.EXDEV, errno.EBUSY, errno.EACCES, errno.EPERM, errno.EINVAL, errno.EEXIST}


def quarantine(steps: Steps, emptied: Collection[str], records: Sequence[Record]) -> None:
    """Rename into quarantine: whole folders where these files are all there is, else one by one.

    `emptied` are the folders in which the plan leaves nothing.
    """
    for folder, inside in _wholes(emptied, records):
        if all(steps.journal.state("quarantine", record.id) is None for record in inside):
            _rename(steps, folder, inside)
    steps.quarantine(records)


def put_back(steps: Steps, emptied: Collection[str], records: Sequence[Record]) -> PutBack:
    """Rename back what `quarantine` renamed, as `Steps.put_back` does."""
    files = 0
    for folder, inside in _wholes(emptied, records):
        there = steps.quarantine_path(folder)
        if _was_renamed(steps, there) and not os.path.lexists(steps.place(folder)):
            together = [*_folders(folder, there, there, _inside(steps, there)[1]), *inside]
            _rename_synced(steps, there, folder)
            steps.journal.mark(together, "undone")
            files += len(inside)
    left = [r for r in records if steps.journal.state("quarantine", r.id) != "undone"]
    back = steps.put_back(left)
    back.files += files
    return back


def found(
    steps: Steps, emptied: Collection[str], records: Sequence[Record]
) -> Iterator[tuple[str, disk.Identity]]:
    """Yield all files in the quarantine's folders that were renamed as one."""
    for there, _ in _renamed(steps, emptied, records):
        for path, entry in _entries(steps, there):
            if not entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(FileNotFoundError):  # it went meanwhile
                    yield path, disk.identity_of(entry.stat(follow_symlinks=False))


def return_strays(steps: Steps, emptied: Collection[str], records: Sequence[Record]) -> None:
    """Put back what came into a folder while it was renamed as one."""
    known = {str(record.dst) for record in records}
    for there, folder in _renamed(steps, emptied, records):
        return_others(steps, there, folder, known)


def _renamed(
    steps: Steps, emptied: Collection[str], records: Sequence[Record]
) -> Iterator[tuple[str, str]]:
    """Yield where each folder that was renamed as one is, and where it was."""
    for folder, _ in _wholes(emptied, records):
        there = steps.quarantine_path(folder)
        if _was_renamed(steps, there):
            yield there, folder


def return_others(steps: Steps, there: str, folder: str, known: Set[str]) -> None:
    """Put back to `folder` what lies `there`, where it was renamed to, and is not `known`."""
    others = _inside(steps, there)[0] - known
    for path in sorted(others):
        place, back = Path(steps.place(path)), Path(steps.place(folder + path[len(there) :]))
        disk.make_folders(back.parent, steps.root)
        disk.rename_no_replace(place, steps.beside(back) if os.path.lexists(back) else back)
        disk.sync_folders([back.parent, place.parent])


def _wholes(
    emptied: Collection[str], records: Sequence[Record]
) -> Iterator[tuple[str, list[Record]]]:
    """Yield the outermost folders in which the plan leaves nothing, with their records."""
    leaves_nothing = set(emptied)
    outermost: dict[str, str] = {}  # of the folder of a file
    wholes: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        folder = record.id.rpartition("/")[0]
        if folder not in outermost:
            top = folder
            while (parent := top.rpartition("/")[0]) in leaves_nothing:
                top = parent
            outermost[folder] = top if folder in leaves_nothing else ""
        if top := outermost[folder]:
            wholes[top].append(record)
    yield from wholes.items()


def _rename(steps: Steps, folder: str, records: Sequence[Record]) -> None:
    """Rename a folder, journaled, if these are all its files and nothing is in the way."""
    there = steps.quarantine_path(folder)
    files, folders = _inside(steps, folder)
    if files != {record.src for record in records} or os.path.lexists(steps.place(there)):
        return
    if any(record.dst != there + record.id[len(folder) :] for record in records):
        return  # part of it waits elsewhere, on another volume
    steps.folder_for(there)
    together = [*_folders(folder, there, folder, folders), *records]
    steps.journal.write(together)
    try:
        _rename_synced(steps, folder, there)
    except OSError as problem:
        if problem.errno not in _ONE_BY_ONE:
            raise
        steps.journal.mark(together, "undone")
    else:
        steps.journal.mark(together, "done")


def _folders(folder: str, there: str, here: str, inside: Iterable[str]) -> list[Record]:
    """Return what the journal tells of the folders that come and go with a rename.

    `inside` are those that lie in the folder, which is `here`.
    """
    inner = ["", *sorted(path[len(here) :] for path in inside)]
    made = [Record("folder", there + path, "intent", dst=there + path) for path in inner]
    made[0] = made[0]._replace(src=folder)
    gone = [Record("remove_folder", folder + path, "intent", folder + path) for path in inner]
    return made + gone


def _was_renamed(steps: Steps, there: str) -> bool:
    record = steps.journal.standing("folder", there)
    return bool(record and record.src and Path(steps.place(there)).is_dir())


def _rename_synced(steps: Steps, src: str, dst: str) -> None:
    places = Path(steps.place(src)), Path(steps.place(dst))
    disk.rename_no_replace(*places)
    disk.sync_folders([place.parent for place in places])


def _inside(steps: Steps, folder: str) -> tuple[set[str], set[str]]:
    """Return the files, of whatever kind, and the folders that lie in a folder, however deep."""
    files: set[str] = set()
    folders: set[str] = set()
    for path, entry in _entries(steps, folder):
        (folders if entry.is_dir(follow_symlinks=False) else files).add(path)
    return files, folders


def _entries(steps: Steps, folder: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield what lies in a folder, however deep; there may be too much to keep it all."""
    left = [folder]
    while left:
        here = left.pop()
        with os.scandir(steps.place(here)) as entries:
            for entry in entries:
                path = f"{here}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    left.append(path)
                yield path, entry
