"""One part of the engine alone, for the bench: `duplicates`, `scan`, `pack` or `pack_fast` DIR."""

import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from engine.changes.apply import apply
from engine.garbage import no_collection
from engine.plans.plan import Action, Plan, emptied
from engine.project import Project, open_project
from engine.recognition import duplicates
from engine.recognition.scan import Inventory, scan, scan_layout


def main(argv: list[str]) -> int:
    """Do one part; prints what it found. Returns the exit status."""
    part, folder, conventions = argv
    project = open_project(Path(folder), Path(conventions))
    if part.startswith("pack"):
        plan = replace(_packing(project, scan_layout(project)), fast=part == "pack_fast")
        return len(apply(project, plan, datetime.now()).left)
    print(_duplicates(project) if part == "duplicates" else len(scan(project).entries))
    return 0


def _duplicates(project: Project) -> int:
    """Return how many files are copies, by their bytes."""
    groups = duplicates.find(project.root, scan(project).entries.values())
    return sum(len(group) - 1 for group in groups)


@no_collection()
def _packing(project: Project, inventory: Inventory) -> Plan:
    """Return the plan to pack the one experiment there is, of which nothing is read."""
    (folder,) = (project.root / project.folders.active).iterdir()
    target = f"{project.folders.archived}/{folder.name}.tar.gz"
    files = (entry for entry in inventory.entries.values() if entry.kind == "file")
    actions = {
        entry.path: Action("pack", entry.path, target, entry.size, "", mtime_ns=entry.mtime_ns)
        for entry in files
    }
    left = emptied(inventory, actions, vars(project.folders).values())
    about = {target: {"name": folder.name}}
    return Plan("archive", datetime.now().isoformat(), tuple(actions.values()), about, left)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
