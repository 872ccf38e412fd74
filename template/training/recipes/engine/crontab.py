"""The user's crontab with one entry of ours for a project, and without it. Other lines stay."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.errors import UserError

_FIELDS = re.compile(r"@[a-z]+|[0-9A-Za-z*/,-]+( [0-9A-Za-z*/,-]+){4}")
# vixie's, cronie's, macOS's; busybox's, which says "can't open" of one that may not be read as well
_NONE_YET = re.compile(rb"no crontab for|can't open .*No such file")


class Unavailable(Exception):
    """The crontab cannot be read or written; the message is one line that says why."""


def schedule(text: str) -> str:
    """Return the five fields, or the @word, of a cron schedule. Raises UserError if it is none."""
    fields = " ".join(text.split())
    if not _FIELDS.fullmatch(fields):
        raise UserError(f"{text!r} is no cron schedule; write five fields such as '0 3 * * *'")
    return fields


def entry(
    root: Path, when: str, command: Sequence[str], variables: Mapping[str, str], log: Path
) -> bytes:
    """Return the lines for a command whose output is appended to a log below the root.

    Where the root is gone, because it was moved or its disk is not there, nothing is made and cron
    mails that. Raises UserError if a path could end the line.
    """
    words = ["/usr/bin/env", *(f"{name}={value}" for name, value in variables.items()), *command]
    line = f"cd {shlex.quote(str(root))} && mkdir -p {shlex.quote(str(log.parent))} && "
    line += shlex.join(words)
    line += f" >>{shlex.quote(str(log))} 2>&1"
    if odd := next((text for text in (str(root), line) if re.search(r"[\x00-\x1f\x7f]", text)), ""):
        raise UserError(f"{odd!r} holds control characters, which no crontab bears; rename folders")
    escaped = line.replace("%", r"\%")  # a bare one would end the command
    return _marker(root) + os.fsencode(f"{when} {escaped}\n")


def without(table: bytes, root: Path) -> bytes:
    """Return the crontab without the project's entry: the line that marks it and the next."""
    kept: list[bytes] = []
    marked = False
    for line in table.splitlines(keepends=True):
        ours = line == _marker(root) or (marked and b" --auto" in line)
        kept += [] if ours else [line]
        marked = line == _marker(root)
    return b"".join(kept)


def with_entry(table: bytes, root: Path, lines: bytes) -> bytes:
    """Return the crontab with these lines at its end, in place of the project's entry."""
    rest = without(table, root)
    return rest + (b"\n" if rest and not rest.endswith(b"\n") else b"") + lines


def read() -> bytes:
    """Return the user's crontab, empty if there is none. Raises Unavailable."""
    done = _crontab("-l")
    if done.returncode and not _NONE_YET.search(done.stderr):
        raise Unavailable(_said(done))
    return b"" if done.returncode else done.stdout


def write(table: bytes) -> None:
    """Replace the user's crontab, or remove it if it is empty now. Raises Unavailable."""
    done = _crontab("-", table) if table else _crontab("-r")
    if done.returncode:
        raise Unavailable(_said(done))


def _marker(root: Path) -> bytes:
    return os.fsencode(f"# training outputs of {root}; `just schedule --off` there removes this\n")


def _crontab(argument: str, table: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("crontab")
    if program is None:
        raise Unavailable("crontab: no such program; install cron, or call it from your scheduler")
    environ = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(
        [program, argument], input=table, env=environ, capture_output=True, check=False
    )


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = (done.stderr or done.stdout).decode("utf-8", "replace").splitlines()
    return f"crontab: {' '.join(lines) or f'exit status {done.returncode}'}"
