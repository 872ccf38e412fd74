"""The overview as one HTML file that needs no network: what there is, how good, and by what."""

import hashlib
import os
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from engine import readers
from engine.changes import disk
from engine.checks.subject import Violation
from engine.errors import UserError
from engine.project import Project
from engine.recognition.production import read_metadata
from engine.recognition.scan import Inventory, scan_layout
from engine.reports.curves import Curves
from engine.reports.overview import Archive, Experiment, Model, Overview, Told, moment
from engine.reports.picture import polyline
from engine.show import safe, size
from log_paths import metric_text

FILE = "report.html"  # in the results folder
MARK = "<!doctype html>\n<!-- written by just status --html -->\n"  # only such a file is replaced
SUFFIXES = {  # what a file is, for the account of disk space
    "archives": (".tar.gz", ".sha256"),
    "checkpoints": (*readers.WEIGHTS, *readers.PICKLES, ".bin", ".onnx", ".keras"),
    "logs": (".log", ".out", ".err"),
    "tables and settings": (".json", ".jsonl", ".csv", ".yaml", ".yml", ".toml", ".md"),
}
LARGEST = 10  # experiments and archives that the account of disk space names
PARTS = re.compile(r"(?<=[_/])(?=\w)")  # where a name may go on in the next line
WIDE, HIGH = 100, 30  # of a drawn curve, in its own units


@dataclass(frozen=True)
class Drawing:
    """A curve as points of an SVG polyline, and what it goes from and to."""

    points: str
    values: tuple[float, ...]

    @property
    def low(self) -> float:
        """Return the lowest value."""
        return min(self.values)

    @property
    def high(self) -> float:
        """Return the highest value."""
        return max(self.values)


@dataclass(frozen=True)
class Row:
    """A run on the leaderboard. Unknown is None."""

    name: str
    path: str
    state: str
    model_type: str | None
    metric: str | None
    value: float | None
    direction: str | None
    started: datetime | None
    size: int  # bytes
    checkpoints: int | None
    curves: tuple[tuple[str, Drawing], ...] = ()
    kinds: Mapping[str, int] = field(default_factory=dict)  # bytes by what the files are
    facts: Mapping[str, Any] = field(default_factory=dict)
    place: int | None = None  # among those of the same metric, 1 is the best


@dataclass(frozen=True)
class Lineage:
    """A production model with what its metadata says of it."""

    model: Model
    metadata: Mapping[str, Any]
    curves: tuple[tuple[str, Drawing], ...]

    def listed(self, key: str) -> tuple[Mapping[str, Any], ...]:
        """Return the entries of a list in the metadata, whatever else somebody wrote there."""
        entries = self.metadata.get(key)
        found = entries if isinstance(entries, list) else ()
        return tuple(entry for entry in found if isinstance(entry, dict))

    @property
    def config(self) -> Mapping[str, Any]:
        """Return the settings of its training."""
        found = self.metadata.get("config")
        return found if isinstance(found, dict) else {}


def page(
    project: Project,
    seen: Overview,
    found: Sequence[Violation],
    step: tuple[str, str],
    now: datetime,
) -> str:
    """Return the report. `seen` has all that there is, `found` is what a check found."""
    import jinja2  # which nothing else needs
    from markupsafe import Markup  # which jinja2 brings

    environment = jinja2.Environment(
        autoescape=True,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
    )
    environment.filters |= {"bytes": size, "csp": _csp, "age": lambda when: _age(when, now)}
    decimals = project.conventions.metric.decimals
    environment.filters["metric"] = lambda value: metric_text(value, decimals)
    environment.filters["breakable"] = lambda text: Markup("<wbr>").join(
        PARTS.split(safe(str(text)))
    )
    inventory = scan_layout(project)
    rows = leaderboard(project, inventory, seen)
    body = environment.get_template("report.html.j2").render(
        project=project.conventions.project.name,
        now=now,
        rows=rows,
        states=Counter(row.state for row in rows),
        models=list(_lineages(project, inventory, seen.models)),
        archives=seen.archives,
        disk=seen.disk,
        kinds=_kinds((e.path, e.size) for e in inventory.entries.values() if e.kind == "file"),
        largest=sorted(rows, key=lambda row: -row.size)[:LARGEST],
        found=found,
        step=step,
        drawn=(WIDE, HIGH),
    )
    return MARK + body


def write(text: str, target: Path) -> None:
    """Write a report; a file that is none is not replaced. Raises UserError."""
    try:
        if os.path.lexists(target) and not _is_report(target):
            raise UserError(f"{target}: is there and is no report; name another file")
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = disk.partial_of(target)
        partial.write_text(text, encoding="utf-8", newline="\n")
        os.replace(partial, target)  # noqa: PTH105 - replaces on Windows as well
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror}") from None


