"""Write the summary and the curve of a model in production anew; what a person added is kept."""

import difflib
from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePosixPath

from engine.archives import catalog
from engine.errors import UserError
from engine.plans.destinations import Destinations, curve_beside
from engine.plans.plan import Action, Plan, writing
from engine.plans.production_papers import logged_epochs, papers
from engine.project import Project
from engine.recognition import identity
from engine.recognition.attribution import Checkpoint
from engine.recognition.production import in_production, read_metadata
from engine.recognition.scan import Inventory, scan_layout
from engine.reports import model_card
from engine.reports.additions import carried
from engine.reports.documents import facts_of


def again(project: Project, argument: str, now: datetime) -> Plan:
    """Return the plan that rewrites what its metadata and its log tell of a model.

    Raises UserError if there is no such model, if it has no metadata, or a mark is not closed.
    """
    inventory = scan_layout(project)
    actions = anew(project, inventory, _meant(project, inventory, argument))
    return Plan("promote", now.isoformat(sep=" ", timespec="seconds"), tuple(actions))


def anew(project: Project, inventory: Inventory, model: Checkpoint) -> list[Action]:
    """Return what writes summary and curve of a model, as far as they differ. Raises UserError."""
    of = papers(project, inventory, model)
    if not of.metadata:
        raise UserError(f"{model.path}: has no metadata; write it: just check --fix")
    taken = (path for path in inventory.entries if not path.endswith(".svg"))  # it is written anew
    summary = of.summary or Destinations(project, taken).summary(model)
    curve, rows = curve_beside(summary), logged_epochs(project, model, of.log)
    metadata = read_metadata(project.root / of.metadata)
    facts = {**facts_of(metadata, model.path), "log": of.log, "epochs": rows}
    try:
        drawn = model_card.curve(facts)
        is_there = drawn or curve in inventory.entries
        facts["curve"] = PurePosixPath(curve).name if is_there else None
        card = model_card.summary(facts)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{of.metadata}: is not as recipes write it: {error}") from None
    if of.summary:
        card = _carried(project, of.summary, card, () if rows else ("Epochs",))
    texts = {curve: drawn, summary: card} if drawn else {summary: card}
    found = (_written(project, inventory, path, text) for path, text in texts.items())
    return [action for action in found if action]


def _meant(project: Project, inventory: Inventory, argument: str) -> Checkpoint:
    """Return the model of that path or name, or that came from the experiment of that name."""
    paths, name = catalog.paths_meant(project, argument), PurePosixPath(argument).name
    models = in_production(project, inventory)
    called = {c.path: {PurePosixPath(c.path).name, identity.stem(c.path)} for c in models}
    for model in models:
        if model.path in paths or name in called[model.path]:
            return model
    for model in models:
        metadata = f"{PurePosixPath(model.path).parent}/{identity.stem(model.path)}.json"
        source = str(read_metadata(project.root / metadata).get("source"))
        if source.startswith(f"{project.folders.active}/{name}/"):
            return model
    close = difflib.get_close_matches(name, [n for known in called.values() for n in known], 1)
    fix = f"did you mean {close[0]}?" if close else "just status lists them"
    raise UserError(f"{argument}: no model in production is or comes from it; {fix}")


def _carried(project: Project, summary: str, card: str, keep: Sequence[str]) -> str:
    old = (project.root / summary).read_bytes().decode("utf-8", "surrogateescape")
    try:
        return carried(old, card, keep)
    except ValueError as error:
        raise UserError(f"{summary}: {error}") from None


def _written(project: Project, inventory: Inventory, path: str, text: str) -> Action | None:
    """Return what writes a file, or writes it anew; None if it says so already."""
    entry = inventory.entries.get(path)
    if entry is None:
        return writing("text", path, "it was missing", {"text": text})
    if (project.root / path).read_bytes() == text.encode("utf-8", "surrogateescape"):
        return None
    edits = {"edits": [(0, entry.size, text)]}
    why, run = "written anew; what you added is kept", "documents"
    return Action("rewrite", path, path, entry.size, why, run, entry.mtime_ns, facts=edits)
