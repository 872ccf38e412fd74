"""Run a training in its experiment's folder, and record how it went beside it."""

import json
import os
import platform
import shlex
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from engine import show
from engine.launch import teed_command
from engine.project import Project
from log_paths import RECORDED, UNCLAIMED, VARIABLES, read_dotenv

CANNOT_RUN = 126  # what a shell returns for what is there and is no program


def environment(project: Project, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what a training sees: what `.env` says, `environ` over it, and the project's folders.

    The project can be imported, and its folders are absolute.
    """
    said = read_dotenv(project.root / ".env")
    values = {name: value for name, value in said.items() if "\0" not in value} | dict(environ)
    for key, variable in VARIABLES.items():
        values[variable] = str(project.root / getattr(project.folders, key))
    path = [str(project.root), *filter(None, [values.get("PYTHONPATH")])]
    return values | {"PYTHONPATH": os.pathsep.join(path)}


def train(
    project: Project,
    folder: Path,
    command: Sequence[str],
    environ: Mapping[str, str],
    started: datetime,
    screens: tuple[int, int],
) -> dict[str, Any]:
    """Run the command and return its record, which is also kept in the experiment's folder.

    The record has `started`, `ended`, `duration_seconds`, `exit_status` (128 + n if signal n ended
    it), `peak_memory_bytes` of its largest process, `command`, `host` and `pid`; while the command
    runs it has no `ended`. Raises OSError if the folder cannot be written to.
    """
    names = project.conventions.names
    record: dict[str, Any] = {
        "started": _time(started),
        "command": shlex.join(command),
        "host": platform.node(),
        "pid": os.getpid(),
    }
    path = folder / names.experiment_record
    _write(path, record)
    begun = time.monotonic()

    def note_start(pid: int) -> None:
        record["pid"] = pid
        _keep(path, record)

    try:
        ended = teed_command.run(
            command,
            {**environ, RECORDED: str(folder)},
            folder / names.experiment_log,
            screens,
            note_start,
        )
    except OSError as error:
        ended = teed_command.Ended(CANNOT_RUN, None, (f"{command[0]}: {error.strerror}",))
    seconds = time.monotonic() - begun
    record["ended"] = _time(started + timedelta(seconds=seconds))
    record["duration_seconds"] = round(seconds, 3)
    record["exit_status"] = ended.status
    record["peak_memory_bytes"] = ended.peak_memory_bytes
    for line in ended.trouble:
        show.warn(line)
    _keep(path, record)
    (folder / UNCLAIMED).unlink(missing_ok=True)
    return record


def _time(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="seconds")


def _keep(path: Path, record: Mapping[str, Any]) -> None:
    """Write the record; that it cannot be kept must not end the training."""
    try:
        _write(path, record)
    except OSError as error:
        show.warn(f"{path}: {error.strerror}; the record of this training is not complete")


def _write(path: Path, record: Mapping[str, Any]) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    fresh.replace(path)
