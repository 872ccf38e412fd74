"""A plan, or what came of it, for a person: by run, each file, what becomes of it and why."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from engine.changes.history import PastRun
from engine.plans.plan import Action, Plan
from engine.show import as_json, console, next_step, safe, say, size

if TYPE_CHECKING:
    from rich.console import Console

Totals = Mapping[str, Mapping[str, int]]  # {verb: {"files", "bytes"}}

NAME, SIZE = 10, 10  # the column in which names begin; the width of a size
FEW = 200  # files; a plan of more is folded
FIRST, RUNS = 3, 20  # files of a folder; runs, folders of a run and notes that are shown then
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
    # not of a plan, but of what an undo or the rest of a purge would do
    "back": ("back to their places", "back in their places", "green"),
    "remove": ("remove, which it made", "removed", "yellow"),
    "purge": ("free at the most", "freed", "yellow"),
}
SAME = ("drop", "offload")


def print_plan(plan: Plan, command: str, everything: bool = False) -> None:
    """Print the plan by run: each file, what becomes of it and why; last the next command.

    Of many files in one folder the first stand for all, unless `everything` is asked for.
    """
    out = console()
    folds = len(plan.actions) > FEW and not everything
    hidden = _print_runs(out, plan, FIRST if folds else len(plan.actions))
    out.print()
    notes = plan.notes[:RUNS] if folds else plan.notes
    _print_notes(out, notes)
    if folds:
        counts = f"{len(hidden):,} more files, {size(sum(a.bytes for a in hidden))}"
        more = f"{len(plan.notes) - len(notes):,} more notes"
        out.print(f"Not shown: {counts}; {more}. --all shows each.", style="cyan")
    _print_totals(out, plan.totals(), done=False)
    if plan.changes:
        out.print()
        next_step(out, command, "Nothing was changed yet. ")
    else:
        used = sum(a.verb == "skip" and a.reason.startswith("in use") for a in plan.actions)
        later = f"Nothing to do now: {used:,} files are in use; plan again when they are not."
        out.print(later if used else "Nothing to do.", style="bold")


def _print_runs(out: "Console", plan: Plan, fold: int) -> list[Action]:
    """Print the actions by run; return those that are not shown: no deletion is hidden."""
    seen = _evidence(plan)
    by_run: dict[str, list[Action]] = defaultdict(list)
    hidden: list[Action] = []
    for action in plan.actions:
        by_run[action.run].append(action)
    for number, (run, actions) in enumerate(by_run.items()):
        if number < max(RUNS, fold) or _ends(actions):
            hidden += _print_run(out, run, actions, seen, fold)
        else:
            hidden += actions
    return hidden


def _print_notes(out: "Console", notes: Iterable[str]) -> None:
    for note in notes:
        out.print(f"note: {safe(note)}", style="yellow")


def _evidence(plan: Plan) -> dict[str, Sequence[Mapping[str, Any]]]:
    """Return what is told of each checkpoint, by its file; of several, by the first of them."""
    told = {checkpoint["path"]: checkpoint["evidence"] for checkpoint in plan.checkpoints}
    seen = {}
    for src in (action.src or "" for action in plan.actions):
        names = (src, src.rpartition("/")[0], src.rpartition(".")[0])  # its folder, or a prefix
        if name := next((name for name in names if name in told), None):
            seen[src] = told.pop(name)
    return seen


def print_outcome(plan: Plan, left: Mapping[str, str], waiting: int = 0) -> None:
    """Print what a run did, what it left alone, and how to take it back.

    `plan` is the plan as it was carried out, `waiting` the bytes that are in quarantine now. With
    the notes of a restore, whose plan nobody saw before.
    """
    out = console()
    if plan.recipe == "restore":
        _print_notes(out, plan.notes[:RUNS])
        if more := len(plan.notes[RUNS:]):
            out.print(f"note: {more:,} more, which --dry-run shows", style="yellow")
    for path, why in left.items():
        why = why.removeprefix(f"{path}: ")
        out.print(f"left alone: {safe(path)}: {safe(why)}", style="magenta")
    _print_totals(out, plan.totals(), done=True)
    if not plan.changes:
        out.print("Nothing was done.", style="bold")
        return
    if waiting:
        out.print(f"\nOriginals of {size(waiting)} wait in quarantine.", style="dim")
    relink = " References: just relink." if plan.recipe == "cleanup" else ""
    purge = " Free the space: just purge" if waiting else ""
    out.print(f"Take it back: just undo.{relink}{purge}", style="bold")


def print_past_run(past: PastRun, totals: Totals, as_json_wanted: bool, command: str) -> None:
    """Print which run it is, in `totals` what would be done now, and the command that does it."""
    doing, state = past.phase
    if as_json_wanted:
        say("", True, run=past.id, doing=doing, state=state, totals=totals)
        return
    out = console()
    out.print(
        f"{past.id}: {doing}, {'finished' if state == 'done' else 'interrupted'}", style="bold"
    )
    _print_totals(out, totals, done=False)
    out.print()
    next_step(out, command)


def print_waiting(actions: Sequence[Action], as_json_wanted: bool, everything: bool) -> None:
    """Print what a purge would free and why it may."""
    plan = Plan("purge", "", tuple(actions))
    if as_json_wanted:
        print(as_json(plan, None))
        return
    print_plan(plan, "just purge --apply", everything)


def _print_run(
    out: "Console",
    run: str,
    actions: Sequence[Action],
    seen: Mapping[str, Sequence[Mapping[str, Any]]],
    fold: int,
) -> list[Action]:
    """Print the actions of a run; return those that are not shown."""
    out.print()
    _print_path(out, "", run, "bold")
    archives = {action.dst for action in actions if action.verb == "pack"}
    if len(archives) == 1:
        _print_path(out, "  into ", str(*archives), "cyan")
    shown, folded = _folded(actions, fold)
    for action in shown:
        told = (
            len(archives) == 1 if action.verb == "pack" else action.verb == "delete"
        )  # its reason
        says_where = bool(action.src and action.dst) and not told
        _print_action(out, action, seen.get(action.src or "", ()), says_where)
    for (verb, folder), rest in folded.items():
        more = f"{len(rest):,} more in {safe(folder) or 'the project folder'}"
        amount = size(sum(action.bytes for action in rest))
        out.print(f"  {VERBS[verb][0]} {more}, {amount}", style="dim")
    return [action for rest in folded.values() for action in rest]


def _print_action(
    out: "Console", action: Action, seen: Sequence[Mapping[str, Any]], says_where: bool
) -> None:
    """Print verb, name and size; below them where it goes, why, and by which evidence."""
    (word, _, style), room = VERBS[action.verb], out.width - NAME
    out.print(f"  {word:<8}", style=style, end="")
    first, *others = _pieces(_inner(action.src or action.dst or "", action.run), room - SIZE)
    amount = size(action.bytes) if action.src else ""
    out.print(f"{first:<{room - SIZE}}{amount:>{SIZE}}".rstrip(), soft_wrap=True)
    for line in others:
        out.print(f"{' ' * NAME}{line}", soft_wrap=True)
    if says_where:
        to = "same as" if action.verb in SAME else "to"
        _print_path(out, f"{' ' * NAME}{to} ", str(action.dst))
    told = (_told(found, action.src or "", action.run) for found in seen)
    for text in (f"because {action.reason}{'; git tracks it' if action.tracked else ''}", *told):
        for line in wrap(safe(text), room, break_on_hyphens=False):
            out.print(f"{' ' * NAME}{line}", style="dim", soft_wrap=True)


def _print_path(out: "Console", lead: str, path: str, style: str | None = None) -> None:
    """Print a path; if it is too long, it goes on below its beginning."""
    for number, piece in enumerate(_pieces(path, out.width - len(lead))):
        out.print(f"{' ' * len(lead) if number else lead}{piece}", style=style, soft_wrap=True)


def _folded(
    actions: Sequence[Action], fold: int
) -> tuple[list[Action], dict[tuple[str, str], list[Action]]]:
    """Return a run's actions to show, and the others by verb and folder; no deletion is hidden.

    Where a verb has to do with many folders, what lies in the later ones is told of the run.
    """
    groups: dict[tuple[str, str], list[Action]] = defaultdict(list)
    for action in actions:
        groups[action.verb, (action.src or action.dst or "").rpartition("/")[0]].append(action)
    rest: dict[tuple[str, str], list[Action]] = {}
    by_verb: dict[str, list[str]] = defaultdict(list)
    for verb, folder in (key for key, some in groups.items() if not _ends(some)):
        by_verb[verb].append(folder)
    for verb, folders in by_verb.items():
        first, later = folders[: max(RUNS, fold)], folders[max(RUNS, fold) :]
        some = {folder: groups[verb, folder] for folder in first}
        rest |= {(verb, f): inside[fold:] for f, inside in some.items() if len(inside) > fold + 1}
        if later:
            together = [action for folder in later for action in groups[verb, folder]]
            rest[verb, actions[0].run] = rest.get((verb, actions[0].run), []) + together
    hidden = {action.src or action.dst for some in rest.values() for action in some}
    return [action for action in actions if (action.src or action.dst) not in hidden], rest


def _ends(actions: Sequence[Action]) -> bool:
    """Return whether bytes are to be deleted that are nowhere else: each file of it is named."""
    return any(action.verb == "delete" and action.dst is None for action in actions)


def _pieces(text: str, room: int) -> list[str]:
    """Return a path in lines: it is broken anywhere, but loses no character."""
    shown = safe(text)
    return [shown[start : start + room] for start in range(0, len(shown), room)] or [""]


def _told(found: Mapping[str, Any], path: str, run: str) -> str:
    source = "" if found["path"] == path else f"{_inner(found['path'], run)}, "
    other = "" if found["used"] else " (disagrees, not used)"
    return f"{found['fact']} {found['value']}: {source}{found['where']}{other}"


def _inner(path: str, run: str) -> str:
    """Return a path as seen from its run: inside its folder, or beside its other files."""
    beside = run.rpartition("/")[0] + "/"
    name = path.removeprefix(f"{run}/").removeprefix(beside if beside != "/" else "")
    return path if "/" in name and not path.startswith(f"{run}/") else name


def _print_totals(out: "Console", totals: Totals, done: bool) -> None:
    for verb, total in totals.items():
        amount = "" if verb in ("write", "folder") else size(total["bytes"])
        told = f"{total['files']:>7,}  {VERBS[verb][1 if done else 0]:<24}{amount:>10}"
        out.print(told.rstrip())
