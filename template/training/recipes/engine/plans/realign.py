"""Bring what lies in the layout to changed conventions: files, their sidecars and papers, in step.

A name is read by the template that it was built by, now or formerly, and built anew.
"""

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import count
from pathlib import PurePosixPath
from typing import Any

from engine import layouts, names
from engine.archives.catalog import MARK, SUFFIX
from engine.layouts import FOLLOWED, Layout
from engine.plans import realign_papers
from engine.plans.cleanup_plan import Mess
from engine.plans.destinations import curve_beside
from engine.plans.plan import Action, Plan, emptied
from engine.plans.realign_papers import Family
from engine.project import Project
from engine.recognition import identity, in_use
from log_paths import numbered

WHY = "the conventions have changed"
CORRECTED = "it tells of what is moved, or by the old conventions"
IN_EXPERIMENT = tuple(f"experiment_{part}" for part in ("log", "checkpoints", "config", "record"))
SIDECARS = (SUFFIX, ".json", ".sha256", MARK)


@dataclass(frozen=True)
class _Thing:
    """What has one name in a folder of the layout: a file, an archive with its sidecars, a run."""

    key: str  # of its folder
    folder: str
    stem: str

    @property
    def named(self) -> str:
        """Return the path that all its files begin with."""
        return f"{self.folder}/{self.stem}"


@dataclass(frozen=True)
class _Move:
    """Where a thing belongs, what it is called there, and the new paths of its files by the old."""

    folder: str
    stem: str
    places: Mapping[str, str]

    @property
    def named(self) -> str:
        """Return the path that all its files will begin with."""
        return f"{self.folder}/{self.stem}"


def realign(project: Project, mess: Mess, now: datetime) -> Plan:
    """Return the plan that moves and renames what an older layout put there, and skips what stays.

    It says nothing of the mess: that is planned when this changes nothing more.
    """
    return _Realigner(project, mess).plan(now)


