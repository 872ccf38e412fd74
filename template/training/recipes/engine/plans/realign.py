"""Bring what is in production to changed conventions: the model and its papers, in step."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from engine import names
from engine.plans.cleanup_plan import Mess
from engine.plans.plan import Action, Plan
from engine.project import Project
from engine.readers import dates
from engine.recognition import identity
from engine.recognition.findings import read_metadata
from engine.relinking.moves import Moves
from engine.relinking.relink_text import Finder

LIMIT = 1 << 20  # bytes of a summary
WHY = "its name follows the conventions no more"


def realigned(project: Project, mess: Mess, plan: Plan) -> Plan:
    """Return the plan with the renames that changed names, and folders of papers, ask for.

    What a name is built from stands in the model's metadata, so the old templates need not be
    known. The paths that metadata and summaries tell are corrected; sources are relink's.
    """
    entries = mess.inventory.entries
    taken = {path.casefold() for path in [*entries, *(str(a.dst) for a in plan.actions)]}
    places: dict[str, str] = {}
    for model, metadata in _models(project, mess):
        wanted = _wanted(project, mess, model, metadata)
        new = {path.casefold() for path in wanted.values()}
        if not new & taken and not wanted.keys() & mess.in_use.keys():
            taken |= new
            places |= wanted
    moves = [_action(mess, "move", path, places[path]) for path in places]
    others = (action for action in plan.actions if action.src not in places)
    return replace(plan, actions=(*others, *moves, *_corrections(project, mess, places)))


def _models(project: Project, mess: Mess) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the models in production whose metadata tells what their names are built from."""
    for entry in mess.inventory.below(project.folders.production):
        stem = f"{PurePosixPath(entry.path).parent}/{identity.stem(entry.path)}"
        metadata = read_metadata(project.root / f"{stem}.json")
        known = isinstance(metadata.get("model_type"), str) and "sha256" in metadata
        if known and entry.kind == "file" and not entry.path.endswith((".json", ".dvc")):
            yield entry.path, metadata


def _wanted(
    project: Project, mess: Mess, model: str, metadata: Mapping[str, Any]
) -> dict[str, str]:
    """Return the new path of each of a model's files that does not follow the conventions."""
    templates, folders = project.conventions.names, project.folders
    stem = identity.stem(model)
    day = dates.of_value(metadata.get("date"))
    fields = {
        "model_type": metadata["model_type"],
        "metric": metadata.get("value"),
        "date": datetime.fromisoformat(day).date() if day else None,
        "ext": PurePosixPath(model).name.removeprefix(stem).lstrip("."),
        "decimals": project.conventions.metric.decimals,
    }
    found = {}
    if not _follows(model, templates.production, templates.model):
        new = f"{folders.production}/{names.build(templates.production, **fields)}"
        found = {model: new}
        found[_metadata_of(model)] = _metadata_of(new)
    log, summary = str(metadata.get("log")), _summary(project, mess, model)
    for path, template, folder in (
        (log, templates.canonical_log, folders.logs),
        (summary, templates.summary, folders.results),
    ):
        at_home = path.rpartition("/")[0] == folder and _follows(path, template)
        if path in mess.inventory.entries and not at_home:
            found[path] = f"{folder}/{names.build(template, **fields)}"
    return found


def _metadata_of(model: str) -> str:
    return f"{PurePosixPath(model).parent}/{identity.stem(model)}.json"


def _follows(path: str, *templates: str) -> bool:
    return any(names.parse(template, PurePosixPath(path).name) for template in templates)


def _summary(project: Project, mess: Mess, model: str) -> str:
    """Return the summary that tells of a model; empty if there is none."""
    for entry in mess.inventory.below(project.folders.training):  # results may be elsewhere now
        if entry.path.endswith(".md") and entry.kind == "file" and entry.size < LIMIT:
            text = (project.root / entry.path).read_bytes()
            if f"\n`{model}` (".encode() in text:  # the line under its heading
                return entry.path
    return ""


def _corrections(project: Project, mess: Mess, places: Mapping[str, str]) -> Iterator[Action]:
    """Yield what corrects the paths in metadata and summaries, once they are in their places."""
    finder = Finder(Moves(project.root.as_posix(), places, {}))
    for model, _ in _models(project, mess):
        for path in (_metadata_of(model), _summary(project, mess, model)):
            if path not in mess.inventory.entries:
                continue
            found = finder.find((project.root / path).read_bytes(), "")
            if edits := [(r.start, r.end, r.new) for r in found]:
                action = _action(mess, "rewrite", path, places.get(path, path))
                yield replace(action, src=action.dst, facts={"edits": edits})


def _action(mess: Mess, verb: Any, path: str, target: str) -> Action:
    entry = mess.inventory.entries[path]
    reason = WHY if verb == "move" else "it names what is moved"
    tracked = path in mess.inventory.tracked and verb == "move"
    return Action(verb, path, target, entry.size, reason, "names", entry.mtime_ns, tracked)
