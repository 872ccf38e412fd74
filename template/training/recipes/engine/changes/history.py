"""The runs of the recipes: each has a folder with its plan, its journal and its quarantine."""

import contextlib
import json
import os
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from engine.changes import journal
from engine.changes.journal import Record
from engine.changes.lock import refuse_held
from engine.errors import UserError
from engine.plans import plan
from engine.project import Project

OTHER_QUARANTINES = "elsewhere"  # what a phase that is done says of these, with NULs between them
PLAN, JOURNAL, FOLDERS, QUARANTINE = "plan.json", "journal.jsonl", "folders.json", "quarantine"
_STAMP = "%Y%m%dT%H%M%S"
_BY_HAND = f"Originals wait in {QUARANTINE} beside it, each under the path that it had"
_MAKING = ("move", "copy", "pack", "restore", "write", "folder")  # verbs whose `dst` is new


@dataclass(frozen=True)
class PastRun:
    """One run of a recipe, as its folder tells."""

    id: str
    folder: Path

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """Return the journal's records."""
        return journal.read(self.folder / JOURNAL)

    @cached_property
    def plan(self) -> plan.Plan:
        """Return the plan that was carried out. Raises UserError if it cannot be read."""
        path = self.folder / PLAN
        try:
            return plan.from_json(path.read_bytes())
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path}: the plan of this run cannot be read: {error}; put it back from a backup. "
                f"{_BY_HAND}"
            ) from error

    @cached_property
    def folders(self) -> dict[str, list[int]] | None:
        """Return what each folder was before: mode, mtime_ns and perhaps owner; None if lost."""
        try:
            told = json.loads((self.folder / FOLDERS).read_bytes())
        except (OSError, ValueError):
            return None
        return told if isinstance(told, dict) else None

    @property
    def phase(self) -> tuple[str, str]:
        """Return what was done to the run last, ("apply" | "undo" | "purge", its state)."""
        last = journal.last(self.folder / JOURNAL)  # a project may have had many and large runs
        if last and last.op == "phase":
            return last.id, last.state
        phases = [record for record in self.records if record.op == "phase"]
        return (phases[-1].id, phases[-1].state) if phases else ("apply", "intent")

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """Return the folders outside of its own in which originals wait, as their last phase told.

        They lie on other file systems; the paths are those of records.
        """
        last = journal.last(self.folder / JOURNAL)
        told = (last.kept or {}).get(OTHER_QUARANTINES) if last and last.op == "phase" else None
        return tuple(told.split("\0")) if told else ()

    @property
    def unfinished(self) -> bool:
        """Return whether it was interrupted."""
        return self.phase[1] != "done"

    @property
    def undone(self) -> bool:
        """Return whether it was taken back."""
        return self.phase == ("undo", "done")


def is_run(folder: Path) -> bool:
    """Return whether a folder is called as a run is; another may be a copy that someone made."""
    named = re.fullmatch(r"(\d{8}T\d{6})_[a-z_]+", folder.name)
    if named is None:
        return False
    try:
        datetime.strptime(named[1], _STAMP)
    except ValueError:  # 99999999T999999, say
        return False
    return True


def past_runs(project: Project) -> tuple[PastRun, ...]:
    """Return all runs, oldest first."""
    folder = project.root / project.folders.history
    if not folder.is_dir():
        return ()
    return tuple(
        PastRun(path.name, path)
        for path in sorted(folder.iterdir())
        if is_run(path)
        if (path / PLAN).exists() or (path / JOURNAL).exists()  # without both nothing was begun
    )


def find(project: Project, run: str | None) -> PastRun | None:
    """Return the named run, or the last one that was not taken back; None if there is none."""
    runs = past_runs(project)
    if run is None:
        open_runs = [past for past in runs if past.unfinished] or [p for p in runs if not p.undone]
        return open_runs[-1] if open_runs else None
    named = [past for past in runs if past.id == run]
    if not named:
        known = ", ".join(past.id for past in runs) or "none"
        raise UserError(f"no run is called {run!r}; known runs: {known}")
    return named[0]


def refuse_unfinished(project: Project) -> None:
    """Raise UserError if a run was interrupted: it comes first. Raises Held if one is at work."""
    for past in past_runs(project):
        if past.unfinished:
            refuse_held(project.root / project.folders.history)
            refuse_lost(project, past)
            raise UserError(
                f"{past.id} was interrupted: `just resume` finishes it, `just undo` takes it back"
            )


def refuse_lost(project: Project, past: PastRun) -> None:
    """Raise UserError if a run did something and its journal, which alone tells what, has gone."""
    if past.records:
        return
    waits = (past.folder / QUARANTINE).exists()
    planned: tuple[plan.Action, ...] = ()
    with contextlib.suppress(UserError):  # who needs the plan tells that it cannot be read
        planned = past.plan.changes
    made = (action.dst for action in planned if action.verb in _MAKING)
    if waits or any(os.path.lexists(project.root / str(path)) for path in made):
        raise UserError(
            f"{past.folder / JOURNAL}: has gone or is empty, and what the run did is there; "
            f"nothing was changed. Put it back from a backup. {_BY_HAND}; {PLAN} says what "
            "went where; then move this folder away"
        )


def new_run_id(project: Project, recipe: str, now: datetime) -> str:
    """Return a name for a new run that sorts after all others: "20250725T104438_cleanup"."""
    last = max((past.id.partition("_")[0] for past in past_runs(project)), default="")
    stamp = now.strftime(_STAMP)
    if stamp <= last:
        stamp = (datetime.strptime(last, _STAMP) + timedelta(seconds=1)).strftime(_STAMP)
    return f"{stamp}_{recipe}"
