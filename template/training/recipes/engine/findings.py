"""Look at a project: scan it, read what may be evidence, and attribute the checkpoints."""

import json
import time
from pathlib import Path, PurePosixPath

from engine import duplicates, in_use, names
from engine.attribution import Checkpoint, Evidence, attribute
from engine.cleanup_plan import Mess
from engine.errors import UserError
from engine.project import Project
from engine.readers import read
from engine.runs import group
from engine.scan import Inventory, scan

METADATA_LIMIT = 1 << 20  # bytes


def look(project: Project, leave_alone: tuple[str, ...] = ()) -> Mess:
    """Return all that is found in the project; nothing is written."""
    inventory = scan(project, leave_alone)
    readings = {
        entry.path: reading
        for entry in inventory.entries.values()
        if entry.kind == "file" and entry.zone is None
        if (reading := read(project.root / entry.path, PurePosixPath(entry.path).name))
    }
    runs = group(inventory, readings)
    checkpoints = attribute(runs, readings, project.conventions)
    production = _production(project, inventory)
    weights = [c.path for c in (*checkpoints, *production) if c.role == "model"]
    files = sorted({*readings, *(path for run in runs for path in run.files)})
    window = project.conventions.scan.in_use_minutes * 60
    return Mess(
        inventory,
        readings,
        runs,
        checkpoints,
        production,
        duplicates.find(project.root, (inventory.entries[path] for path in weights)),
        in_use.in_use(project.root, files, time.time(), window),
    )


def inside(project: Project, argument: str) -> str:
    """Return a path that the user typed, relative to the project root. Raises UserError."""
    path = Path(argument)
    absolute = path if path.is_absolute() else Path.cwd() / path
    for candidate in (absolute, project.root / path):
        lexical = candidate.parent.resolve() / candidate.name
        if lexical.is_relative_to(project.root) and lexical.exists():
            return lexical.relative_to(project.root).as_posix()
    raise UserError(f"{argument}: there is no such file in {project.root}")


def _production(project: Project, inventory: Inventory) -> tuple[Checkpoint, ...]:
    """Return the models that are in production already, by their names and metadata."""
    templates = project.conventions.names
    found = []
    for entry in inventory.below(project.folders.production):
        name = PurePosixPath(entry.path).name
        fields = names.parse(templates.production, name) or names.parse(templates.model, name)
        if entry.kind == "file" and fields and fields.get("ext") not in (None, "json"):
            found.append(_in_production(project, entry.path, fields))
    return tuple(found)


def _in_production(project: Project, path: str, fields: dict[str, str]) -> Checkpoint:
    rules = project.conventions.metric
    wanted = rules.by_model_type.get(fields["model_type"], rules)
    metadata = _metadata(project.root / path.removesuffix("." + fields["ext"]).__add__(".json"))
    said = metadata.get("value")
    value = said if isinstance(said, float) else _number(fields.get("metric"))
    metric = metadata.get("metric", wanted.name)
    direction = metadata.get("direction", wanted.direction)
    where = "key value of its metadata" if isinstance(said, float) else "file name"
    evidence = (Evidence("metric", f"{metric} {value}", path, where),)
    return Checkpoint(
        path, "model", None, "", fields["model_type"], metric, direction, value, evidence=evidence
    )


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def _metadata(path: Path) -> dict[str, object]:
    try:
        if path.stat().st_size > METADATA_LIMIT:
            return {}
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
