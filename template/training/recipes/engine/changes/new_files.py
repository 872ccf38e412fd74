"""New files and symlinks by the thousand: synced, and given their names, a batch at a time."""

import contextlib
import os
from collections.abc import Iterable, Sequence
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
    """New files and symlinks that are synced and get their names together, a batch at a time.

    One by one each of many small files would wait for the disk. Used as a context: at its end all
    have their names; on an error those that have none yet are removed.
    """

    def __init__(self) -> None:
        self._written: list[tuple[str, str, bool]] = []  # partial, path, to be synced yet?
        self._folders: set[str] = set()
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *about: object) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            for partial, _, _ in self._written:
                with contextlib.suppress(OSError):  # the first error is the one to tell
                    os.unlink(partial)  # noqa: PTH108 - there are many

    def write(self, files: Sequence[NewFile], pieces: Iterable[bytes]) -> None:
        """Write the same content to each of the files.

        Raises what `pieces` raises, and FileExistsError if a path is taken.
        """
        descriptor = self._create(files[0])
        try:
            for piece in pieces:
                disk.write_all(descriptor, piece)
                self._bytes += len(piece)
            self._complete(descriptor, files[0])
            for file in files[1:]:
                os.lseek(descriptor, 0, os.SEEK_SET)
                self.write([file], disk.blocks(descriptor))
        finally:
            os.close(descriptor)

    def link(self, path: Name, target: str, mtime_ns: int) -> None:
        """Make a symlink. Raises FileExistsError if `path` is taken."""
        partial = self._partial(path, to_sync=False)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)  # noqa: PTH108 - left by a run that crashed
        os.symlink(target, partial)  # noqa: PTH211 - there are many
        if os.utime in os.supports_follow_symlinks:
            os.utime(partial, ns=(mtime_ns, mtime_ns), follow_symlinks=False)

    def _create(self, file: NewFile) -> int:
        partial = self._partial(file.path, to_sync=_opens_again(file))
        try:
            return os.open(partial, disk.CREATE, 0o600)
        except FileExistsError:
            os.unlink(partial)  # noqa: PTH108 - left by a run that crashed
            return os.open(partial, disk.CREATE, 0o600)

    def _complete(self, descriptor: int, file: NewFile) -> None:
        disk.stamp(descriptor, self._written[-1][0], file.mode, file.mtime_ns)
        if not _opens_again(file):
            disk.sync(descriptor)

    def _partial(self, path: Name, *, to_sync: bool) -> str:
        if len(self._written) >= BATCH or self._bytes >= BATCH_BYTES:
            self._finish()
        folder, name = os.path.split(path)
        partial = os.path.join(folder, disk.partial_name(name))  # noqa: PTH118
        self._folders.add(folder)
        self._written.append((partial, os.fspath(path), to_sync))
        return partial

    def _finish(self) -> None:
        disk.sync_files([partial for partial, _, to_sync in self._written if to_sync])
        try:
            while self._written:
                partial, path, _ = self._written[-1]
                disk.rename_no_replace(partial, path)
                self._written.pop()
        finally:
            disk.sync_folders(list(self._folders))
        self._folders.clear()
        self._bytes = 0


def _opens_again(file: NewFile) -> bool:
    """Whether its owner can open it once more, to sync it with others."""
    return file.mode & 0o600 == 0o600
