"""How good an experiment became, by its logs and results: read once, remembered until they change.

No weights are opened. What is remembered lies in the history as `curves.json`; it is only faster
with it, and whoever may not write there does without.
"""

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from engine import readers
from engine.changes import disk
from engine.project import Project
from engine.recognition import metrics
from engine.recognition.attribution import attribute
from engine.recognition.evidence import Reading
from engine.recognition.identity import folder_key
from engine.recognition.runs import Run
from engine.recognition.scan import Entry
from engine.recognition.selection import task_of
from engine.reports.descriptions import epochs

FILE = "curves.json"
POINTS = 30  # of a curve that are kept
LOSSES = 2  # whose curves are kept: of training and of validation, most often
RECORDS = (".log", ".out", ".err", ".txt", ".json", ".yaml", ".yml", ".csv", ".jsonl")
EVENTS = "events.out.tfevents."  # in the name of TensorBoard's files


class Curve(NamedTuple):
    """The best value of an experiment, what it may be compared with, and the way there."""

    metric: str | None = None
    direction: str | None = None
    value: float | None = None
    task: tuple[tuple[str, str], ...] = ()
    points: tuple[float, ...] = ()  # oldest first; every so many, and the last
    others: tuple[tuple[str, tuple[float, ...]], ...] = ()  # losses on the way, by their names
    model_type: str | None = None


class Curves:
    """The curves of experiments, each read at most once."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.path = project.root / project.folders.history / FILE
        self.made_by = _made_by(project)
        self.known: dict[str, Any] = _load(self.path, self.made_by)
        self.changed = False

    def get(self, home: str, entries: Iterable[Entry]) -> Curve:
        """Return the curve of the experiment in `home`, whose files are `entries`."""
        entries = sorted(entries, key=lambda entry: entry.path)
        state = repr([(e.path, e.size, e.mtime_ns, e.inode) for e in entries if _is_record(e)])
        mark = hashlib.blake2b(state.encode("utf-8", "replace"), digest_size=12).hexdigest()
        found = self.known.get(home)
        if found and found["mark"] == mark:
            with contextlib.suppress(TypeError, ValueError):
                task = tuple((fact, value) for fact, value in found["curve"]["task"])
                points = tuple(found["curve"]["points"])
                others = tuple((name, tuple(way)) for name, way in found["curve"]["others"])
                told = {"task": task, "points": points, "others": others}
                return Curve(**found["curve"] | told)
        curve = _read(self.project, home, [e for e in entries if e.kind == "file"])
        self.known[home] = {"mark": mark, "curve": curve._asdict()}
        self.changed = True
        return curve

    def save(self, homes: Iterable[str]) -> None:
        """Remember the curves of these experiments, if that can be written."""
        if not self.changed:
            return
        content = {home: self.known[home] for home in homes if home in self.known}
        partial = disk.partial_of(self.path).with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps({"made_by": self.made_by, "curves": content}))
            os.replace(partial, self.path)  # noqa: PTH105 - replaces on Windows as well


def _made_by(project: Project) -> str:
    """Return what tells that the same readers, under the same conventions, made the curves."""
    engine = Path(__file__).resolve().parents[1]
    times = [path.stat().st_mtime_ns for path in engine.glob("*/*.py")]
    rules = project.conventions
    return f"{max(times)} {rules.metric} {rules.project.model_types}"


def _load(path: Path, made_by: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
        return dict(content["curves"]) if content["made_by"] == made_by else {}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _is_record(entry: Entry) -> bool:
    name = entry.path.lower()
    return entry.kind == "file" and (name.endswith(RECORDS) or EVENTS in name)


def _read(project: Project, home: str, files: list[Entry]) -> Curve:
    """Read what the records of an experiment say of its best checkpoint, be it there or not."""
    told = {
        entry.path: reading
        for entry in files
        if _is_record(entry)
        if (reading := readers.read(project.root / entry.path, PurePosixPath(entry.path).name))
    }
    best, model_type = f"{home}/best.pth", None
    named = [e.path for e in files if e.path.lower().endswith(readers.WEIGHTS)]
    for weights in ([best], named):
        readings = told | {path: Reading("", "model") for path in weights}
        run = Run(
            home, folder_key(PurePosixPath(home).name), True, tuple(weights), tuple(sorted(told))
        )
        checkpoints = attribute([run], readings, project.conventions)
        model_type = model_type or next((c.model_type for c in checkpoints), None)
        if known := [c for c in checkpoints if c.value is not None]:
            sign = 1 if known[0].direction == "max" else -1
            found = max(known, key=lambda c: sign * (c.value or 0))
            rows = epochs(found, readings)
            return Curve(
                found.metric,
                found.direction,
                found.value,
                task_of(found, project.conventions.production.group_by),
                _points(rows, found.metric),
                _losses(rows, found.metric),
                model_type,
            )
    return Curve(model_type=model_type)


def ways(
    metric: str | None, rows: list[dict[str, Any]], count: int = POINTS
) -> dict[str, tuple[float, ...]]:
    """Return the curves in the rows of a training by name, its metric first, thinned."""
    known = ((metric or "", _points(rows, metric, count)), *_losses(rows, metric, count))
    return {name: way for name, way in known if way}


def _points(
    rows: list[dict[str, Any]], metric: str | None, count: int = POINTS
) -> tuple[float, ...]:
    """Return the values of a metric in the rows of a training, validation first."""
    names = [
        name
        for name in dict.fromkeys(name for row in rows for name in row)
        if metrics.plausible(name) == metric and metrics.split(name) != "train"
    ]
    names.sort(key=lambda name: metrics.split(name) != "val")
    return _way(rows, names[0], count) if names else ()


def _losses(
    rows: list[dict[str, Any]], metric: str | None, count: int = POINTS
) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """Return the first few losses in the rows of a training, unless these are its metric."""
    names = dict.fromkeys(name for row in rows for name in row)
    losses = [name for name in names if metrics.plausible(name) == "loss" != metric]
    return tuple((name, _way(rows, name, count)) for name in losses[:LOSSES])


def _way(rows: list[dict[str, Any]], name: str, count: int) -> tuple[float, ...]:
    values = [row[name] for row in rows if name in row]
    return thinned([value for value in values if math.isfinite(value)], count)


def thinned(values: list[float], count: int) -> tuple[float, ...]:
    """Return at most `count` of the values, evenly spaced, the last among them."""
    if len(values) <= count:
        return tuple(values)
    return tuple(values[round((i + 1) * len(values) / count) - 1] for i in range(count))
