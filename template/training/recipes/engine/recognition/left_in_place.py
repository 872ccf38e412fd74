"""Checkpoints that are known and never moved: something outside the training holds them by path."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from engine.readers import config_file
from engine.recognition import identity
from engine.recognition.attribution import Checkpoint
from engine.recognition.evidence import Reading
from engine.recognition.runs import SOURCE, Run
from engine.recognition.scan import DVC, PROGRAM, Entry, Inventory

# What training scripts resume from is neural; these are loaded by the program that ships them.
_SHIPPED = re.compile(r"XGBoost|LightGBM|CatBoost|ONNX|pickle")
_EXTERNAL_DATA = (".data", "_data", ".weights", ".onnx.data")
_LOCKED = re.compile(r"^\s*(?:- )?path: (\S.*)$", re.MULTILINE)
# Programs that load a model and answer with it.
_SERVES = re.compile(
    rb"^\s*(?:import|from)\s+(?:flask|fastapi|streamlit|gradio|django|uvicorn|starlette|sanic|bottle|"
    rb"aiohttp|tornado|quart|dash|tkinter|customtkinter|PyQt\d|PySide\d|telegram|aiogram)\b",
    re.MULTILINE,
)
MAX_LOCK = MAX_SOURCE = 4 << 20


def mark(root: Path, inventory: Inventory) -> None:
    """Give what DVC tracks that zone: files with `x.dvc` beside them, and outputs of its stages."""
    tracked = set(_dvc_paths(root, inventory.entries))
    for path in tracked:
        inner = [entry.path for entry in inventory.below(path)]
        for each in (path, f"{path}.dvc", *inner):
            _zone(inventory, each, DVC)


def _dvc_paths(root: Path, entries: Mapping[str, Entry]) -> Iterator[str]:
    ends = (".dvc", *_OUTPUTS)
    for path in [path for path in entries if path.endswith(ends)]:
        if entries[path].kind != "file":
            continue
        if path.endswith(".dvc"):
            yield path.removesuffix(".dvc")
        elif outputs := _OUTPUTS.get(path.rpartition("/")[2]):
            with suppress(OSError, ValueError, RecursionError):
                yield from (
                    f"{path.rpartition('/')[0]}/{each}".lstrip("/") for each in outputs(root / path)
                )


def _in_lock(path: Path) -> list[str]:
    """Return all that dvc.lock names, templates filled in; it is too long for a YAML reader."""
    if path.stat().st_size > MAX_LOCK:
        return []
    return _LOCKED.findall(path.read_text(errors="replace"))


def _in_stages(path: Path) -> list[str]:
    """Return the outputs in dvc.yaml: https://dvc.org/doc/user-guide/project-structure/dvcyaml-files."""
    found = config_file.load(path, path.name)
    stages = found.get("stages") if isinstance(found, dict) else None
    return [
        f"{stage['wdir']}/{name}" if isinstance(stage.get("wdir"), str) else name
        for stage in (stages.values() if isinstance(stages, dict) else ())
        if isinstance(stage, dict)
        for key in ("outs", "metrics", "plots")
        for each in (stage[key] if isinstance(stage.get(key), list) else ())
        for name in (each if isinstance(each, dict) else [each])
        if isinstance(name, str)
    ]


_OUTPUTS = {"dvc.lock": _in_lock, "dvc.yaml": _in_stages}


def is_shipped(kind: str) -> bool:
    """Return whether models of this format are those that programs ship and load by path."""
    return _SHIPPED.match(kind) is not None


def split(
    inventory: Inventory,
    readings: Mapping[str, Reading],
    folders: Mapping[str, tuple[str, ...]],
) -> tuple[dict[str, Reading], dict[str, str]]:
    """Return the readings of what may move, and why each other checkpoint stays.

    A folder that is one checkpoint stays whole where a part of it does.
    """
    left = {path: why for path, r in readings.items() if (why := _why(path, r, inventory))}
    for files in folders.values():
        if why := next((left[path] for path in files if path in left), None):
            left |= {path: why for path in files if path in readings}
    leave(inventory, left)
    kept = (path for path in readings if path not in left)
    return {path: readings[path] for path in kept if inventory.entries[path].zone is None}, left


