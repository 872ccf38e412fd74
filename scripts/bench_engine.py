"""One part of the engine alone, for the bench: `duplicates DIR` or `scan DIR`."""

import sys
from pathlib import Path

from engine.changes import disk
from engine.project import Project, open_project
from engine.recognition import duplicates
from engine.recognition.scan import scan


def main(argv: list[str]) -> int:
    """Do one part; prints what it found. Returns the exit status."""
    part, folder, conventions = argv
    project = open_project(Path(folder), Path(conventions))
    print(_duplicates(project) if part == "duplicates" else len(scan(project).entries))
    return 0


def _duplicates(project: Project) -> int:
    """Return how many files are copies, each compared byte by byte with the first of its kind."""
    entries = scan(project).entries.values()
    return sum(
        disk.same_bytes(project.root / group[0], project.root / copy)
        for group in duplicates.find(project.root, entries)
        for copy in group[1:]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
