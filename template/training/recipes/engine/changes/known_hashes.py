"""Hashes of files that were read whole, remembered for as long as these files stay as they were.

They lie in the history as `hashes.json` and only save reading: what is odd there is as good as
nothing, and who may not write there does without. No step that deletes asks: those read again.
"""

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from engine.archives.catalog import SUFFIX
from engine.changes.journal import Record
from engine.project import Project

FILE = "hashes.json"  # {path: {"state", "sha256", "problem", "when"}}

State = list[list[int]]  # device, inode, size, mtime_ns and ctime_ns of each file that was read


class Known(NamedTuple):
    """What was found when a file, or a folder that is one model, was read last."""

    when: str  # ISO time, local
    sha256: str | None  # as `content.fingerprint` tells it; None if there was a problem
    problem: str | None = None


class KnownHashes:
    """What is known of the archives and the production models of a project."""

    def __init__(self, project: Project) -> None:
        self.root = project.root
        self.path = project.root / project.folders.history / FILE
        self.entries = _load(self.path)
        self._noted: dict[str, Any] = {}

    def get(self, path: str) -> Known | None:
        """Return what is known of a file, relative to the root; None if it is another by now."""
        entry = self.entries.get(path)
        if entry is None or entry["state"] != self.state(path):
            return None
        return Known(entry["when"], entry["sha256"], entry["problem"])

    def sha256_of(self, path: str) -> str | None:
        """Return the hash of a file that was found whole and is the same now; None if not."""
        known = self.get(path)
        return known.sha256 if known else None

    def state(self, path: str) -> State | None:
        """Return what a write, a copy or a rename changes, and reading does not; None if gone."""
        place = self.root / path
        try:
            return [_state(each) for each in (place, *sorted(place.rglob("*")))]
        except OSError:
            return None

    def note(self, path: str, state: State | None, known: Known) -> None:
        """Remember what was found in a file that had this state before it was read."""
        if state is not None:
            self._noted[path] = {"state": state, **known._asdict()}

    def save(self) -> None:
        """Write what was noted, beside what others noted meanwhile; files that went drop out."""
        if not self._noted:
            return
        entries = _load(self.path) | self._noted
        there = {path: e for path, e in entries.items() if os.path.lexists(self.root / path)}
        partial = self.path.with_name(f".{FILE}.{os.getpid()}")  # two that write at a time
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(there), encoding="ascii")
            os.replace(partial, self.path)  # noqa: PTH105 - replaces on Windows as well


def note_run(project: Project, records: Iterable[Record], when: str) -> None:
    """Remember the archives and models that a run gave their names, as its journal tells of them.

    The state is that of now: a rename changes it. Size and time tell whether it is what was hashed.
    """
    known = KnownHashes(project)
    for record in records:
        if record.op not in ("create", "move") or record.state != "done" or not record.sha256:
            continue
        path = str(record.dst)
        folder, _, name = path.rpartition("/")
        is_archive = folder == project.folders.archived and name.endswith(SUFFIX)
        is_model = folder == project.folders.production and not name.endswith(".json")
        if (is_archive or is_model) and (state := known.state(path)):
            _, _, size, mtime_ns, _ = state[0]
            if (record.size, record.mtime_ns or mtime_ns) == (size, mtime_ns):
                known.note(path, state, Known(when, record.sha256))
    known.save()


def _state(path: Path) -> list[int]:
    s = path.lstat()
    return [s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns]


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    entries = content.items() if isinstance(content, dict) else ()
    return {path: entry for path, entry in entries if _is_sound(entry)}


def _is_sound(entry: object) -> bool:
    match entry:
        case {"state": list(), "sha256": str() | None, "problem": str() | None, "when": str()}:
            return True
    return False
