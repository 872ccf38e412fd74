"""The plan: what would be done to each file and why, as a value that can be shown and stored."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, Literal, NamedTuple

from engine.recognition.scan import Inventory

Verb = Literal[
    "move", "pack", "drop", "delete", "skip", "write", "restore", "copy", "folder", "rewrite",
    "offload",
]  # fmt: skip
Document = Literal["metadata", "summary", "report", "text"]


_NO_FACTS: Mapping[str, Any] = {}


class Action(NamedTuple):
    """What becomes of one file. Paths are relative to the project root, or absolute outside it.

    `move` renames it to `dst`; `copy` leaves it and makes `dst` of the same bytes; `pack` puts it
    into the archive `dst` and its original into quarantine; `drop` quarantines a copy whose bytes
    stay at `dst`; `offload` does so with an archive that the stores `dst` have; `delete`
    quarantines what the user asked to be deleted for good by the next purge; `skip` leaves it
    alone, aloud; `write` makes `dst` from what is known (then `src` is None); `restore` makes `dst`
    from a member of the archive `src`; `folder` makes the empty folder `dst`; `rewrite` replaces
    parts of a text and puts the original into quarantine.
    """

    verb: Verb
    src: str | None
    dst: str | None
    bytes: int
    reason: str
    run: str = ""  # heading under which it is shown
    mtime_ns: int = 0
    tracked: bool = False  # git tracks it now, and will not at the new place
    document: Document | None = None
    facts: Mapping[str, Any] = _NO_FACTS  # what a document is made of


@dataclass(frozen=True)
class Plan:
    """What a recipe means to do. `archives` maps each archive to what its manifest says of it."""

    recipe: str
    created: str  # ISO time
    actions: tuple[Action, ...]
    archives: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    emptied: tuple[str, ...] = ()  # folders with nothing left in them, deepest first
    checkpoints: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    fast: bool = False  # archives store what hardly compresses

    @property
    def changes(self) -> tuple[Action, ...]:
        """Return the actions that change something."""
        return tuple(action for action in self.actions if action.verb != "skip")

    def totals(self) -> dict[str, dict[str, int]]:
        """Return the number of files and of bytes for each verb."""
        totals: dict[str, dict[str, int]] = {}
        for action in self.actions:
            total = totals.setdefault(action.verb, {"files": 0, "bytes": 0})
            total["files"] += 1
            total["bytes"] += action.bytes
        return totals


def writing(
    document: Document, dst: str, reason: str, facts: Mapping[str, Any], run: str = "documents"
) -> Action:
    """Return the action that writes a document from `facts`."""
    return Action("write", None, dst, 0, reason, run, document=document, facts=facts)


def emptied(
    inventory: Inventory, actions: Mapping[str, Action], keep: Iterable[str]
) -> tuple[str, ...]:
    """Return the folders in which the actions leave nothing, deepest first, without `keep`."""
    going = {path for path, action in actions.items() if action.verb != "skip"}
    if not going:
        return ()
    entries = inventory.entries
    staying = {path for path, entry in entries.items() if entry.kind != "folder"} - going
    needed = _above({*staying, *inventory.closed, *keep}) | {*keep}
    left = _above(going) - needed
    inner = {
        path
        for path, entry in entries.items()
        if entry.kind == "folder" and not left.isdisjoint(_parents(path))
    }
    return tuple(sorted((left | inner) - needed, key=lambda path: (-path.count("/"), path)))


def _above(paths: Iterable[str]) -> set[str]:
    """Return all folders that the paths lie in; there may be many in each."""
    folders = {path.rpartition("/")[0] for path in paths} - {""}
    return folders | {parent for folder in folders for parent in _parents(folder)}


def _parents(path: str) -> Iterator[str]:
    """Yield the folders that a path lies in, the innermost first."""
    while path := path.rpartition("/")[0]:
        yield path


def to_json(plan: Plan) -> bytes:
    """Return the plan as UTF-8 JSON; undecodable bytes in paths are kept as escapes."""
    head, _, tail = json.dumps(vars(plan) | {"actions": []}).partition('"actions": []')
    actions = ", ".join(map(_line, plan.actions))
    return f'{head}"actions": [{actions}]{tail}\n'.encode("ascii")


def _line(action: Action) -> str:
    """One action as JSON; written out, since there may be many of them."""
    verb, src, dst, size, reason, run, mtime_ns, tracked, document, facts = action
    return (
        f'{{"verb": "{verb}", "src": {_text(src)}, "dst": {_text(dst)}, "bytes": {size}, '
        f'"reason": {quoted(reason)}, "run": {quoted(run)}, "mtime_ns": {mtime_ns}, '
        f'"tracked": {"true" if tracked else "false"}, "document": {_text(document)}, '
        f'"facts": {json.dumps(facts) if facts else "{}"}}}'
    )


def _text(value: str | None) -> str:
    return "null" if value is None else quoted(value)


def from_json(data: bytes) -> Plan:
    """Return the plan that `to_json` wrote. Raises ValueError, KeyError or TypeError if not one."""
    raw = json.loads(data)
    actions = tuple(Action(**action) for action in raw.pop("actions"))
    for name in ("emptied", "checkpoints", "notes"):
        raw[name] = tuple(raw[name])
    return Plan(actions=actions, **raw)
