"""Carry your edits into a file that an update of the template renamed.

Run it in the project right after the update, before you commit: it merges what you had changed in
OLD, by the last commit, into NEW. As a migration of copier it is the same command, with a version.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import copier
import yaml


def main(argv: Sequence[str]) -> int:
    """Merge three ways, as the update does with other files; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", help="as it was called, relative to the project")
    parser.add_argument("new", help="as the new version calls it")
    parser.add_argument("--answers-file", default=".copier-answers.yml")
    arguments = parser.parse_args(argv)
    if not Path(arguments.new).is_file():
        return _refuse(f"{arguments.new}: is not there; run copier update first")
    mine = _committed(arguments.old)
    if mine is None:
        print(f"{arguments.old}: is not in the last commit; nothing to do")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        base = _before(Path(folder), arguments.answers_file) / arguments.old
        if not base.is_file():
            return _refuse(f"{arguments.old}: the version before the update had no such file")
        edited = Path(folder, "mine")
        edited.write_bytes(mine)
        conflicts = _merge(Path(arguments.new), base, edited)
    Path(arguments.old).unlink(missing_ok=True)
    how = f"{conflicts} conflicts: see the marks in it" if conflicts else "with your edits"
    print(f"{arguments.old} is {arguments.new} now, {how}")
    return 0


def _committed(path: str) -> bytes | None:
    """Return a file of the last commit: what the user had before the update."""
    show = ["git", "show", f"HEAD:./{path}"]
    done = subprocess.run(show, capture_output=True, check=False)
    return None if done.returncode else done.stdout


def _before(folder: Path, answers_file: str) -> Path:
    """Return a copy of the version that the project had before the update, with its answers."""
    answers = yaml.safe_load(_committed(answers_file) or b"{}")
    project = folder / "project"
    copier.run_copy(
        answers["_src_path"],
        project,
        data={key: value for key, value in answers.items() if not key.startswith("_")},
        vcs_ref=answers["_commit"],
        defaults=True,
        quiet=True,
        skip_tasks=True,
    )
    return project


def _merge(new: Path, base: Path, mine: Path) -> int:
    """Merge into `new` what leads from `base` to `mine`; return the number of conflicts."""
    labels = ["-L", "before updating", "-L", "last update", "-L", "after updating"]
    command: list[str | Path] = ["git", "merge-file", "-p", *labels, mine, base, new]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode > 127:  # below, it is the number of conflicts
        raise OSError(done.stderr.decode(errors="replace"))
    new.write_bytes(done.stdout)
    return done.returncode


def _refuse(why: str) -> int:
    print(why, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
