# /// script
# requires-python = ">=3.11"
# dependencies = ["isal>=1.7,<2", "pyyaml>=6,<7", "rich>=14,<16"]
# ///
"""Have cron call `just archive --auto`, by an entry in your crontab; --off removes it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.dont_write_bytecode = True  # engine/__init__ allows it again, outside of the project
sys.path.insert(0, str(Path(__file__).resolve().parent))

from engine import options

EXAMPLE = "just schedule --weekly"
DAILY, WEEKLY = "0 3 * * *", "0 3 * * 0"


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = options.parser("schedule", __doc__ or "", EXAMPLE)
    times = parser.add_mutually_exclusive_group()
    add = times.add_argument
    add("--daily", dest="when", action="store_const", const=DAILY, help="at 3:00 (the default)")
    add("--weekly", dest="when", action="store_const", const=WEEKLY, help="on Sundays at 3:00")
    add("--cron", dest="when", metavar="EXPR", help="such as '30 4 * * 1-5'")
    add("--off", action="store_true", help="remove the entry of this project, and nothing else")
    parser.set_defaults(when=DAILY)
    return parser.parse_args(argv)


if __name__ == "__main__":
    _parse(sys.argv[1:])  # --help and mistakes end here: what follows takes longer to import

import os
import shutil

from engine import command_line, crontab, show
from engine.launch.interpreter import own_environment
from engine.project import Project
from engine.unattended import LOG
from log_paths import VARIABLES

OF_UV = ("UV_PYTHON_INSTALL_DIR", "XDG_DATA_HOME")  # where its interpreters are


def main(argv: Sequence[str]) -> int:
    """Change the crontab and say so; returns the exit status."""
    arguments = _parse(argv)
    project = command_line.project_of(arguments)
    entry = b"" if arguments.off else _entry(project, arguments)
    try:
        before = crontab.read()
        after = crontab.with_entry(before, project.root, entry)
        if after != before:
            crontab.write(after)
    except crontab.Unavailable as error:
        show.warn(str(error))
        return command_line.FAILED
    line = os.fsdecode(entry).split("\n")[1] if entry else None
    changed = "is as it was" if after == before else "was changed"
    holds = "holds this entry" if line else "holds no entry of this project"
    show.say(f"The crontab {changed}: it {holds}.", arguments.json, entry=line)
    if line and not arguments.json:
        show.say(line)
        show.say("Remove it: just schedule --off")
    return command_line.DONE


def _entry(project: Project, arguments: argparse.Namespace) -> bytes:
    command = [*_runner(), str(Path(__file__).resolve().with_name("archive.py")), "--auto"]
    for option in ("project", "conventions"):
        if path := getattr(arguments, option):
            command += [f"--{option}", str(path.resolve())]
    found = (command[0], shutil.which("git"), shutil.which("rclone"))  # a purge may ask the stores
    programs = [Path(program) for program in found if program]
    folders = [*(str(program.parent) for program in programs), "/usr/local/bin", "/usr/bin", "/bin"]
    variables = {"PATH": os.pathsep.join(dict.fromkeys(folders)), **_of_uv()}
    for key, source in project.sources.items():
        if source == "environment":  # which cron does not have
            variables[VARIABLES[key]] = str(project.root / getattr(project.folders, key))
    log = project.root / project.folders.history / LOG
    return crontab.entry(project.root, crontab.schedule(arguments.when), command, variables, log)


def _runner() -> list[str]:
    """Return what runs this very script: uv, or the interpreter that TRAINING_PYTHON names."""
    if own_environment():
        # What this script needs is in uv's cache now. Cron has neither proxy nor certificates.
        return [os.environ.get("UV") or shutil.which("uv") or "uv", "run", "--offline", "--script"]
    return [sys.executable]


def _of_uv() -> dict[str, str]:
    """Return what tells uv where its cache and its interpreters are, which cron does not know."""
    if not (own := own_environment()):
        return {}
    return {
        "UV_CACHE_DIR": str(own.parent.parent),
        **{name: os.environ[name] for name in OF_UV if os.environ.get(name)},
    }


if __name__ == "__main__":
    command_line.run(main)
