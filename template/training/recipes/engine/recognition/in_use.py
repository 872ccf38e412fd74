"""Which files someone is working on, so that nobody moves them."""

import os
import stat
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from engine.recognition.scan import as_committed

File = tuple[int, int]  # device and inode


def in_use(root: Path, paths: Sequence[str], now: float, window_seconds: float) -> dict[str, str]:
    """Those of the regular files `paths` that are in use, each with the reason.

    In use is a file that a process has open for writing (seen on Linux alone) and one that changed
    less than `window_seconds` before `now`, in seconds since 1970, or after it: but not what is as
    git has it, since a fresh clone gives all files its own time. What is missing, a symlink or a
    folder is not in use.
    """
    place = f"{root}/"
    files = dict(_regular(place, paths))
    writers = _writers({(status.st_dev, status.st_ino) for status in files.values()})
    reasons, recent = {}, {}
    for path, status in files.items():
        writer = writers.get((status.st_dev, status.st_ino)) or _unseen_writer(place + path)
        if writer:
            reasons[path] = writer
        elif why := _recent(now - status.st_mtime, window_seconds):
            recent[path] = why
    unchanged = as_committed(root) if recent else ()
    return reasons | {path: why for path, why in recent.items() if path not in unchanged}


def _regular(place: str, paths: Sequence[str]) -> Iterator[tuple[str, os.stat_result]]:
    for path in paths:
        with suppress(FileNotFoundError, NotADirectoryError):
            status = os.lstat(place + path)
            if stat.S_ISREG(status.st_mode):
                yield path, status


def _recent(age: float, window_seconds: float) -> str | None:
    if age < 0:
        return f"changed {_span(-age)} in the future: a clock is wrong, or `touch` it"
    return f"changed {_span(age)} ago" if age < window_seconds else None


def _span(seconds: float) -> str:
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return _count(int(seconds // size), unit)
    return _count(int(seconds), "second")


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _writers(files: Collection[File]) -> Mapping[File, str]:
    """Who has which of `files` open for writing, as far as /proc shows it to this user."""
    found: dict[File, str] = {}
    for process in _entries("/proc") if files else ():
        if not process.isdigit():
            continue
        for number in _entries(f"/proc/{process}/fd"):
            with suppress(OSError):  # it was closed, or the process ended
                status = os.stat(f"/proc/{process}/fd/{number}")  # noqa: PTH116 - many thousands
                file = status.st_dev, status.st_ino
                if file in files and _writes(process, number):
                    found[file] = f"open in process {process} ({_name(process)})"
    return found


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:  # another user's process, one that ended, or a system without /proc
        return []


def _writes(process: str, number: str) -> bool:
    for line in Path(f"/proc/{process}/fdinfo/{number}").read_text().splitlines():
        if line.startswith("flags:"):
            return int(line.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
    return False


def _name(process: str) -> str:
    name = Path(f"/proc/{process}/comm").read_text(errors="replace").strip()
    return "".join(c if c.isprintable() else "?" for c in name)


def _unseen_writer(path: str) -> str | None:
    """A writer that /proc does not show: another user's, in another container, or with a map.

    The system grants a read lease only on a file that nobody has open for writing. It needs the
    file's owner or a privilege; without them nothing is known.
    """
    if sys.platform != "linux":
        return None
    import fcntl
    import signal

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        # Whoever opens the file for writing meanwhile makes the system signal us. The usual signal,
        # SIGIO, would end this process; this one is ignored.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return "open for writing in a process that cannot be seen"
    except OSError:
        return None
    finally:
        os.close(descriptor)  # gives the lease back
    return None
