"""Write a file and read it back, in a thread, while what is to be written is made."""

import errno
import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from engine.changes import disk

PART = 1 << 24  # bytes that are written, synced and read back together,
MOST = 1 << 25  # or more where the disk is slow, but no more than these: they wait in memory


def write(path: Path, descriptor: int, pieces: Iterable[bytes]) -> str:
    """Writes to the empty file `path`, which is open; returns the SHA-256 of what it holds then.

    Each byte is on the disk before it is read from the file again. Raises OSError, with EIO
    if what is read differs.
    """
    digest = hashlib.sha256()
    reader = disk.open_regular(path)

    def write_part(part: list[bytes]) -> None:
        for piece in part:
            disk.write_all(descriptor, piece)
        disk.sync(descriptor)
        for piece in part:
            if disk.read(reader, len(piece)) != piece:
                raise OSError(errno.EIO, "differs from what was written", str(path))
            digest.update(piece)

    part: list[bytes] = []
    size = 0
    behind: Future[None] | None = None
    try:
        with ThreadPoolExecutor(1) as pool:
            for piece in pieces:
                part.append(piece)
                size += len(piece)
                if size >= MOST or (size >= PART and (behind is None or behind.done())):
                    if behind:
                        behind.result()  # raises what it met
                    part, size, behind = [], 0, pool.submit(write_part, part)
            if behind:
                behind.result()
        write_part(part)
        if os.read(reader, 1):
            raise OSError(errno.EIO, "holds more than was written", str(path))
    finally:
        os.close(reader)
    return digest.hexdigest()
