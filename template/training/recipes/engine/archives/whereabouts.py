"""Answer where a file is now, why, and which command gets it back."""

import os
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from engine.archives import catalog
from engine.archives.lives import QUARANTINED, Life, below, called, lives, named
from engine.archives.manifest import manifest_of
from engine.project import Project

GONE, SINCE = "gone, or to be", "has gone since"
Answer = dict[str, Any]  # {"path", "found": [...], "why"?, "candidates"?}


def where(project: Project, argument: str, when: datetime) -> Answer:
    """Return what is known of the path that was typed; `found` is empty if nothing is.

    Each of `found` says where the file is now, the `command` that gets it back (None if it is in
    its place, or `lost`), and as far as known the steps, the checkpoint, its evidence, the `rule`
    that a clean-up would follow and what `changes` that.
    """
    known = lives(project)
    for path in catalog.paths_meant(project, argument):
        found = called(known, path)
        is_folder = (project.root / path).is_dir()
        if inside := () if found else below(known, path):
            return {"path": path, "found": _folder(project, inside, is_folder)}
        if is_folder and not found:
            return {"path": path, "found": [_told("here, a folder of which no run took anything")]}
        if found or _is_there(project, path):
            return {"path": path, "found": _file(project, path, found, when)}
    name = argument.removesuffix(catalog.SUFFIX)
    if packed := next((p for p in catalog.archives(project) if p.name == name), None):
        return {"path": packed.path, "found": [_packed(packed)]}
    fitting = named(known, argument)
    candidates = sorted(fitting) or _called(project, argument)
    if len(candidates) == 1:
        (path,) = candidates
        return {"path": path, "found": _file(project, path, tuple(fitting.values()), when)}
    why = "not there, and no recipe moved it; give the old path, or its name"
    if candidates:
        why = f"{len(candidates):,} files {'had' if fitting else 'have'} that name"
    return {"path": argument, "found": [], "why": why, "candidates": candidates}


def _called(project: Project, name: str) -> list[str]:
    """Return the files of this name that lie in the project and that no run took, sorted."""
    from engine.recognition.scan import scan  # who asks by a path need not wait for it

    entries = scan(project).entries.values()
    return sorted(e.path for e in entries if e.kind != "folder" and e.path.endswith(f"/{name}"))


def _file(project: Project, path: str, found: Sequence[Life], when: datetime) -> list[Answer]:
    told = [_life(project, life) for life in found]
    if packed := next((p for p in catalog.archives(project) if p.path == path), None):
        return [_packed(packed)]
    mine = {life.place for life in found}  # what lies there now is one of them, or something new
    if _is_there(project, path) and path not in mine:
        from engine.recognition.explanation import (
            explain,  # reads the whole mess, which most answers spare
        )

        told.append(_told("here") | asdict(explain(project, path, when)))
    return told


def _packed(packed: catalog.Packed) -> Answer:
    where = "here" if packed.here else f"at {packed.remote}" if packed.remote else "gone"
    if packed.problem:  # then no recipe unpacks it
        told = f"{where}, but nothing tells what it holds: {packed.problem}"
        return _told(told, is_lost=where == "gone")
    told = f"{where}: the archive of {len(packed.members):,} files"
    return _told(told, shlex.join(["just", "restore", packed.name]))


def _told(now: str, command: str | None = None, is_lost: bool = False) -> Answer:
    return {"now": now, "command": command, "lost": is_lost, "steps": [], "evidence": []}


def _life(project: Project, life: Life) -> Answer:
    command, place = way_back(project, life), life.kept.place
    is_lost = command is None and not (place and _is_there(project, place))
    return {
        **_told(now(project, life), command, is_lost),
        "origin": life.origin,
        "checkpoint": life.checkpoint,
        "evidence": (life.checkpoint or {}).get("evidence", []),
        "steps": [asdict(step) for step in life.steps],
    }


def _folder(project: Project, inside: Sequence[Life], is_folder: bool) -> list[Answer]:
    """Sum up where the files are that runs found in a folder."""
    counts: Counter[tuple[str, str | None]] = Counter()
    for life in inside:
        kept = life.kept
        stays = kept.place and _is_there(project, kept.place)
        if stays or not kept.packed:
            home = str(PurePosixPath(kept.place or "-").parent)
            where = f"in {home}" if stays else f"at {kept.remote}" if kept.remote else GONE
            counts[where, way_back(project, life)] += 1
        else:
            archive = kept.packed[0]
            counts[f"in {archive}{_trouble(project, archive)}", _all_of(project, life)] += 1
    remains = [_told("here, with what no run took")] if is_folder else []
    return remains + [
        _told(f"{count:,} of its files: {where}", command, not command and _is_gone(where))
        for (where, command), count in counts.most_common()
    ]


def _is_gone(where: str) -> bool:
    return where == GONE or SINCE in where


def now(project: Project, life: Life) -> str:
    """Say where the bytes of a file are."""
    kept = life.kept
    said = f"it was a copy; the one that was kept, {kept.origin}, is " if kept is not life else ""
    if kept.deleted:
        purged = kept.steps[-1].purged
        return said + ("deleted for good, as asked" if purged else "in quarantine, to be deleted")
    if kept.place and _is_there(project, kept.place):
        return f"{said}at {kept.place}"
    if kept.packed:
        archive, member = kept.packed
        gone = _trouble(project, archive)
        if not _is_there(project, archive) and (store := catalog.mark(project.root, archive)):
            gone = f", at {store['remote']}"
        return f"{said}in {archive}{gone}, as {member}"
    return f"{said}gone: it was at {kept.place}, and no recipe removed it"


def way_back(project: Project, life: Life) -> str | None:
    """Return the command that gives a file back; None if it is in its place, or lost."""
    kept = life.kept
    if life.place == life.origin and _is_there(project, life.origin):
        return None
    if kept.place and _is_there(project, kept.place):
        return f"just undo {life.steps[-1].run}" if life.steps else None
    member = [kept.packed[1]] if kept.packed and kept.packed[1].isprintable() else []
    return _unpacking(project, life, member)  # what is not printable cannot be pasted


def _all_of(project: Project, life: Life) -> str | None:
    """Return the command that gives back all that is packed with a file; None if it is lost."""
    return _unpacking(project, life, [])


def _unpacking(project: Project, life: Life, members: Sequence[str]) -> str | None:
    words = ["--", *members] if any(m.startswith("-") for m in members) else members
    archive = life.kept.packed[0] if life.kept.packed else None
    trouble = _trouble(project, archive) if archive else GONE
    if archive and not trouble:
        name = PurePosixPath(archive).name.removesuffix(catalog.SUFFIX)
        return shlex.join(["just", "restore", name, *words])
    if life.steps and life.steps[-1].verb in QUARANTINED and not life.steps[-1].purged:
        return f"just undo {life.steps[-1].run}"
    if archive and _is_there(project, archive):  # a plain archive; -k replaces nothing
        return shlex.join(["tar", "xzkf", archive, *words])
    return None


def _trouble(project: Project, archive: str) -> str:
    """Return what is wrong with an archive if it, or the manifest that makes it useful, is gone."""
    if not (_is_there(project, archive) or catalog.mark(project.root, archive)):
        return f", which {SINCE}, by no recipe"
    return "" if _is_there(project, manifest_of(archive)) else ", whose manifest has gone"


def _is_there(project: Project, path: str) -> bool:
    return os.path.lexists(project.root / path)
