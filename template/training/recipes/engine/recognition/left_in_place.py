"""Checkpoints that are known and never moved: something outside the training holds them by path."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from engine.recognition import identity
from engine.recognition.evidence import Reading
from engine.recognition.scan import DVC, PROGRAM, Entry, Inventory

# What training scripts resume from is neural; these are loaded by the program that ships them.
_SHIPPED = re.compile(r"XGBoost|LightGBM|CatBoost|ONNX|pickle")
_EXTERNAL_DATA = (".data", "_data", ".weights", ".onnx.data")
_LOCKED = re.compile(r"^\s*(?:- )?path: (\S.*)$", re.MULTILINE)
MAX_LOCK = 4 << 20


def mark(root: Path, inventory: Inventory) -> None:
    """Give what DVC tracks that zone: files with `x.dvc` beside them, and what dvc.lock names."""
    tracked = set(_dvc_paths(root, inventory.entries))
    for path in tracked:
        inner = [entry.path for entry in inventory.below(path)]
        for each in (path, f"{path}.dvc", *inner):
            _zone(inventory, each, DVC)


def _dvc_paths(root: Path, entries: Mapping[str, Entry]) -> Iterator[str]:
    for path, entry in entries.items():
        if path.endswith(".dvc") and entry.kind == "file":
            yield path.removesuffix(".dvc")
        elif (
            path.rpartition("/")[2] == "dvc.lock" and entry.kind == "file" and entry.size < MAX_LOCK
        ):
            folder = path.removesuffix("dvc.lock")
            text = (root / path).read_text(errors="replace")
            yield from (folder + found for found in _LOCKED.findall(text))


def is_shipped(kind: str) -> bool:
    """Return whether models of this format are those that programs ship and load by path."""
    return _SHIPPED.match(kind) is not None


def split(
    inventory: Inventory, readings: Mapping[str, Reading]
) -> tuple[dict[str, Reading], dict[str, str]]:
    """Return the readings of what may move, and why each other checkpoint stays."""
    left = {path: why for path, r in readings.items() if (why := _why(path, r, inventory))}
    for path, why in left.items():
        _zone(inventory, path, why)
    kept = (path for path in readings if path not in left)
    return {path: readings[path] for path in kept if inventory.entries[path].zone is None}, left


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


def _zone(inventory: Inventory, path: str, zone: str) -> None:
    if path in inventory.entries and inventory.entries[path].zone is None:
        inventory.entries[path] = replace(inventory.entries[path], zone=zone)
