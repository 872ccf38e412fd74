"""What there is at a glance: experiments, production models, archives, disk, what to do next."""

import json
import os
import platform
import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from engine import names, readers
from engine.archives import catalog, verification
from engine.archives.archive import manifest_of
from engine.changes import disk, history
from engine.plans.production_papers import Papers, papers
from engine.project import Project
from engine.recognition.attribution import Checkpoint
from engine.recognition.findings import in_production, read_metadata
from engine.recognition.runs import Run
from engine.recognition.scan import Entry, Inventory, scan_layout
from engine.recognition.selection import groups
from engine.reports.curves import Curve, Curves

ABOUT_LIMIT = 1 << 20  # bytes of a manifest that are read: what is said before its members
LAST_LINE = 1 << 16  # bytes of a journal that surely hold its last line

State = Literal["running", "failed", "finished"]


@dataclass(frozen=True)
class Experiment:
    """One experiment folder."""

    name: str
    path: str
    state: State
    model_type: str | None
    started: datetime | None
    size: int  # bytes
    checkpoints: int
    curve: Curve | None = None  # None: not read


@dataclass(frozen=True)
class Model:
    """One model in production."""

    checkpoint: Checkpoint
    papers: Papers
    source: str | None  # the checkpoint that it is a copy of


@dataclass(frozen=True)
class Archive:
    """One archive, as its manifest tells."""

    name: str
    path: str
    size: int  # bytes
    verified: str | None  # when it was last
    problem: str | None  # what was wrong with it then
    about: Mapping[str, Any] | None = None  # None: not read
    remote: str | None = None  # the store that has it, where it is not on this machine


@dataclass(frozen=True)
class Overview:
    """All of it. Experiments: running first, then the newest; archives: damaged first, the same."""

    experiments: tuple[Experiment, ...]
    models: tuple[Model, ...]
    archives: tuple[Archive, ...]
    disk: Mapping[str, int]  # bytes by folder, in quarantine, and free
    waiting_since: str | None  # the oldest run with originals in quarantine
    interrupted: str | None  # the run that comes first


def look(project: Project, rows: int | None) -> Overview:
    """Return what there is; only so many experiments and archives are read (None: all)."""
    inventory = scan_layout(project)
    waiting = _waiting(project)
    return Overview(
        _experiments(project, inventory, rows),
        tuple(_models(project, inventory)),
        _archives(project, inventory, rows),
        _disk(project, inventory, waiting),
        next(iter(waiting), None),
        _interrupted(project),
    )


# --- experiments ----------------------------------------------------------------------------------


def _experiments(
    project: Project, inventory: Inventory, rows: int | None
) -> tuple[Experiment, ...]:
    files: dict[str, list[Entry]] = defaultdict(list)
    depth = project.folders.active.count("/") + 1
    for entry in inventory.below(project.folders.active):
        parts = entry.path.split("/")
        home = "/".join(parts[: depth + 1])
        if entry.kind != "folder":
            files[home].append(entry)
        elif home == entry.path:
            files.setdefault(home, [])
    homes = [home for home in files if inventory.entries[home].kind == "folder"]
    found = [_experiment(project, home, files[home]) for home in homes]
    found.sort(key=lambda e: (e.started or datetime.min, e.name), reverse=True)
    found.sort(key=lambda e: e.state != "running")
    curves = Curves(project)
    known = tuple(
        replace(e, curve=curves.get(e.path, files[e.path])) if rows is None or number < rows else e
        for number, e in enumerate(found)
    )
    curves.save(homes)
    return known


def _experiment(project: Project, home: str, files: list[Entry]) -> Experiment:
    conventions = project.conventions
    name = PurePosixPath(home).name
    fields = names.parse(
        conventions.names.experiment, name, model_types=conventions.project.model_types
    )
    record = _json(project.root / home / conventions.names.experiment_record)
    day = (fields or {}).get("date", "")
    return Experiment(
        name,
        home,
        state_of(record, platform.node(), _is_alive),
        (fields or {}).get("model_type"),
        _moment(record.get("started")) or (datetime.fromisoformat(day) if day.isdigit() else None),
        sum(entry.size for entry in files),
        sum(entry.path.lower().endswith(readers.WEIGHTS) for entry in files),
    )


