"""Explain a file that still lies where it was written: what a clean-up would do with it, and why.

The clean-up is planned on the fly; nothing is changed.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from engine.plans.cleanup_plan import Mess, Options, cleanup
from engine.plans.plan import Action, Plan
from engine.project import Project
from engine.recognition import findings, identity
from engine.recognition.production import read_metadata
from engine.recognition.selection import Group, groups

WORDS = {
    "move": "moves to",
    "pack": "is packed into",
    "drop": "is dropped, as a copy of",
    "skip": "is left alone",
}


@dataclass(frozen=True)
class Explanation:
    """What is known of a file in the mess."""

    rule: str  # what decides, in a sentence
    checkpoint: Mapping[str, Any] | None  # as `just cleanup --json` describes it
    evidence: tuple[Mapping[str, Any], ...]  # of the checkpoint, or what the file tells of others
    changes: tuple[str, ...]  # what would change it


def explain(project: Project, path: str, now: datetime) -> Explanation:
    """Return why a file that is there goes where a clean-up puts it, or stays."""
    if placed := _in_layout(project, path):
        return placed
    mess = findings.look(project)
    plan = cleanup(project, mess, Options(now))
    known = next((c for c in plan.checkpoints if c["path"] == path), None)
    told = [
        {**e, "fact": f"{e['fact']} of {c['path']}"}
        for c in plan.checkpoints
        for e in c["evidence"]
        if e["path"] == path and c["path"] != path
    ]
    evidence = (*(known["evidence"] if known else ()), *told)
    action = next((action for action in plan.actions if action.src == path), None)
    if action is None:
        rule, changes = _untouched(mess, path)
        return Explanation(rule, known, evidence, changes)
    group = _group(project, mess, plan, path)
    rule = f"{WORDS[action.verb]} {action.dst or ''}".strip() + f": {action.reason}"
    if group:
        rule += _rank(group, path)
    return Explanation(rule, known, evidence, tuple(_changes(project, action, known, group)))


def _in_layout(project: Project, path: str) -> Explanation | None:
    """Return why a file of the layout is where it is; None for any other file."""
    folders = vars(project.folders)
    kinds = ("active", "production", "archived", "logs", "results", "pretrained", "history")
    kind = next((kind for kind in kinds if path.startswith(f"{folders[kind]}/")), None)
    if kind == "active":
        name = path.removeprefix(f"{folders[kind]}/").partition("/")[0]
        rule = f"part of the experiment {name}"
        return Explanation(rule, None, (), (f"just archive {shlex.quote(name)} packs it",))
    if kind == "production":
        about = read_metadata(project.root / folders[kind] / f"{identity.stem(path)}.json")
        why, listed = about.get("chosen_because", "no metadata says why"), about.get("evidence")
        evidence = tuple(listed) if isinstance(listed, list) else ()
        return Explanation(f"in production: {why}", None, evidence, ("just promote replaces it",))
    return Explanation(f"in its place: the folder for {kind}", None, (), ()) if kind else None


def _untouched(mess: Mess, path: str) -> tuple[str, tuple[str, ...]]:
    """Return why no clean-up touches a file, and what would change it."""
    for folder in map(str, PurePosixPath(path).parents):
        if why := mess.inventory.closed.get(folder):
            return f"stays: {folder} is not looked into ({why})", ("move it out of that folder",)
    entry = mess.inventory.entries.get(path)
    if entry and entry.zone == "left alone on request":
        return "stays: conventions.toml says so", ("take it out of [scan] leave_alone there",)
    if entry and entry.zone:
        return f"stays: its place is left alone ({entry.zone})", ("move it elsewhere",)
    reading = mess.readings.get(path)
    if reading and reading.role == "config":
        return "stays: a config outside a run's own folder is evidence, and no output", ()
    if reading:
        return f"stays: a file of the kind {reading.format!r} that no known run wrote", ()
    return "stays: it was not recognised as an output of a training", ()


def _group(project: Project, mess: Mess, plan: Plan, path: str) -> Group | None:
    """Return the checkpoints that this one is compared with."""
    roles = {c["path"]: c["role"] for c in plan.checkpoints}
    compared = [c for c in mess.checkpoints if roles[c.path] in ("candidate", "production")]
    rules = project.conventions.production
    found = groups([*compared, *mess.production], rules.pick, rules.group_by)
    return next((group for group in found if path in {c.path for c in group.members}), None)


def _rank(group: Group, path: str) -> str:
    place = next(n for n, member in enumerate(group.members, 1) if member.path == path)
    task = "".join(f", {fact} {value}" for fact, value in group.task)
    text = f"; number {place} of {len(group.members)} by {group.metric} ({group.direction}{task})"
    if group.winner and group.winner.path != path:
        return f"{text}; {group.winner.path} wins: {group.reason}"
    return text if group.winner else f"{text}; none wins: {group.reason}"


def _changes(
    project: Project, action: Action, known: Mapping[str, Any] | None, group: Group | None
) -> list[str]:
    """Return what a user can do for another outcome."""
    path, quoted = str(action.src), shlex.quote(str(action.src))
    said = "in training/conventions.toml"
    changes = []
    if action.verb == "skip":
        return [f"wait until nobody writes to it ([scan] in_use_minutes {said})"]
    if known and known["role"] == "candidate":
        changes.append(f"--pick {quoted}, or [production] pick {said}, makes it the winner")
        if known["value"] is None:
            changes.append("a results file or a log line that names it would give it a metric")
    if group and group.winner and group.winner.path == path and len(group.members) > 1:
        changes.append(f"--pick with another path, or [production] pick {said}")
    if group and group.direction is None:
        changes.append(f"[metric.by_model_type] {said} says if more of {group.metric} is better")
    if known and known["role"] in ("candidate", "pretrained"):
        changes.append(f"[pretrained] patterns {said} say what training starts from")
    if action.verb == "pack" and known and known["date"]:
        changes.append("--keep-active DAYS leaves the younger runs as folders")
    if action.verb == "pack" and "training log" in action.reason:
        changes.append("--cutoff DATE says from which day logs are not old")
    return [*changes, f"--keep {quoted}, or [scan] leave_alone {said}, leaves it where it is"]
