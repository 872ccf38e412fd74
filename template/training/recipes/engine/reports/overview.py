"""What there is at a glance: experiments, production models, archives, disk, what to do next."""

import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

from engine import names, readers
from engine.archives import catalog
from engine.archives.manifest import checksum_of, manifest_of
from engine.changes import disk, history, journal
from engine.changes.known_hashes import KnownHashes
from engine.plans.production_papers import Papers, papers
from engine.project import Project
from engine.recognition import folder_checkpoints, metrics
from engine.recognition.attribution import Checkpoint
from engine.recognition.production import in_production, read_metadata
from engine.recognition.scan import Entry, Inventory, scan_layout
from engine.reports.curves import Curve, Curves

ABOUT_LIMIT = 1 << 20  # bytes of a manifest that are read: what is said before its members

_TRAINING_STATE = re.compile(r"(?:optim(?:izer)?|(?:lr_)?scheduler|scaler|rng_state)(?![a-z])")

State = Literal["running", "failed", "finished"]


class Experiment(NamedTuple):
    """One experiment folder."""

    name: str
    path: str
    state: State
    model_type: str | None
    started: datetime | None
    size: int  # bytes
    checkpoints: int
    curve: Curve | None = None  # None: not read


class Model(NamedTuple):
    """One model in production."""

    checkpoint: Checkpoint
    papers: Papers
    source: str | None  # the checkpoint that it is a copy of
    problem: str | None  # what was wrong with it when it was verified, if it is still that file


@dataclass(frozen=True)
class Told:
    """What a manifest tells of a run: its own facts, or those of its best checkpoint."""

    model_type: str | None = None
    metric: str | None = None
    value: float | None = None
    direction: str | None = None
    date: str | None = None
    checkpoints: int = 0
    curves: Mapping[str, Any] = field(default_factory=dict)
    superseded_by: str | None = None


class Archive(NamedTuple):
    """One archive, as its manifest tells."""

    name: str
    path: str
    size: int  # bytes
    verified: str | None  # when it was last; None if it is another file by now
    problem: str | None  # what was wrong with it then
    told: Told | None = None  # None: not read
    remote: str | None = None  # the store that has it, where it is not on this machine


class Overview(NamedTuple):
    """All of it. Experiments: running first, then the newest; archives: damaged first, the same."""

    experiments: tuple[Experiment, ...]
    models: tuple[Model, ...]
    archives: tuple[Archive, ...]
    disk: Mapping[str, int]  # bytes by folder, in quarantine, and free
    waiting_since: str | None  # the oldest run with originals in quarantine
    interrupted: str | None  # the run that comes first
    inventory: Inventory  # of what lies in the layout


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
        inventory,
    )


# --- experiments ----------------------------------------------------------------------------------


def _experiments(
    project: Project, inventory: Inventory, rows: int | None
) -> tuple[Experiment, ...]:
    files: dict[str, list[Entry]] = defaultdict(list)
    begin = len(project.folders.active) + 1
    for entry in inventory.below(project.folders.active):
        home = entry.path[:begin] + entry.path[begin:].partition("/")[0]
        if entry.kind != "folder":
            files[home].append(entry)
        elif home == entry.path:
            files.setdefault(home, [])
    homes = [home for home in files if inventory.entries[home].kind == "folder"]
    counts = _checkpoints(files)
    found = [_experiment(project, home, files[home], counts[home]) for home in homes]
    found.sort(key=lambda e: (e.started or datetime.min, e.name), reverse=True)
    found.sort(key=lambda e: e.state != "running")
    curves = Curves(project)
    for number, each in enumerate(found if rows is None else found[:rows]):
        curve = curves.get(each.path, files[each.path])
        fields = _fields(project, each.name, curve.model_type)
        found[number] = each._replace(curve=curve, model_type=fields.get("model_type"))
    curves.save(homes)
    return tuple(found)


def _fields(project: Project, name: str, model_type: str | None = None) -> dict[str, str]:
    """Return what the name of an experiment tells; its files may say which model type it is of."""
    rules = project.conventions
    types = (*rules.project.model_types, *filter(None, [model_type]))
    return names.parse(rules.names.experiment, name, model_types=types) or {}


def _experiment(project: Project, home: str, files: list[Entry], checkpoints: int) -> Experiment:
    conventions = project.conventions
    name = home.rpartition("/")[2]
    fields = _fields(project, name)
    path = f"{home}/{conventions.names.experiment_record}"
    record = read_metadata(os.path.join(project.root, path))  # noqa: PTH118 - for many
    day = fields.get("date", "")
    return Experiment(
        name,
        home,
        state_of(record, _this_host, _is_alive),
        fields.get("model_type"),
        moment(record.get("started")) or (datetime.fromisoformat(day) if day.isdigit() else None),
        sum(entry.size for entry in files),
        checkpoints,
    )


def _checkpoints(files: Mapping[str, list[Entry]]) -> Counter[str]:
    """Return how many checkpoints the names in each experiment tell of.

    A folder that is one counts once, and training state not at all.
    """
    entries = {entry.path: entry.without_zone() for own in files.values() for entry in own}
    found = folder_checkpoints.find(Inventory(entries, frozenset(), {}), {})
    inside = {path for whole in found.values() for path in whole}
    alone = (
        path
        for path in entries
        if path.lower().endswith(readers.WEIGHTS)
        if path not in inside and not _TRAINING_STATE.match(path.lower().rpartition("/")[2])
    )
    of = {entry.path: home for home, own in files.items() for entry in own}
    return Counter([*(of[path] for path in alone), *(of[whole[0]] for whole in found.values())])


