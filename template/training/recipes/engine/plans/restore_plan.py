"""Plan which members of archives come back, and where to."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from engine import layouts
from engine.archives import catalog
from engine.archives.catalog import Packed
from engine.archives.manifest import Member
from engine.changes import disk
from engine.errors import UserError
from engine.plans.plan import Action, Plan
from engine.project import Project
from engine.recognition.scan import matches


@dataclass(frozen=True)
class _Source:
    """Where a file of the run is packed."""

    packed: Packed
    member: Member


def restore(
    project: Project, packed: Packed, wanted: tuple[str, ...], to: Path | None, created: str
) -> Plan:
    """Return the plan that brings back an archived run, or the files that `wanted` names.

    The files go to their original places, in folders that took the place of these if any did, or
    below the folder `to` with their whole inner paths.
    Files of the run that are in other archives, such as old logs, come along. Raises UserError for
    what no archive holds, and if anything is in the way.
    """
    if packed.problem:
        raise UserError(f"{packed.path}: cannot be restored: {packed.problem}")
    sources, others = _sources(project, packed)
    base = "" if to is None else f"{_relative(project, to)}/"
    successors, actions, notes = layouts.successors(project), [], []
    refuse_taken = _Taken(project, to)
    for path in _chosen(project, packed, sources, others, wanted):
        if path in others:
            notes.append(f"{path}: {others[path]}")
            continue
        source, place = sources[path], path if to else _placed(path, successors)
        if to is None and source.packed is not packed and _is_there(project.root / place, source):
            notes.append(f"{place}: is in its place already")
            continue
        refuse_taken(place)
        actions.append(
            Action(
                "restore",
                source.packed.path,
                f"{base}{place}",
                source.member.size,
                _reason(path, source, packed),
                packed.name,
                facts={"member": source.member.path},
            )
        )
    return Plan("restore", created, tuple(actions), notes=tuple(notes))


def _reason(path: str, source: _Source, packed: Packed) -> str:
    where = "" if source.packed is packed else f", in {source.packed.name}"
    name = source.member.path
    return f"of the run{where}{'' if name == path else f', the same as {name}'}"


def _placed(path: str, successors: Mapping[str, str]) -> str:
    old = next((folder for folder in successors if path.startswith(f"{folder}/")), "")
    return f"{successors.get(old, '')}{path.removeprefix(old)}"


def _sources(project: Project, packed: Packed) -> tuple[dict[str, _Source], dict[str, str]]:
    """Return each file of the run with its archive, and of each that is in none what became of it.

    Manifests of before told of a copy only how the file with its bytes was called.
    """
    sources = {path: _Source(packed, member) for path, member in packed.members.items()}
    archives = {each.path: each for each in catalog.archives(project)} if packed.elsewhere else {}
    others: dict[str, str] = {}
    for path, now, name in packed.elsewhere:
        holder, called = (packed, now) if now in packed.members else (archives.get(now), name)
        if holder and called in holder.members:
            sources.setdefault(path, _Source(holder, holder.members[called]))
        else:
            others[path] = _put(project, now)
    return sources, {path: why for path, why in others.items() if path not in sources}


def _put(project: Project, now: str) -> str:
    """Say where something was put from which no restore takes it."""
    if now.endswith(catalog.SUFFIX):
        return f"was packed into {now}, which does not hold it any more"
    gone = "" if os.path.lexists(project.root / now) else f", where nothing is: just where {now}"
    return f"is no part of an archive; it was put at {now}{gone}"


def _chosen(
    project: Project,
    packed: Packed,
    sources: Mapping[str, _Source],
    others: Mapping[str, str],
    wanted: tuple[str, ...],
) -> list[str]:
    """Return the files that are wanted: all if none is named. Some may be among the others."""
    known = [*sources, *others]
    if not wanted:
        return known
    chosen: dict[str, None] = {}
    for text in wanted:
        spellings = tuple(_spellings(project, packed, text))
        found = [s for s in spellings if s in sources or s in others][:1] or [
            path for path in known if matches(path, spellings)
        ]
        if not found:
            raise UserError(
                f"{text}: is none of the {len(sources)} files of {packed.name}; "
                f"see {packed.manifest}"
            )
        if found[0] in others:  # so are all that were found
            raise UserError(f"{found[0]}: {others[found[0]]}")
        chosen |= dict.fromkeys(found)
    return list(chosen)


def _spellings(project: Project, packed: Packed, text: str) -> Iterator[str]:
    """Yield how a member that was typed may be spelled: as it is, from here, inside its run."""
    yield PurePosixPath(text).as_posix()
    yield from catalog.paths_meant(project, text)
    if folder := packed.about.get("folder"):
        yield f"{folder}/{PurePosixPath(text).as_posix()}"


def _relative(project: Project, folder: Path) -> str:
    inside = folder.is_relative_to(project.root)
    return (folder.relative_to(project.root) if inside else folder).as_posix()


def _is_there(path: Path, source: _Source) -> bool:
    """Return whether a file lies in its place already: an archive of logs serves several runs."""
    member = source.member
    if path.is_symlink() or not path.is_file() or path.lstat().st_size != member.size:
        return False
    return disk.sha256_of(path) == member.sha256


class _Taken:
    """Looks whether anything is in the way of what is to come back: below `to`, or in its place."""

    def __init__(self, project: Project, to: Path | None) -> None:
        self._base = Path(to or project.root)
        self._shown = "" if to is None else f"{_relative(project, to)}/"
        self._fix = "use --to DIR" if to is None else "use another --to DIR"
        recipes = f"{project.conventions.folders.training}/recipes"
        ours = (project.root / folder for folder in (project.folders.history, recipes))
        self._ours = tuple(f"{folder}/" for folder in ours)
        self._checked: set[str] = set()  # folders that were looked at
        self._is_there = disk.looking()

    def __call__(self, path: str) -> None:
        """Raise UserError if something is there, or if the place is not one for outputs."""
        folder, _, name = path.rpartition("/")
        place = f"{self._base}/{path}"
        if folder not in self._checked:
            self._refuse_folder(folder)
            self._checked.add(folder)
        if name.casefold() == ".git" or f"{place}/".startswith(self._ours):
            raise UserError(f"{self._shown}{path}: is no place for a training output; {self._fix}")
        if self._is_there(place):
            raise UserError(f"{self._shown}{path}: is already there; move it away, or {self._fix}")

    def _refuse_folder(self, path: str) -> None:
        parts = PurePosixPath(path).parts
        if any(part.casefold() == ".git" for part in parts):
            raise UserError(f"{self._shown}{path}: is no place for a training output; {self._fix}")
        for depth in range(1, len(parts) + 1):
            folder = self._base.joinpath(*parts[:depth])
            if os.path.lexists(folder) and (folder.is_symlink() or not folder.is_dir()):
                raise UserError(
                    f"{folder}: is a link or a file where a folder is needed; move it away"
                )
