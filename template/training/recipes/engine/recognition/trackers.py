"""What lies in the stores of MLflow and W&B: read for metrics, never moved.

They hold absolute paths to their files. Layouts: `mlflow/store/tracking/file_store.py`,
https://docs.wandb.ai/ref/python/ (the folder of a run); offline runs of W&B tell nothing.
"""

import os
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path, PurePosixPath

from engine.conventions import Conventions
from engine.readers import keys, read
from engine.readers.config_file import load
from engine.readers.numbers import metric_value
from engine.recognition import folder_checkpoints, identity
from engine.recognition.attribution import Checkpoint, attribute
from engine.recognition.evidence import Measurement, Noted, Reading
from engine.recognition.runs import Run, is_weights
from engine.recognition.scan import Entry, Inventory

STAYS = "stays: a tracker's store holds it by path"
MAX_ENTRIES = 200_000
MAX_POINTS = 10_000  # of one metric
_MLFLOW = re.compile(
    r"(?P<run>[^/]+/(?:models/)?(?P<id>m-[0-9a-f]{32}|[0-9a-f]{32}))/(?P<inner>.+)"
)
_WANDB = re.compile(r"(?P<run>run-\d{8}_\d{6}-(?P<id>\w+))/(?P<inner>.+)")


@dataclass(frozen=True)
class TrackedRun:
    """One run in a store: its identifier, where it was read, what that says, its checkpoints."""

    id: str
    source: str  # the file that tells of it
    told: Reading
    checkpoints: tuple[Checkpoint, ...]


def tracked_runs(root: Path, inventory: Inventory, rules: Conventions) -> tuple[TrackedRun, ...]:
    """Return the runs in the stores of a project that tell of metrics or hold checkpoints."""
    closed = (folder for folder, why in inventory.closed.items() if why == "a tracker's")
    named = [path for path in inventory.entries if path.endswith("mlflow.db")]
    databases = [path for path in named if path.rpartition("/")[2] == "mlflow.db"]
    known = {run: told for path in databases for run, told in _database(root / path)}
    runs = []
    for folder in closed:
        by_run: dict[tuple[str, str], dict[str, Entry]] = defaultdict(dict)
        for entry in islice(_files(root, folder), MAX_ENTRIES):
            inner = entry.path.removeprefix(f"{folder}/")
            if match := _MLFLOW.match(inner) or _WANDB.match(inner):
                by_run[match["id"], f"{folder}/{match['run']}"][entry.path] = entry
        runs += [
            _run(root, home, name, files, known, rules) for (name, home), files in by_run.items()
        ]
    return tuple(run for run in runs if run.told.measurements or run.checkpoints)


def with_records(runs: tuple[Run, ...], tracked: tuple[TrackedRun, ...]) -> tuple[Run, ...]:
    """Return the runs with what a tracker tells of those that have its identifier in their path."""
    told = {run.id: run.source for run in tracked}

    def names(run: Run) -> set[str]:
        paths = (run.folder, *map(identity.stem, run.checkpoints))
        return {word for path in paths for word in re.split(r"[^0-9a-z]+", path)}

    return tuple(
        run._replace(records=(*run.records, *found))
        if (found := tuple(sorted(told[word] for word in names(run) & told.keys())))
        else run
        for run in runs
    )


def _files(root: Path, folder: str) -> Iterator[Entry]:
    with suppress(OSError), os.scandir(root / folder) as listing:
        for item in sorted(listing, key=lambda item: item.name):
            path = f"{folder}/{item.name}"
            if item.is_dir(follow_symlinks=False):
                yield from _files(root, path)
            elif item.is_file(follow_symlinks=False):
                yield Entry(path, "file", None, os.fspath(root))


