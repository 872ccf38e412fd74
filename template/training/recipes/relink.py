# /// script
# requires-python = ">=3.11"
# dependencies = ["isal>=1.7,<2", "pyyaml>=6,<7", "rich>=14,<16"]
# ///
"""Rewrite references to what recipes moved: show a diff, with --apply do it; the rest is listed."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.dont_write_bytecode = True  # engine/__init__ allows it again, outside of the project
sys.path.insert(0, str(Path(__file__).resolve().parent))

from engine import options


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = options.parser("relink", __doc__ or "", "just relink; then just relink --apply")
    parser.add_argument(
        "--apply", action="store_true", help="rewrite the files (just undo takes it back)"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    _parse(sys.argv[1:])  # --help and mistakes end here: what follows takes longer to import

from datetime import datetime

from engine import command_line, show
from engine.changes.history import refuse_unfinished
from engine.relinking.relink import Relinking, refuse_dirty, relink

STYLES = {"+": "green", "-": "red", "@": "cyan"}


def main(argv: Sequence[str]) -> int:
    """Plan, show the diff, and apply if asked; returns the exit status."""
    arguments = _parse(argv)
    project = command_line.project_of(arguments)
    refuse_unfinished(project)
    found = relink(project, datetime.now())
    if arguments.apply:
        refuse_dirty(found)
    if arguments.json or (arguments.apply and found.plan.changes):
        return command_line.show_or_apply(project, found.plan, arguments, argv)
    _show(found)
    return command_line.DONE


def _show(found: Relinking) -> None:
    out = show.console()
    for lines in found.diffs.values():
        for number, line in enumerate(lines):
            style = "bold" if number < 2 else STYLES.get(line[:1])
            out.print(show.safe(line.replace("\t", "    ")), style=style, soft_wrap=True)
    for line in found.reported:
        out.print(f"not rewritten: {show.safe(line)}", style="yellow", soft_wrap=True)
    for path in found.dirty:
        line = f"{show.safe(path)}: has changes that are not committed; --apply would refuse it"
        out.print(line, style="bold red", soft_wrap=True)
    count = len(found.plan.changes)
    if count:
        out.print()
        show.next_step(out, "just relink --apply", f"{count:,} files. Nothing was changed yet. ")
    else:
        out.print("Nothing to rewrite.", style="bold")


if __name__ == "__main__":
    command_line.run(main)
