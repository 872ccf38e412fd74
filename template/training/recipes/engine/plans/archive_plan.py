"""Turn retention decisions into a plan. Pure: reads neither disk nor clock."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Any

from engine.garbage import no_collection
from engine.plans.destinations import Destinations
from engine.plans.plan import Action, Plan, emptied
from engine.plans.retention import Decision, Experiment
from engine.project import Project
from engine.recognition.experiments import Found
from engine.recognition.raw_logs import RawLog
from engine.recognition.scan import Inventory
from engine.reports.descriptions import describe


@no_collection()
def archive(
    project: Project,
    inventory: Inventory,
    decisions: Iterable[Decision],
    found: Mapping[Experiment, Found],
    now: datetime,
    logs: Iterable[RawLog] = (),
    before: date | None = None,
    asked: Collection[str] = (),
) -> Plan:
    """Return the plan that packs the experiments which the rules let go, and raw logs of `before`.

    An experiment that was asked for by name and stays is skipped, so that it is left aloud.
    """
    planner = _Planner(project, inventory, asked)
    for decision in decisions:
        planner.settle(decision, found[decision.experiment])
    if before:
        planner.pack_logs(logs, before)
    return planner.plan(now)


class _Planner:
    def __init__(self, project: Project, inventory: Inventory, asked: Collection[str]) -> None:
        self.project, self.inventory, self.asked = project, inventory, asked
        self.to = Destinations(project, inventory.entries)
        self.actions: dict[str, Action] = {}
        self.archives: dict[str, dict[str, Any]] = {}
        self.checkpoints: list[dict[str, Any]] = []
        self.notes: list[str] = []

    def settle(self, decision: Decision, found: Found) -> None:
        name, folder = decision.experiment.name, found.run.folder
        target = self.to.packed(name) if decision.pack else None
        if target is None:
            taken = (
                f"{self.project.folders.archived} has something of that name already; if that was "
                "restored, just undo takes it back"
            )
            self._stay(name, folder, taken if decision.pack else decision.rule)
            return
        about = _about(decision, found)
        self.checkpoints += about["checkpoints"]
        for path in found.files:
            self._pack(path, target, decision.rule, folder, about)

    def _stay(self, name: str, folder: str, rule: str) -> None:
        if name in self.asked:
            self.actions[folder] = Action("skip", folder, None, 0, rule, folder)
        else:
            self.notes.append(f"{name} stays: {rule}")

    def pack_logs(self, logs: Iterable[RawLog], before: date) -> None:
        target = self.to.old_logs(before)
        about = {"name": "old logs", "before": before.isoformat()}
        for log in logs:
            if log.in_use:
                self.notes.append(f"{log.path} stays: in use ({log.in_use})")
            elif log.written is None:
                self.notes.append(f"{log.path} stays: its age is unknown")
            elif log.written < before:
                reason = f"raw log of {log.written}, before {before}"
                self._pack(log.path, target, reason, self.project.folders.logs, about)

    def plan(self, now: datetime) -> Plan:
        return Plan(
            "archive",
            now.isoformat(sep=" ", timespec="seconds"),
            tuple(self.actions.values()),
            self.archives,
            emptied(self.inventory, self.actions, vars(self.project.folders).values()),
            tuple(self.checkpoints),
            tuple(self.notes),
        )

    def _pack(self, path: str, target: str, reason: str, run: str, about: dict[str, Any]) -> None:
        entry, tracked = self.inventory.entries[path], path in self.inventory.tracked
        self.archives.setdefault(target, about)
        self.actions[path] = Action(
            "pack", path, target, entry.size, reason, run, entry.mtime_ns, tracked
        )


def _about(decision: Decision, found: Found) -> dict[str, Any]:
    experiment = decision.experiment
    return {
        "name": experiment.name,
        "folder": found.run.folder,
        "model_type": experiment.model_type,
        "metric": experiment.metric,
        "direction": experiment.direction,
        "value": experiment.value,
        "date": experiment.started.isoformat() if experiment.started else None,
        "packed_because": decision.rule,
        "curves": found.curves,
        "evidence": [evidence._asdict() for evidence in found.best.evidence],
        "checkpoints": [describe(c, _role(c.role, c.problem)) for c in found.checkpoints],
    }


def _role(role: str, problem: str | None) -> str:
    if problem:
        return "ignored"
    return "training_state" if role == "training_state" else "candidate"
