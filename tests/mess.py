"""Small messes for the tests of the decision modules: readings in, a plan out, no disk."""

import tempfile
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from conventions_text import CONVENTIONS
from engine.conventions import Conventions, load, located
from engine.plans.cleanup_plan import Mess, Options, cleanup
from engine.plans.plan import Action, Plan
from engine.project import Folders, Project
from engine.recognition.attribution import Checkpoint, attribute
from engine.recognition.evidence import Measurement, MeasurementKind, Noted, Reading, Scalar
from engine.recognition.runs import Run, group
from engine.recognition.scan import Entry, Inventory

NOW = datetime(2025, 7, 25, 12, 0)  # the day of the seed
DAY_NS = 86_400_000_000_000

Files = Mapping[str, Reading | None]  # None: a file that no reader knows


@lru_cache
def conventions(text: str = CONVENTIONS) -> Conventions:
    """Return the conventions that a text says."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "conventions.toml"
        path.write_text(text)
        return load(path)


def project(text: str = CONVENTIONS, root: Path = Path("/project")) -> Project:
    """Return a project with these conventions and no overrides."""
    rules = conventions(text)
    return Project(root, rules, Folders(**located(rules.folders, {})), {})


# --- readings ------------------------------------------------------------------------------------


def measured(
    name: str, value: float, kind: MeasurementKind = "own", where: str = "here", **more: Any
) -> Measurement:
    """Return one metric value."""
    return Measurement(name, value, where, kind, **more)


def curve(name: str, *values: float, session: int = 0, digits: int = 4) -> tuple[Measurement, ...]:
    """Return the rows of a training log, from epoch 1."""
    return tuple(
        Measurement(name, value, f"line {n}", "epoch", n, session=session, digits=digits)
        for n, value in enumerate(values, start=1)
    )


def noted(fact: str, value: str, session: int = 0) -> Noted:
    """Return one fact."""
    return Noted(fact, value, f"note {fact}", session)


def model(*found: Measurement | Noted, config: Mapping[str, Scalar] | None = None) -> Reading:
    """Return the reading of a checkpoint."""
    return _reading("torch zip", "model", found, config)


def state() -> Reading:
    """Return the reading of an optimizer's file."""
    return Reading("torch zip", "training_state")


def log(*found: Measurement | Noted, config: Mapping[str, Scalar] | None = None) -> Reading:
    """Return the reading of a training log."""
    return _reading("training log", "log", found, config)


def results(*found: Measurement | Noted) -> Reading:
    """Return the reading of a results file."""
    return _reading("result JSON", "results", found, None)


def config(**values: Scalar) -> Reading:
    """Return the reading of a file of hyper-parameters."""
    return Reading("config", "config", config=values)


def unreadable(problem: str) -> Reading:
    """Return the reading of a file that could not be read."""
    return Reading("torch zip", "unreadable", problem=problem)


def _reading(
    form: str, role: Any, found: Iterable[Measurement | Noted], config: Mapping[str, Scalar] | None
) -> Reading:
    kept = tuple(found)
    return Reading(
        form,
        role,
        tuple(m for m in kept if isinstance(m, Measurement)),
        tuple(n for n in kept if isinstance(n, Noted)),
        dict(config or {}),
    )


# --- what was found ------------------------------------------------------------------------------


def inventory(
    files: Iterable[str],
    tracked: Iterable[str] = (),
    zones: Mapping[str, str] | None = None,
    closed: Mapping[str, str] | None = None,
    empty_folders: Iterable[str] = (),
) -> Inventory:
    """Return the inventory of these files and the folders above them."""
    paths = tuple(files)
    parents = {str(p) for path in paths for p in PurePosixPath(path).parents} - {".", "/"}
    folders = parents | set(empty_folders)
    entries = {path: Entry(path, "folder") for path in folders}
    for number, path in enumerate(sorted(paths), start=1):
        entries[path] = entry = Entry(path, "file", (zones or {}).get(path))
        entry.size, entry.mtime_ns = 1000 + number, DAY_NS
        entry.device, entry.inode = 1, number
    return Inventory(dict(sorted(entries.items())), frozenset(tracked), dict(closed or {}))


def grouped(files: Files, **more: Any) -> tuple[Run, ...]:
    """Return the runs of these files."""
    readings = {path: reading for path, reading in files.items() if reading is not None}
    return group(inventory(files, **more), readings)


def attributed(files: Files, text: str = CONVENTIONS, **more: Any) -> dict[str, Checkpoint]:
    """Return the checkpoints among these files, by path."""
    readings = {path: reading for path, reading in files.items() if reading is not None}
    found = attribute(group(inventory(files, **more), readings), readings, conventions(text))
    return {checkpoint.path: checkpoint for checkpoint in found}


def mess(
    files: Files,
    text: str = CONVENTIONS,
    duplicates: Iterable[Iterable[str]] = (),
    in_use: Mapping[str, str] | None = None,
    production: Iterable[Checkpoint] = (),
    **more: Any,
) -> Mess:
    """Return what a scan of these files would find; `production` lies in its folder already."""
    there = tuple(production)
    listed = inventory((*files, *(c.path for c in there)), **more)
    readings = {path: reading for path, reading in files.items() if reading is not None}
    runs = group(listed, readings)
    return Mess(
        listed,
        readings,
        runs,
        attribute(runs, readings, conventions(text)),
        there,
        tuple(tuple(sorted(equal)) for equal in duplicates),
        in_use or {},
    )


def planned(
    files: Files, text: str = CONVENTIONS, options: Options | None = None, **more: Any
) -> Plan:
    """Return the clean-up plan of these files on the day of the seed."""
    return cleanup(project(text), mess(files, text, **more), options or Options(NOW))


def fates(plan: Plan) -> dict[str, tuple[str, str | None]]:
    """Return what becomes of each file: verb and destination."""
    return {a.src: (a.verb, a.dst) for a in plan.actions if a.src}


def of(plan: Plan, path: str) -> Action:
    """Return what becomes of one file."""
    return next(action for action in plan.actions if action.src == path)


def roles(plan: Plan) -> dict[str, str]:
    """Return the role of each checkpoint."""
    return {checkpoint["path"]: checkpoint["role"] for checkpoint in plan.checkpoints}
