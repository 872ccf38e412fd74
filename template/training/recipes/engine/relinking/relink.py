"""Plan to rewrite what names a path that recipes moved; what cannot be rewritten is reported."""

import difflib
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from engine.changes.rewriting import Edit, edited
from engine.errors import UserError
from engine.plans.plan import Action, Plan
from engine.project import Project
from engine.readers import read
from engine.recognition.scan import FOREIGN_FOLDERS, Entry, Inventory, not_ignored, scan
from engine.relinking import relink_notebook, relink_python, relink_text
from engine.relinking.moves import Moves, Reference, moves
from engine.relinking.relink_text import Finder
from engine.relinking.stores import mentions

LIMIT = 4 << 20  # bytes: what is larger was not written by hand
TEXTS = {
    *(".sh", ".bash", ".zsh", ".slurm", ".sbatch", ".yaml", ".yml", ".toml", ".json", ".cfg"),
    *(".ini", ".md", ".rst", ".mk", ".just", ".dockerfile"),
}
NAMES = re.compile(
    r"(?:.*\.)?(?:dockerfile|containerfile|gnumakefile|makefile|\.?justfile)(?:\..*)?"
)
ZONES = (None, "hidden", FOREIGN_FOLDERS["tests"])
OUTPUTS = ("model", "training_state", "results", "log", "data")

Find = Callable[[bytes, str, Finder], list[Reference]]


@dataclass(frozen=True)
class Relinking:
    """The plan, its diff by file, and a line for each reference that the user has to see to."""

    plan: Plan
    diffs: Mapping[str, tuple[str, ...]]
    reported: tuple[str, ...]
    dirty: tuple[str, ...]  # files of the plan with changes that are not committed


def relink(project: Project, now: datetime) -> Relinking:
    """Return how every reference to what past runs moved can be brought up to date."""
    moved = moves(project)
    inventory = scan(project)
    sources = [*_sources(project, inventory)] if moved.places or moved.elsewhere else []
    finder = Finder(moved, _written(project, sources))
    actions, diffs, reported = [], {}, list[str]()
    for entry, find in sources:
        data = (project.root / entry.path).read_bytes()
        references = _found(find, data, entry.path, finder, reported)
        if edits := [(r.start, r.end, r.new) for r in references if r.new is not None]:
            actions.append(_action(entry, edits, references))
            diffs[entry.path] = _diff(entry.path, data, edited(data, edits))
        reported += _told(entry.path, data, references)
    reported += [
        *_in_checkpoints(project, inventory, moved),
        *mentions(project.root, inventory, finder),
    ]
    plan = Plan("relink", now.isoformat(), tuple(actions), notes=tuple(reported))
    return Relinking(plan, diffs, tuple(reported), _dirty(project, diffs))


def refuse_dirty(relinking: Relinking) -> None:
    """Raise UserError if a file of the plan has changes that git could not give back."""
    if relinking.dirty:
        names = ", ".join(relinking.dirty)
        raise UserError(f"{names}: has changes that are not committed; commit or stash them first")


def _sources(project: Project, inventory: Inventory) -> Iterator[tuple[Entry, Find]]:
    visible = not_ignored(project.root)
    for entry in inventory.entries.values():
        name = PurePosixPath(entry.path).name.lower()
        if entry.kind != "file" or entry.zone not in ZONES or entry.size > LIMIT:
            continue
        find = _finder_for(name)
        if find is None or (visible and entry.path not in visible):
            continue
        is_output = name.endswith(".json") and (found := read(project.root / entry.path, name))
        if not (is_output and found and found.role in OUTPUTS):
            yield entry, find


def _written(project: Project, sources: Sequence[tuple[Entry, Find]]) -> frozenset[str]:
    """Return the names by which a program writes to what another file of the project names."""
    names = set[str]()
    for entry, find in sources:
        if find is relink_python.find:
            names |= relink_python.written_names((project.root / entry.path).read_bytes())
    return frozenset(names)


def _finder_for(name: str) -> Find | None:
    suffix = PurePosixPath(name).suffix
    if suffix == ".py":
        return relink_python.find
    if suffix == ".ipynb":
        return relink_notebook.find
    if suffix in TEXTS or NAMES.fullmatch(name):
        return lambda data, folder, finder: relink_text.find(data, folder, finder, suffix)
    return None


def _found(
    find: Find, data: bytes, path: str, finder: Finder, reported: list[str]
) -> list[Reference]:
    folder = PurePosixPath(path).parent.as_posix().removeprefix(".")
    try:
        return find(data, folder, finder)
    except relink_python.UNPARSED as error:
        if references := finder.find(data, folder):
            why = str(error) or type(error).__name__
            reported.append(f"{path}: cannot be parsed ({why}), and names {references[0].old}")
        return []


def _action(entry: Entry, edits: Sequence[Edit], references: Sequence[Reference]) -> Action:
    whys = dict.fromkeys(reference.why for reference in references if reference.new is not None)
    return Action(
        "rewrite",
        entry.path,
        entry.path,
        entry.size,
        "; ".join(whys),
        "references",
        entry.mtime_ns,
        facts={"edits": edits},
    )


def _diff(path: str, old: bytes, new: bytes) -> tuple[str, ...]:
    before, after = (data.decode("utf-8", "replace").splitlines() for data in (old, new))
    return tuple(difflib.unified_diff(before, after, f"a/{path}", f"b/{path}", lineterm="", n=1))


def _told(path: str, data: bytes, references: Sequence[Reference]) -> Iterator[str]:
    lines = ((data.count(b"\n", 0, r.start) + 1, r) for r in references if r.new is None)
    yield from dict.fromkeys(f"{path}:{line}: {r.old}: {r.why}" for line, r in lines)


def _dirty(project: Project, diffs: Mapping[str, object]) -> tuple[str, ...]:
    prefix = _git(project, "rev-parse", "--show-prefix").strip(b"\n")
    listed = _git(project, "status", "--porcelain", "-z", "--untracked-files=no", "--", ".")
    changed = {line[3:].removeprefix(prefix) for line in listed.split(b"\0")}
    return tuple(path for path in diffs if os.fsencode(path) in changed)


def _git(project: Project, *words: str) -> bytes:
    untouched = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}  # or git would refresh its index
    command = ["git", "-C", os.fspath(project.root), *words]
    try:
        return subprocess.run(command, env=untouched, capture_output=True, check=False).stdout
    except FileNotFoundError:
        return b""


def _in_checkpoints(project: Project, inventory: Inventory, moved: Moves) -> Iterator[str]:
    """Yield the settings inside models that name what has moved: only a new save changes them."""
    folders = project.folders
    for folder in (folders.production, folders.active, folders.pretrained):
        for entry in inventory.below(folder):
            name = PurePosixPath(entry.path).name
            reading = read(project.root / entry.path, name) if entry.kind == "file" else None
            if reading is None or reading.role != "model":
                continue
            for key, value in reading.config.items():
                if isinstance(value, str) and moved.refer((0, 0), value, ""):
                    yield f"{entry.path}: says {key} = {value} inside; a new save corrects it"
