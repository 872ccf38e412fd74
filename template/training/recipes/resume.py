# /// script
# requires-python = ">=3.11"
# dependencies = ["isal>=1.7,<2", "pyyaml>=6,<7", "rich>=14,<16"]
# ///
"""Finish a run of a recipe that was interrupted, whatever it was doing."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.dont_write_bytecode = True  # engine/__init__ allows it again, outside of the project
sys.path.insert(0, str(Path(__file__).resolve().parent))

from engine import options


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = options.parser("resume", __doc__ or "", "just resume")
    parser.add_argument("--dry-run", action="store_true", help="only say what is left to do")
    return parser.parse_args(argv)


if __name__ == "__main__":
    _parse(sys.argv[1:])  # --help and mistakes end here: what follows takes longer to import

from engine import command_line, plan_text, show
from engine.changes import apply, history, outlook, purge, undo
from engine.changes.history import PastRun
from engine.changes.lock import project_lock
from engine.project import Project


def main(argv: Sequence[str]) -> int:
    """Go on with the interrupted run; returns the exit status."""
    arguments = _parse(argv)
    project = command_line.project_of(arguments)
    if arguments.dry_run:
        if past := _interrupted(project):
            totals = outlook.of_resume(project, past)
            plan_text.print_past_run(past, totals, arguments.json, "just resume")
            return command_line.DONE
    elif (folder := project.root / project.folders.history).is_dir():
        with project_lock(folder):
            apply.sweep(project)
            if past := _interrupted(project):
                return _resume(project, past, arguments.json)
    show.say("Nothing to resume.", arguments.json)
    return command_line.DONE


def _interrupted(project: Project) -> PastRun | None:
    past = next((past for past in history.past_runs(project) if past.unfinished), None)
    if past:
        history.refuse_lost(project, past)
    return past


def _resume(project: Project, past: PastRun, as_json: bool) -> int:
    doing, _ = past.phase
    with show.progress(f"{past.id}: {doing}"):
        if doing == "apply":
            remarks = apply.resume(project, past).left
        elif doing == "undo":
            remarks = dict.fromkeys(undo.undo(project, past).remarks, "")
        else:
            remarks = purge.purge(project, past).kept
    for path, why in remarks.items():
        show.warn(f"{path}: {why}" if why else path)
    show.say(f"{past.id}: {doing} is finished.", as_json, run=past.id, left=remarks)
    return command_line.FAILED if remarks else command_line.DONE


if __name__ == "__main__":
    command_line.run(main)
