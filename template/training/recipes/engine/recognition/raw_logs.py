"""The training logs in the folder of logs that belong to no production model."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath

from engine import names
from engine.plans.cleanup_plan import last_written
from engine.project import Project
from engine.readers.parallel import read_all
from engine.recognition import in_use
from engine.recognition.evidence import Reading
from engine.recognition.production import read_metadata
from engine.recognition.scan import Inventory, matches


@dataclass(frozen=True)
class RawLog:
    """One of them."""

    path: str
    written: date | None  # as it says itself, or its name does
    in_use: str | None  # why it must not be touched


def find(project: Project, inventory: Inventory) -> tuple[RawLog, ...]:
    """Return the raw logs; what is named like the log of a production model is none."""
    written = dict(_written(project, inventory))
    window = project.conventions.scan.in_use_minutes * 60
    used = in_use.in_use(project.root, list(written), time.time(), window)
    return tuple(RawLog(path, day, used.get(path)) for path, day in sorted(written.items()))


def _written(project: Project, inventory: Inventory) -> Iterator[tuple[str, date | None]]:
    rules, globs = project.conventions.names, project.conventions.scan.leave_alone
    canonical = {
        read_metadata(project.root / entry.path).get("log")
        for entry in inventory.below(project.folders.production)
        if entry.path.endswith(".json")
    }
    logs: dict[str, bool] = {}  # and whether it is named like one
    for entry in inventory.below(project.folders.logs):
        path, name = entry.path, PurePosixPath(entry.path).name
        if entry.kind != "file" or path in canonical or matches(path, globs) or path[0] == "/":
            continue
        is_raw = names.parse(rules.training_log, name) is not None
        if is_raw or not names.parse(rules.canonical_log, name):
            logs[path] = is_raw
    readings = read_all(project.root, logs)
    for path, is_raw in logs.items():
        reading = readings.get(path)
        if is_raw or (reading and reading.role == "log"):
            when = last_written(reading or Reading("", "log"), path)
            yield path, when.date() if when else None
