"""Move a file of the template that a new version renames, so that an update keeps your edits.

Run it in the project, before the update that renames the file, and commit what it did. As a copier
migration it is the same command with `when: "{{ _stage == 'before' }}"` and the version.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath


def main(argv: Sequence[str]) -> int:
    """Rename the file in the working tree and in git's index; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", help="as it was called, relative to the project")
    parser.add_argument("new", help="as the new version calls it")
    arguments = parser.parse_args(argv)
    old, new = Path(arguments.old), Path(arguments.new)
    for path in (old, new):
        if path.is_absolute() or ".." in PurePosixPath(path.as_posix()).parts:
            return _refuse(f"{path}: is no path below the project")
    if not old.is_file() or old.is_symlink():
        print(f"{old}: is not there; nothing to do")
        return 0
    if new.exists() or new.is_symlink():
        return _refuse(f"{new}: is there already; move what you need of it into {old}, delete it")
    new.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["git", "mv", "--", old, new], capture_output=True, text=True, check=False)
    if done.returncode:
        return _refuse(f"{old}: {done.stderr.strip().splitlines()[-1]}")
    print(f"{old} is {new} now, with your edits")
    return 0


def _refuse(why: str) -> int:
    print(why, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
