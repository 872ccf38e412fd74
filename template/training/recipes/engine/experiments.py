"""The experiments in the active folder, with what the retention rules need to know of each."""

import json
import time
from datetime import date
from pathlib import PurePosixPath

from engine import in_use, names
from engine.attribution import Checkpoint, attribute
from engine.evidence import Reading
from engine.identity import folder_key
from engine.project import Project
from engine.readers import read
from engine.retention import Experiment
from engine.runs import Run, is_weights
from engine.scan import Inventory


def active(project: Project, inventory: Inventory) -> dict[Experiment, Run]:
    """Return each experiment in the active folder and its files."""
    folder = project.folders.active
    homes = [
        entry.path
        for entry in inventory.below(folder)
        if entry.kind == "folder" and str(PurePosixPath(entry.path).parent) == folder
    ]
    return dict(_experiment(project, inventory, home) for home in homes)


def _experiment(project: Project, inventory: Inventory, home: str) -> tuple[Experiment, Run]:
    files = [e.path for e in inventory.below(home) if e.kind in ("file", "link")]
    readings = _readings(project, inventory, files)
    weights = tuple(sorted(p for p, reading in readings.items() if is_weights(p, reading)))
    records = tuple(sorted(set(readings) - set(weights)))
    others = tuple(sorted(set(files) - set(readings)))
    name = PurePosixPath(home).name
    run = Run(home, folder_key(name), True, weights, records, others)
    best = _best(attribute([run], readings, project.conventions))
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


def _best(checkpoints: tuple[Checkpoint, ...]) -> Checkpoint | None:
    known = [c for c in checkpoints if c.value is not None and c.direction is not None]
    sign = {"max": 1, "min": -1}
    ordered = sorted(known, key=lambda c: sign[c.direction or "max"] * (c.value or 0))
    return ordered[-1] if ordered else next(iter(checkpoints), None)


def _started(fields: dict[str, str] | None, best: Checkpoint | None) -> date | None:
    if fields and fields["date"].isdigit():
        return date.fromisoformat(fields["date"])
    return best.date.date() if best and best.date else None


def _in_production(project: Project, inventory: Inventory, home: str) -> str | None:
    """Return the metadata file of a production model that says it came from this experiment."""
    for entry in inventory.below(project.folders.production):
        if entry.path.endswith(".json") and entry.kind == "file":
            try:
                source = json.loads((project.root / entry.path).read_bytes()).get("source")
            except (OSError, ValueError, AttributeError):
                continue
            if isinstance(source, str) and source.startswith(home + "/"):
                return entry.path
    return None
