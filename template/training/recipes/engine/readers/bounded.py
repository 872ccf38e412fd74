"""A file of which only so much can be read, whatever its content claims."""

import io
from typing import BinaryIO

from engine.readers import Broken

TOO_MUCH = "too complex: more to read than the description of a checkpoint ever is"


class BoundedFile:
    """A binary file that gives out at most `left` bytes and refuses to be asked for more."""

    def __init__(self, file: BinaryIO, left: int) -> None:
        """Read from `file`; `left` may be raised later."""
        self._file = file
        self.left = left

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes; `Broken` if that is more than may still be read."""
        if size > self.left:
            raise Broken(TOO_MUCH)
        data = self._file.read(self.left + 1 if size < 0 else size)
        if len(data) > self.left:
            raise Broken(TOO_MUCH)
        self.left -= len(data)
        return data

    def readline(self) -> bytes:
        """Return the next line, counted in the same way."""
        line = self._file.readline(self.left + 1)
        if len(line) > self.left:
            raise Broken(TOO_MUCH)
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
