"""What belongs to a model in production: metadata, results summary with a curve, canonical log."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from engine import names, readers
from engine.plans.destinations import curve_beside
from engine.project import Project
from engine.recognition import identity
from engine.recognition.attribution import Checkpoint
from engine.recognition.production import read_metadata
from engine.recognition.runs import Run
from engine.recognition.scan import Inventory
from engine.reports.descriptions import epochs

SUMMARY_LIMIT = 1 << 20  # bytes read to see which model a summary is of


class Papers(NamedTuple):
    """Where each paper of a model lies; None: there is none."""

    metadata: str | None
    summary: str | None
    log: str | None
    curve: str | None  # the picture in its summary: not every training has one

    @property
    def missing(self) -> tuple[str, ...]:
        """Return which papers the model should have and has not."""
        return tuple(kind for kind in ("metadata", "summary", "log") if not getattr(self, kind))


def papers(project: Project, inventory: Inventory, model: Checkpoint) -> Papers:
    """Return the papers of a model in production, by what its metadata says and by their names."""
    folders, templates = project.folders, project.conventions.names
    path = PurePosixPath(model.path)
    metadata = f"{path.parent}/{identity.stem(model.path)}.json"
    said = str(read_metadata(project.root / metadata).get("log"))
    fields = (
        names.parse(templates.production, path.name)
        or names.parse(templates.model, path.name)
        or {}
    )
    summaries = list(_named(inventory, folders.results, templates.summary, fields))
    logs = list(_named(inventory, folders.logs, templates.canonical_log, fields))
    summary = _telling(project.root, summaries, model.path)
    curve = curve_beside(summary) if summary else None
    return Papers(
        metadata if metadata in inventory.entries else None,
        summary,
        said if said in inventory.entries else next(iter(logs), None),
        curve if curve in inventory.entries else None,
    )


def logged_epochs(project: Project, model: Checkpoint, log: str | None) -> list[dict[str, Any]]:
    """Return the rows of the training in the log of a model; none if there is no such log."""
    reading = readers.read(project.root / log, PurePosixPath(log).name) if log else None
    if not log or not reading:
        return []
    run = Run("", (), False, (model.path,), (log,))
    return epochs(replace(model, run=run, log=log), {log: reading})


def _named(
    inventory: Inventory, folder: str, template: str, fields: dict[str, str]
) -> Iterator[str]:
    """Yield the files whose names tell of the same model type and value."""
    for entry in inventory.below(folder):
        found = names.parse(template, PurePosixPath(entry.path).name)
        same = found and all(found.get(key) == fields.get(key) for key in ("model_type", "metric"))
        if same and entry.kind == "file":
            yield entry.path


def _telling(root: Path, summaries: list[str], model: str) -> str | None:
    """Return the summary that names the model; the only one there is need not."""
    for summary in summaries if len(summaries) > 1 else ():
        with (root / summary).open("rb") as file:
            if model.encode("utf-8", "surrogateescape") in file.read(SUMMARY_LIMIT):
                return summary
    return summaries[0] if len(summaries) == 1 else None