def state_of(record: Mapping[str, Any], host: str, is_alive: Callable[[int], bool]) -> State:
    """Return the state that the record of an experiment tells; without one it is finished.

    A training that noted no end runs, unless it ran on this very machine and its process is gone.
    """
    if not record or record.get("ended"):
        return "failed" if record.get("exit_status") else "finished"
    process = record.get("pid")
    if record.get("host") == host and isinstance(process, int) and not is_alive(process):
        return "failed"
    return "running"


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is another user's
        return True
    return True


def _moment(text: object) -> datetime | None:
    """Return a time in local time, without a zone."""
    try:
        when = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return when.astimezone().replace(tzinfo=None) if when.tzinfo else when


# --- production, archives, disk -------------------------------------------------------------------


def _models(project: Project, inventory: Inventory) -> Iterator[Model]:
    for checkpoint in in_production(project, inventory):
        of = papers(project, inventory, checkpoint)
        source = read_metadata(project.root / of.metadata).get("source") if of.metadata else None
        yield Model(checkpoint, of, source if isinstance(source, str) else None)


def _archives(project: Project, inventory: Inventory, rows: int | None) -> tuple[Archive, ...]:
    known = verification.last(project)["archives"]
    found = []
    for entry in inventory.below(project.folders.archived):
        if entry.kind == "file" and entry.path.endswith(catalog.SUFFIX):
            name = PurePosixPath(entry.path).name.removesuffix(catalog.SUFFIX)
            said = known.get(name) or {}
            found.append(
                Archive(name, entry.path, entry.size, said.get("when"), said.get("problem"))
            )
    found += _away(project, inventory)
    found.sort(key=lambda archive: archive.name, reverse=True)
    found.sort(key=lambda archive: archive.problem is None)
    return tuple(
        replace(archive, about=_about(project.root / manifest_of(archive.path)))
        if rows is None or number < rows
        else archive
        for number, archive in enumerate(found)
    )


def _away(project: Project, inventory: Inventory) -> Iterator[Archive]:
    """Yield the archives that a store has and this machine has not."""
    for entry in inventory.below(project.folders.archived):
        path = entry.path.removesuffix(catalog.MARK) + catalog.SUFFIX
        is_away = entry.path.endswith(catalog.MARK) and path not in inventory.entries
        if said := catalog.mark(project.root, path) if is_away else {}:
            name = PurePosixPath(path).name.removesuffix(catalog.SUFFIX)
            yield Archive(name, path, said["size"], None, None, remote=said["remote"])


def _about(manifest: Path) -> dict[str, Any]:
    """Return what a manifest says before its members, which may be many."""
    try:
        with manifest.open("rb") as file:
            head, found, _ = file.read(ABOUT_LIMIT).partition(b',\n "members": [')
        content = json.loads(head + b"}") if found else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _disk(project: Project, inventory: Inventory, waiting: Mapping[str, int]) -> dict[str, int]:
    folders = project.folders
    sizes = dict.fromkeys(("active", "archived", "production"), 0)
    for entry in inventory.entries.values():
        for name in sizes:
            if entry.path.startswith(f"{getattr(folders, name)}/"):
                sizes[name] += entry.size
    free = disk.free_bytes(project.root)
    return {**sizes, "quarantine": sum(waiting.values()), "free": free}


def _waiting(project: Project) -> dict[str, int]:
    """Return the bytes in the quarantine of each run that has any, oldest first."""
    sizes = {run.id: _size(run.folder / history.QUARANTINE) for run in history.past_runs(project)}
    return {run: size for run, size in sizes.items() if size}


def _size(folder: Path) -> int:
    return sum(
        Path(where, name).lstat().st_size for where, _, names in os.walk(folder) for name in names
    )


