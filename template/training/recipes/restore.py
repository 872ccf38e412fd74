# /// script
# requires-python = ">=3.11"
# dependencies = ["isal>=1.7,<2", "pyyaml>=6,<7", "rich>=14,<16"]
# ///
"""Bring an archived run, or files of it, back to where they were; the archive stays."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.dont_write_bytecode = True  # engine/__init__ allows it again, outside of the project
sys.path.insert(0, str(Path(__file__).resolve().parent))

from engine import options

EXAMPLE = "just restore 2025-07-24_pat_conv_l 'checkpoints/*.pth' --to /tmp/look"


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = options.parser("restore", __doc__ or "", EXAMPLE)
    add = parser.add_argument
    add("name", metavar="NAME", help="an archive, or the folder of the run that it holds")
    add(
        "files",
        nargs="*",
        default=[],
        metavar="FILE",
        help="only these: paths or globs (default: all)",
    )
    add("--to", metavar="DIR", help="below this folder, with their whole paths")
    add("--dry-run", action="store_true", help="only show what would come back")
    options.add_all(parser)
    options.add_now(parser, "act as of this time")
    return parser.parse_args(argv)


if __name__ == "__main__":
    _parse(sys.argv[1:])  # --help and mistakes end here: what follows takes longer to import

from datetime import datetime

from engine import command_line, show
from engine.archives import catalog, transfer
from engine.changes.history import refuse_unfinished
from engine.plans.restore_plan import restore


def main(argv: Sequence[str]) -> int:
    """Verify and restore; returns the exit status."""
    arguments = _parse(argv)
    project = command_line.project_of(arguments)
    refuse_unfinished(project)
    packed = catalog.find(project, arguments.name)
    to = (Path.cwd() / arguments.to).resolve() if arguments.to else None
    now = (arguments.now or datetime.now()).isoformat(sep=" ", timespec="seconds")
    plan = restore(project, packed, tuple(arguments.files), to, now)
    arguments.apply = not arguments.dry_run
    for name in transfer.away(project, plan):
        if arguments.dry_run:
            show.warn(f"{name}: is not on this machine; it is pulled first")
        else:
            transfer.pull(project, name)
    return command_line.show_or_apply(project, plan, arguments, argv)


if __name__ == "__main__":
    command_line.run(main)
