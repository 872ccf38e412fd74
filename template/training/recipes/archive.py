# /// script
# requires-python = ">=3.11"
# dependencies = ["isal>=1.7,<2", "pyyaml>=6,<7", "rich>=14,<16"]
# ///
"""Pack finished experiments by the retention rules: show which and why, with --apply do it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.dont_write_bytecode = True  # engine/__init__ allows it again, outside of the project
sys.path.insert(0, str(Path(__file__).resolve().parent))

from engine import options

EXAMPLE = "just archive --older-than 30d; then with --apply"


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = options.parser("archive", __doc__ or "", EXAMPLE)
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="only these experiments, whatever their age")
    options.add_apply(parser)
    add("--auto", action="store_true", help="for schedules: apply, purge, say only what was done")
    add("--offload", action="store_true", help="push archives, then drop them here: all, or NAMEs")
    add("--older-than", type=options.days, metavar="30d", help="pack after days (d) or weeks (w)")
    number = options.count
    add("--keep-best", type=number, metavar="N", help="keep the best N of each type and task")
    add("--keep-last", type=number, metavar="N", help="keep the newest N of each model type")
    even = "also what a production model came from (naming it does the same)"
    add("--even-production", action="store_true", help=even)
    options.add_now(parser, "plan as of this time")
    return parser.parse_args(argv)


if __name__ == "__main__":
    _parse(sys.argv[1:])  # --help and mistakes end here: what follows takes longer to import

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import PurePosixPath

from engine import command_line, show, unattended
from engine.archives.transfer import offload
from engine.changes import disk, purge
from engine.changes.history import past_runs, refuse_unfinished
from engine.errors import UserError
from engine.plans import archive_plan
from engine.plans.plan import Plan
from engine.plans.retention import Policy, decide
from engine.project import Project
from engine.recognition import experiments, raw_logs
from engine.recognition.scan import scan, scan_layout


def main(argv: Sequence[str]) -> int:
    """Plan, show, and apply if asked; returns the exit status."""
    arguments = _parse(argv)
    project = command_line.project_of(arguments)
    now = arguments.now or datetime.now()
    if arguments.offload:
        dropping = offload(project, arguments.names, now, arguments.apply)
        return command_line.show_or_apply(project, dropping, arguments, argv)
    policy = _policy(project, arguments)
    if arguments.auto:
        make_plan = partial(_plan, project, policy, now, fast=arguments.fast)
        purges, as_json = arguments.purge_as_you_go, arguments.json
        return unattended.run(project, make_plan, now, purge_as_you_go=purges, as_json=as_json)
    refuse_unfinished(project)
    return command_line.show_or_apply(project, _plan(project, policy, now), arguments, argv)


def _policy(project: Project, arguments: argparse.Namespace) -> Policy:
    rules = project.conventions.archive
    usual = timedelta(days=rules.after_days) if rules.after_days else None
    policy = Policy(
        usual if arguments.older_than is None else arguments.older_than,
        rules.keep_best if arguments.keep_best is None else arguments.keep_best,
        rules.keep_last if arguments.keep_last is None else arguments.keep_last,
        rules.keep,
        tuple(PurePosixPath(name).name for name in arguments.names),
        arguments.even_production,
        rules.min_free_gb * 10**9,
    )
    if policy.is_empty:
        raise UserError(
            "no rule lets anything go: name experiments, say --older-than 30d, or set "
            "archive.after_days in conventions.toml"
        )
    return policy


def _plan(project: Project, policy: Policy, now: datetime, fast: bool = False) -> Plan:
    with show.progress("reading"):
        inventory = scan(project)
        archives = scan_layout(project).entries  # they may lie outside the project
        inventory = replace(inventory, entries={**archives, **inventory.entries})
        runs = experiments.active(project, inventory, policy.names)
        decisions = decide(runs, policy, now.date(), _free(project, policy))
        before = policy.logs_before(now.date())
        logs = raw_logs.find(project, inventory) if before else ()
        plan = archive_plan.archive(
            project, inventory, decisions, runs, now, logs, before, policy.names
        )
    return replace(plan, fast=fast)


def _free(project: Project, policy: Policy) -> int:
    """Return the bytes that are free, and those that the next purge frees."""
    if not policy.min_free:
        return 0
    waiting = (r.size or 0 for past in past_runs(project) for r in purge.waiting(past))
    return disk.free_bytes(project.root / project.folders.active) + sum(waiting)


if __name__ == "__main__":
    command_line.run(main)