def state_of(
    record: Mapping[str, Any], host: Callable[[], str], is_alive: Callable[[int], bool]
) -> State:
    """Return the state that the record of an experiment tells; without one it is finished.

    A training that noted no end runs, unless it ran on this very machine and its process is gone.
    """
    if not record or record.get("ended"):
        return "failed" if record.get("exit_status") else "finished"
    process = record.get("pid")
    if isinstance(process, int) and record.get("host") == host() and not is_alive(process):
        return "failed"
    return "running"


def _this_host() -> str:
    import platform  # most experiments have ended, and nobody asks where

    return platform.node()


def _is_alive(process: int) -> bool:
    if os.name == "nt":
        return True  # nobody can be asked: there, signal 0 is the Ctrl-C that ends a training
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is another user's
        return True
    return True


def moment(text: object) -> datetime | None:
    """Return a time in local time, without a zone."""
    try:
        when = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return when.astimezone().replace(tzinfo=None) if when.tzinfo else when


# --- production, archives, disk -------------------------------------------------------------------


def _models(project: Project, inventory: Inventory) -> Iterator[Model]:
    hashes = KnownHashes(project)
    for checkpoint in in_production(project, inventory):
        known = hashes.get(checkpoint.path)
        of = papers(project, inventory, checkpoint)
        source = read_metadata(project.root / of.metadata).get("source") if of.metadata else None
        problem = known.problem if known else None
        yield Model(checkpoint, of, source if isinstance(source, str) else None, problem)


def _archives(project: Project, inventory: Inventory, rows: int | None) -> tuple[Archive, ...]:
    hashes = KnownHashes(project)
    found = []
    for entry in inventory.below(project.folders.archived):
        if entry.kind == "file" and entry.path.endswith(catalog.SUFFIX):
            name = PurePosixPath(entry.path).name.removesuffix(catalog.SUFFIX)
            known = hashes.get(entry.path)
            when, problem = (known.when, known.problem) if known else (None, None)
            if manifest_of(entry.path) not in inventory.entries:
                problem = f"{name}.json, its manifest, has gone"
            found.append(Archive(name, entry.path, entry.size, when, problem))
    found += _away(project, inventory)
    found.sort(key=lambda archive: archive.name, reverse=True)
    found.sort(key=lambda archive: archive.problem is None)
    return tuple(
        archive._replace(told=told(_about(project.root / manifest_of(archive.path))))
        if rows is None or number < rows
        else archive
        for number, archive in enumerate(found)
    )


def _away(project: Project, inventory: Inventory) -> Iterator[Archive]:
    """Yield the archives that this machine has not: a store has them, or they are lost."""
    for entry in inventory.below(project.folders.archived):
        path = PurePosixPath(entry.path).with_suffix("").as_posix() + catalog.SUFFIX
        if entry.path == checksum_of(path) and path not in inventory.entries:
            name = PurePosixPath(entry.path).stem
            if said := catalog.mark(project.root, path):
                yield Archive(name, path, said["size"], None, None, remote=said["remote"])
            else:
                yield Archive(name, path, 0, None, f"{path} has gone")


def told(about: Mapping[str, Any]) -> Told:
    """Return what a manifest tells, whatever else somebody wrote there."""
    listed, curves = about.get("checkpoints"), about.get("curves")
    entries = [c for c in listed if isinstance(c, dict)] if isinstance(listed, list) else []
    known = [c for c in (about, *entries) if isinstance(c.get("value"), float | int)]
    best = known[0] if known else about
    if best is not about:
        sign = -1 if best.get("direction") == "min" else 1
        alike = [c for c in known if c.get("metric") == best.get("metric")]
        best = max(alike, key=lambda c: sign * c["value"])
    facts = {**about, **{fact: best.get(fact) for fact in ("metric", "value", "direction")}}
    names = ("model_type", "metric", "direction", "date", "superseded_by")
    texts = {name: facts.get(name) for name in names if isinstance(facts.get(name), str)}
    texts.setdefault("direction", metrics.direction(str(texts.get("metric"))))
    value = best["value"] if known else None
    drawn = curves if isinstance(curves, dict) else {}
    return Told(value=value, checkpoints=len(entries), curves=drawn, **texts)


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
    sizes = dict.fromkeys(("active", "archived", "production"), 0)
    for name in sizes:
        folder = getattr(project.folders, name)
        files = (entry for entry in inventory.below(folder) if entry.kind != "folder")
        # Of the template is what tells git what to ignore: an empty folder has 0 bytes.
        sizes[name] = sum(e.size for e in files if e.path != f"{folder}/.gitignore")
    free = disk.free_bytes(project.root)
    return {**sizes, "quarantine": sum(waiting.values()), "free": free}


def _waiting(project: Project) -> dict[str, int]:
    """Return the bytes in the quarantine of each run that has any, oldest first."""
    sizes: dict[str, int] = {}
    for run in history.past_runs(project):
        places = (run.folder / history.QUARANTINE, *(project.root / p for p in run.elsewhere))
        sizes[run.id] = sum(map(_size, places))
    return {run: size for run, size in sizes.items() if size}


def _size(folder: Path) -> int:
    """Return the bytes of the files below a folder; there may be many, or no such folder."""
    total, left = 0, [os.fspath(folder)]
    while left:
        with suppress(OSError), os.scandir(left.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    left.append(entry.path)
                    continue
                with suppress(FileNotFoundError):  # it went meanwhile, and others are there
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def _interrupted(project: Project) -> str | None:
    """Return the run whose journal does not end with the end of something."""
    for past in history.past_runs(project):
        last = journal.last(past.folder / history.JOURNAL)
        if last is None or (last.op, last.state) != ("phase", "done"):
            return past.id
    return None
