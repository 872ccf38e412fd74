"""What all recipes have in common on the command line: project, JSON, errors and exit status."""

import argparse
import codecs
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from engine import show
from engine.archives.manifest import Damaged
from engine.errors import RemoteError, UserError
from engine.plans.plan import Plan
from engine.project import Project, open_project

DONE, FAILED, REFUSED = 0, 1, 2
WAYS_OUT = (
    "Nothing is lost: `just resume` finishes what was begun, if anything was; "
    "`just undo` takes the last run back"
)


def project_of(arguments: argparse.Namespace) -> Project:
    """Return the project that the arguments name. Raises UserError."""
    return open_project(arguments.project, arguments.conventions)


def show_or_apply(
    project: Project, plan: Plan, arguments: argparse.Namespace, argv: Sequence[str]
) -> int:
    """Show a plan, or carry it out if `--apply` was given; returns the exit status.

    `argv` are the arguments of the recipe, for the command that is shown as the next step.
    """
    plan = replace(plan, fast=vars(arguments).get("fast", False))
    if arguments.apply and plan.changes:
        from engine.changes.apply import apply  # who only looks need not wait for it

        read = sum(action.bytes for action in plan.actions if action.verb in ("pack", "restore"))
        with show.progress(plan.recipe, read) as on_bytes:
            purges = vars(arguments).get("purge_as_you_go", False)
            outcome = apply(project, plan, datetime.now(UTC), on_bytes, purges)
        if arguments.json:
            print(show.as_json(outcome.plan, outcome.run, outcome.left))
        else:
            from engine import plan_text

            plan_text.print_outcome(outcome.plan, outcome.left, outcome.waiting)
        return FAILED if outcome.left else DONE
    from engine.changes.preflight import refuse_unwritable, space

    if plan.changes:
        refuse_unwritable(project, plan, only_outside=True)
    if arguments.json:
        print(show.as_json(plan, None))
    else:
        from engine import plan_text

        purges = vars(arguments).get("purge_as_you_go", False)
        needs = space(project, plan, purges) if plan.changes else ()
        told = (f"{s.place}: {show.size(s.needed)} needed, {show.size(s.free)} free" for s in needs)
        plan = replace(plan, notes=(*plan.notes, *told))
        everything = vars(arguments).get("all", False)
        plan_text.print_plan(plan, _next_step(project, plan, arguments, argv), everything)
    return FAILED if arguments.apply and plan.actions else DONE


def _next_step(
    project: Project, plan: Plan, arguments: argparse.Namespace, argv: Sequence[str]
) -> str:
    if arguments.project:  # a repository that the template was not copied into
        copy = shlex.join(["uv", "run", "just", "scaffold", str(project.root)])
        return f"{copy}, then just {plan.recipe} there"
    words = (word for word in argv if word not in ("--all", "--dry-run"))
    apply_it = () if "dry_run" in arguments else ("--apply",)
    return shlex.join(["just", plan.recipe, *words, *apply_it])


def run(main: Callable[[Sequence[str]], int]) -> None:
    """Run a recipe's `main` and exit: 2 for a user's mistake, 1 for a failure, each in one line."""
    signal.signal(signal.SIGTERM, _terminated)
    codecs.register_error("plain", show.plain)
    encoding = "ascii" if os.environ.get("LC_ALL") in ("C", "POSIX") else None  # not Python's UTF-8
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding=encoding, errors="plain")  # type: ignore[union-attr]
    try:
        status = main(sys.argv[1:])
    except ModuleNotFoundError as error:
        show.warn(_missing(str(error.name)))
        status = REFUSED
    except UserError as error:
        show.warn(str(error))
        status = REFUSED
    except RemoteError as error:
        show.warn(f"{error}. What was done is kept; the same command again goes on")
        status = FAILED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = FAILED
    except (OSError, Damaged) as error:
        show.warn(f"stopped: {error}. {WAYS_OUT}")
        status = FAILED
    except KeyboardInterrupt:
        show.warn(f"interrupted. {WAYS_OUT}")
        status = FAILED
    sys.exit(status)


def _missing(module: str) -> str:
    if module.partition(".")[0] in sys.stdlib_module_names:  # a Python that lacked a library
        return f"{sys.executable} was built without {module}; name another with TRAINING_PYTHON"
    return f"{module} is missing: {sys.executable} -m pip install {_needs()}"


def _needs() -> str:
    """Return what the running script says it needs, in its metadata (PEP 723)."""
    text = Path(sys.argv[0]).read_text(encoding="utf-8")
    line = re.search(r"^# dependencies = \[(.*)\]$", text, re.MULTILINE)
    return line[1].replace('", "', '" "') if line else "its dependencies"


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
