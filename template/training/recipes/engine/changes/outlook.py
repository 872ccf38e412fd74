"""What a resume or an undo would do now: by the plan, the journal and the names that are there."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from engine.changes import purge
from engine.changes.history import PastRun
from engine.changes.journal import Record, latest
from engine.plans.plan import Action
from engine.project import Project

Totals = dict[str, dict[str, int]]  # {what: {"files", "bytes"}}

# The step that is the last of an action, and which of its paths is that step's id.
_LAST = {
    "move": ("move", "src"),
    "copy": ("create", "dst"),
    "write": ("create", "dst"),
    "restore": ("create", "dst"),
    "rewrite": ("create", "dst"),
    "folder": ("folder", "dst"),
}


def of_resume(project: Project, past: PastRun) -> Totals:
    """Return what is left to do for each verb; of a purge, as `purge`, what it may still free."""
    doing, _ = past.phase
    if doing == "undo":
        return of_undo(project, past)
    if doing == "purge":
        return {"purge": _total(purge.waiting(past))}
    state = {record[:2]: record.state for record in latest(past.records)}
    left = [action for action in past.plan.changes if not _is_done(action, state)]
    return replace(past.plan, actions=tuple(left)).totals()


def of_undo(project: Project, past: PastRun) -> Totals:
    """Return which files come `back`, and of those that the run made which it would `remove`."""

    def is_there(path: str | None) -> bool:
        return os.path.lexists(project.root / str(path))

    standing = [r for r in latest(past.records) if r.state != "undone"]
    taken = (r for r in standing if r.op in ("move", "quarantine"))
    back = [r for r in taken if r.state == "done" or is_there(r.dst)]
    made = [r for r in standing if r.op == "create" and is_there(r.id)]
    return {"back": _total(back), "remove": _total(made)}


def _is_done(action: Action, state: Mapping[tuple[Any, str], str]) -> bool:
    op, end = _LAST.get(action.verb, ("quarantine", "src"))
    across = action.verb == "move" and state.get(("quarantine", str(action.src))) == "done"
    return across or state.get((op, str(getattr(action, end)))) == "done"


def _total(records: Iterable[Record]) -> dict[str, int]:
    sizes = [record.size or 0 for record in records]
    return {"files": len(sizes), "bytes": sum(sizes)}
