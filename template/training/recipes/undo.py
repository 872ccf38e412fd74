# /// script
# requires-python = ">=3.11"
# dependencies = ["isal>=1.7,<2", "pyyaml>=6,<7", "rich>=14,<16"]
# ///
"""Take back the last run of a recipe, or the named one, byte for byte."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.dont_write_bytecode = True  # engine/__init__ allows it again, outside of the project
sys.path.insert(0, str(Path(__file__).resolve().parent))

from engine import options


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = options.parser("undo", __doc__ or "", "just undo")
    parser.add_argument("run", nargs="?", metavar="RUN", help="default: the last run")
    parser.add_argument("--dry-run", action="store_true", help="only say what would come back")
    return parser.parse_args(argv)


if __name__ == "__main__":
    _parse(sys.argv[1:])  # --help and mistakes end here: what follows takes longer to import

from contextlib import nullcontext

from engine import command_line, plan_text, show
from engine.changes import history, outlook
from engine.changes.apply import sweep
from engine.changes.history import PastRun
from engine.changes.lock import project_lock
from engine.changes.undo import check, undo
from engine.project import Project


def main(argv: Sequence[str]) -> int:
    """Undo and say what came back; returns the exit status."""
    arguments = _parse(argv)
    project = command_line.project_of(arguments)
    folder = project.root / project.folders.history
    writes = folder.is_dir() and not arguments.dry_run
    with project_lock(folder) if writes else nullcontext():
        if writes:
            sweep(project)
        past = _wanted(project, arguments.run)
        if past is None:
            show.say("Nothing to take back.", arguments.json)
            return command_line.DONE
        if writes:
            return _undo(project, past, arguments.json)
        check(project, past)
        totals = outlook.of_undo(project, past)
        plan_text.print_past_run(past, totals, arguments.json, f"just undo {past.id}")
        return command_line.DONE


def _wanted(project: Project, run: str | None) -> PastRun | None:
    past = history.find(project, run)
    if past is None or past.undone:
        return None
    if not past.unfinished:
        history.refuse_unfinished(project)
    return past


def _undo(project: Project, past: PastRun, as_json: bool) -> int:
    with show.progress(f"{past.id}: undo"):
        result = undo(project, past)
    for remark in (*result.notes, *result.remarks):
        show.warn(remark)
    show.say(
        f"{past.id} is taken back: {result.restored:,} files put back, "
        f"{result.removed:,} that it had made removed.",
        as_json,
        restored=result.restored,
        run=past.id,
        notes=result.notes,
        remarks=result.remarks,
    )
    return command_line.FAILED if result.remarks else command_line.DONE


if __name__ == "__main__":
    command_line.run(main)
