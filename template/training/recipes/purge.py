# /// script
# requires-python = ">=3.11"
# dependencies = ["isal>=1.7,<2", "pyyaml>=6,<7", "rich>=14,<16"]
# ///
"""Free the originals that are proven to be kept elsewhere, and what you asked to delete."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.dont_write_bytecode = True  # engine/__init__ allows it again, outside of the project
sys.path.insert(0, str(Path(__file__).resolve().parent))

from engine import options


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = options.parser("purge", __doc__ or "", "just purge; then just purge --apply")
    parser.add_argument("run", nargs="?", metavar="RUN", help="default: all finished runs")
    parser.add_argument(
        "--apply", action="store_true", help="delete; deleted-on-request files cannot come back"
    )
    options.add_all(parser)
    return parser.parse_args(argv)


if __name__ == "__main__":
    _parse(sys.argv[1:])  # --help and mistakes end here: what follows takes longer to import

from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict

from engine import command_line, plan_text, show
from engine.changes import history, purge
from engine.changes.history import PastRun
from engine.changes.lock import project_lock
from engine.changes.purge import Purged
from engine.project import Project


def main(argv: Sequence[str]) -> int:
    """Show what waits in quarantine, free it if asked; returns the exit status."""
    arguments = _parse(argv)
    project = command_line.project_of(arguments)
    with _locked(project) if arguments.apply else nullcontext():
        return _purge(project, arguments)


def _locked(project: Project) -> AbstractContextManager[None]:
    folder = project.root / project.folders.history
    return project_lock(folder) if folder.is_dir() else nullcontext()


def _purge(project: Project, arguments: argparse.Namespace) -> int:
    history.refuse_unfinished(project)
    runs = _runs(project, arguments.run)
    if not runs:
        show.say("Nothing waits in quarantine.", arguments.json)
        return command_line.DONE
    if not arguments.apply:
        waiting = [action for past in runs for action in purge.actions(project, past)]
        plan_text.print_waiting(waiting, arguments.json, arguments.all)
        return command_line.DONE
    freed: list[Purged] = []
    for past in runs:
        with show.progress(f"verifying what {past.id} kept"):
            result = purge.purge(project, past)
        for remark in result.remarks:
            show.warn(remark)
        for path, why in result.kept.items():
            show.warn(f"{path}: stays in quarantine: {why}")
        freed.append(result)
        if not arguments.json:
            show.say(_told(past.id, result.files, result.bytes))
    if arguments.json:
        files, count = (sum(getattr(run, key) for run in freed) for key in ("files", "bytes"))
        runs_told = [asdict(run) for run in freed]
        show.say(_told(f"{len(freed):,} runs", files, count), as_json=True, runs=runs_told)
    return command_line.FAILED if any(run.kept for run in freed) else command_line.DONE


def _told(who: str, files: int, count: int) -> str:
    return f"{who}: {files:,} files, {show.size(count)} freed."


def _runs(project: Project, name: str | None) -> list[PastRun]:
    named = None if name is None else history.find(project, name)
    runs = [named] if named else history.past_runs(project)
    return [past for past in runs if not past.undone and purge.waiting(past)]


if __name__ == "__main__":
    command_line.run(main)
