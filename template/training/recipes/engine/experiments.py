"""The experiments in the active folder, with what the retention rules need to know of each."""

import time
from datetime import date
from pathlib import PurePosixPath

from engine import in_use, metrics, names
from engine.attribution import Checkpoint, attribute
from engine.evidence import Reading
from engine.findings import read_metadata
from engine.identity import folder_key
from engine.project import Project
from engine.readers import read
from engine.retention import Experiment
from engine.runs import Run, is_weights
from engine.scan import Inventory
from engine.selection import groups, task_of


def active(project: Project, inventory: Inventory) -> dict[Experiment, Run]:
    """Return each experiment in the active folder and its files."""
    folder = project.folders.active
    homes = [
        entry.path
        for entry in inventory.below(folder)
        if entry.kind == "folder" and str(PurePosixPath(entry.path).parent) == folder
    ]
    return dict(_experiment(project, inventory, home) for home in homes)


def folder_run(project: Project, inventory: Inventory, home: str) -> tuple[Run, dict[str, Reading]]:
    """Return the files of the experiment in the folder `home`, and what those say that are read."""
    files = [e.path for e in inventory.below(home) if e.kind in ("file", "link")]
    readings = _readings(project, inventory, files)
    weights = tuple(sorted(p for p, reading in readings.items() if is_weights(p, reading)))
    records = tuple(sorted(set(readings) - set(weights)))
    others = tuple(sorted(set(files) - set(readings)))
    key = folder_key(PurePosixPath(home).name)
    return Run(home, key, True, weights, records, others), readings


def _experiment(project: Project, inventory: Inventory, home: str) -> tuple[Experiment, Run]:
    run, readings = folder_run(project, inventory, home)
    name, files = PurePosixPath(home).name, list(run.files)
    best = _best(project, attribute([run], readings, project.conventions))
    fields = names.parse(
        project.conventions.names.experiment,
        name,
        model_types=project.conventions.project.model_types,
    )
    window = project.conventions.scan.in_use_minutes * 60
    busy = in_use.in_use(project.root, files, time.time(), window)
    experiment = Experiment(
        name,
        fields["model_type"] if fields else (best.model_type if best else None),
        _started(fields, best),
        best.metric if best else None,
        best.direction if best else None,
        best.value if best else None,
        task_of(best) if best else (),
        next((f"in use: {path} ({why})" for path, why in busy.items()), None),
        _in_production(project, inventory, home),
    )
    return experiment, run


def _readings(project: Project, inventory: Inventory, files: list[str]) -> dict[str, Reading]:
    found = {
        path: read(project.root / path, PurePosixPath(path).name)
        for path in files
        if inventory.entries[path].kind == "file"
    }
    return {path: reading for path, reading in found.items() if reading is not None}


def _best(project: Project, checkpoints: tuple[Checkpoint, ...]) -> Checkpoint | None:
    """Return the best by the metric that decides, if any has it, else by another."""
    wanted = metrics.canonical(project.conventions.metric.name)
    winners = [group.winner for group in groups(checkpoints) if group.winner]
    winners.sort(key=lambda checkpoint: checkpoint.metric != wanted)
    return next(iter((*winners, *checkpoints)), None)


def _started(fields: dict[str, str] | None, best: Checkpoint | None) -> date | None:
    if fields and fields["date"].isdigit():
        return date.fromisoformat(fields["date"])
    return best.date.date() if best and best.date else None


def _in_production(project: Project, inventory: Inventory, home: str) -> str | None:
    """Return the metadata file of a production model that says it came from this experiment."""
    for entry in inventory.below(project.folders.production):
        if entry.path.endswith(".json"):
            source = read_metadata(project.root / entry.path).get("source")
            if isinstance(source, str) and source.startswith(home + "/"):
                return entry.path
    return None
