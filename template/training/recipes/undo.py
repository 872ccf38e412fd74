# /// script
# requires-python = ">=3.11"
# dependencies = ["blake3>=1,<2", "isal>=1.7,<2", "pyyaml>=6,<7", "rich>=14,<16"]
# ///
"""Take back the last run of a recipe, or the named one, byte for byte."""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.dont_write_bytecode = True  # a plan leaves nothing behind, not even a cache
sys.path.insert(0, str(Path(__file__).resolve().parent))

from engine import command_line, history, show
from engine.apply import sweep
from engine.lock import project_lock
from engine.undo import undo


def main(argv: Sequence[str]) -> int:
    """Undo and say what came back; returns the exit status."""
    parser = command_line.parser("undo", __doc__ or "", "just undo")
    parser.add_argument("run", nargs="?", metavar="RUN", help="default: the last run")
    parser.add_argument("--dry-run", action="store_true", help="only say what would come back")
    arguments = parser.parse_args(argv)
    project = command_line.project_of(arguments)
    past = history.find(project, arguments.run)
    if past is None or past.undone:
        show.say("Nothing to take back.", arguments.json)
        return command_line.DONE
    if arguments.dry_run:
        show.print_past_run(past, arguments.json)
        return command_line.DONE
    with project_lock(project.root / project.folders.history):
        sweep(project)
        result = undo(project, history.find(project, past.id) or past)
    for remark in result.remarks:
        show.warn(remark)
    show.say(
        f"{past.id} is taken back: {result.restored:,} files are in their places, "
        f"{result.removed:,} that it had made are gone.",
        arguments.json,
        restored=result.restored,
        run=past.id,
        remarks=result.remarks,
    )
    return command_line.FAILED if result.remarks else command_line.DONE


if __name__ == "__main__":
    command_line.run(main)
