"""New files and symlinks by the thousand: whole and synced before the first of them has its name.

Until then each lies as a partial file beside its place, or below a partial folder beside the
outermost folder that is missing: that one gets its name, with all that is in it, at once.
"""

import contextlib
import os
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, Self

from engine.changes import disk
from engine.changes.disk import Name

BATCH = 20_000  # new files that are synced together,
BATCH_BYTES = 1 << 30  # or bytes of them


class NewFile(NamedTuple):
    """Where a new file goes, with its permissions and its time."""

    path: Name
    mode: int
    mtime_ns: int


class NewFiles:
    """New files and symlinks, and the folders that they lack.

    Used as a context: at its end they have their names; on an error what has none yet is removed.
    """

    def __init__(self) -> None:
        self._made: list[str] = []  # files and links as they are called now
        self._unsynced: list[str] = []
        self._bytes = 0  # of those
        self._folders: dict[str, str] = {}  # what a folder is called now
        self._to_come: dict[str, str] = {}  # names of files and folders, by the present ones

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *about: object) -> None:
        with contextlib.ExitStack() as failed:
            failed.callback(self._remove)
            if kind is None:
                self._give_names()
                failed.pop_all()

    def write(self, files: Sequence[NewFile], pieces: Iterable[bytes]) -> None:
        """Write the same content to each of the files.

        Raises what `pieces` raises, and FileExistsError if a path is taken.
        """
        if len(self._unsynced) >= BATCH or self._bytes >= BATCH_BYTES:
            self._sync()
        path, mode, mtime_ns = files[0]
        place = self._place(path)
        descriptor = os.open(place, disk.CREATE, 0o600)
        self._made.append(place)
        try:
            for piece in pieces:
                disk.write_all(descriptor, piece)
                self._bytes += len(piece)
            disk.stamp(descriptor, place, mode, mtime_ns)
            if mode & 0o600 == 0o600:  # its owner can open it once more, to sync it with others
                self._unsynced.append(place)
            else:
                disk.sync(descriptor)
            for file in files[1:]:
                os.lseek(descriptor, 0, os.SEEK_SET)
                self.write([file], disk.blocks(descriptor))
        finally:
            os.close(descriptor)

    def link(self, path: Name, target: str, mtime_ns: int) -> None:
        """Make a symlink. Raises FileExistsError if `path` is taken."""
        place = self._place(path)
        os.symlink(target, place)  # noqa: PTH211 - there are many
        self._made.append(place)
        if os.utime in os.supports_follow_symlinks:
            os.utime(place, ns=(mtime_ns, mtime_ns), follow_symlinks=False)

    def _place(self, path: Name) -> str:
        """Return where to write what is to be called `path`."""
        folder, name = os.path.split(path)
        here = self._folder(folder)
        if here != folder:
            return f"{here}/{name}"
        partial = os.path.join(folder, disk.partial_name(name))  # noqa: PTH118
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)  # noqa: PTH108 - left by a run that crashed
        self._to_come[partial] = os.fspath(path)
        return partial

    def _folder(self, folder: str) -> str:
        """Return what a folder is called now; it is made if it is missing."""
        if here := self._folders.get(folder):
            return here
        here = folder
        if folder and not os.path.lexists(folder):
            above, name = os.path.split(folder)
            here = os.path.join(self._folder(above), name)  # noqa: PTH118
            if here == folder:
                here = os.path.join(above, disk.partial_name(name))  # noqa: PTH118
                self._to_come[here] = folder
            os.mkdir(here)  # noqa: PTH102
        self._folders[folder] = here
        return here

    def _sync(self) -> None:
        disk.sync_files(self._unsynced)
        self._unsynced.clear()
        self._bytes = 0

    def _give_names(self) -> None:
        self._sync()
        disk.sync_folders(self._new_folders())
        parents = {os.path.dirname(path) for path in self._to_come.values()}  # noqa: PTH120
        try:
            for partial, path in self._to_come.items():
                disk.rename_no_replace(partial, path)
        finally:
            disk.sync_folders(list(parents))

    def _new_folders(self) -> list[str]:
        return [here for folder, here in self._folders.items() if here != folder]

    def _remove(self) -> None:
        """Remove what has no name yet; the first error is the one to tell."""
        for place in self._made:
            with contextlib.suppress(OSError):
                os.unlink(place)  # noqa: PTH108 - there are many
        for folder in reversed(self._new_folders()):
            with contextlib.suppress(OSError):
                os.rmdir(folder)  # noqa: PTH106


def discard_partial(paths: Iterable[str]) -> None:
    """Remove what an interrupted attempt to make files at these paths left of them."""
    found: set[str] = set()

    @cache
    def partial_folders(folder: str) -> list[str]:
        """Return where what is in a folder lies until that has its name."""
        above, name = os.path.split(folder)
        if not name:
            return []
        places = [os.path.join(place, name) for place in partial_folders(above)]  # noqa: PTH118
        places.append(os.path.join(above, disk.partial_name(name)))  # noqa: PTH118
        there = [place for place in places if Path(place).is_dir() and not Path(place).is_symlink()]
        found.update(there)
        return there

    changed: set[str] = set()
    for path in paths:
        folder, name = os.path.split(path)
        inside = [(place, name) for place in partial_folders(folder)]
        for there, called in ((folder, disk.partial_name(name)), *inside):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.unlink(os.path.join(there, called))  # noqa: PTH108, PTH118 - there may be many
                changed.add(there)
    for place in sorted(found, key=len, reverse=True):
        with contextlib.suppress(OSError):  # something else is in it
            Path(place).rmdir()
            changed.add(str(Path(place).parent))
    disk.sync_folders(list(changed - found))
