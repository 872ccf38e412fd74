"""Look at a project: scan it, read what may be evidence, and attribute the checkpoints."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from engine.changes.history import past_runs
from engine.changes.known_hashes import KnownHashes
from engine.errors import UserError
from engine.plans.cleanup_plan import Mess
from engine.project import Project
from engine.readers.parallel import read_all
from engine.recognition import (
    duplicates,
    folder_checkpoints,
    identity,
    in_use,
    left_in_place,
    origins,
    trackers,
)
from engine.recognition.attribution import Checkpoint, attribute
from engine.recognition.evidence import Reading
from engine.recognition.production import in_production
from engine.recognition.runs import Run, group
from engine.recognition.scan import DVC, Inventory, matches, scan


def look(project: Project, leave_alone: tuple[str, ...] = ()) -> Mess:
    """Return all that is found in the project; nothing is written."""
    inventory = scan(project, leave_alone)
    left_in_place.mark(project.root, inventory)
    everything = dict(_everything(project, inventory))
    folders = folder_checkpoints.find(inventory, everything)
    readings, left = left_in_place.split(inventory, everything, folders)
    folders = {folder: files for folder, files in folders.items() if not left.keys() & {*files}}
    readings = folder_checkpoints.readings_with(folders, readings)
    tracked = trackers.tracked_runs(project.root, inventory, project.conventions)
    known = readings  # with those of what stays, of which a last checkpoint may be a copy
    started_from = origins.find(readings, project.conventions.pretrained.patterns)

    def attributed() -> tuple[tuple[Run, ...], tuple[Checkpoint, ...]]:
        runs = group(inventory, readings, folders, started_from)
        runs = trackers.with_records(runs, tracked)
        told = known | {run.source: run.told for run in tracked}
        return runs, attribute(runs, told, project.conventions)

    runs, checkpoints = attributed()
    trained = (c for c in checkpoints if c.path not in started_from)
    if named := left_in_place.loaded(project.root, inventory, trained, folders):
        left |= named
        left_in_place.leave(inventory, named)
        readings = {path: reading for path, reading in readings.items() if path not in named}
        runs, checkpoints = attributed()
    readings |= {run.source: run.told for run in tracked}
    production = in_production(project, inventory)
    models = [c.path for c in (*checkpoints, *production) if c.role == "model"]
    files = sorted(
        {
            *(p for p in readings if p in inventory.entries),
            *(path for run in runs for path in run.files),
        }
        - folders.keys()
    )
    _measure(inventory, {*files, *(path for inner in folders.values() for path in inner)})
    window = project.conventions.scan.in_use_minutes * 60
    return Mess(
        inventory,
        readings,
        runs,
        checkpoints,
        production,
        _duplicates(project, inventory, models, folders),
        in_use.in_use(project.root, files, time.time(), window),
        folders,
        (
            *_left(project, inventory, everything, left),
            *(c for t in tracked for c in t.checkpoints),
        ),
        dict(_links(str(project.root), inventory)),
    )


def unmatched(project: Project, mess: Mess, keep: Sequence[str]) -> Iterator[str]:
    """Yield a line for each `--keep`, and each pick of the conventions, that means nothing.

    A pick that a run has moved or packed was right when it was made.
    """
    inventory = mess.inventory
    for glob in keep:
        if not any(matches(path, (glob,)) for path in (*inventory.entries, *inventory.closed)):
            yield f"--keep {glob}: matches nothing; write it as seen from the project's root"
    models = {c.path for c in (*mess.checkpoints, *mess.production) if c.role == "model"}
    if strange := [p for p in project.conventions.production.pick if p not in models]:
        acted = {a.src for past in past_runs(project) for a in past.plan.actions if a.src}
        for pick in strange:
            if not any(src == pick or src.startswith(f"{pick}/") for src in acted):
                yield f"conventions.toml: production.pick {pick}: is no checkpoint that was found"


def _links(root: str, inventory: Inventory) -> Iterator[tuple[str, str]]:
    """Yield each link that leads to what is listed as well, with that path."""
    for path in [path for path, entry in inventory.entries.items() if entry.kind == "link"]:
        with suppress(OSError):
            place = f"{root}/{path}"
            target = os.path.join(os.path.dirname(place), os.readlink(place))  # noqa: PTH115, PTH118, PTH120
            there = os.path.normpath(target).removeprefix(f"{root}/")
            if there in inventory.entries and there != path:
                yield path, there


def _everything(project: Project, inventory: Inventory) -> Iterator[tuple[str, Reading]]:
    """Yield what each file says; data is none of ours unless the user says that it is weights."""
    rules, entries = project.conventions, inventory.entries.items()
    files = (path for path, e in entries if e.kind == "file" and e.zone in (None, DVC))
    for path, reading in read_all(project.root, files).items():
        if reading.role != "data":
            yield path, reading
        elif matches(path, (*rules.pretrained.patterns, *rules.production.pick)):
            yield path, replace(reading, role="model")


def _measure(inventory: Inventory, paths: Set[str]) -> None:
    """Have the sizes and times that a plan, which reads no disk, may ask for."""
    for path, entry in inventory.entries.items():
        if path in paths or entry.zone == "the layout":
            entry.ask()


def _left(
    project: Project, inventory: Inventory, readings: Mapping[str, Reading], left: Mapping[str, str]
) -> tuple[Checkpoint, ...]:
    """Return the checkpoints that stay where they are, each with the reason as its problem."""
    started_from = origins.find(readings, project.conventions.pretrained.patterns)
    runs = group(inventory, readings, origins=started_from) if left else ()
    found = attribute(runs, readings, project.conventions)
    return tuple(
        replace(c, problem=f"stays: {left[c.path]}{_hint(c, readings)}")
        for c in found
        if c.path in left
    )


def _hint(checkpoint: Checkpoint, readings: Mapping[str, Reading]) -> str:
    """Return what would tell how good a best is, of which a curve is known but not the epoch."""
    stem, records = identity.stem(checkpoint.path), checkpoint.run.records if checkpoint.run else ()
    is_open = checkpoint.value is None and identity.selector(stem) == "best"
    has_curve = any(m.kind == "epoch" for r in records for m in readings[r].measurements)
    is_told = not is_open or identity.judged_by(stem) is not None or not has_curve
    return "" if is_told else "; [metric] in conventions.toml may tell by which it is the best"


def _duplicates(
    project: Project,
    inventory: Inventory,
    models: list[str],
    folders: dict[str, tuple[str, ...]],
) -> tuple[tuple[str, ...], ...]:
    """Return groups of equal models: of files, and of folders that are one checkpoint."""
    members = {path for files in folders.values() for path in files}
    known = sorted({*models, *members} & inventory.entries.keys())  # a prefix of several is none
    entries = (inventory.entries[path] for path in known)
    single, hashes = (entry for entry in entries if entry.kind == "file"), KnownHashes(project)
    equal = duplicates.find(project.root, single, lambda entry: hashes.sha256_of(entry.path))
    alone = (tuple(path for path in group if path not in members) for group in equal)
    return (
        *(group for group in alone if len(group) > 1),
        *folder_checkpoints.equal_folders(folders, equal),
    )


def inside(project: Project, argument: str) -> str:
    """Return a path that the user typed, relative to the project root. Raises UserError."""
    path = Path(argument)
    absolute = path if path.is_absolute() else Path.cwd() / path
    for candidate in (absolute, project.root / path):
        is_up = candidate.name == ".."
        lexical = candidate.resolve() if is_up else candidate.parent.resolve() / candidate.name
        if lexical.is_relative_to(project.root) and lexical.exists():
            return lexical.relative_to(project.root).as_posix()
    raise UserError(f"{argument}: there is no such file in {project.root}")
