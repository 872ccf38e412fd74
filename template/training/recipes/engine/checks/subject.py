"""What is checked, and what a check finds."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

from engine.conventions import line_of
from engine.plans.cleanup_plan import Mess, Options, cleanup
from engine.plans.plan import Plan
from engine.plans.realign import realign
from engine.project import Project
from engine.readers import read
from engine.recognition import findings
from engine.recognition.scan import Inventory, scan, scan_layout


@dataclass(frozen=True, order=True)
class Violation:
    """One place that breaks a rule; `line` is 1 where it is the file as a whole."""

    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"

    def annotation(self) -> str:
        """Return the GitHub workflow command that marks the place.

        https://docs.github.com/actions/reference/workflow-commands-for-github-actions
        """
        place = f"file={_property(self.path)},line={self.line},title={_property(self.rule)}"
        return f"::error {place}::{_escaped(str(self))}"


@dataclass(frozen=True)
class Subject:
    """A project as it lies there, or the given files and folders of it."""

    project: Project
    conventions: Path
    inventory: Inventory
    mess: Mess | None  # None where no given file can be a training output
    paths: tuple[str, ...]  # none: all of the project
    now: datetime

    def wants(self, *paths: str) -> bool:
        """Return whether one of the paths is to be checked."""
        return not self.paths or any(
            path == given or path.startswith(f"{given}/") for path in paths for given in self.paths
        )

    @cached_property
    def tidying(self) -> Plan | None:
        """Return what a clean-up would do: the same knowledge, and no second opinion."""
        return cleanup(self.project, self.mess, Options(self.now)) if self.mess else None

    @cached_property
    def aligning(self) -> Plan | None:
        """Return what brings the layout to changed conventions, which comes first."""
        return realign(self.project, self.mess, self.now) if self.mess else None

    @cached_property
    def conventions_path(self) -> str:
        """Return where conventions.toml lies, as it is shown."""
        return shown(self.project, self.conventions)

    def line_of_key(self, *key: str) -> int:
        """Return the line of conventions.toml on which a key stands."""
        return line_of(self.conventions.read_text("utf-8-sig"), key)

    def children(self, folder: str) -> list[str]:
        """Return what lies in a folder of the layout, by path; no hidden files and no READMEs.

        DVC's pointers are none either. The folder may lie outside the project, where no scan goes.
        """
        try:
            names = os.listdir(self.project.root / folder)
        except OSError:
            return []
        other = re.compile(r"\.|readme|.*\.dvc$", re.I)
        return [f"{folder}/{name}" for name in sorted(names) if not other.match(name)]


def look(project: Project, conventions: Path, paths: Sequence[str], now: datetime) -> Subject:
    """Return what is to be checked. `paths` are as the user typed them; raises UserError."""
    given = tuple({findings.inside(project, path) for path in paths})
    if not given or "." in given:
        mess = findings.look(project)
        return Subject(project, conventions, _whole(project, mess.inventory), mess, (), now)
    bare = Subject(project, conventions, _whole(project, scan(project)), None, given, now)
    entries = (e for e in bare.inventory.entries.values() if e.kind == "file" and e.zone is None)
    outputs = any(read(project.root / e.path, e.path) for e in entries if bare.wants(e.path))
    mess_if_any = findings.look(project) if outputs else None
    return Subject(project, conventions, bare.inventory, mess_if_any, given, now)


def _whole(project: Project, inventory: Inventory) -> Inventory:
    """Return an inventory with what the layout holds outside the project, where no scan goes."""
    if not any(map(os.path.isabs, vars(project.folders).values())):
        return inventory
    return replace(inventory, entries={**scan_layout(project).entries, **inventory.entries})


def shown(project: Project, path: Path) -> str:
    """Return a path relative to the project's root, if it lies there."""
    inside = path.is_relative_to(project.root)
    return (path.relative_to(project.root) if inside else path).as_posix()


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
