# /// script
# requires-python = ">=3.11"
# dependencies = ["isal>=1.7,<2", "pyyaml>=6,<7", "rich>=14,<16"]
# ///
"""Send archives with their manifests to the stores of ARCHIVE_REMOTE; they stay here as well."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.dont_write_bytecode = True  # engine/__init__ allows it again, outside of the project
sys.path.insert(0, str(Path(__file__).resolve().parent))

from engine import options


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = options.parser("push", __doc__ or "", "just push 2025-07-24_pat_conv_l")
    parser.add_argument("names", nargs="*", metavar="NAME", help="an archive (default: all)")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be sent")
    return parser.parse_args(argv)


if __name__ == "__main__":
    _parse(sys.argv[1:])  # --help and mistakes end here: what follows takes longer to import

from engine import command_line, show
from engine.archives import transfer
from engine.archives.remote import remotes


def main(argv: Sequence[str]) -> int:
    """Push and say what is there; returns the exit status."""
    arguments = _parse(argv)
    project = command_line.project_of(arguments)
    stores = "; ".join(remote.shown for remote in remotes(project))
    known = transfer.wanted(project, arguments.names)
    here = [packed for packed in known if packed.here]
    if arguments.dry_run or not here:
        names = [packed.name for packed in here]
        line = f"{len(names):,} archives would go to {stores}" if names else "Nothing to push"
        show.say(": ".join(filter(None, (line, ", ".join(names)))), arguments.json, names=names)
        return command_line.DONE
    sent = transfer.push(project, here)
    for name, why in sent.left.items():
        show.warn(f"{name}: {why}")
    line = f"{len(sent.done):,} of {len(here):,} archives are at {stores}, compared by rclone."
    show.say(line, arguments.json, remote=stores, pushed=sent.done, left=sent.left)
    return command_line.FAILED if sent.left else command_line.DONE


if __name__ == "__main__":
    command_line.run(main)
