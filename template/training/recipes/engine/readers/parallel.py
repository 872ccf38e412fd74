"""Many files, read by several processes once that is worth their start."""

import os
import signal
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import repeat
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from engine import cores
from engine.readers import may_be_read, read
from engine.recognition.evidence import Reading

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

PATIENCE = 1.0  # seconds of reading after which the rest is shared; a process starts in 0.3
MOST = 8  # processes
PARCELS = 32  # that each is sent, so that all have work to the end;
PARCEL = 64  # and files in one at most


def read_all(root: Path, paths: Iterable[str]) -> dict[str, Reading]:
    """Return what the files say of which a reader reads any, by path, in their order.

    The paths are below `root`, or absolute. What is told is what `readers.read` returns for each.
    """
    end = time.monotonic() + PATIENCE
    places = {os.path.join(root, path): path for path in may_be_read(paths)}  # noqa: PTH118 - many
    rest, found = deque(places), list[Reading | None]()
    while rest and time.monotonic() < end:
        found.append(_read(rest.popleft()))
    processes = min(cores.usable() or 1, MOST, len(rest))
    found += _shared([*rest], processes) if processes > 1 else map(_read, rest)
    told = zip(places.values(), found, strict=True)
    return {path: reading for path, reading in told if reading}


def _read(place: str) -> Reading | None:
    return read(place, place.rpartition("/")[2])


def _shared(places: Sequence[str], processes: int) -> list[Reading | None]:
    """Return what each file says. What a process was sent that has died is read here."""
    from concurrent.futures import ThreadPoolExecutor  # quick plans can spare these imports

    size = min(PARCEL, -(-len(places) // (processes * PARCELS)))
    parcels = [places[start : start + size] for start in range(0, len(places), size)]
    with ThreadPoolExecutor(processes) as pool, _readers(processes) as channels:
        idle = SimpleQueue["Connection"]()
        for channel in channels:
            idle.put(channel)

        def ask(parcel: Sequence[str]) -> list[Reading | None] | None:
            channel = idle.get()
            try:
                channel.send(parcel)
                answer: list[Reading | None] = channel.recv()
            except (EOFError, OSError):
                return None
            finally:
                idle.put(channel)
            return answer

        answers = pool.map(ask, parcels) if channels else repeat(None)
        return [
            reading
            for parcel, answer in zip(parcels, answers, strict=False)
            for reading in answer or map(_read, parcel)
        ]


@contextmanager
def _readers(count: int) -> Iterator[list["Connection"]]:
    """Yield a channel to each of some new processes, fewer if no more can be had; stop them."""
    from multiprocessing import get_context

    context = get_context("spawn")  # a fork would copy locks that other threads hold
    with ExitStack() as at_the_end:
        channels = []
        with suppress(OSError):
            for _ in range(count):
                ours, theirs = context.Pipe()
                at_the_end.enter_context(ours)
                with theirs:
                    process = context.Process(target=_work, args=(theirs,), daemon=True)
                    with _interrupts_put_off():
                        process.start()
                at_the_end.callback(process.join)
                at_the_end.callback(process.terminate)
                channels.append(ours)
        yield channels


@contextmanager
def _interrupts_put_off() -> Iterator[None]:
    """Keep Ctrl-C from a process that is started: it would tell of it, and is stopped anyway."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # whose start would let interrupts in again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(channel: "Connection") -> None:
    """Read what the channel asks for, until its other end is closed."""
    with suppress(EOFError, OSError):
        while True:
            channel.send([_read(place) for place in channel.recv()])
