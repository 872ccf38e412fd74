"""A file of which only so much can be read, whatever its content claims."""

import io
from typing import BinaryIO

from engine.readers import Broken


class BoundedFile:
    """A binary file that gives out at most `left` bytes and refuses to be asked for more."""

    def __init__(self, file: BinaryIO, left: int) -> None:
        """Read from `file`; `left` may be raised later."""
        self._file = file
        self._size = file.seek(0, io.SEEK_END)
        file.seek(0)
        self.left = left

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes; `Broken` if that is more than may still be read."""
        there = max(0, self._size - self._file.tell())
        size = there if size < 0 else min(size, there)
        if size > self.left:
            raise Broken("too complex: more to read than a checkpoint's description ever is")
        self.left -= size
        return self._file.read(size)

    def readline(self) -> bytes:
        """Return the next line, counted in the same way."""
        line = self._file.readline(self.left + 1)
        if len(line) > self.left:
            raise Broken("too complex: a line without an end")
        self.left -= len(line)
        return line

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move, as any file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Return True."""
        return True
