# /// script
# requires-python = ">=3.11"
# dependencies = ["isal>=1.7,<2", "pyyaml>=6,<7", "rich>=14,<16"]
# ///
"""Fetch archives from the stores of ARCHIVE_REMOTE, verified; without NAME only all manifests."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.dont_write_bytecode = True  # engine/__init__ allows it again, outside of the project
sys.path.insert(0, str(Path(__file__).resolve().parent))

from engine import options


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = options.parser("pull", __doc__ or "", "just pull 2025-07-24_pat_conv_l")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="an archive (default: all manifests)"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be fetched")
    return parser.parse_args(argv)


if __name__ == "__main__":
    _parse(sys.argv[1:])  # --help and mistakes end here: what follows takes longer to import

from engine import command_line, show
from engine.archives import catalog, transfer
from engine.archives.remote import remotes
from engine.errors import RemoteError


def main(argv: Sequence[str]) -> int:
    """Pull and say what came; returns the exit status."""
    arguments = _parse(argv)
    project = command_line.project_of(arguments)
    stores = "; ".join(remote.shown for remote in remotes(project))
    here = {packed.name for packed in catalog.archives(project) if packed.here}
    names = dict.fromkeys(Path(name).name.removesuffix(catalog.SUFFIX) for name in arguments.names)
    missing = [name for name in names if name not in here]
    if arguments.dry_run:
        what = ", ".join(missing) if names else "manifests that are not here yet"
        show.say(f"From {stores}: {what or 'nothing'}", arguments.json, names=missing)
        return command_line.DONE
    if missing:
        transfer.refuse_unknown(project, missing)
    problems = []
    for name in missing:
        try:
            transfer.pull(project, name)
        except RemoteError as problem:  # which keeps no other from coming
            problems.append(str(problem))
    if problems:
        raise RemoteError("; ".join(problems))
    if names:
        line = f"{len(missing):,} of {len(names):,} archives came; the others were here."
        show.say(line, arguments.json, pulled=missing)
        return command_line.DONE
    fetched, damaged = transfer.pull_papers(project)
    for problem in damaged:
        show.warn(problem)
    line = f"{len(fetched):,} archives at {stores} are new here; just restore NAME, or just status."
    show.say(line, arguments.json, known=fetched, damaged=damaged)
    return command_line.FAILED if damaged else command_line.DONE


if __name__ == "__main__":
    command_line.run(main)
