"""The experiments in the active folder, with what the retention rules need to know of each."""

import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from engine import names
from engine.changes import disk
from engine.conventions import Conventions
from engine.errors import UserError, meant
from engine.plans.retention import Experiment
from engine.project import Project
from engine.readers import WEIGHTS, config_file, dates
from engine.readers.parallel import read_all
from engine.recognition import folder_checkpoints, in_use, metrics
from engine.recognition.attribution import Checkpoint, attribute
from engine.recognition.evidence import Reading
from engine.recognition.identity import folder_key
from engine.recognition.production import read_metadata
from engine.recognition.runs import Run, is_pointer, is_weights
from engine.recognition.scan import Entry, Inventory, matches
from engine.recognition.selection import groups, task_of
from engine.reports.curves import ways
from engine.reports.descriptions import epochs

Product = tuple[Entry, tuple[str, ...]]  # a file in production, and what it came from


class Found(NamedTuple):
    """The files of an experiment, and what is known of its checkpoints."""

    run: Run
    files: tuple[str, ...]  # and links, without folders that are one checkpoint
    checkpoints: tuple[Checkpoint, ...]
    best: Checkpoint  # one of them, or what the records tell of the best
    curves: Mapping[str, Sequence[float]]


def no_experiment(
    project: Project, inventory: Inventory, argument: str, homes: Iterable[str]
) -> UserError:
    """Return what is wrong with the name of an experiment, of which there are those in `homes`."""
    name = PurePosixPath(argument).name
    if f"{project.folders.archived}/{name}.tar.gz" in inventory.entries:
        return UserError(f"{argument}: is archived; just restore {name} brings it back")
    fix = meant(name, (PurePosixPath(path).name for path in homes), "just status lists them")
    return UserError(f"{argument}: is no experiment in {project.folders.active}; {fix}")


def active(
    project: Project, inventory: Inventory, only: Sequence[str] = ()
) -> dict[Experiment, Found]:
    """Return the experiments in the active folder, or `only` those of these names.

    Raises UserError if one of these does not exist, or if the folder lies outside the project,
    where nothing can be packed.
    """
    folder = project.folders.active
    if PurePosixPath(folder).is_absolute():
        raise UserError(f"{folder}: lies outside the project; its experiments cannot be packed")
    parts = _by_home(inventory, folder)
    for name in only:
        if f"{folder}/{name}" not in parts:
            raise no_experiment(project, inventory, name, parts)
    if only:
        parts = {f"{folder}/{name}": parts[f"{folder}/{name}"] for name in only}
    said = _readings(project, chain.from_iterable(part.entries.values() for part in parts.values()))
    runs = {home: _run(part, home, said) for home, part in sorted(parts.items())}
    window = project.conventions.scan.in_use_minutes * 60
    files = {home: tuple(_files(run, inventory)) for home, (run, _) in runs.items()}
    used = in_use.in_use(project.root, [*chain(*files.values())], time.time(), window)
    production = [
        (entry, tuple(_sources(project.root, entry)))
        for entry in inventory.below(project.folders.production)
    ]
    return dict(
        _found(project, parts[home], *run, files[home], used, production)
        for home, run in runs.items()
    )


def _by_home(inventory: Inventory, folder: str) -> dict[str, Inventory]:
    """Return for each experiment's folder what is in it, so that each entry is looked at once."""
    parts: dict[str, dict[str, Entry]] = defaultdict(dict)
    for entry in inventory.below(folder):
        name = entry.path.removeprefix(f"{folder}/").partition("/")[0]
        if not name.startswith("."):
            parts[f"{folder}/{name}"][entry.path] = entry
    return {
        home: Inventory(entries, inventory.tracked, inventory.closed)
        for home, entries in parts.items()
        if entries[home].kind == "folder"
    }


