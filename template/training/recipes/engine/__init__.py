"""The core that the recipes share; README.md beside this file says what lies where."""

import os
import sys
from pathlib import Path
from types import TracebackType

if sys.version_info < (3, 11):  # noqa: UP036 - $TRAINING_PYTHON may name any interpreter
    sys.stderr.write(f"{sys.executable} is too old: the recipes need Python 3.11 or newer\n")
    sys.exit(2)

_TRAINING = Path(__file__).resolve().parents[2]

# The logging helper is the one implementation of name templates and folder precedence. Its folder
# goes last on the module path, so that nothing of the user's in it can hide a library.
sys.path.append(str(_TRAINING))


def _users_cache() -> Path:
    """Return where this user's programs keep what they can make again; relative if nobody knows."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", ""))
    if sys.platform == "darwin":
        return Path(os.path.expanduser("~/Library/Caches"))  # noqa: PTH111 - never raises
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # A relative one is ignored: https://specifications.freedesktop.org/basedir-spec
    return named if named.is_absolute() else Path(os.path.expanduser("~/.cache"))  # noqa: PTH111


def _is_ours(folder: Path) -> bool:
    """Return whether this user may write there, and nobody else made it, whose code would run."""
    owner = folder.stat().st_uid
    return os.access(folder, os.W_OK) and getattr(os, "getuid", lambda: owner)() == owner


def _keep_bytecode() -> None:
    """Have compiled modules kept in the user's cache: a plan writes nothing into a repository.

    A script has forbidden to write any before it came here; that stands wherever there is no place.
    """
    if sys.flags.dont_write_bytecode or not sys.dont_write_bytecode:
        return  # the user wants none, or no script of ours is running
    folder = _users_cache() / "copier-training-outputs"
    if sys.pycache_prefix is None:
        if not folder.is_absolute() or folder.is_relative_to(_TRAINING.parent):
            return
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_ours(folder):
                return
        except OSError:
            return
        sys.pycache_prefix = str(folder)
    sys.dont_write_bytecode = False


def _interrupted(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Tell in one line of a Ctrl-C while a recipe's modules are still being imported."""
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("interrupted\n")
    else:
        sys.__excepthook__(kind, error, trace)


if sys.dont_write_bytecode:  # as a script of ours has it
    sys.excepthook = _interrupted
_keep_bytecode()
