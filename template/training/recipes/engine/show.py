"""Show a plan or what came of it: to a person as tables by run, to a program as JSON."""

import contextlib
import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.changes.history import PastRun
from engine.plans.plan import Action, Plan

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 100
# How a verb is written before it is done, after it, and in which style.
VERBS = {
    "move": ("move", "moved", "green"),
    "copy": ("copy", "copied", "green"),
    "pack": ("pack", "packed", "cyan"),
    "drop": ("drop", "copies dropped", "yellow"),
    "delete": ("DELETE", "to be deleted by purge", "bold red"),
    "skip": ("leave", "left alone", "magenta"),
    "write": ("write", "documents written", "green"),
    "restore": ("unpack", "restored", "green"),
    "rewrite": ("rewrite", "rewritten", "green"),
    "offload": ("drop", "local copies dropped", "yellow"),
    "folder": ("make", "folders made", "green"),
}
WAITING = ("pack", "drop", "delete", "offload")  # verbs whose originals go into quarantine
SAME = ("drop", "offload")


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
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = WIDTH
    made.width = min(made.width, WIDTH)
    return made


@contextlib.contextmanager
def progress(doing: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that is told of bytes as they are done; shown on a terminal only."""
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    out = console(error=True)
    columns = (f"{doing}", BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=out, disable=not out.is_terminal) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda count: bar.advance(task, count)


def print_plan(plan: Plan, command: str) -> None:
    """Print the plan by run: each file, what becomes of it and why; last the next command."""
    out = console()
    seen = {checkpoint["path"]: checkpoint["evidence"] for checkpoint in plan.checkpoints}
    by_run: dict[str, list[Action]] = defaultdict(list)
    for action in plan.actions:
        by_run[action.run].append(action)
    for run, actions in by_run.items():
        _print_run(out, run, actions, seen)
    out.print()
    for note in plan.notes:
        out.print(f"note: {safe(note)}", style="yellow")
    _print_totals(out, plan, done=False)
    if plan.changes:
        out.print(f"\nNothing was changed yet. Next: {safe(command)}", style="bold")
    else:
        out.print("Nothing to do.", style="bold")


def print_outcome(plan: Plan, left: Mapping[str, str], freed: int = 0) -> None:
    """Print what a run did, what it left alone, and how to take it back."""
    out = console()
    for path, why in left.items():
        out.print(f"left alone: {safe(path)}: {safe(why)}", style="magenta")
    _print_totals(out, plan, done=True)
    waiting = sum(a.bytes for a in plan.actions if a.verb in WAITING) - freed
    if waiting:
        out.print(f"\nOriginals of {size(waiting)} wait in quarantine.", style="dim")
    purge = " Free the space: just purge" if waiting else ""
    out.print(f"Take it back: just undo.{purge}", style="bold")


def print_past_run(past: PastRun, as_json_wanted: bool) -> None:
    """Print which run it is and what it did."""
    doing, state = past.phase
    if as_json_wanted:
        say("", True, run=past.id, doing=doing, state=state, totals=past.plan.totals())
        return
    out = console()
    out.print(
        f"{past.id}: {doing}, {'finished' if state == 'done' else 'interrupted'}", style="bold"
    )
    _print_totals(out, past.plan, done=True)


def print_waiting(actions: Sequence[Action], as_json_wanted: bool) -> None:
    """Print what a purge would free and why it may."""
    plan = Plan("purge", "", tuple(actions))
    if as_json_wanted:
        print(as_json(plan, None))
        return
    print_plan(plan, "just purge --apply")


def _print_run(
    out: "Console",
    run: str,
    actions: Sequence[Action],
    seen: Mapping[str, Sequence[Mapping[str, Any]]],
) -> None:
    from rich.table import Table

    out.print(f"\n{safe(run)}", style="bold")
    archives = {action.dst for action in actions if action.verb == "pack"}
    if len(archives) == 1:
        out.print(f"  into {safe(str(*archives))}", style="cyan")
    for action in actions:
        word, _, style = VERBS[action.verb]
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column(width=8, style=style)
        row.add_column(ratio=1, overflow="fold")
        row.add_column(justify="right", no_wrap=True, style="dim")
        name = _inner(action.src or action.dst or "", run)
        row.add_row(f"  {word}", safe(name), size(action.bytes) if action.src else "")
        if action.src and action.dst and (action.verb != "pack" or len(archives) > 1):
            row.add_row("", f"{'same as' if action.verb in SAME else 'to'} {safe(action.dst)}")
        tracked = "; git tracks it" if action.tracked else ""
        row.add_row("", f"because {safe(action.reason)}{tracked}", style="dim")
        for found in seen.get(action.src or "", ()):
            row.add_row("", _told(found, action.src or "", run), style="dim")
        out.print(row)


def _told(found: Mapping[str, Any], path: str, run: str) -> str:
    source = "" if found["path"] == path else f"{_inner(found['path'], run)}, "
    other = "" if found["used"] else " (disagrees, not used)"
    return safe(f"{found['fact']} {found['value']}: {source}{found['where']}{other}")


def _inner(path: str, run: str) -> str:
    """Return a path as seen from its run: inside its folder, or beside its other files."""
    beside = run.rpartition("/")[0] + "/"
    name = path.removeprefix(f"{run}/").removeprefix(beside if beside != "/" else "")
    return path if "/" in name and not path.startswith(f"{run}/") else name


def _print_totals(out: "Console", plan: Plan, done: bool) -> None:
    for verb, total in plan.totals().items():
        amount = "" if verb in ("write", "folder") else size(total["bytes"])
        out.print(f"{total['files']:>7,}  {VERBS[verb][1 if done else 0]:<24}{amount:>10}")