def folder_run(project: Project, inventory: Inventory, home: str) -> tuple[Run, dict[str, Reading]]:
    """Return the files of the experiment in the folder `home`, and what those say that are read.

    What is one checkpoint as a folder is among its checkpoints, and its files as well.
    """
    return _run(inventory, home, _readings(project, inventory.below(home)))


def _readings(project: Project, entries: Iterable[Entry]) -> dict[str, Reading]:
    return read_all(project.root, (entry.path for entry in entries if entry.kind == "file"))


def _run(
    inventory: Inventory, home: str, said: Mapping[str, Reading]
) -> tuple[Run, dict[str, Reading]]:
    inside = {e.path: e.without_zone() for e in inventory.below(home)}
    files = [path for path, entry in inside.items() if entry.kind in ("file", "link")]
    found = {path: said[path] for path in files if path in said}
    own = Inventory(inside, frozenset(), {})
    folders = {f: m for f, m in folder_checkpoints.find(own, found).items() if f != home}
    readings = folder_checkpoints.readings_with(folders, found)
    weights = tuple(sorted(p for p, reading in readings.items() if is_weights(p, reading)))
    records = tuple(sorted(set(readings) - set(weights)))
    others = tuple(sorted(set(files) - set(readings)))
    key = folder_key(PurePosixPath(home).name)
    return Run(home, key, True, weights, records, others), readings


def _files(run: Run, inventory: Inventory) -> Iterator[str]:
    """Yield the files and links of an experiment, without folders that are one checkpoint."""
    for path in run.files:
        entry = inventory.entries.get(path)
        if entry and entry.kind in ("file", "link"):
            yield path


def _found(
    project: Project,
    inventory: Inventory,
    run: Run,
    readings: Mapping[str, Reading],
    files: tuple[str, ...],
    used: Mapping[str, str],
    production: Sequence[Product],
) -> tuple[Experiment, Found]:
    name, rules = PurePosixPath(run.folder).name, project.conventions
    checkpoints = attribute([run], _all_trained(readings, run), rules)
    best = _best(checkpoints, rules) or _told(run, readings, checkpoints, rules)
    types = (*rules.project.model_types, *filter(None, [best.model_type]))
    fields = names.parse(rules.names.experiment, name, model_types=types)
    over, ended = _end(project, inventory, run.folder)
    experiment = Experiment(
        name,
        fields["model_type"] if fields else best.model_type,
        _started(fields, best),
        best.metric,
        best.direction,
        best.value,
        task_of(best, rules.production.group_by),
        next(_reasons_to_stay(project, inventory, run, readings, used), None) or over,
        _in_production(project, inventory, run, files, production),
        ended,
        _tags(project, inventory, f"{run.folder}/{rules.names.experiment_config}"),
        sum(inventory.entries[path].size for path in files),
    )
    curves = ways(best.metric, epochs(best, readings))
    return experiment, Found(run, files, checkpoints, best, curves)


# --- how good it was ----------------------------------------------------------------------------


def _all_trained(readings: Mapping[str, Reading], run: Run) -> dict[str, Reading]:
    """Return the readings with weights that cannot be read as models: a log may tell of them."""
    damaged = (path for path in run.checkpoints if readings[path].role == "unreadable")
    return {**readings, **{path: replace(readings[path], role="model") for path in damaged}}


def _best(checkpoints: Iterable[Checkpoint], rules: Conventions) -> Checkpoint | None:
    """Return the best by the metric that decides, if any has it, else by another."""

    def is_other(checkpoint: Checkpoint) -> bool:
        wanted = rules.metric.of(checkpoint.model_type)
        return checkpoint.metric != metrics.plausible(wanted.name)

    winners = [g.winner for g in groups(checkpoints, (), rules.production.group_by) if g.winner]
    return min(winners, key=is_other, default=None)


