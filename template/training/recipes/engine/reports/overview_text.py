"""The overview as lines for a screen, at most 100 columns wide, or as plain values for JSON."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from textwrap import wrap
from typing import Any

from engine.conventions import MetricTable
from engine.project import Project
from engine.recognition.attribution import Checkpoint
from engine.reports.curves import Curve, thinned
from engine.reports.overview import Archive, Experiment, Model, Overview, Told
from engine.show import WIDTH, safe, size
from log_paths import metric_text

ROWS = 10  # of a table on one screen
BARS = "▁▂▃▄▅▆▇█"
SPARKS, TYPE_WIDTH, REMOTE_WIDTH = 8, 12, 30  # characters
NAME_WIDTH = 8  # characters of a name that are shown at least
NONE = "-"

Row = tuple[str, ...]


def lines(
    project: Project,
    seen: Overview,
    now: datetime,
    step: tuple[str, str],
    rows: int | None,
    width: int = WIDTH,
) -> Iterator[tuple[str, str]]:
    """Yield each line with its style; only so many rows of each table (None: all).

    On a narrow screen, the columns that names tell as well are left out.
    """
    metric = project.conventions.metric
    yield f"{safe(project.conventions.project.name)}, {now:%Y-%m-%d %H:%M}", "dim"
    states = Counter(experiment.state for experiment in seen.experiments)
    counts = ", ".join(f"{states[state]} {state}" for state in states) or "none"
    yield f"\nEXPERIMENTS  {counts}, {len(seen.archives)} archived", "bold"
    head: Row = ("experiment", "state", "type", metric.name, "curve", "age", "size", "ckpt")
    found = [_experiment_row(e, now, metric) for e in seen.experiments[:rows]]
    wanted = range(len(head)) if width >= WIDTH else (0, 1, 3, 4, 5, 6)
    head, *found = [tuple(row[column] for column in wanted) for row in (head, *found)]
    sides = "".join("<<<><>>>"[column] for column in wanted)
    yield from _table(head, found, len(seen.experiments), sides, width)
    yield f"\nPRODUCTION  {len(seen.models)}", "bold"
    head = ("model", metric.name, "date", "metadata", "summary", "log")
    models = [_model_row(model, metric) for model in seen.models[:rows]]
    yield from _table(head, models, len(seen.models), "<><<<<", width)
    yield (
        f"\nARCHIVES  {len(seen.archives)}, {size(sum(archive.size for archive in seen.archives))}",
        "bold",
    )
    head = ("archive", metric.name, "size", "verified")
    archives = [_archive_row(archive, metric) for archive in seen.archives[:rows]]
    yield from _table(head, archives, len(seen.archives), "<>><", width)
    sizes = ", ".join(f"{size(count)} {name}" for name, count in seen.disk.items())
    yield "\n" + "\n".join(wrap(f"DISK  {sizes}", width, subsequent_indent=" " * 6)), "bold"
    yield f"\n{_cut(safe(step[1]), width)}", "dim"
    yield f"Next: {safe(step[0])}", "bold"


def _experiment_row(experiment: Experiment, now: datetime, usual: MetricTable) -> Row:
    curve = experiment.curve or Curve()
    return (
        experiment.name,
        experiment.state,
        _cut(experiment.model_type or NONE, TYPE_WIDTH),
        _value(curve, usual),
        spark(curve.points),
        _age(experiment.started, now),
        size(experiment.size),
        str(experiment.checkpoints),
    )


def _model_row(model: Model, usual: MetricTable) -> Row:
    found, of = model.checkpoint, model.papers
    there = ("yes" if paper else "MISSING" for paper in (of.metadata, of.summary, of.log))
    name = found.path.rpartition("/")[2]
    date = str(found.date.date()) if found.date else NONE
    return (name, _value(found, usual), date, *there)


def _archive_row(archive: Archive, usual: MetricTable) -> Row:
    verified = "DAMAGED" if archive.problem else (archive.verified or "never")[:10]
    if archive.remote:
        verified = _cut(f"at {archive.remote}", REMOTE_WIDTH)
    value = _value(archive.told or Told(), usual)
    return archive.name, value, size(archive.size), verified


def spark(points: Sequence[float]) -> str:
    """Return a curve in a few characters, from its lowest value to its highest."""
    few = thinned(list(points), SPARKS)
    low, span = min(few, default=0.0), max(few, default=0.0) - min(few, default=0.0)
    return "".join(BARS[round((v - low) / span * 7) if span else 3] for v in few)


def _value(of: Curve | Checkpoint | Told, usual: MetricTable) -> str:
    """Return a value under the heading of the usual metric: another's name stands before it."""
    if of.value is None:
        return NONE
    shown = metric_text(of.value, usual.decimals)
    return shown if of.metric in (usual.name, None) else f"{of.metric} {shown}"


