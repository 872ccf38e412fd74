"""Work that several processes share: Python computes in one thread of a process at a time."""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from queue import SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Item = TypeVar("Item")
Made = TypeVar("Made")


@contextmanager
def sharing(work: Callable[[Item], Made], count: int) -> Iterator[Callable[[Item], Made]]:
    """Yield a function that has one of `count` new processes do `work`, for as many threads.

    All that goes to and fro is pickled, also what `work` raises. What a process was asked that has
    died is done here, and so is all if none can be had.
    """
    with _channels(work, count) as channels:
        idle, is_over = SimpleQueue["Connection"](), Event()
        for channel in channels:
            idle.put(channel)

        def ask(item: Item) -> Made:
            channel = idle.get()
            made: Made
            try:
                channel.send(item)
                made, problem = channel.recv()
            except (EOFError, OSError):
                if is_over.is_set():
                    raise
                return work(item)
            finally:
                idle.put(channel)
            if problem:
                raise problem
            return made

        try:
            yield ask if channels else work
        finally:
            is_over.set()


@contextmanager
def _channels(work: Callable[[Item], Made], count: int) -> Iterator[list["Connection"]]:
    """Yield a channel to each of some new processes, fewer if no more can be had; stop them."""
    from multiprocessing import get_context  # most recipes can spare it

    context = get_context("spawn")  # a fork would copy locks that other threads hold
    with ExitStack() as at_the_end:
        channels = []
        with suppress(OSError):
            for _ in range(count):
                ours, theirs = context.Pipe()
                at_the_end.enter_context(ours)
                with theirs:
                    process = context.Process(target=_serve, args=(work, theirs), daemon=True)
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


def _serve(work: Callable[[Item], Made], channel: "Connection") -> None:
    """Do the work that the channel asks for, until its other end is closed."""
    with suppress(EOFError, OSError):
        while True:
            item = channel.recv()
            try:
                answer = work(item), None
            except Exception as problem:
                channel.send((None, problem))
            else:
                channel.send(answer)