def _told(
    run: Run,
    readings: Mapping[str, Reading],
    checkpoints: tuple[Checkpoint, ...],
    rules: Conventions,
) -> Checkpoint:
    """Return what logs and results tell of the best checkpoint, whatever became of it."""
    path = f"{run.folder}/best"
    stand_in = run._replace(checkpoints=(path,))
    (told,) = attribute([stand_in], {**readings, path: Reading("", "model")}, rules)
    if told.value is None and checkpoints:
        return checkpoints[0]
    # evidence names files that are there: the folder, whose name the stand-in's path holds
    found = (e._replace(path=run.folder) if e.path == path else e for e in told.evidence)
    return replace(told, path=run.folder, evidence=tuple(found))


# --- when it was, and what may be done with it ----------------------------------------------------


def _started(fields: dict[str, str] | None, best: Checkpoint) -> date | None:
    if fields and fields["date"].isdigit():
        return date.fromisoformat(fields["date"])
    return best.date.date() if best.date else None


def _end(project: Project, inventory: Inventory, home: str) -> tuple[str | None, date | None]:
    """Return why the training is not over, if it is not, and the day on which it ended."""
    path = f"{home}/{project.conventions.names.experiment_record}"
    if path not in inventory.entries:
        return None, None  # made by hand, or older than the record
    ended = dates.of_value(read_metadata(project.root / path).get("ended"))
    if ended is None:
        return f'unfinished: {path} tells of no end; if it was killed, write "ended" there', None
    return None, date.fromisoformat(ended[:10])


def _tags(project: Project, inventory: Inventory, config: str) -> tuple[str, ...] | None:
    """Return the `tags` of an experiment's config; None if it cannot be read."""
    entry = inventory.entries.get(config)
    if entry is None:
        return ()
    if entry.kind != "file":
        return None
    try:
        content = config_file.load(project.root / config, config)
    except (OSError, ValueError, RecursionError):
        return None
    tags = content.get("tags") if isinstance(content, dict) else None
    return tuple(map(str, tags if isinstance(tags, list) else [tags] if tags else []))


def _reasons_to_stay(
    project: Project,
    inventory: Inventory,
    run: Run,
    readings: Mapping[str, Reading],
    used: Mapping[str, str],
) -> Iterator[str]:
    globs = project.conventions.scan.leave_alone
    files = run.files
    yield from (f"in use: {path} ({used[path]})" for path in files if path in used)
    for path in (run.folder, *files):
        if matches(path, globs):
            yield f"left alone on request: {path}"
    for path, why in inventory.closed.items():
        if path == run.folder or run.holds(path):
            yield f"{path}: {why}"
    for entry in inventory.below(run.folder):
        if entry.kind == "special":
            yield f"{entry.path}: neither a file nor a folder"
    for path, reading in readings.items():
        if is_pointer(reading):
            yield f"{path}: {reading.problem}"
    if not files:
        yield "it holds no files"


# --- which of them a production model came from ---------------------------------------------------


def _in_production(
    project: Project,
    inventory: Inventory,
    run: Run,
    files: Iterable[str],
    production: Iterable[Product],
) -> str | None:
    """Return the file in production that came from this experiment: as it says, or by its bytes."""
    by_size = defaultdict(list)
    for path in files:
        if path in run.checkpoints or path.lower().endswith(WEIGHTS):  # also in a folder
            by_size[inventory.entries[path].size].append(path)
    for entry, sources in production:
        if any(map(run.holds, sources)):
            return entry.path
        if entry.kind == "file" and entry.size:
            for path in by_size[entry.size]:
                if _is_copy(project.root / entry.path, project.root / path):
                    return entry.path
    return None


def _sources(root: Path, entry: Entry) -> Iterator[str]:
    """Yield what a link in production leads to, or what metadata names, relative to the root."""
    if entry.kind == "link":
        yield os.path.relpath(os.path.realpath(root / entry.path), root)
    elif entry.path.endswith(".json"):
        yield str(read_metadata(root / entry.path).get("source"))


def _is_copy(path: Path, other: Path) -> bool:
    with suppress(OSError):  # what cannot be read cannot be packed either
        return disk.same_bytes(path, other)
    return False