def loaded(
    root: Path,
    inventory: Inventory,
    checkpoints: Iterable[Checkpoint],
    folders: Mapping[str, tuple[str, ...]],
) -> dict[str, str]:
    """Return the models that programs load, if nothing tells how good they are, and why they stay.

    In an archive they would be of no use, and the program broken. What git tracks is loaded by
    whatever program names it, or by the package that it is part of; what it does not, by one that
    serves. Such a folder stays whole; where something tells of one model in it, each other run
    does. So does what git tracks of a training's state, with no model beside it. A part of a folder
    that is one checkpoint goes where that goes.
    """
    by_folder: dict[str, list[Checkpoint]] = defaultdict(list)
    parts = {path for files in folders.values() for path in files}
    for checkpoint in checkpoints:
        if checkpoint.path not in parts:
            by_folder[str(PurePosixPath(checkpoint.path).parent)].append(checkpoint)
    untold = [each for found in by_folder.values() for each in _untold(found, inventory)]
    named = _named(root, inventory, {c.path for found in untold for c in found})
    why: dict[str, str] = {}
    for found in untold:
        if all(c.role == "training_state" and c.path in inventory.tracked for c in found):
            why |= {c.path: "git tracks it, and no model is beside it" for c in found}
        for first in [c.path for c in found if c.path in named][:1]:
            reason = f"{named[first]} names {PurePosixPath(first).name}"
            why |= {c.path: f"{reason}, and nothing tells how good it is" for c in found}
        for checkpoint in found:
            if package := _package(checkpoint.path, inventory):
                reason = f"part of the package {package}, and nothing tells how good it is"
                why.setdefault(checkpoint.path, reason)
    return why


def _untold(found: list[Checkpoint], inventory: Inventory) -> list[list[Checkpoint]]:
    """Return the checkpoints of a folder, if nothing tells of any, else those of each such run."""
    if _is_untold(found, inventory):
        return [found]
    by_run: dict[Run | None, list[Checkpoint]] = defaultdict(list)
    for checkpoint in found:
        by_run[checkpoint.run].append(checkpoint)
    models = (each for each in by_run.values() if any(c.role == "model" for c in each))
    return [each for each in models if _is_untold(each, inventory)]


def _is_untold(found: list[Checkpoint], inventory: Inventory) -> bool:
    return all(c.value is None and not c.problem and c.path in inventory.entries for c in found)


def _package(path: str, inventory: Inventory) -> str | None:
    """Return the Python package in which git tracks a file, if it is in one."""
    folders = (str(folder) for folder in PurePosixPath(path).parents)
    tracked = inventory.tracked if path in inventory.tracked else ()
    return next((folder for folder in folders if f"{folder}/__init__.py" in tracked), None)


def _named(root: Path, inventory: Inventory, paths: set[str]) -> dict[str, str]:
    """Return which of the paths have a name that stands in a program, and in which."""
    by_name: dict[bytes, list[str]] = defaultdict(list)
    for path in paths:
        name = PurePosixPath(path).name.removesuffix(".zip")  # agents are loaded without it
        by_name[os.fsencode(name)].append(path)
    either = b"|".join(map(re.escape, by_name))
    anyone = re.compile(rb"(?<![\w.-])(" + either + rb")(?:\.zip)?(?!\.?\w)")
    found: dict[str, str] = {}
    for source, text in _programs(root, inventory) if paths else ():
        serves = _SERVES.search(text) is not None
        named = (path for name in {*anyone.findall(text)} for path in by_name[name])
        loads = (path for path in named if serves or path in inventory.tracked)
        found = dict.fromkeys(loads, source) | found
    return found


def _programs(root: Path, inventory: Inventory) -> Iterator[tuple[str, bytes]]:
    """Yield the programs that git tracks, or all where there is no git, with what they say."""
    for source in sorted(inventory.tracked & inventory.entries.keys() or inventory.entries):
        entry = inventory.entries[source]
        is_program = PurePosixPath(source).suffix in SOURCE and entry.size < MAX_SOURCE
        if is_program and entry.kind == "file":
            with suppress(OSError):
                yield source, (root / source).read_bytes()


def _why(path: str, reading: Reading, inventory: Inventory) -> str | None:
    if reading.role not in ("model", "training_state", "unreadable"):
        return None
    if inventory.entries[path].zone == DVC:
        return DVC
    if reading.format == "ONNX" and any(
        f"{path}{end}" in inventory.entries for end in _EXTERNAL_DATA
    ):
        return "its weights are in another file, by name"
    if not is_shipped(reading.format):
        return None
    if path in inventory.tracked:
        return PROGRAM
    return "published, and loaded by a program" if identity.is_published(path) else None


def leave(inventory: Inventory, left: Mapping[str, str]) -> None:
    """Give each path its zone: the reason why it stays."""
    for path, why in left.items():
        _zone(inventory, path, why)


def _zone(inventory: Inventory, path: str, zone: str) -> None:
    entry = inventory.entries.get(path)
    if entry and entry.zone is None:
        entry.zone = zone
