# /// script
# requires-python = ">=3.11"
# dependencies = ["isal>=1.7,<2", "pyyaml>=6,<7", "rich>=14,<16"]
# ///
"""Put the best checkpoint of an experiment, or the one you name, into production."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.dont_write_bytecode = True  # engine/__init__ allows it again, outside of the project
sys.path.insert(0, str(Path(__file__).resolve().parent))

from engine import options

EXAMPLE = "just promote 2025-07-25_pat_conv_l_simplified --dry-run; then without"


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = options.parser("promote", __doc__ or "", EXAMPLE)
    add = parser.add_argument
    add("experiment", metavar="EXPERIMENT", help="its name or folder; for --again, a model")
    add("--checkpoint", metavar="FILE", help="this one (default: the best by the evidence)")
    add("--metric", type=float, metavar="VALUE", help="its value, whatever the evidence says")
    add("--even-if-worse", action="store_true", help="although a better model is in production")
    add("--again", action="store_true", help="write its summary anew; what you added is kept")
    add("--dry-run", action="store_true", help="only show what would be done")
    options.add_now(parser, "promote as of this time")
    arguments = parser.parse_args(argv)
    if arguments.again and (arguments.checkpoint or arguments.metric or arguments.even_if_worse):
        parser.error("--again promotes nothing: it goes with --dry-run alone")
    return arguments


if __name__ == "__main__":
    _parse(sys.argv[1:])  # --help and mistakes end here: what follows takes longer to import

from datetime import datetime

from engine import command_line, show
from engine.changes.history import refuse_unfinished
from engine.plans import papers_again, promotion


def main(argv: Sequence[str]) -> int:
    """Plan and apply, or only show; returns the exit status."""
    arguments = _parse(argv)
    project = command_line.project_of(arguments)
    refuse_unfinished(project)
    now = arguments.now or datetime.now()
    wish = promotion.Wish(
        arguments.experiment,
        now,
        arguments.checkpoint,
        arguments.metric,
        arguments.even_if_worse,
    )
    if arguments.again:
        plan = papers_again.again(project, arguments.experiment, now)
    else:
        plan = promotion.promote(project, wish)
    arguments.apply = not arguments.dry_run
    status = command_line.show_or_apply(project, plan, arguments, argv)
    for note in plan.notes if plan.changes and not (arguments.dry_run or arguments.json) else ():
        show.warn(f"note: {note}")
    return status


if __name__ == "__main__":
    command_line.run(main)