def _is_report(target: Path) -> bool:
    if target.is_symlink() or not target.is_file():
        return False
    with target.open("rb") as file:
        return file.read(len(MARK)) == MARK.encode()


# --- the leaderboard ------------------------------------------------------------------------------


def leaderboard(project: Project, inventory: Inventory, seen: Overview) -> list[Row]:
    """Return all runs: those with the most usual metric first, and among these the best first."""
    files: dict[str, list[tuple[str, int]]] = {e.path: [] for e in seen.experiments}
    depth = project.folders.active.count("/") + 2
    for entry in inventory.below(project.folders.active):
        home = "/".join(entry.path.split("/")[:depth])
        if entry.kind == "file" and home in files:
            files[home].append((entry.path, entry.size))
    rows = [
        *(_of_experiment(experiment, files[experiment.path]) for experiment in seen.experiments),
        *map(_of_archive, seen.archives),
    ]
    return list(ranked(rows))


def _of_experiment(experiment: Experiment, files: list[tuple[str, int]]) -> Row:
    curve = experiment.curve
    named = ((curve.metric or "", curve.points), *curve.others) if curve else ()
    return Row(
        experiment.name,
        experiment.path,
        experiment.state,
        experiment.model_type,
        curve.metric if curve else None,
        curve.value if curve else None,
        curve.direction if curve else None,
        experiment.started,
        experiment.size,
        experiment.checkpoints,
        _drawings(named),
        _kinds(files),
        dict(curve.task) if curve else {},
    )


def _of_archive(archive: Archive) -> Row:
    told = archive.told or Told()
    return Row(
        archive.name,
        archive.path,
        "archived",
        told.model_type,
        told.metric,
        told.value,
        told.direction,
        moment(told.date),
        archive.size,
        told.checkpoints or None,
        _drawings(told.curves.items()),
        {"archives": archive.size},
        {"superseded by": told.superseded_by} if told.superseded_by else {},
    )


def ranked(rows: list[Row]) -> Iterator[Row]:
    """Yield the rows in their order, each with its place among those of its metric."""
    usual = Counter(row.metric for row in rows if row.value is not None)

    def order(row: Row) -> tuple[Any, ...]:
        if row.value is None:
            return 1, 0, "", 0, row.name
        sign = 1 if row.direction == "min" else -1
        return 0, -usual[row.metric], row.metric or "", sign * row.value, row.name

    places: Counter[str | None] = Counter()
    for row in sorted(rows, key=order):
        places[row.metric] += 1
        known = row.value is not None
        yield Row(**{**vars(row), "place": places[row.metric] if known else None})


def _age(started: datetime | None, now: datetime) -> str:
    return "" if started is None else f"{(now - started).days:,} d"


# --- curves ---------------------------------------------------------------------------------------


def _drawings(named: Iterable[tuple[str, Any]]) -> tuple[tuple[str, Drawing], ...]:
    return tuple((name, drawn) for name, points in named if (drawn := drawing(points)))


def drawing(points: object) -> Drawing | None:
    """Return how a curve is drawn: the first point at the left, the highest at the top."""
    listed = points if isinstance(points, list | tuple) else ()
    values = tuple(float(v) for v in listed if isinstance(v, float | int))
    if len(values) < 2:
        return None
    return Drawing(polyline(values, min(values), max(values), WIDE, HIGH), values)


# --- production, disk -----------------------------------------------------------------------------


def _lineages(project: Project, inventory: Inventory, models: Iterable[Model]) -> Iterator[Lineage]:
    curves = Curves(project)
    for model in models:
        of = model.papers
        log = inventory.entries.get(of.log or "")
        curve = curves.get(f"{model.checkpoint.path}/", [log]) if log else None
        named = ((curve.metric or "", curve.points), *curve.others) if curve else ()
        metadata = read_metadata(project.root / of.metadata) if of.metadata else {}
        yield Lineage(model, metadata, _drawings(named))


def _kinds(files: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return the bytes of each kind of file, most first."""
    sizes: Counter[str] = Counter()
    for path, count in files:
        sizes[_kind(PurePosixPath(path).name.lower())] += count
    return {kind: count for kind, count in sizes.most_common() if count}


def _kind(name: str) -> str:
    if "tfevents" in name:
        return "event files"
    return next((kind for kind, ends in SUFFIXES.items() if name.endswith(ends)), "other files")


# --- text -----------------------------------------------------------------------------------------


def _shown(value: object) -> object:
    """Return text as it can be shown: control and undecodable characters are escaped."""
    return safe(value) if type(value) is str else value


def _csp(script: str) -> str:
    """Return what allows this script and no other.

    https://www.w3.org/TR/CSP3/#grammardef-hash-source
    """
    return f"'sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
