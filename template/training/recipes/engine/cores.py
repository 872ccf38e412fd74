"""How many cores this process may use."""

import os


def usable() -> int | None:
    """Return their number, which a scheduler or a container may limit; None if nobody knows."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()
