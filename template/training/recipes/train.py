# /// script
# requires-python = ">=3.11"
# dependencies = ["isal>=1.7,<2", "pyyaml>=6,<7", "rich>=14,<16"]
# ///
"""Make a new experiment and run a command in it: output to the screen and to its training.log.

The command sees the variables of .env, the project's folders in TRAINING_DIR, EXPERIMENT_DIR and
MODEL_WEIGHTS_DIR, and its experiment's folder in TRAINING_RUN_DIR. Its exit status is returned.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.dont_write_bytecode = True  # engine/__init__ allows it again, outside of the project
sys.path.insert(0, str(Path(__file__).resolve().parent))

from engine import options

EXAMPLE = "just train resnet50 wide --seed 42 -- python train.py --lr 0.001"


def _parse(argv: Sequence[str]) -> tuple[argparse.Namespace, tuple[str, ...]]:
    """Return the arguments, and the command that is to be run."""
    parser = options.parser("train", __doc__ or "", EXAMPLE)
    parser.usage = "just train MODEL_TYPE [NAME] [options] -- COMMAND..."
    options.add_experiment(parser)
    end = argv.index("--") if "--" in argv else len(argv)
    command = tuple(argv[end + 1 :])
    if argv and not command and not {"-h", "--help"} & {*argv}:
        parser.error("say what to run, after --")
    return parser.parse_args(argv[:end]), command


if __name__ == "__main__":
    _parse(sys.argv[1:])  # --help and mistakes end here: what follows takes longer to import

import json
import os
import shlex
import shutil
from datetime import timedelta
from typing import Any

from engine import command_line, show
from engine.changes import disk
from engine.launch.interpreter import training_python, users_environ
from engine.launch.run_record import environment, train
from engine.launch.start_facts import start_facts
from engine.plans import new_experiment
from engine.project import Project

NOT_FOUND = 127  # what a shell returns then


def main(argv: Sequence[str]) -> int:
    """Make the experiment, run the command and return its exit status."""
    arguments, command = _parse(argv)
    project = command_line.project_of(arguments)
    wanted = new_experiment.of_arguments(arguments, command)
    name = new_experiment.wanted_name(project, wanted)
    environ = environment(project, users_environ(os.environ))
    if not shutil.which(command[0], path=environ.get("PATH")):
        show.warn(f"{command[0]}: no such program; nothing was made")
        return NOT_FOUND
    if arguments.dry_run:
        where = f"{project.folders.active}/{name}"
        show.say(f"would make {where} and run {shlex.join(command)}", arguments.json)
        return command_line.DONE
    disk.refuse_unwritable(project.root / project.folders.active)
    python = training_python(arguments.python, command, environ)
    facts = start_facts(project.root, python, environ)
    folder = new_experiment.make(project, wanted, facts)
    show.warn(f"experiment {_shown(project, folder)}")
    screens = (2 if arguments.json else 1, 2)
    record = train(project, folder, command, environ, wanted.started, screens)
    has_saved = any((folder / project.conventions.names.experiment_checkpoints).glob("*"))
    step = f"just promote {folder.name}" if has_saved else "just status"
    _report(_shown(project, folder), record, step, arguments.json)
    return int(record["exit_status"])


def _shown(project: Project, folder: Path) -> str:
    return str(folder.relative_to(project.root) if folder.is_relative_to(project.root) else folder)


def _report(folder: str, record: dict[str, Any], step: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"experiment": folder, **record}, indent=2))
        return
    peak = record["peak_memory_bytes"]
    memory = f", peak memory {show.size(peak)}" if peak else ""
    duration = timedelta(seconds=round(record["duration_seconds"]))
    show.warn(f"{folder}: exit status {record['exit_status']} after {duration}{memory}")
    if record["exit_status"] == 0:
        show.warn(f"Next: {step}")


if __name__ == "__main__":
    command_line.run(main)
