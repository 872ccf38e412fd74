"""Write a file and read it back, in a thread, while what is to be written is made."""

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from engine.changes import disk

if TYPE_CHECKING:
    from concurrent.futures import Future

PART = 1 << 23  # bytes that are written and read back together,
MOST = 1 << 25  # or more where the disk is slow, but no more than these: they wait in memory


def write(path: Path, descriptor: int, pieces: Iterable[bytes]) -> str:
    """Writes to the empty file `path`, which is open; returns the SHA-256 of what it holds then.

    Each byte is on the disk before it is read from the file again; in the end the file is synced.
    Raises OSError, with EIO if what is read differs.
    """
    from concurrent.futures import ThreadPoolExecutor  # with logging, which plans can spare

    with contextlib.closing(_File(path, descriptor)) as file, ThreadPoolExecutor(1) as pool:
        part: list[bytes] = []
        size = 0
        behind: Future[None] | None = None
        for piece in pieces:
            part.append(piece)
            size += len(piece)
            if size >= MOST or (size >= PART and (behind is None or behind.done())):
                if behind:
                    behind.result()  # raises what it met
                behind = pool.submit(file.write, part)
                part, size = [], 0
        if behind:
            behind.result()
        if part:
            file.write(part)
        return file.finish()


class _File:
    """A new file. One part of it is on the way to the disk while the one before is read back."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._writer = path, descriptor
        self._reader = disk.open_regular(path)
        self._digest = hashlib.sha256()
        self._written = 0  # bytes
        self._unread: list[bytes] = []  # the last part
        self._read = 0  # bytes before it, which were read back

    def write(self, part: list[bytes]) -> None:
        start = self._written
        for piece in part:
            disk.write_all(self._writer, piece)
            self._written += len(piece)
        disk.start_sync(self._writer, start, self._written - start)
        if self._unread:
            disk.sync_part(self._writer, self._read, start - self._read)
            self._read_back()
        self._unread, self._read = part, start

    def _read_back(self) -> None:
        """Compare the part that was not read yet with what the file holds."""
        for piece in self._unread:
            if disk.read(self._reader, len(piece)) != piece:
                raise OSError(errno.EIO, "differs from what was written", str(self._path))
            self._digest.update(piece)

    def finish(self) -> str:
        """Sync the file, read the rest of it, and return the SHA-256 of all that was read."""
        disk.sync(self._writer)
        self._read_back()
        if os.read(self._reader, 1):
            raise OSError(errno.EIO, "holds more than was written", str(self._path))
        return self._digest.hexdigest()

    def close(self) -> None:
        os.close(self._reader)
