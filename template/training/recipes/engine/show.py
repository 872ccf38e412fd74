"""Show a plan or what came of it: to a person as tables by run, to a program as JSON."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from engine.plans.plan import Plan

if TYPE_CHECKING:
    from rich.console import Console

WIDTH, NARROWEST = 100, 40  # columns; a screen of less breaks the lines itself
PLAIN = dict(zip("▁▂▃▄▅▆▇█…", "__.-=+*#~", strict=True))  # for ASCII, each as wide


def safe(text: str) -> str:
    """Return text that cannot drive a terminal: control and undecodable characters are escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def size(count: int) -> str:
    """Return a number of bytes for people: GB with one decimal, smaller ones in MB or kB."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


def as_json(plan: Plan, run: str | None, left: Mapping[str, str] | None = None) -> str:
    """Return the plan for programs, and what was left alone; unknown is null."""
    fields = ("verb", "src", "dst", "bytes", "reason")
    content = {
        "run": run,
        "checkpoints": plan.checkpoints,
        "actions": [{name: getattr(a, name) for name in fields} for a in plan.actions],
        "totals": plan.totals(),
        "notes": plan.notes,
        "left": dict(left or {}),
    }
    return json.dumps(content, indent=2)


def say(line: str, as_json: bool = False, **facts: object) -> None:
    """Print one line, or the same with its facts as JSON."""
    print(json.dumps({"message": line, **facts}, indent=2) if as_json else safe(line))


def warn(line: str) -> None:
    """Print one line on standard error."""
    print(safe(line), file=sys.stderr)


def console(error: bool = False) -> "Console":
    """Return a console on standard output, or standard error, at most 100 columns wide."""
    from rich.console import Console

    made = Console(stderr=error, highlight=False, markup=False, emoji=False)
    if not made.file.isatty() and "COLUMNS" not in os.environ:
        made.width = WIDTH
    made.width = min(made.width, WIDTH)
    if not error:  # a bar that is longer than its line cannot be drawn over
        made.width = max(made.width, NARROWEST)
    return made


def plain(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for characters that a stream cannot encode; a handler for codecs."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    hard = error.object[error.start : error.end]
    return "".join(PLAIN.get(c) or ascii(c)[1:-1] for c in hard), error.end


@contextlib.contextmanager
def progress(doing: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Yield a function that is told of bytes as they are done; shown on a terminal only.

    With rate and time left; where nobody knows the total, with the time that has gone.
    """
    if not sys.stderr.isatty():  # a log, even one with colours
        yield lambda count: None
        return
    from rich import progress as rich

    columns: tuple[rich.ProgressColumn, ...] = (rich.SpinnerColumn(), rich.TimeElapsedColumn())
    if total is not None:
        amounts = (rich.DownloadColumn(), rich.TransferSpeedColumn(), rich.TimeRemainingColumn())
        columns = (rich.BarColumn(), *amounts)
    with rich.Progress(
        doing, *columns, console=console(error=True), transient=total is None
    ) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda count: bar.advance(task, count)


def next_step(out: "Console", command: str, said: str = "") -> None:
    """Print the last line: what to type next, which is never broken."""
    out.print(f"{said}Next: {safe(command)}", style="bold", soft_wrap=True)
