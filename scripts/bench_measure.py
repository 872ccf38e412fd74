"""Run contenders in turn and take the time and memory of what each of them does."""

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from resource import struct_rusage

SLOW = 20  # seconds
Command = Sequence[str | os.PathLike[str]]


def nothing() -> None:
    """Prepare nothing, clean nothing up."""


@dataclass(frozen=True)
class Contender:
    """What is timed: `commands`, one after another. `before` and `after` each of them is not."""

    name: str
    commands: Sequence[Command]
    folder: Path
    needs: Sequence[str] = ()  # programs
    before: Callable[[], None] = nothing
    after: Callable[[], None] = nothing
    makes: Path | None = None  # file or folder whose size counts
    environment: Mapping[str, str] = field(default_factory=dict)

    def missing(self) -> list[str]:
        """Return the programs that this machine does not have."""
        return [program for program in self.needs if not shutil.which(program)]


@dataclass(frozen=True)
class Contest:
    """Contenders for one task. The first is ours: the others are compared with it."""

    name: str
    contenders: Sequence[Contender]


@dataclass(frozen=True)
class Measured:
    """What one contender came to: medians of the times, the most memory, the size made."""

    name: str
    seconds: float
    processor: float  # seconds of all its cores; load disturbs these less
    peak: int  # bytes, of the largest single process; this Python's own size is the least seen
    made: int | None  # bytes


class Failed(Exception):
    """A contender ended with an error; the message holds its last words."""


def hold(contest: Contest, times: int) -> list[Measured]:
    """Return what each contender came to, running them in turn `times` times. Raises Failed.

    Who takes longer than `SLOW` runs once.
    """
    runs: list[list[Measured]] = [[] for _ in contest.contenders]
    for _ in range(times):
        for contender, own in zip(contest.contenders, runs, strict=True):
            if not own or own[0].seconds < SLOW:
                own.append(_once(contender))
    return [
        Measured(
            own[0].name,
            statistics.median(one.seconds for one in own),
            statistics.median(one.processor for one in own),
            max(one.peak for one in own),
            own[-1].made,
        )
        for own in runs
    ]


def _once(contender: Contender) -> Measured:
    contender.before()
    os.sync()  # so that nobody pays for what was written before
    try:
        start = time.perf_counter()
        usages = [_run(contender, command) for command in contender.commands]
        seconds = time.perf_counter() - start
        made = _size(contender.makes) if contender.makes else None
    finally:
        contender.after()
    processor = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    peak = max(usage.ru_maxrss for usage in usages) << 10  # getrusage(2): kilobytes on Linux
    return Measured(contender.name, seconds, processor, peak, made)


def _run(contender: Contender, command: Command) -> struct_rusage:
    """Run one command; returns what it and the processes that it waited for have used."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            cwd=contender.folder,
            env={**os.environ, **contender.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            words = said.read().decode(errors="replace").strip()[-500:]
            raise Failed(f"{contender.name}: status {process.returncode}: {words}")
    return usage


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(
        Path(where, name).lstat().st_size for where, _, names in os.walk(path) for name in names
    )
