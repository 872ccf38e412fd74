# /// script
# requires-python = ">=3.11"
# dependencies = ["isal>=1.7,<2", "pyyaml>=6,<7", "rich>=14,<16"]
# ///
"""Say what a file is and why, where it is now, and which command gets it back."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.dont_write_bytecode = True  # engine/__init__ allows it again, outside of the project
sys.path.insert(0, str(Path(__file__).resolve().parent))

from engine import options


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = options.parser("where", __doc__ or "", "just where runs/old/best_model.pt")
    add = parser.add_argument
    add("path", metavar="PATH", help="where it is or once was, or a name that only one file had")
    options.add_now(parser, "answer as of this time")
    return parser.parse_args(argv)


if __name__ == "__main__":
    _parse(sys.argv[1:])  # --help and mistakes end here: what follows takes longer to import

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from engine import command_line, show
from engine.archives.whereabouts import where

SHOWN = 20  # places, pieces of evidence, files of one name
DID = {"move": "moved to", "pack": "packed into", "drop": "dropped as a copy of",
       "delete": "set aside to be deleted", "copy": "copied to", "write": "written as",
       "offload": "dropped here; it is at", "restore": "restored to"}  # fmt: skip


def main(argv: Sequence[str]) -> int:
    """Look a path up and print what is known; returns the exit status."""
    arguments = _parse(argv)
    project = command_line.project_of(arguments)
    answer = where(project, arguments.path, arguments.now or datetime.now())
    if arguments.json:
        print(json.dumps(answer, indent=2))
    elif answer["found"]:
        for line in _lines(answer):
            print(show.safe(line))
    else:
        show.warn(f"{answer['path']}: {answer['why']}")
        for path in answer["candidates"][:SHOWN]:
            show.warn(f"  {path}")
    return command_line.DONE if answer["found"] else command_line.FAILED


def _lines(answer: Mapping[str, Any]) -> Iterator[str]:
    yield answer["path"]
    for found in answer["found"][:SHOWN]:
        if checkpoint := found.get("checkpoint"):
            yield f"  {_described(checkpoint)}"
        for e in found["evidence"][:SHOWN]:
            other = "" if e.get("used", True) else " (disagrees, not used)"
            yield f"    {e['fact']} {e['value']}: {e['path']}, {e['where']}{other}"
        for step in found["steps"]:
            did = f"{DID[step['verb']]} {step['dst'] or ''}".strip()
            yield f"  {step['run']}: {did}, because {step['reason']}"
        yield f"  now {found['now']}"
        if rule := found.get("rule"):
            yield f"  just cleanup: {rule}"
        for change in found.get("changes", ()):
            yield f"    to change that: {change}"
        rest = "lost: no command brings it back" if found["lost"] else "in its place"
        yield f"  back by: {found['command']}" if found["command"] else f"  {rest}"
    if len(answer["found"]) > SHOWN:
        yield f"  ... {len(answer['found']) - SHOWN:,} more places (--json)"


def _described(checkpoint: Mapping[str, Any]) -> str:
    value = checkpoint.get("value")
    metric = f"{checkpoint.get('metric')} {value:.6g}" if isinstance(value, float) else "no metric"
    kind = checkpoint.get("model_type") or "unknown model type"
    date = checkpoint.get("date") or "of unknown date"
    return f"checkpoint ({checkpoint.get('role')}): {kind}, {metric}, {date}"


if __name__ == "__main__":
    command_line.run(main)
