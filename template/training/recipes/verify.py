# /// script
# requires-python = ">=3.11"
# dependencies = ["isal>=1.7,<2", "pyyaml>=6,<7", "rich>=14,<16"]
# ///
"""Read every archive and production model again and compare it with its checksums."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.dont_write_bytecode = True  # engine/__init__ allows it again, outside of the project
sys.path.insert(0, str(Path(__file__).resolve().parent))

from engine import options


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = options.parser("verify", __doc__ or "", "just verify; or just verify --quick")
    add = parser.add_argument
    add("name", nargs="?", metavar="NAME", help="only this archive or production model")
    add("--quick", action="store_true", help="read only what was changed since it was read last")
    add("--quarantine", action="store_true", help="the originals that wait in quarantine as well")
    options.add_now(parser, "note it as verified at this time")
    return parser.parse_args(argv)


if __name__ == "__main__":
    _parse(sys.argv[1:])  # --help and mistakes end here: what follows takes longer to import

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime

from engine import command_line, show
from engine.archives import catalog, verification
from engine.archives.verification import Checked, Item
from engine.changes.history import refuse_unfinished
from engine.changes.known_hashes import KnownHashes
from engine.project import Project
from engine.recognition import identity


def main(argv: Sequence[str]) -> int:
    """Verify and report; returns the exit status."""
    arguments = _parse(argv)
    project = command_line.project_of(arguments)
    refuse_unfinished(project)
    wanted = list(verification.items(project, arguments.quarantine))
    if arguments.name:
        wanted = _named(project, wanted, arguments.name)
    known = KnownHashes(project)
    found = list(_found(project, wanted, known, arguments))
    known.save()
    return _report(project, found, arguments)


def _named(project: Project, items: list[Item], name: str) -> list[Item]:
    home = project.folders.production
    paths = {*catalog.paths_meant(project, name), f"{home}/{name}"}
    models = (item for item in items if item.kind == "production")
    if meant := [m for m in models if paths & {m.path, f"{home}/{identity.stem(m.path)}"}]:
        return meant
    archive = catalog.find(project, name).name
    return [item for item in items if (item.kind, item.name) == ("archives", archive)]


def _found(
    project: Project, items: list[Item], known: KnownHashes, arguments: argparse.Namespace
) -> Iterator[Checked]:
    when = (arguments.now or datetime.now()).isoformat(sep=" ", timespec="seconds")
    sizes = [verification.size_of(project, item) for item in items]
    with show.progress("verifying", sum(sizes)) as on_bytes:
        for item, size in zip(items, sizes, strict=True):
            yield verification.verify(project, item, known, when, arguments.quick)
            on_bytes(size)


def _report(project: Project, found: list[Checked], arguments: argparse.Namespace) -> int:
    damaged = [one for one in found if one.state == "damaged"]
    unknown = [one for one in found if one.state == "unknown"]
    if not arguments.json:
        for one in (*unknown, *damaged):
            way = verification.way_back(project, one) if one.state == "damaged" else None
            hint = f" (its originals wait in quarantine: {way})" if way else ""
            show.warn(f"{one.state}: {one.path}: {one.problem}{hint}")
    whole = len(found) - len(damaged) - len(unknown)
    line = f"{whole:,} of {len(found):,} files are whole, {len(damaged):,} are damaged."
    show.say(
        line,
        arguments.json,
        whole=whole,
        damaged=len(damaged),
        unknown=len(unknown),
        files=[asdict(one) for one in found],
    )
    return command_line.FAILED if damaged else command_line.DONE


if __name__ == "__main__":
    command_line.run(main)
