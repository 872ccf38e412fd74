# /// script
# requires-python = ">=3.11"
# dependencies = ["isal>=1.7,<2", "pyyaml>=6,<7", "rich>=14,<16"]
# ///
"""Bring a repository's training outputs in order: show what would happen, with --apply do it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.dont_write_bytecode = True  # engine/__init__ allows it again, outside of the project
sys.path.insert(0, str(Path(__file__).resolve().parent))

from engine import options

EXAMPLE = "just cleanup --keep 'runs/demo/*'; then just cleanup --apply"


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = options.parser("cleanup", __doc__ or "", EXAMPLE)
    add = parser.add_argument
    options.add_apply(parser)
    add(
        "--pick",
        action="append",
        default=[],
        metavar="PATH",
        help="the production model, whatever the numbers say; can be repeated",
    )
    add(
        "--keep",
        action="append",
        default=[],
        metavar="GLOB",
        help="leave these files alone; can be repeated",
    )
    add(
        "--cutoff",
        type=options.day,
        metavar="DATE",
        help="logs before 2025-07-25, say, are old (default: day of the newest production model)",
    )
    add(
        "--keep-active",
        type=options.count,
        metavar="DAYS",
        help="keep runs younger than this as folders",
    )
    add(
        "--delete-redundant",
        action="store_true",
        help="have the next purge delete checkpoints with a worse metric than the winner's",
    )
    options.add_now(parser, "plan as of this time")
    return parser.parse_args(argv)


if __name__ == "__main__":
    _parse(sys.argv[1:])  # --help and mistakes end here: what follows takes longer to import

from dataclasses import replace
from datetime import datetime

from engine import command_line, show
from engine.archives import catalog
from engine.changes.history import refuse_unfinished
from engine.errors import UserError
from engine.plans.cleanup_plan import Options, cleanup, refuse_beaten
from engine.plans.plan import Plan
from engine.plans.realign import realign
from engine.project import Project
from engine.recognition import findings


def main(argv: Sequence[str]) -> int:
    """Plan, show, and apply if asked; returns the exit status."""
    arguments = _parse(argv)
    project = command_line.project_of(arguments)
    refuse_unfinished(project)
    plan = _plan(project, arguments)
    return command_line.show_or_apply(project, plan, arguments, argv)


def _plan(project: Project, arguments: argparse.Namespace) -> Plan:
    picks = tuple(findings.inside(project, pick) for pick in arguments.pick)
    with show.progress("reading"):
        mess = findings.look(project, tuple(arguments.keep))
    known = {c.path for c in (*mess.checkpoints, *mess.production) if c.role == "model"}
    for pick in picks:
        if pick not in known:
            raise UserError(
                f"--pick {pick}: is no checkpoint that was found; see just cleanup --json"
            )
    unmatched = tuple(findings.unmatched(project, mess, arguments.keep))
    for line in unmatched if arguments.apply else ():
        show.warn(line)  # before anything is done: the notes of a plan are shown with it
    options = Options(
        arguments.now or datetime.now(),
        picks,
        arguments.cutoff,
        arguments.keep_active,
        arguments.delete_redundant,
    )
    aligned = realign(project, mess, options.now)
    if aligned.changes:
        return aligned
    plan = cleanup(project, mess, options)
    refuse_beaten(picks, plan)
    stays = (f"{action.src} stays: {action.reason}" for action in aligned.actions)
    again = catalog.packed_already(project, plan)
    return replace(plan, notes=(*unmatched, *stays, *aligned.notes, *again, *plan.notes))


if __name__ == "__main__":
    command_line.run(main)
