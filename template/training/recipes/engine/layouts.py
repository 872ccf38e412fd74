"""The layouts that a project has followed, so that what lies by an older one is recognised."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from engine.project import Project

RECORD, LIMIT = "layouts.json", 1 << 20  # in the history folder; bytes
# Which templates a name may follow, by folder. Originals from elsewhere keep their names.
FOLLOWED: Mapping[str, tuple[str, ...]] = {
    "production": ("production", "model"),
    "active": ("experiment",),
    "archived": ("experiment", "old_logs"),
    "logs": ("training_log", "canonical_log"),
    "results": ("summary", "cleanup_report"),
    "pretrained": (),
}


class Layout(NamedTuple):
    """Where things lay, what they were called, and by which metrics models were compared."""

    folders: Mapping[str, str]  # of FOLLOWED, relative to the root
    names: Mapping[str, str]
    model_types: tuple[str, ...]
    metrics: Mapping[str, str]  # by model type; "" is that of all others


def current(project: Project) -> Layout:
    """Return the layout that the conventions ask for now."""
    rules = project.conventions
    return Layout(
        {key: getattr(project.folders, key) for key in FOLLOWED},
        rules.names._asdict(),
        rules.project.model_types,
        {"": rules.metric.name} | {of: m.name for of, m in rules.metric.by_model_type.items()},
    )


def former(project: Project) -> tuple[Layout, ...]:
    """Return the layouts that were followed before, the latest first."""
    now = current(project)
    return tuple(layout for layout in reversed(tuple(_noted(project))) if layout != now)


def is_new(project: Project) -> bool:
    """Return whether another layout was followed last."""
    return list(_noted(project))[-1:] not in ([], [current(project)])


def remember(project: Project) -> None:
    """Note the current layout as the latest, if it is not yet. Raises OSError."""
    now, noted = current(project), list(_noted(project))
    if noted[-1:] == [now]:
        return
    path = project.root / project.folders.history / RECORD
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{RECORD}.{os.getpid()}")
    known = [layout._asdict() for layout in (*(old for old in noted if old != now), now)]
    with fresh.open("w", encoding="ascii") as file:
        file.write(json.dumps(known, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def successors(project: Project) -> dict[str, str]:
    """Return for each folder that was one of the layout the one that took its place."""
    folders = current(project).folders
    return {
        old: folders[key]
        for layout in reversed(former(project))
        for key, old in layout.folders.items()
        if old not in folders.values()
    }


def _noted(project: Project) -> Iterator[Layout]:
    """Yield what was noted, oldest first; nothing if that cannot be read."""
    path = project.root / project.folders.history / RECORD
    found: list[dict[str, Any]] = []
    with suppress(OSError, ValueError, RecursionError):
        found = json.loads(path.read_bytes()[:LIMIT])
    for said in found if isinstance(found, list) else ():
        with suppress(TypeError, KeyError):
            yield Layout(**{**said, "model_types": tuple(said["model_types"])})
