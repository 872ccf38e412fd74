"""Markdown in which text stays text, whatever a file or a parameter is called."""

from collections.abc import Iterable, Sequence

from engine.show import safe


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table."""
    lines = [head, ["---" for _ in head], *rows]
    return "\n".join("| " + " | ".join(map(_cell, row)) + " |" for row in lines) + "\n"


def _cell(text: object) -> str:
    """Return text that cannot leave its cell."""
    return line(text).replace("|", "\\|").replace("`", "'")


def line(text: object) -> str:
    """Return text in which nothing but code spans is markup, on one line."""
    shown = safe(str(text)).replace("\\", "\\\\")
    return shown.replace("<", "&lt;").replace("[", "\\[")


def code(text: object) -> str:
    """Return text as a code span."""
    return f"`{safe(str(text)).replace('`', chr(39))}`"
