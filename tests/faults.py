"""Make a change to the disk fail, the Nth of all, in this process: for tests of crash safety."""

import contextlib
import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.changes import disk

CHANGES = "write fsync ftruncate mkdir rmdir unlink link symlink rename utime chmod fchmod".split()
STRIKES = {  # what a fault can strike; any other: every change
    "torn write": {"write"},
    "ENOSPC": {"write", "open", "mkdir", "fsync", "rename", "link"},
    "EXDEV": {"rename", "link"},
    "EACCES": {"open", "mkdir", "rename", "link", "unlink", "rmdir", "utime", "chmod", "fchmod"},
}
CRASHES = ("kill", "torn write", "power cut")


class Killed(BaseException):
    """The process is no more: every further change raises this as well."""


class Faults:
    """Strikes at a change, counted from 1, and at those after it.

    `kill` ends the process before the change; `torn write` after half of it; `power cut` also
    takes away what was written since the last fsync of each file; an error's name makes the change
    fail with it, and all later ones of its kind until the fault is lifted.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.armed = self.struck = False
        self.synced: dict[tuple[int, int], int] = {}  # bytes on the disk, of files written to
        for name in CHANGES:
            monkeypatch.setattr(os, name, self._wrap(name, getattr(os, name)))
        monkeypatch.setattr(os, "open", self._wrap("open", os.open))
        rename = self._wrap("rename", disk._rename_exclusively)
        monkeypatch.setattr(disk, "_rename_exclusively", rename)
        for name in ("supports_fd", "supports_follow_symlinks"):  # sets of the functions themselves
            known = {function.__name__ for function in getattr(os, name)}
            wrapped = {getattr(os, n) for n in CHANGES if n in known}
            monkeypatch.setattr(os, name, getattr(os, name) | wrapped)

    @contextlib.contextmanager
    def at(self, fault: str, number: int, root: Path) -> Iterator[None]:
        """Strike at change `number`; what the fault raises ends here."""
        self.fault, self.number, self.count = fault, number, 0
        self.armed, self.struck, self.dead = True, False, False
        self.synced.clear()
        try:
            with contextlib.suppress(Killed, OSError):
                yield
        finally:
            self.armed = False
        if fault == "power cut" and self.struck:
            self._cut(root)

    def _wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            if not self.armed or threading.current_thread() is not threading.main_thread():
                return None if name == "fsync" else real(*args, **more)  # and spare the disk
            if name == "open" and not args[1] & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
                return real(*args, **more)
            if self._strikes(name):
                self._strike(name, real, args)
            if name == "fsync":
                return self._note(args[0], synced=True)
            if name in ("write", "ftruncate"):
                self._note(args[0], synced=False)
            return real(*args, **more)

        call.__name__ = name
        return call

    def _strikes(self, name: str) -> bool:
        if name in STRIKES.get(self.fault, {name}):
            self.count += 1
            return self.count >= self.number
        return False

    def _strike(self, name: str, real: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.struck = True
        if self.fault not in CRASHES:
            code = getattr(errno, self.fault)
            raise OSError(code, os.strerror(code))
        if self.fault == "torn write" and name == "write" and not self.dead:
            real(args[0], bytes(args[1])[: len(args[1]) // 2])
        self.dead = True
        raise Killed

    def _note(self, descriptor: int, *, synced: bool) -> None:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            file = status.st_dev, status.st_ino
            self.synced[file] = status.st_size if synced else self.synced.get(file, status.st_size)

    def _cut(self, root: Path) -> None:
        for path in root.rglob("*"):
            status = path.lstat()
            kept = self.synced.get((status.st_dev, status.st_ino), status.st_size)
            if stat.S_ISREG(status.st_mode) and kept < status.st_size:
                os.truncate(path, kept)
