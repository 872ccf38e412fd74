"""Python's collector of garbage, and where it stands in the way."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep the collector from going again and again through the many values that are made here.

    Reference counting still frees what is in no cycle, and these values are in none.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
