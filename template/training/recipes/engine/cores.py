"""How many cores this process may use."""

import os

MOST = 8  # threads or processes: what one hands out and takes back keeps no more of them busy


def usable() -> int | None:
    """Return their number, which a scheduler or a container may limit; None if nobody knows."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def worth(count: int = MOST) -> int:
    """Return how many threads or processes may share so many pieces of work, at least one."""
    return max(1, min(usable() or 1, MOST, count))