def _run(
    root: Path,
    home: str,
    name: str,
    files: Mapping[str, Entry],
    known: Mapping[str, Reading],
    rules: Conventions,
) -> TrackedRun:
    inner = {path: PurePosixPath(path.removeprefix(f"{home}/")) for path in files}
    held = [p for p, i in inner.items() if i.parts[0] not in ("metrics", "params", "tags")]
    readings = {p: r for p in held if (r := read(root / p, inner[p].name))}
    source = next((p for p in held if inner[p].name in ("meta.yaml", "wandb-summary.json")), home)
    told = known.get(name) or _told(root, inner)
    inventory = Inventory(dict(files), frozenset(), {})
    folders = folder_checkpoints.find(inventory, readings)
    readings = folder_checkpoints.readings_with(folders, readings) | {source: told}
    weights = tuple(sorted(p for p, r in readings.items() if is_weights(p, r)))
    records = tuple(p for p in readings if p not in weights)
    run = Run(home, identity.folder_key(PurePosixPath(home).name), True, weights, records)
    found = attribute([run], readings, rules) if weights else ()
    return TrackedRun(name, source, told, tuple(replace(c, problem=STAYS) for c in found))


def _told(root: Path, inner: Mapping[str, PurePosixPath]) -> Reading:
    """Return what the small files of a run say of its metrics, parameters and times."""
    measurements: list[Measurement] = []
    notes: list[Noted] = []
    config: dict[str, str] = {}
    for path, place in inner.items():
        with suppress(OSError, ValueError, RecursionError):
            if place.parts[0] == "metrics":
                measurements += _points(root / path, "/".join(place.parts[1:]))
            elif place.parts[0] == "params":
                config[place.name] = (root / path).read_text()[: keys.LONGEST_TEXT]
            elif place.name == "mlflow.runName":
                notes.append(Noted("model_type", (root / path).read_text().strip(), str(place)))
            elif place.name in ("wandb-summary.json", "meta.yaml"):
                facts = keys.collect(keys.as_mapping(load(root / path, place.name)) or {}, "final")
                measurements += facts.measurements if place.suffix == ".json" else []
                notes += _times(load(root / path, place.name))
    return Reading("tracked run", "results", tuple(measurements), tuple(notes), config)


def _points(path: Path, name: str) -> Iterator[Measurement]:
    with path.open() as file:
        for number, line in enumerate(islice(file, MAX_POINTS), start=1):
            stamp, value, *step = line.split()
            if read_value := metric_value(value):
                at = int(step[0]) if step else None
                time = _moment(int(stamp))
                where = f"metrics/{name}, line {number}"
                yield Measurement(name, read_value[0], where, "epoch", at, at, time=time)


def _times(about: object) -> Iterator[Noted]:
    said = about if isinstance(about, dict) else {}
    for key, fact in (("start_time", "started"), ("end_time", "finished")):
        if isinstance(said.get(key), int):
            yield Noted(fact, _moment(said[key]).isoformat(), f"key {key}")
    if isinstance(said.get("_timestamp"), int | float):
        yield Noted("finished", _moment(said["_timestamp"] * 1000).isoformat(), "key _timestamp")


def _moment(milliseconds: float) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1000, UTC).replace(tzinfo=None)


def _database(path: Path) -> Iterator[tuple[str, Reading]]:
    """Yield the runs in MLflow's database, which is not changed, be it locked or not."""
    where = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
    with suppress(sqlite3.Error, ValueError), closing(sqlite3.connect(where, uri=True)) as db:
        found = db.execute("SELECT run_uuid, name, start_time, end_time FROM runs").fetchall()
        for run, name, start, end in found:
            rows = db.execute(_POINTS, (run, MAX_POINTS))
            values = tuple(
                Measurement(key, value, f"run {run}, step {step}", "epoch", step, step)
                for key, value, step in rows
            )
            notes = [*_times({"start_time": start, "end_time": end})]
            notes += [Noted("model_type", name, f"run {run}")] if name else []
            yield run, Reading("tracked run", "results", values, tuple(notes))


_POINTS = (
    "SELECT key, value, step FROM metrics WHERE run_uuid = ? AND NOT is_nan ORDER BY step LIMIT ?"
)
