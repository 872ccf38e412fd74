# /// script
# requires-python = ">=3.11"
# dependencies = ["isal>=1.7,<2", "pyyaml>=6,<7", "rich>=14,<16"]
# ///
"""Make the folder of a new experiment: checkpoints, and a config.yaml with what is known now."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.dont_write_bytecode = True  # engine/__init__ allows it again, outside of the project
sys.path.insert(0, str(Path(__file__).resolve().parent))

from engine import options

EXAMPLE = "just new resnet50 wide --seed 42 --parent 2025-07-20_resnet50"


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = options.parser("new", __doc__ or "", EXAMPLE)
    options.add_experiment(parser)
    return parser.parse_args(argv)


if __name__ == "__main__":
    _parse(sys.argv[1:])  # --help and mistakes end here: what follows takes longer to import

import os
from datetime import UTC, datetime

from engine import command_line, show
from engine.changes.apply import apply
from engine.launch.interpreter import training_python, users_environ
from engine.launch.run_record import environment
from engine.launch.start_facts import start_facts
from engine.plans import new_experiment


def main(argv: Sequence[str]) -> int:
    """Make the experiment; returns the exit status."""
    arguments = _parse(argv)
    project = command_line.project_of(arguments)
    wanted = new_experiment.of_arguments(arguments, ())
    new_experiment.wanted_name(project, wanted)  # refused before anything is looked up
    environ = environment(project, users_environ(os.environ))
    python = training_python(arguments.python, (), environ)
    plan = new_experiment.plan(project, wanted, start_facts(project.root, python, environ))
    if arguments.dry_run:
        arguments.apply = False
        return command_line.show_or_apply(project, plan, arguments, argv)
    outcome = apply(project, plan, datetime.now(UTC))
    if arguments.json:
        print(show.as_json(outcome.plan, outcome.run, outcome.left))
    else:
        show.say(f"{plan.actions[0].dst} is ready to be filled in. Take it back: just undo")
    return command_line.FAILED if outcome.left else command_line.DONE


if __name__ == "__main__":
    command_line.run(main)
