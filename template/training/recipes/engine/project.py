"""The project that a recipe works on: its root, its conventions and where its folders lie."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.conventions import Conventions, load, located, overlap
from engine.errors import UserError
from log_paths import VARIABLES, folder_choices, folder_path

_TRAINING = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Folders:
    """Where each folder lies: relative to the root with "/", or absolute where it is outside."""

    training: str
    active: str
    archived: str
    logs: str
    results: str
    production: str
    pretrained: str
    guides: str
    history: str


@dataclass(frozen=True)
class Project:
    """A project, resolved: what the environment and `.env` say is in it already."""

    root: Path  # absolute
    conventions: Conventions
    folders: Folders
    sources: Mapping[str, str]  # of training, active, production: "environment", ".env" or the file


def open_project(
    root: Path | None = None,
    conventions: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Project:
    """Return a project, by default the one that this file was copied into.

    Raises UserError if the root, its conventions.toml or an override of a folder is not usable.
    """
    is_named = root is not None
    root, rules = _root(root), load(conventions or _TRAINING / "conventions.toml")
    if not is_named:
        _refuse_link(rules.folders.training)
    choices = _choices(root, rules, environ)
    sources = {key: next(iter(said)) for key, said in choices.items()}
    try:
        moved = {key: _place(root, key, of, choices[key][of]) for key, of in sources.items()}
    except ValueError as error:
        raise UserError(str(error)) from None
    places = located(rules.folders, moved)
    if pair := overlap(places):
        said = ", ".join(f"{VARIABLES[key]} ({source})" for key, source in sources.items())
        inner, outer = (f"{key} ({places[key]})" for key in pair)
        raise UserError(f"{said}: the folder {inner} is or lies in {outer}; move one of them")
    return Project(root, rules, Folders(**places), sources)


def disagreements(
    root: Path | None = None,
    conventions: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> tuple[str, ...]:
    """Return a line for each overridable folder that its sources place differently.

    Raises UserError if the root, its conventions.toml or its `.env` is not usable.
    """
    root, rules = _root(root), load(conventions or _TRAINING / "conventions.toml")
    lines = []
    for key, said in _choices(root, rules, environ).items():
        places = {source: _shown(root, key, source, value) for source, value in said.items()}
        if len(set(places.values())) > 1:
            listed = ", ".join(f"{source} says {place}" for source, place in places.items())
            lines.append(f"{VARIABLES[key]}: {listed}; {next(iter(places))} counts")
    return tuple(lines)


def _refuse_link(training: str) -> None:
    """Raise UserError if the user came here by a link: the project would be what lies around it."""
    for folder in (Path.cwd(), *Path.cwd().parents):
        link = folder / training
        if link.is_symlink() and link.resolve() == _TRAINING:
            raise UserError(
                f"{link}: is a link, and links are not followed; keep this folder in the "
                f"repository, and name another disk with {VARIABLES['training']} in .env"
            )


def _root(root: Path | None) -> Path:
    chosen = (root or _TRAINING.parent).resolve()
    if not chosen.is_dir():
        raise UserError(f"{root}: no such folder; name the root of a project")
    return chosen


def _choices(
    root: Path, rules: Conventions, environ: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    try:
        return folder_choices(root, rules.folders._asdict(), environ)
    except ValueError as error:
        raise UserError(str(error)) from None


def _place(root: Path, key: str, source: str, value: str) -> str:
    path = folder_path(root, key, source, value)
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def _shown(root: Path, key: str, source: str, value: str) -> str:
    try:
        return _place(root, key, source, value)
    except ValueError:
        return repr(value)
