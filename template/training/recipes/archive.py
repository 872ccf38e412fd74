# /// script
# requires-python = ">=3.11"
# dependencies = ["blake3>=1,<2", "isal>=1.7,<2", "pyyaml>=6,<7", "rich>=14,<16"]
# ///
"""Pack finished experiments by the retention rules: show which and why, with --apply do it."""

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

sys.dont_write_bytecode = True  # a plan leaves nothing behind, not even a cache
sys.path.insert(0, str(Path(__file__).resolve().parent))

from engine import archive_plan, command_line, experiments
from engine.errors import UserError
from engine.history import refuse_unfinished
from engine.plan import Plan
from engine.project import Project
from engine.retention import Policy, decide
from engine.scan import scan


def main(argv: Sequence[str]) -> int:
    """Plan, show, and apply if asked; returns the exit status."""
    arguments = _parse(argv)
    project = command_line.project_of(arguments)
    refuse_unfinished(project)
    plan = _plan(project, arguments)
    return command_line.show_or_apply(project, plan, arguments, argv)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = command_line.parser(
        "archive", __doc__ or "", "just archive --older-than 30d; then with --apply"
    )
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="only these experiments, whatever their age")
    add("--apply", action="store_true", help="carry the plan out (just undo takes it back)")
    add("--older-than", type=_days, metavar="30d", help="age in days (d) or weeks (w)")
    add("--keep-best", type=_count, metavar="N", help="keep the best N of each comparable group")
    add("--now", type=datetime.fromisoformat, metavar="TIME", help="plan as of this time")
    return parser.parse_args(argv)


def _days(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,5})([dw]?)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no age; write 30d or 4w")
    return timedelta(days=int(match[1]) * (7 if match[2] == "w" else 1))


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,6}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no count; write 0 or more")
    return int(text)


def _plan(project: Project, arguments: argparse.Namespace) -> Plan:
    inventory = scan(project)
    found = experiments.active(project, inventory)
    for name in arguments.names:
        if name not in {experiment.name for experiment in found}:
            raise UserError(f"{name}: is no experiment in {project.folders.active}")
    rules = project.conventions.archive
    older_than = arguments.older_than
    best = arguments.keep_best
    policy = Policy(
        timedelta(days=rules.after_days) if older_than is None else older_than,
        rules.keep_best if best is None else best,
        rules.keep_last,
        rules.keep,
        tuple(arguments.names),
    )
    now = arguments.now or datetime.now()
    return archive_plan.archive(project, inventory, decide(found, policy, now.date()), found, now)


if __name__ == "__main__":
    command_line.run(main)
