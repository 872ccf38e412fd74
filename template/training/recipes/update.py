# /// script
# requires-python = ">=3.11"
# dependencies = ["isal>=1.7,<2", "pyyaml>=6,<7", "rich>=14,<16"]
# ///
"""Say whether there are newer conventions and recipes, and what changes; --apply brings them."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.dont_write_bytecode = True  # engine/__init__ allows it again, outside of the project
sys.path.insert(0, str(Path(__file__).resolve().parent))

from engine import options


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = options.parser("update", __doc__ or "", "just update; then just update --apply")
    parser.add_argument(
        "--apply",
        action="store_true",
        help="run copier update, then just check (git takes it back)",
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    _parse(sys.argv[1:])  # --help and mistakes end here: what follows takes longer to import

import json
import subprocess

from engine import command_line, newer, show
from engine.changes.preflight import refuse_merge
from engine.errors import UserError


def main(argv: Sequence[str]) -> int:
    """Show what is newer, update if asked, and check; returns the exit status."""
    arguments = _parse(argv)
    project = command_line.project_of(arguments)
    origin = newer.origin(project.root)
    found = newer.look(project.root, origin)
    if arguments.json:
        print(
            json.dumps(
                {"version": origin.version, "newest": found.version, "changes": found.changes}
            )
        )
    elif found.version is None:
        show.say(f"{origin.version} is the newest version.")
    else:
        show.say(f"{origin.version} is installed, {found.version} is there. What is new:")
        print()
        print("\n".join(map(show.safe, found.changes)) or "(no changelog tells it)")
    if found.version is None:
        return command_line.DONE
    if not arguments.apply:
        if not arguments.json:
            print()
            show.say("Nothing was changed yet. Next: just update --apply")
        return command_line.DONE
    refuse_merge(project.root)
    newer.refuse_dirty(project.root)
    return _update(project.root, origin, arguments.json)


def _update(root: Path, origin: newer.Origin, quiet: bool) -> int:
    command = [*newer.copier(), "update", "--defaults", "--answers-file", origin.answers_file]
    done = subprocess.run([*command, *(["--quiet"] if quiet else [])], cwd=root, check=False)
    if done.returncode:
        raise UserError(f"copier update ended with status {done.returncode}; git status shows why")
    if conflicts := newer.conflicts(root):
        for path in conflicts:
            show.warn(f"{path}: has conflict marks; keep what is right, delete them, git add it")
        show.warn("Then: just check")
        return command_line.FAILED
    if quiet:
        return command_line.DONE
    check = root / "training/recipes/check.py"
    subprocess.run([sys.executable, check], cwd=root, check=False)
    return command_line.DONE


if __name__ == "__main__":
    command_line.run(main)
