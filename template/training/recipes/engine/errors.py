"""The exceptions that end a recipe in one line for its user."""


class UserError(Exception):
    """A mistake or a situation that the user can mend.

    The message is one line that names the file and the fix. The scripts print it on standard error
    and exit with status 2; nothing has been changed by then.
    """


class RemoteError(Exception):
    """The store did not do what was asked: one line, in rclone's words."""
