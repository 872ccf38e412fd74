"""Turn retention decisions into a plan. Pure: reads neither disk nor clock."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from engine.plan import Action, Plan, emptied
from engine.project import Project
from engine.retention import Decision, Experiment
from engine.runs import Run
from engine.scan import Inventory


def archive(
    project: Project,
    inventory: Inventory,
    decisions: Iterable[Decision],
    runs: Mapping[Experiment, Run],
    now: datetime,
) -> Plan:
    """Return the plan that packs the experiments which the rules let go."""
    actions, archives, notes = {}, {}, []
    taken = {path.casefold() for path in inventory.entries}
    for decision in decisions:
        experiment, run = decision.experiment, runs[decision.experiment]
        target = f"{project.folders.archived}/{experiment.name}.tar.gz"
        if not decision.pack:
            notes.append(f"{experiment.name} stays: {decision.rule}")
            continue
        if target.casefold() in taken:
            notes.append(f"{experiment.name} stays: {target} exists already")
            continue
        archives[target] = _about(experiment, run)
        for path in run.files:
            entry = inventory.entries[path]
            tracked = path in inventory.tracked
            actions[path] = Action(
                "pack", path, target, entry.size, decision.rule, run.folder, entry.mtime_ns, tracked
            )
    return Plan(
        "archive",
        now.isoformat(sep=" ", timespec="seconds"),
        tuple(actions.values()),
        archives,
        emptied(inventory, actions, (project.folders.active,)),
        notes=tuple(notes),
    )


def _about(experiment: Experiment, run: Run) -> dict[str, object]:
    return {
        "name": experiment.name,
        "folder": run.folder,
        "model_type": experiment.model_type,
        "metric": experiment.metric,
        "value": experiment.value,
        "date": experiment.started.isoformat() if experiment.started else None,
    }
