"""Run a command whose output reaches both the screen and a log, byte for byte.

Where the screen is a terminal the command gets one too, so that progress bars and colours stay.
Its input is left alone. If the log or the screen fails, the command runs on with the other.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

QUIET = 0.25  # seconds without output after which an ended command is not waited for
LINGER = 5.0  # seconds after its end in which what it left running may go on to write
REPEAT = 0.5  # seconds in which a signal counts once: just and uv pass it on as well
HELD = 1 << 16  # bytes of an unfinished line that are kept back, at most
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH")
_FROM_KEYS = ("SIGINT", "SIGQUIT")


@dataclass(frozen=True)
class Ended:
    """How a command ended: `status` is 128 + n if signal n ended it, as in a shell."""

    status: int
    peak_memory_bytes: int | None  # of its largest process; None where the system does not say
    trouble: tuple[str, ...]  # with the log or the screen


@dataclass
class _Channel:
    """What the command writes to, where it is read, and the screen that it is for."""

    inner: int
    outer: int
    screen: int
    is_terminal: bool
    unfinished: bytes = b""  # the last line, while it has no end

    def close_inner(self) -> None:
        if self.inner >= 0:
            os.close(self.inner)
        self.inner = -1


@dataclass
class _Sink:
    descriptor: int
    name: str
    trouble: list[str] = field(default_factory=list)

    def write(self, data: bytes) -> None:
        while data and not self.trouble:
            try:
                data = data[os.write(self.descriptor, data) :]
            except BlockingIOError:
                select.select([], [self.descriptor], [])
            except OSError as error:
                self.trouble.append(f"{self.name}: {error.strerror}; later output is not in it")


def run(
    command: Sequence[str],
    environ: Mapping[str, str],
    log: Path,
    screens: tuple[int, int],
    on_start: Callable[[int], None],
) -> Ended:
    """Run a command to its end; `on_start` is told its process id. Raises OSError if it cannot run.

    `screens` are the descriptors that get its standard output and its standard error.
    """
    # With a keyboard the command stays in our process group, where the terminal's signals reach it.
    # Without one it gets a group of its own, so that each signal reaches it once, through us.
    alone = os.name == "posix" and not os.isatty(0)
    options: dict[str, Any] = {"process_group": 0} if alone else {}
    with (
        log.open("ab", buffering=0) as file,
        _channels(screens) as channels,
        Relay(alone, channels) as relay,
    ):
        out, err = channels[0].inner, channels[-1].inner
        process = subprocess.Popen(command, env=environ, stdout=out, stderr=err, **options)
        relay.start(process.pid)
        for channel in channels:
            channel.close_inner()
        on_start(process.pid)
        written = _Sink(file.fileno(), str(log))
        shown = [_Sink(channel.screen, "the screen") for channel in channels]
        ended, over = threading.Event(), threading.Event()
        rest = (written, len(channels) > 1, ended, over)
        threads = [
            threading.Thread(target=_copy, args=(channel, sink, *rest))
            for channel, sink in zip(channels, shown, strict=True)
        ]
        for thread in threads:
            thread.start()
        code, peak = _wait(process)
        relay.stop()
        ended.set()
        for thread in threads:
            thread.join(LINGER)
        over.set()
        for thread in threads:
            thread.join()
        for channel in channels:  # now that no whole line can follow it and be broken by it
            written.write(channel.unfinished)
    trouble = tuple(line for sink in (written, *shown) for line in sink.trouble)
    return Ended(code if code >= 0 else 128 - code, peak, trouble)


def _wait(process: subprocess.Popen[bytes]) -> tuple[int, int | None]:
    if not hasattr(os, "wait4"):
        return process.wait(), None
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


# ---- output


@contextlib.contextmanager
def _channels(screens: tuple[int, int]) -> Iterator[list[_Channel]]:
    """Yield a channel for both screens, or one for each if they are not the same."""
    channels = [_channel(screens[0])]
    try:
        if not os.path.sameopenfile(*screens):
            channels.append(_channel(screens[1]))
        yield channels
    finally:
        for channel in channels:
            channel.close_inner()
            os.close(channel.outer)


def _channel(screen: int) -> _Channel:
    if os.name != "posix" or not os.isatty(screen):
        outer, inner = os.pipe()
        return _Channel(inner, outer, screen, False)
    import termios

    outer, inner = os.openpty()
    settings = termios.tcgetattr(inner)
    settings[1] &= ~termios.OPOST  # the real terminal turns newlines into its own, the log must not
    termios.tcsetattr(inner, termios.TCSANOW, settings)
    channel = _Channel(inner, outer, screen, True)
    _copy_size(channel)
    return channel


def _copy_size(channel: _Channel) -> None:
    import fcntl
    import termios

    size = fcntl.ioctl(channel.screen, termios.TIOCGWINSZ, bytes(8))
    fcntl.ioctl(channel.outer, termios.TIOCSWINSZ, size)


def _copy(
    channel: _Channel,
    screen: _Sink,
    log: _Sink,
    whole_lines: bool,
    ended: threading.Event,
    over: threading.Event,
) -> None:
    """Copy what comes; with `whole_lines`, so that another channel's do not break them.

    Once it is `over`, one more read takes what a slow screen has kept waiting.
    """
    held, is_last = b"", False
    while not is_last:
        is_last = over.is_set()
        if not (data := _next(channel.outer, ended)):
            break
        held += data
        end = held.rfind(b"\n") + 1 if whole_lines and len(held) < HELD else len(held)
        log.write(held[:end])
        held = held[end:]
        screen.write(data)
    channel.unfinished = held


def _next(source: int, ended: threading.Event) -> bytes:
    """Return what comes next; empty at the end, or when only what a command left running has it."""
    while sys.platform != "win32" and not select.select([source], [], [], QUIET)[0]:
        if ended.is_set():
            return b""
    try:
        return os.read(source, 1 << 16)
    except OSError:  # how a terminal says that its last writer has closed it
        return b""


# ---- signals


class Relay:
    """Passes signals on to the command; those that come before it runs wait for it."""

    def __init__(self, alone: bool, channels: Sequence[_Channel]) -> None:
        self.alone, self.terminals = alone, [c for c in channels if c.is_terminal]
        self.pid: int | None = None
        self.waiting: list[int] = []
        self.passed: dict[int, float] = {}
        self.before: dict[int, Any] = {}

    def __enter__(self) -> "Relay":
        """Take the signals that nobody has us ignore."""
        for number in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
            if signal.getsignal(number) != signal.SIG_IGN:  # as nohup wants it, for the command too
                self.before[number] = signal.signal(number, self.take)
        return self

    def __exit__(self, *_: object) -> None:
        """Give them back to whoever had them."""
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def start(self, pid: int) -> None:
        """Pass on what waits, and what comes, to this process, or to its group if it is alone."""
        self.pid = pid
        for number in self.waiting:
            self._send(number)

    def stop(self) -> None:
        """Pass nothing on any more."""
        self.pid = None

    def take(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        name = signal.Signals(number).name
        if name == "SIGWINCH":
            for channel in self.terminals:
                _copy_size(channel)
        elif name in _FROM_KEYS and not self.alone and _in_foreground():
            return  # the terminal has sent it to the command as well
        elif time.monotonic() - self.passed.get(number, -REPEAT) < REPEAT:
            return
        self.passed[number] = time.monotonic()
        self._send(number)

    def _send(self, number: int) -> None:
        if self.pid is None:
            self.waiting.append(number)
            return
        with contextlib.suppress(ProcessLookupError):
            if self.alone:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except (OSError, AttributeError):  # AttributeError: Windows
        return False
