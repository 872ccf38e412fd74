"""The models that are in production already, and what the metadata beside a file says."""

import json
import math
import os
from datetime import datetime
from pathlib import PurePosixPath

from engine import names
from engine.changes import disk
from engine.project import Project
from engine.readers import dates
from engine.recognition import metrics
from engine.recognition.attribution import TASK_FACTS, Checkpoint, Evidence
from engine.recognition.runs import under
from engine.recognition.scan import Inventory

METADATA_LIMIT = 1 << 20  # bytes


def in_production(project: Project, inventory: Inventory) -> tuple[Checkpoint, ...]:
    """Return the models that are in production already, by their names and metadata."""
    templates = project.conventions.names
    found: list[Checkpoint] = []
    for entry in inventory.below(project.folders.production):
        name = PurePosixPath(entry.path).name
        fields = names.parse(templates.production, name) or names.parse(templates.model, name)
        extension = fields.get("ext", "") if fields else "json"
        is_model = extension != "json" if entry.kind == "folder" else extension not in ("", "json")
        is_model = is_model and not name.endswith(".dvc")  # which says what the model beside it is
        if fields and is_model and not any(under(entry.path, {c.path}) for c in found):
            found.append(_in_production(project, entry.path, fields))
    return tuple(found)


def _in_production(project: Project, path: str, fields: dict[str, str]) -> Checkpoint:
    rules = project.conventions.metric
    wanted = rules.of(fields["model_type"])
    metadata = read_metadata(project.root / f"{path.removesuffix('.' + fields['ext'])}.json")
    said = _number(metadata.get("value"))
    value = _number(fields.get("metric")) if said is None else said
    metric, direction = metadata.get("metric"), metadata.get("direction")
    if not isinstance(metric, str) or direction not in ("max", "min", None):
        metric, direction = metrics.plausible(wanted.name) or wanted.name, wanted.direction
    more = metadata.get("facts")
    said_of_run = (more if isinstance(more, dict) else {}) | metadata
    where = "file name" if said is None else "key value of its metadata"
    date = dates.of_value(metadata.get("date")) or dates.of_value(fields.get("date"))
    return Checkpoint(
        path,
        "model",
        None,
        model_type=fields["model_type"],
        metric=metric,
        direction=str(direction) if direction else None,
        value=value,
        date=datetime.fromisoformat(date) if date else None,
        facts={k: v for k in (*TASK_FACTS, "fold") if isinstance(v := said_of_run.get(k), str)},
        evidence=(Evidence("metric", f"{metric} {value}", path, where),),
    )


def _number(value: object) -> float | None:
    """Return a finite number, or None; "unknown" in a name is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def read_metadata(path: disk.Name) -> dict[str, object]:
    """Return what the metadata of a production model says; nothing if it cannot be read."""
    try:
        with disk.reading(path) as descriptor:
            size = os.fstat(descriptor).st_size
            content = json.loads(os.read(descriptor, size)) if size <= METADATA_LIMIT else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