class _Realigner:
    def __init__(self, project: Project, mess: Mess) -> None:
        self.project, self.entries = project, mess.inventory.entries
        self.inventory = mess.inventory
        self.now, self.former = layouts.current(project), layouts.former(project)
        formerly = (t for layout in self.former for t in layout.model_types)
        self.types = {*self.now.model_types, *formerly, *project.conventions.project.renamed}
        self.families = realign_papers.families(project, mess.inventory, self.former)
        self.notes: list[str] = []

    def plan(self, now: datetime) -> Plan:
        moved = dict(self._moves())
        why = self._hindrances(moved)
        skips = [
            Action("skip", next(iter(moved[t].places)), None, 0, why[t], t.folder) for t in why
        ]
        moved = {thing: moved[thing] for thing in moved if thing not in why}
        moves = [self._move(p, m.places[p], t.folder) for t, m in moved.items() for p in m.places]
        folders = [folder for thing, move in moved.items() for folder in self._empty(thing, move)]
        keep = vars(self.project.folders).values()
        return Plan(
            "cleanup",
            now.isoformat(sep=" ", timespec="seconds"),
            (*skips, *moves, *folders, *self._rewrites(moved)),
            emptied=emptied(self.inventory, {str(a.src): a for a in moves}, keep),
            notes=(*self.notes, *self._remarks(moved)),
        )

    def _rewrites(self, moved: Mapping[_Thing, _Move]) -> Iterator[Action]:
        """Yield what corrects papers and sidecars, which are in their places by then."""
        files = {old: new for move in moved.values() for old, new in move.places.items()}
        homes = {thing.named: move.named for thing, move in moved.items()}
        folders = {
            old: new for old, new in homes.items() if old in self.entries and old not in files
        }
        renamed = {t.stem: move.stem for t, move in moved.items() if move.stem != t.stem}
        edits = realign_papers.corrections(
            self.project, self.inventory, self.families, {**folders, **files}, renamed
        )
        for path in edits:
            action = self._move(path, files.get(path, path), "documents")
            action = action._replace(verb="rewrite", src=action.dst, tracked=False)
            yield action._replace(reason=CORRECTED, facts={"edits": edits[path]})

    def _remarks(self, moved: Mapping[_Thing, _Move]) -> Iterator[str]:
        for thing, move in moved.items():
            family = self._family(tuple(move.places)) if thing.key == "production" else None
            if family and "value" in family.changes:
                again = f"just promote {move.stem} --again"
                yield f"{move.stem}: {again} writes its summary by the new metric"

    # --- what lies there -------------------------------------------------------------------------

    @cached_property
    def _homes(self) -> dict[str, str]:
        """Return the key of each folder that is or was one of the layout; what is now, wins."""
        return {
            folder: key
            for layout in (*reversed(self.former), self.now)
            for key, folder in layout.folders.items()
        }

    def _things(self) -> dict[_Thing, list[str]]:
        things: dict[_Thing, list[str]] = defaultdict(list)
        for path, entry in self.entries.items():
            ours = entry.zone == "the layout" or (entry.zone is None and path in self.families)
            if ours and entry.kind in ("file", "link") and (thing := self._thing(path)):
                things[thing].append(path)
        return things

    def _thing(self, path: str) -> _Thing | None:
        parts = path.split("/")
        for end in range(len(parts) - 1, 0, -1):
            folder = "/".join(parts[:end])
            if key := self._homes.get(folder):
                return _Thing(key, folder, _head(key, parts[end]))
        family, folder = self.families.get(path), path.rpartition("/")[0]
        return _Thing(family.papers[path], folder, parts[-1]) if family else None

    # --- where it belongs ------------------------------------------------------------------------

    def _moves(self) -> Iterator[tuple[_Thing, _Move]]:
        """Yield what has another place now."""
        things = self._things()
        taken = {path.casefold() for path in self.entries} if things else set()
        for thing, files in things.items():
            folder, stem = self.now.folders[thing.key], self._called(thing, files)
            for called in (numbered(stem, number) for number in count(1)):
                new = {p: f"{folder}/{called}{self._inner(thing, p)}" for p in files}
                moved = {path: target for path, target in new.items() if path != target}
                targets = {target.casefold() for target in moved.values()}
                if not targets & taken:
                    break
            if moved and not PurePosixPath(folder).is_absolute():
                taken |= targets
                yield thing, _Move(folder, called, moved)

    def _called(self, thing: _Thing, files: Sequence[str]) -> str:
        """Return what the conventions call a thing; its name, if no template reads that."""
        if (summary := self._illustrated(thing)) is not None:
            return curve_beside(self._called(summary, [summary.named]))
        family, rules = self._family(files), self.project.conventions
        read = self._read(thing, family)
        if read is None:
            return thing.stem
        template, said = read
        digits = said.get("metric", "").partition(".")[2]
        if family is None and 0 < len(digits) < rules.metric.decimals:
            return thing.stem  # nothing tells the others
        fields = {**_values(said), **(family.fields if family else {})}
        decimals, of = rules.metric.decimals, said.get("model_type") or fields.get("model_type", "")
        fields["model_type"] = rules.project.renamed.get(of, of)
        try:
            built = names.build(self.now.names[template], decimals=decimals, **fields)
        except ValueError as error:
            self.notes.append(f"{thing.named} keeps its name: {error}")
            return thing.stem
        old, new = (self._parsed(self.now, template, n, decimals) for n in (thing.stem, built))
        return thing.stem if old == new else built  # a number that tells it from others stays

    def _illustrated(self, thing: _Thing) -> _Thing | None:
        """Return the summary that a curve is the picture of."""
        if thing.key != "results" or not thing.stem.endswith(".svg"):
            return None
        summary = replace(thing, stem=f"{thing.stem.removesuffix('.svg')}.md")
        return summary if summary.named in self.entries else None

    def _parsed(
        self, layout: Layout, template: str, name: str, decimals: int | None = None
    ) -> dict[str, str] | None:
        form = layout.names.get(template)  # an older version of the conventions may lack one
        return names.parse(form, name, model_types=self.types, decimals=decimals) if form else None

    def _family(self, files: Sequence[str]) -> Family | None:
        return next((self.families[path] for path in files if path in self.families), None)

    def _read(self, thing: _Thing, family: Family | None) -> tuple[str, dict[str, str]] | None:
        """Return the template that reads a name, and its fields; a paper is known without one."""
        readings = [
            (template, found)
            for layout in (self.now, *self.former)
            for template in FOLLOWED[thing.key]
            if (found := self._parsed(layout, template, thing.stem))
        ]
        types = {family.fields["model_type"]} if family else self.types
        known = [(t, found) for t, found in readings if found.get("model_type") in types]
        paper = {"logs": "canonical_log", "results": "summary"}.get(thing.key, "production")
        unread = [(paper, {"ext": ""})] if family and not readings else []
        return next(iter([*known, *readings, *unread]), None)

    def _inner(self, thing: _Thing, path: str) -> str:
        """Return what follows a thing's stem in a path, as it is to be called."""
        inner = path.removeprefix(thing.named)
        if thing.key != "active":
            return inner
        first, slash, rest = inner.removeprefix("/").partition("/")
        ours = [self.now.names[each] for each in IN_EXPERIMENT]
        for layout in self.former:
            old = [layout.names.get(each) for each in IN_EXPERIMENT]
            if first in old and first not in ours:
                return f"/{ours[old.index(first)]}{slash}{rest}"
        return inner

    def _hindrances(self, moved: Mapping[_Thing, _Move]) -> dict[_Thing, str]:
        """Return why a thing cannot be moved now."""
        minutes = self.project.conventions.scan.in_use_minutes
        used: dict[str, str] = {}
        for window in (minutes * 60, 0):
            some = [m for t, m in moved.items() if (t.key == "active") == (window > 0)]
            files = [path for move in some for path in move.places]
            used |= in_use.in_use(self.project.root, files, time.time(), window)
        found = {thing: self._hindrance(thing, move, used) for thing, move in moved.items()}
        return {thing: why for thing, why in found.items() if why}

    def _hindrance(self, thing: _Thing, move: _Move, used: Mapping[str, str]) -> str | None:
        if move.stem != thing.stem and f"{thing.named}{MARK}" in self.entries:
            return "a store has it under this name"
        for path in move.places:
            if path in used:
                return f"in use: {path} ({used[path]})"
            if move.stem != thing.stem and f"{path}.dvc" in self.entries:
                return f"{path}.dvc says its name: dvc move"
            if self.entries[path].kind == "link" and self._leads_out(path, thing.named):
                return f"{path} is a link to elsewhere, which says the way from here"
        return None

    def _leads_out(self, path: str, home: str) -> bool:
        target = os.readlink(self.project.root / path)  # noqa: PTH115 - as it is written
        inside = os.path.normpath(f"{path}/../{target}")
        return not PurePosixPath(target).is_absolute() and not inside.startswith(f"{home}/")

    # --- actions ---------------------------------------------------------------------------------

    def _empty(self, thing: _Thing, move: _Move) -> Iterator[Action]:
        """Yield what makes the empty folders of an experiment again."""
        for entry in self.inventory.below(thing.named) if thing.key == "active" else ():
            target = f"{move.named}{self._inner(thing, entry.path)}"
            if entry.kind == "folder" and entry.path not in self._parents and target != entry.path:
                yield Action("folder", None, target, 0, WHY, thing.folder)

    @cached_property
    def _parents(self) -> frozenset[str]:
        return frozenset(path.rpartition("/")[0] for path in self.entries)

    def _move(self, path: str, target: str, folder: str) -> Action:
        entry, tracked = self.entries[path], path in self.inventory.tracked
        return Action("move", path, target, entry.size, WHY, folder, entry.mtime_ns, tracked)


def _head(key: str, name: str) -> str:
    """Return what the files of one archive, or a model and its metadata, have in common."""
    if key == "production":
        return identity.stem(name)
    sidecar = next((s for s in SIDECARS if name.endswith(s)), "") if key == "archived" else ""
    return name.removesuffix(sidecar)


def _values(said: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a name as values that a name is built of; unknown is None."""
    values: dict[str, Any] = dict(said)
    for field in values.keys() & {"date", "time", "metric"}:
        text = said[field]
        if field == "metric":
            values[field] = float(text) if text != "unknown" else None
        else:
            form = "%Y%m%d" if field == "date" else "%H%M%S"
            values[field] = datetime.strptime(text, form) if text.isdigit() else None
    return values
