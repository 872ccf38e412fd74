"""One recipe at a time may change a project."""

import contextlib
import os
import platform
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from engine.changes import disk
from engine.errors import UserError

_FILE = "lock"
_FLAGS = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
_LONGEST = 1000  # bytes that are read of what it says

_ours: set[Path] = set()  # held by this process, to which its own lock looks like any other's
_FAR = 1 << 30  # Windows forbids others to read what is locked, so a byte behind the text is


class Held(UserError):
    """Another recipe is at work on the project."""


@contextlib.contextmanager
def project_lock(history: Path) -> Iterator[None]:
    """Holds the project's lock, whose file lies in `history`; makes that folder if need be.

    Raises Held, which names the holder, if another process has it, and UserError if the folder or
    the file may not be written to. The system releases it when its holder ends, however that
    happens, so the file stays and its age says nothing.
    """
    path = history / _FILE
    try:
        _make(history)
        descriptor = os.open(path, _FLAGS | os.O_CREAT, disk.SHARED)
    except OSError:
        disk.refuse_unwritable(history)  # mostly the reason, and then it is told with the fix
        if path.exists() and not disk.may_write(path):
            raise UserError(
                f"{path}: is another user's, who works with a umask that shares nothing; "
                f"let them `chmod -R g+w {shlex.quote(str(history))}` and set `umask 002`"
            ) from None
        raise
    try:
        if not _try_lock(descriptor):
            raise _held(path, os.read(descriptor, _LONGEST))
        with contextlib.suppress(OSError):  # a full disk, which a purge is to free
            os.ftruncate(descriptor, 0)
            disk.write_all(descriptor, _this_process())
            disk.sync(descriptor)
        _ours.add(path)
        yield
    finally:
        _ours.discard(path)
        os.close(descriptor)


def refuse_held(history: Path) -> None:
    """Raise Held if another process has the project's lock; nothing is made or written."""
    path = history / _FILE
    if path in _ours:
        return
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError:  # there is none, or who may only read asks
        return
    try:
        if not _try_lock(descriptor):
            raise _held(path, os.read(descriptor, _LONGEST))
    finally:
        os.close(descriptor)


def _held(path: Path, holder: bytes) -> Held:
    return Held(f"{path}: held by {_printable(holder) or 'another process'}; wait until it ends")


def _make(folder: Path) -> None:
    there = folder.parent
    while not there.exists():
        there = there.parent
    disk.make_folders(folder, there)


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, _FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _this_process() -> bytes:
    text = f"process {os.getpid()} on {platform.node()} ({shlex.join(sys.argv)})"
    return text.encode("utf-8", "backslashreplace")


def _printable(text: bytes) -> str:
    """One line of it that does no harm on a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text.decode("utf-8", "replace"))
