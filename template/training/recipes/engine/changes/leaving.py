"""What a run leaves alone and why: whatever is not as it was planned, aloud, run by run."""

import functools
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.changes import disk
from engine.changes.file_flags import is_protected
from engine.changes.journal import Record
from engine.changes.steps import LINKED, Steps
from engine.plans.plan import Action

PROTECTED = "is protected by a flag (chattr or chflags), so it cannot be moved"
LONGEST_PATH = 4096  # bytes with the closing zero: PATH_MAX of Linux


class Leaving:
    """Keeps `left`, which maps each path that was not dealt with to why, also in the journal.

    A run that is resumed begins anew: what could not be read before may be readable now.
    """

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.left: dict[str, str] = {}

    def leave(self, actions: Sequence[Action], why: str) -> None:
        """Note that these are left alone."""
        paths = [_name(action) for action in actions]
        self.left |= dict.fromkeys(paths, why)
        self.steps.journal.write(
            Record("left", path, "done", src=path, kept={"why": why}) for path in paths
        )

    def why(self, action: Action) -> str | None:
        """Return why this is left alone; None if it is not."""
        return self.left.get(_name(action)) if self.left else None

    def any_left(self, actions: Sequence[Action]) -> bool:
        """Return whether one of them is left alone."""
        return bool(self.left) and any(_name(action) in self.left for action in actions)

    def ready(self, actions: Sequence[Action], *, asked_later: bool = False) -> bool:
        """Return whether all are as they were planned; else leave them all alone.

        With `asked_later` only of their folders: whoever reads the files asks the rest of each.
        """
        room, is_sticky = functools.cache(self._room), functools.cache(self._is_sticky)
        is_linked = functools.cache(self.steps.is_linked)
        for action in actions:
            why = None if asked_later else self._change(action)
            if why is None and is_linked(str(action.src).rpartition("/")[0]):
                why = LINKED
            if why is None and action.verb != "copy":
                why = self._hold(str(action.src), room, is_sticky)
                if why is None and not asked_later:
                    why = self._protection(str(action.src))
            if why:
                self.leave(actions, f"{action.src}: {why}")
                return False
        return True

    def hold(self, path: str) -> str | None:
        """Return why a file or a folder must stay in its folder; None if it need not."""
        if self.steps.is_linked(path.rpartition("/")[0]):
            return LINKED
        return self._hold(path, self._room, self._is_sticky) or self._protection(path)

    def _protection(self, path: str) -> str | None:
        return PROTECTED if is_protected(self.steps.place(path)) else None

    def _hold(
        self, path: str, room: Callable[[str], int | None], is_sticky: Callable[[str], bool]
    ) -> str | None:
        folder, _, name = path.rpartition("/")
        if (bytes_left := room(folder)) is None:
            return "its folder is write-protected"
        if _bytes(name) > bytes_left:
            return "its path is too long"
        if is_sticky(folder) and _is_others(self.steps.place(path)):
            return "is another user's, and its folder lets only owners take something away"
        return None

    def _change(self, action: Action) -> str | None:
        try:
            status = os.lstat(self.steps.place(action.src))
        except OSError as error:
            return f"cannot be found: {error.strerror}"
        if (status.st_size, status.st_mtime_ns) != (action.bytes, action.mtime_ns):
            return disk.CHANGED
        return None

    def _room(self, folder: str) -> int | None:
        """Return how long the name of a file in a folder may be, in bytes; None if it must stay."""
        place = self.steps.place(folder)
        if not disk.may_change(place) or is_protected(place):
            return None
        waiting = self.steps.place(self.steps.quarantine_path(f"{folder}/" if folder else ""))
        # A purge deletes a file under the name of its partial, which is a little longer.
        return LONGEST_PATH - 1 - len(os.fsencode(waiting)) - len(f".{disk.PARTIAL}")

    def _is_sticky(self, folder: str) -> bool:
        """Return whether a folder lets this user take away only what is theirs."""
        place = self.steps.place(folder)
        is_root = os.name == "nt" or os.geteuid() == 0  # Windows has no such folders
        return not is_root and bool(Path(place).stat().st_mode & stat.S_ISVTX) and _is_others(place)


def _is_others(place: str) -> bool:
    """Return whether something, which need not exist, is another user's."""
    return os.path.lexists(place) and os.lstat(place).st_uid != os.geteuid()


def _bytes(name: str) -> int:
    return len(name) if name.isascii() else len(os.fsencode(name))


def _name(action: Action) -> str:
    made = action.verb == "restore" or action.src is None
    return str(action.dst if made else action.src)