def _interrupted(project: Project) -> str | None:
    """Return the run whose journal does not end with the end of something."""
    for past in history.past_runs(project):
        last = _last_line(past.folder / history.JOURNAL)
        if (last.get("op"), last.get("state")) != ("phase", "done"):
            return past.id
    return None


def _last_line(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LAST_LINE))
            content = json.loads(file.read().splitlines()[-1])
    except (OSError, ValueError, IndexError):
        return {}
    return content if isinstance(content, dict) else {}


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


# --- what to do next ------------------------------------------------------------------------------


def next_step(project: Project, seen: Overview, now: datetime) -> tuple[str, str]:
    """Return the next sensible command, and why."""
    if seen.interrupted:
        return "just resume", f"{seen.interrupted} was interrupted; just undo takes it back"
    if damaged := [archive for archive in seen.archives if archive.problem]:
        return shlex.join(["just", "verify", damaged[0].name]), f"damaged: {damaged[0].problem}"
    if better := _better(project, seen):
        return shlex.join(["just", "promote", better[0].name]), better[1]
    if bare := [m for m in seen.models if not (m.papers.metadata and m.papers.summary)]:
        return "just check", f"{bare[0].checkpoint.path} has no metadata or no summary"
    days = project.conventions.archive.after_days
    if old := _old(project, seen, now - timedelta(days=days)):
        return "just archive", f"{old} finished experiments are older than {days} days"
    days = project.conventions.archive.purge_after_days
    if seen.waiting_since and seen.waiting_since < f"{now - timedelta(days=days):%Y%m%dT%H%M%S}":
        return "just purge", f"originals wait in quarantine since {seen.waiting_since}"
    if any(a.verified is None and a.remote is None for a in seen.archives):
        return "just verify", "not all archives were ever read again"
    if not (seen.experiments or seen.models or seen.archives):
        return "just cleanup", "the layout is empty; outputs elsewhere can be brought into it"
    return "just train MODEL_TYPE -- COMMAND", "all is in order"


def _better(project: Project, seen: Overview) -> tuple[Experiment, str] | None:
    """Return the finished experiment that beats what is in production, and what says so."""
    known = {e.path: e for e in seen.experiments if _is_open(seen, e) and e.checkpoints}
    candidates = [_candidate(experiment) for experiment in known.values() if experiment.curve]
    models = [model.checkpoint for model in seen.models]
    decimals = project.conventions.metric.decimals
    for group in groups([*candidates, *models], (), project.conventions.production.group_by):
        best = group.winner
        rival = next((member for member in group.members if member in models), None)
        if best is None or best.path not in known:
            continue
        said, other = f"{best.value:.{decimals}f}", f"{rival.value:.{decimals}f}" if rival else ""
        if said != other:
            than = f", {rival.path} {other}" if rival else ", nothing like it is in production"
            return known[best.path], f"its {group.metric} is {said}{than}"
    return None


def _candidate(experiment: Experiment) -> Checkpoint:
    curve = experiment.curve or Curve()
    return Checkpoint(
        experiment.path,
        "model",
        Run(experiment.path, (), True, ()),
        metric=curve.metric,
        direction=curve.direction,
        value=curve.value,
        facts=dict(curve.task),
    )


def _is_open(seen: Overview, experiment: Experiment) -> bool:
    """Return whether it is finished, and no model in production came from it."""
    sources = (str(model.source) for model in seen.models)
    home = f"{experiment.path}/"
    return experiment.state == "finished" and not any(s.startswith(home) for s in sources)


def _old(project: Project, seen: Overview, before: datetime) -> int:
    """Return how many experiments are older and more than the rules may keep for their ranks."""
    rules = project.conventions.archive
    old = Counter(
        experiment.model_type
        for experiment in seen.experiments
        if experiment.started and experiment.started < before and _is_open(seen, experiment)
        if not any(fnmatchcase(experiment.name, glob) for glob in rules.keep)
    )
    return sum(max(0, number - rules.keep_best - rules.keep_last) for number in old.values())
