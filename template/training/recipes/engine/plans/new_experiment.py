"""A new experiment: its folder's name, and the config.yaml that it starts with."""

import argparse
import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from engine import layouts, names
from engine.errors import UserError
from engine.plans.plan import Action, Plan, writing
from engine.project import Project
from log_paths import UNCLAIMED, create, numbered

HEAD = """\
# What this experiment is. Recipes read this file: fill in what is empty, and add what you like.
# In YAML 1e-4 is a text; write 1.0e-4 or 0.0001.
"""
KNOWN = "\n# What was known when it began.\n"


@dataclass(frozen=True)
class Wanted:
    """What the user said of a new experiment."""

    model_type: str
    name: str | None
    started: datetime
    seed: int | None = None
    parent: str | None = None  # the experiment that it goes on from
    command: tuple[str, ...] = ()


def of_arguments(arguments: argparse.Namespace, command: Sequence[str]) -> Wanted:
    """Return what the arguments say."""
    parent = Path(arguments.parent).name if arguments.parent else None
    started = arguments.now or datetime.now()
    return Wanted(
        arguments.model_type, arguments.name, started, arguments.seed, parent, tuple(command)
    )


def wanted_name(project: Project, wanted: Wanted) -> str:
    """Return what the folder is to be called. Raises UserError if that is no name, or no parent."""
    if wanted.parent and not _exists(project, wanted.parent):
        raise UserError(f"--parent {wanted.parent}: is no experiment; see {project.folders.active}")
    try:
        return names.build(
            project.conventions.names.experiment,
            model_type=wanted.model_type,
            experiment_name=wanted.name,
            date=wanted.started,
            time=wanted.started,
            metric=None,
            ext="",
        )
    except ValueError as error:
        raise UserError(f"{error}") from None


def config_text(wanted: Wanted, facts: Mapping[str, Any]) -> str:
    """Return the config.yaml: what the user says, filled in or to be filled in, then the facts."""
    said: dict[str, Any] = {
        "model_type": wanted.model_type,
        "experiment_name": wanted.name,
        "parent": wanted.parent,
        "tags": [],
        "notes": None,
        "task": None,
        "dataset": None,
        "seed": wanted.seed,
        "hyperparameters": dict.fromkeys(("learning_rate", "batch_size", "epochs", "optimizer")),
    }
    known = {
        "started": wanted.started.isoformat(sep=" ", timespec="seconds"),
        "command": shlex.join(wanted.command) or None,
        **facts,
    }
    return HEAD + _yaml(said) + KNOWN + _yaml(known)


def plan(project: Project, wanted: Wanted, facts: Mapping[str, Any]) -> Plan:
    """Return the plan that makes the experiment under the first name that is free."""
    base = wanted_name(project, wanted)
    name = next(n for n in (numbered(base, i) for i in count(1)) if not _exists(project, n))
    folder, called = f"{project.folders.active}/{name}", project.conventions.names
    target, text = f"{folder}/{called.experiment_config}", {"text": config_text(wanted, facts)}
    config = writing("text", target, "what is known now, to be filled in", text, folder)
    inner = f"{folder}/{called.experiment_checkpoints}"
    checkpoints = Action("folder", None, inner, 0, "for its checkpoints", folder)
    return Plan("new", wanted.started.isoformat(sep=" ", timespec="seconds"), (config, checkpoints))


def make(project: Project, wanted: Wanted, facts: Mapping[str, Any]) -> Path:
    """Make the experiment's folder at once, and return it; its first user has yet to claim it.

    It takes no lock and no journal: a training starts whatever else goes on in the project. Raises
    UserError if no folder can be made there.
    """

    def claim(path: Path) -> None:
        if _exists(project, path.name):
            raise FileExistsError(path)
        path.mkdir()

    called, home = project.conventions.names, project.root / project.folders.active
    try:
        folder = create(home, wanted_name(project, wanted), claim)
    except OSError as error:
        raise UserError(
            f"{home}: no experiment can be made in it ({error.strerror}); see to its permissions, "
            "or name another folder in .env"
        ) from None
    text = config_text(wanted, facts).encode("utf-8", "backslashreplace")
    (folder / called.experiment_config).write_bytes(text)
    (folder / called.experiment_checkpoints).mkdir()
    (folder / UNCLAIMED).touch()
    with suppress(OSError):  # the training matters more
        layouts.remember(project)
    return folder


def _exists(project: Project, name: str) -> bool:
    archive = project.root / project.folders.archived / f"{name}.tar.gz"
    return any(map(os.path.lexists, (project.root / project.folders.active / name, archive)))


def _yaml(values: Mapping[str, Any]) -> str:
    import yaml

    # Non-ASCII is escaped: PyYAML would read some line ends otherwise than it wrote them.
    text: str = yaml.safe_dump(dict(values), sort_keys=False, width=10_000)
    return text