def _age(started: datetime | None, now: datetime) -> str:
    if started is None:
        return NONE
    hours = (now - started).total_seconds() / 3600
    return f"{hours:z.0f} h" if abs(hours) < 24 else f"{hours / 24:.0f} d"  # z: never -0


def _table(
    head: Row, rows: Sequence[Row], total: int, sides: str, width: int
) -> Iterator[tuple[str, str]]:
    """Yield aligned lines: the first column gets what the others leave of the width.

    A few characters of it are shown at least, and the lines are longer then.
    """
    if not rows:
        return
    cells = [[safe(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    room = width - 2 - sum(widths[1:]) - 2 * (len(widths) - 1)
    widths[0] = min(widths[0], max(room, NAME_WIDTH))
    for number, row in enumerate(cells):
        row[0] = _cut(row[0], widths[0])
        columns = zip(row, sides, widths, strict=True)
        line = "  ".join(f"{cell:{side}{wide}}" for cell, side, wide in columns)
        yield f"  {line.rstrip()}", "dim" if number == 0 else ""
    if total > len(rows):
        yield f"  ... {total - len(rows):,} more (just status --all)", "dim"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def as_values(seen: Overview, now: datetime, step: tuple[str, str]) -> dict[str, Any]:
    """Return the overview for programs; unknown is None, what was not looked for is not `read`."""
    return {
        "now": now.isoformat(sep=" ", timespec="seconds"),
        "experiments": [*map(_experiment, seen.experiments), *map(_packed, seen.archives)],
        "production": [_model(model) for model in seen.models],
        "archives": [_archive(archive) for archive in seen.archives],
        "disk": dict(seen.disk),
        "waiting_since": seen.waiting_since,
        "interrupted": seen.interrupted,
        "next": {"command": step[0], "reason": step[1]},
    }


def _experiment(experiment: Experiment) -> dict[str, Any]:
    curve = experiment.curve or Curve()
    return {
        "name": experiment.name,
        "path": experiment.path,
        "read": experiment.curve is not None,
        "state": experiment.state,
        "model_type": experiment.model_type,
        "metric": curve.metric,
        "direction": curve.direction,
        "value": curve.value,
        "curve": list(curve.points),
        "started": experiment.started and experiment.started.isoformat(sep=" "),
        "size": experiment.size,
        "checkpoints": experiment.checkpoints,
    }


def _packed(archive: Archive) -> dict[str, Any]:
    """Return an archived run in the form of an experiment."""
    told = archive.told or Told()
    return {
        "name": archive.name,
        "path": archive.path,
        "read": archive.told is not None,
        "state": "archived",
        "model_type": told.model_type,
        "metric": told.metric,
        "value": told.value,
        "started": told.date,
        "size": archive.size,
    }


def _model(model: Model) -> dict[str, Any]:
    found = model.checkpoint
    return {
        "path": found.path,
        "model_type": found.model_type,
        "metric": found.metric,
        "direction": found.direction,
        "value": found.value,
        "date": found.date and found.date.date().isoformat(),
        "source": model.source,
        "problem": model.problem,
        **model.papers._asdict(),
    }


def _archive(archive: Archive) -> dict[str, Any]:
    return {
        "name": archive.name,
        "path": archive.path,
        "size": archive.size,
        "verified": archive.verified,
        "problem": archive.problem,
        "remote": archive.remote,
        "superseded_by": (archive.told or Told()).superseded_by,
    }
