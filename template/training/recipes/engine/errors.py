"""The exceptions that end a recipe in one line for its user."""

from collections.abc import Iterable


class UserError(Exception):
    """A mistake or a situation that the user can mend.

    The message is one line that names the file and the fix. The scripts print it on standard error
    and exit with status 2; nothing has been changed by then.
    """


def meant(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return what may be meant by a name that is not known: one that ends with it, or is like it.

    Without any it is what is said `otherwise`.
    """
    import difflib  # a mistake may wait for it

    names = sorted(known)
    ending = [each for each in names if each.endswith(f"_{name}")]
    close = ending[-1:] or difflib.get_close_matches(name, names, 1)  # dates come first in a name
    return f"did you mean {close[0]}?" if close else otherwise


class RemoteError(Exception):
    """The store did not do what was asked: one line, in rclone's words."""
