"""What belongs to a model, by its metadata, and what papers and sidecars say when things move."""

import json
import math
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engine.changes.rewriting import Edit
from engine.layouts import Layout
from engine.project import Project
from engine.readers import dates, read
from engine.recognition import identity, metrics
from engine.recognition.attribution import attribute
from engine.recognition.production import read_metadata
from engine.recognition.runs import Run
from engine.recognition.scan import Inventory
from engine.relinking.moves import Moves
from engine.relinking.relink_text import Finder

Edits = Sequence[Edit]
LIMIT = 1 << 20  # bytes of a summary
TITLE = re.compile(rb"\n`([^`\n]+)` \(")  # the line below a summary's title, see model_card
SAID = re.compile(rb'"(name|archive|now|superseded_by|model_type)": ("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True)
class Family:
    """A model in production: what its papers' names are built from, and where they lie."""

    fields: Mapping[str, Any]  # as far as they are known
    papers: Mapping[str, str]  # path -> key of the folder that it belongs in
    changes: Mapping[str, Any] = field(default_factory=dict)  # of values in its metadata


def families(project: Project, inventory: Inventory, former: Sequence[Layout]) -> dict[str, Family]:
    """Return the family of each file that belongs to a model whose metadata tells what it is."""
    summaries = dict(_summaries(project, inventory))
    folders = {project.folders.production, *(old.folders["production"] for old in former)}
    by_stem: dict[str, list[str]] = defaultdict(list)
    for path, entry in inventory.entries.items():
        if entry.zone == "the layout" and (folder := path.rpartition("/")[0]) in folders:
            by_stem[f"{folder}/{identity.stem(path)}"].append(path)
    found: dict[str, Family] = {}
    for stem, paths in by_stem.items():
        said = read_metadata(project.root / f"{stem}.json")
        if isinstance(said.get("model_type"), str) and "sha256" in said:
            papers = dict.fromkeys(paths, "production")
            papers |= {str(said.get("log")): "logs", summaries.get(stem, ""): "results"}
            known = {path: key for path, key in papers.items() if path in inventory.entries}
            found |= dict.fromkeys(known, _family(project, former, said, known))
    return found


def _summaries(project: Project, inventory: Inventory) -> Iterator[tuple[str, str]]:
    """Yield the stem of a model and the summary that tells of it."""
    for entry in inventory.below(project.folders.training):  # results may be elsewhere now
        is_text = entry.path.endswith(".md") and entry.kind == "file" and entry.size < LIMIT
        if told := TITLE.search((project.root / entry.path).read_bytes()) if is_text else None:
            folder, _, name = os.fsdecode(told[1]).rpartition("/")
            yield f"{folder}/{identity.stem(name)}", entry.path


def _family(
    project: Project, former: Sequence[Layout], said: Mapping[str, Any], papers: Mapping[str, str]
) -> Family:
    own = (path for path, key in papers.items() if key == "production")
    model = next((path for path in own if not path.endswith(".json")), None)
    renamed = project.conventions.project.renamed
    changes: dict[str, Any] = {}
    if (of := said["model_type"]) in renamed:
        changes["model_type"] = renamed[of]
    changes |= _by_metric(project, former, said, model)
    day = dates.of_value(said.get("date"))
    fields = {
        "model_type": of,
        "metric": changes.get("value", said.get("value")),
        "date": datetime.fromisoformat(day) if day else None,
    }
    if not isinstance(fields["metric"], int | float) or not math.isfinite(fields["metric"]):
        del fields["metric"]
    known = {name: value for name, value in fields.items() if value is not None}
    return Family(known, papers, changes)


def _by_metric(
    project: Project, former: Sequence[Layout], said: Mapping[str, Any], model: str | None
) -> dict[str, Any]:
    """Return what metadata is to say of the metric, if the conventions name another one now.

    What the model and its log tell decides; if they do not tell the new one, nothing changes.
    """
    rule = project.conventions.metric.of(said["model_type"])
    wanted, told = metrics.plausible(rule.name) or rule.name, said.get("metric")
    if told == wanted:
        return {} if said.get("direction") == rule.direction else {"direction": rule.direction}
    before = {old.metrics.get(said["model_type"], old.metrics[""]) for old in former}
    if model is None or told not in {metrics.plausible(name) or name for name in before}:
        return {}
    value = _evaluated(project, model, said.get("log"), wanted)
    new = {"metric": wanted, "value": value, "direction": rule.direction}
    return {} if value is None else new


def _evaluated(project: Project, model: str, log: object, wanted: str) -> float | None:
    """Return how good a model is by a metric, as it says itself, or its log."""
    files = [path for path in (model, log) if isinstance(path, str)]
    found = {
        p: r for p in files if (project.root / p).is_file() if (r := read(project.root / p, p))
    }
    if model not in found:
        return None
    run = Run("", (), False, (model,), tuple(path for path in found if path != model))
    (checkpoint,) = attribute([run], found, project.conventions)
    return checkpoint.value if checkpoint.metric == wanted else None


# --- what they say -------------------------------------------------------------------------------


def corrections(
    project: Project,
    inventory: Inventory,
    found: Mapping[str, Family],
    places: Mapping[str, str],
    renamed: Mapping[str, str],
) -> dict[str, Edits]:
    """Return for each paper and sidecar the edits by which it says what will be so.

    `places` are the new paths, of folders too, by the old; `renamed` are bare names.
    """
    finder = Finder(Moves(project.root.as_posix(), places, {}))
    words = {**renamed, **{f"{old}.tar.gz": f"{new}.tar.gz" for old, new in renamed.items()}}
    told: dict[str, Edits] = {}
    for path, family in found.items():
        if path.endswith((".json", ".md")):
            data = (project.root / path).read_bytes()
            at = [(r.start, r.end, str(r.new)) for r in finder.find(data, "")]
            told[path] = [*at, *_bare(data, words), *_values(data, family.changes)]
    types = project.conventions.project.renamed
    for path in _sidecars(project, inventory) if places or types else ():
        data = (project.root / path).read_bytes()
        told[path] = list(_bare(data, words))
        if path.endswith(".json"):
            told[path] = list(_in_manifest(data, {**places, **words}, types))
    return {path: edits for path, edits in told.items() if edits}


def _sidecars(project: Project, inventory: Inventory) -> Iterator[str]:
    for entry in inventory.entries.values():
        is_ours = entry.kind == "file" and entry.zone == "the layout"
        if is_ours and entry.path.endswith(".sha256"):
            manifest = f"{entry.path.removesuffix('.sha256')}.json"
            yield from (path for path in (entry.path, manifest) if path in inventory.entries)


def _bare(data: bytes, words: Mapping[str, str]) -> Iterator[Edit]:
    """Yield the edits of names that stand alone, in no path."""
    known = b"|".join(re.escape(word.encode()) for word in sorted(words, key=len, reverse=True))
    pattern = rb"(?<![\w./\\-])(?:" + known + rb")(?![\w/\\-]|\.\w)"
    for match in re.finditer(pattern, data) if words else ():
        yield *match.span(), words[match[0].decode()]


def _values(data: bytes, changes: Mapping[str, Any]) -> Iterator[Edit]:
    """Yield the edits of values at the top of metadata, and of the type in a summary."""
    for key, value in changes.items():
        if line := re.search(rb'^  "' + key.encode() + rb'": (.*?),?$', data, re.MULTILINE):
            yield *line.span(1), json.dumps(value)
        elif key == "model_type" and (line := re.search(rb"^- model type: (.*)$", data, re.M)):
            yield *line.span(1), value


def _in_manifest(
    data: bytes, places: Mapping[str, str], types: Mapping[str, str]
) -> Iterator[Edit]:
    """Yield the edits of what a manifest says itself: its members keep the paths they have."""
    head = data.partition(b'\n "members": [')[0]
    for match in SAID.finditer(head):
        known = types if match[1] == b"model_type" else places
        if (new := known.get(json.loads(match[2]))) is not None:
            yield *match.span(2), json.dumps(new)
