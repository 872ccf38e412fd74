# /// script
# requires-python = ">=3.11"
# dependencies = ["isal>=1.7,<2", "pyyaml>=6,<7", "rich>=14,<16"]
# ///
"""Report what does not follow the conventions, as `file:line: rule: message`; status 3 if any."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.dont_write_bytecode = True  # engine/__init__ allows it again, outside of the project
sys.path.insert(0, str(Path(__file__).resolve().parent))

from engine import options


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = options.parser("check", __doc__ or "", "just check; just check scripts/train.py")
    add = parser.add_argument
    add("paths", nargs="*", metavar="PATH", help="only these files and folders")
    add("--format", choices=("text", "github"), default="text", help="github: for a workflow")
    add("--fix", action="store_true", help="plan what can be mended without you; see --apply")
    add("--apply", action="store_true", help="with --fix: carry the plan out")
    options.add_all(parser)
    options.add_now(parser, "plan as of this time")
    arguments = parser.parse_args(argv)
    if arguments.apply and not arguments.fix:
        parser.error("--apply goes with --fix")
    if arguments.fix and arguments.paths:
        parser.error("--fix mends the whole project; leave the paths out")
    return arguments


if __name__ == "__main__":
    _parse(sys.argv[1:])  # --help and mistakes end here: what follows takes longer to import

import json
from datetime import datetime

FOUND = 3  # the exit status

try:
    from engine import command_line, show
    from engine.changes.history import refuse_unfinished
    from engine.checks.fixes import fixes
    from engine.checks.rules import violations
    from engine.checks.settings import of_conventions
    from engine.checks.subject import Violation, look
    from engine.errors import UserError
except ImportError as error:
    if error.name != "log_paths":
        raise
    print(f"training/log_paths.py:1: helper: {error}; `copier update` brings the one that fits")
    sys.exit(FOUND)


def main(argv: Sequence[str]) -> int:
    """Check, and with `--fix` plan or apply what mends it; returns the exit status."""
    arguments = _parse(argv)
    try:
        project = command_line.project_of(arguments)
    except UserError as error:
        if found := of_conventions(error):
            return _report([found], arguments)
        raise
    conventions = arguments.conventions or Path(__file__).resolve().parents[1] / "conventions.toml"
    now = arguments.now or datetime.now()
    subject = look(project, conventions.resolve(), arguments.paths, now)
    if not arguments.fix:
        return _report(violations(subject), arguments)
    refuse_unfinished(project)
    status = command_line.show_or_apply(project, fixes(subject), arguments, argv)
    left = violations(look(project, conventions.resolve(), (), now))
    if not arguments.json:  # which is the plan
        _report(left, arguments)
    return status or (FOUND if left else command_line.DONE)


def _report(found: Sequence[Violation], arguments: argparse.Namespace) -> int:
    if arguments.json:
        print(json.dumps({"violations": [vars(violation) for violation in found]}, indent=2))
    else:
        for violation in found:
            line = violation.annotation() if arguments.format == "github" else str(violation)
            print(show.safe(line))
        show.warn(f"Places that break a rule: {len(found)}" if found else "All in order.")
    return FOUND if found else command_line.DONE


if __name__ == "__main__":
    command_line.run(main)
