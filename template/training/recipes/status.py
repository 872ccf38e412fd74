# /// script
# requires-python = ">=3.11"
# dependencies = ["blake3>=1,<2", "isal>=1.7,<2", "pyyaml>=6,<7", "rich>=14,<16"]
# ///
"""Show experiments, production models, archives and disk on one screen, and what to do next."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

sys.dont_write_bytecode = True  # a look leaves nothing behind but what it may remember
sys.path.insert(0, str(Path(__file__).resolve().parent))

from engine import command_line, overview, overview_text, show


def main(argv: Sequence[str]) -> int:
    """Look and print; returns the exit status."""
    arguments = _parse(argv)
    project = command_line.project_of(arguments)
    now = arguments.now or datetime.now()
    rows = None if arguments.all else overview_text.ROWS
    seen = overview.look(project, rows)
    step = overview.next_step(project, seen, now)
    if arguments.json:
        print(json.dumps(overview_text.as_values(seen, now, step), indent=2))
        return command_line.DONE
    out = show.console()
    for line, style in overview_text.lines(project, seen, now, step, rows):
        out.print(line, style=style, no_wrap=True, overflow="ignore", crop=False)
    return command_line.DONE


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = command_line.parser("status", __doc__ or "", "just status")
    parser.add_argument(
        "--all", action="store_true", help="read all experiments and archives, not only a screenful"
    )
    parser.add_argument(
        "--now", type=datetime.fromisoformat, metavar="TIME", help="ages as of this time"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    command_line.run(main)
