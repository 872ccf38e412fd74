"""Measure ours and the tools that people use, in turn; write the table into the docs."""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import bench_measure
from bench_contests import KINDS, PACKAGES, SIZES, Ground
from bench_measure import Contest, Measured

QUIET = 0.5  # load of the last minute
TABLE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "bench.md"
ROW = "| {:<40} | {:>8} | {:>6} | {:>8} | {:>6} | {:>7} | {:>7} |"


def main(argv: Sequence[str]) -> int:
    """Measure, print, write; returns the exit status: 1 if a contender failed."""
    arguments = _parse(argv)
    kinds = arguments.only or list(KINDS)
    lines = [*_conditions(arguments)]
    print("\n".join(lines), flush=True)
    missing: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="bench_", dir=arguments.folder) as folder:
        ground = Ground(Path(folder), SIZES[arguments.size])
        for contest in (contest for kind in kinds for contest in KINDS[kind](ground)):
            able, unable = _able(contest)
            missing |= unable
            table = _table(able, arguments.times)
            print("\n".join(table), flush=True)
            lines += table
    if missing:
        lines.append(_install(missing))
        print(lines[-1])
    arguments.output.write_text("\n".join(lines) + "\n")
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="just bench", description=__doc__)
    parser.add_argument(
        "--size", choices=SIZES, default="small", help="full: 2 GB, 1,000,000 files"
    )
    parser.add_argument("--only", type=_kinds, metavar="KIND,..", help=", ".join(KINDS))
    parser.add_argument("--times", type=int, default=3, metavar="N", help="medians of N (3)")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where the trees are built")
    parser.add_argument("--output", type=Path, metavar="FILE", default=TABLE)
    return parser.parse_args(argv)


def _kinds(text: str) -> list[str]:
    kinds = text.split(",")
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(KINDS)}")
    return kinds


def _conditions(arguments: argparse.Namespace) -> Iterator[str]:
    load = os.getloadavg()[0]
    yield "# Measured by `just bench`"
    yield ""
    quiet = "" if load < QUIET else " (**not quiet**: read nothing into it)"
    yield (
        f"{date.today()}, size {arguments.size}, page cache warm; {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, load {load:.1f} at the start{quiet}. Medians of "
        f"{arguments.times} in turn; what takes more than {bench_measure.SLOW} s ran once."
    )
    yield "`/ ours` is a multiple of ours: more than 1 is slower than ours. CPU s is of all cores."
    yield ""
    yield (
        "Packing is: these files into an archive that is hashed, read back and compared, and the "
        "originals renamed into quarantine, with the journal that `just undo` goes by. The peers "
        "do what their names say. `just archive` is the whole recipe: it reads logs and tables for "
        "their metrics first. What was given back stays until the end: ext4 makes new files many "
        "times as slowly for minutes after many were deleted."
    )


def _able(contest: Contest) -> tuple[Contest, set[str]]:
    """Return the contest without those that cannot run here, and the programs that they miss."""
    able = [contender for contender in contest.contenders if not contender.missing()]
    missing = {program for contender in contest.contenders for program in contender.missing()}
    return replace(contest, contenders=able), missing


def _table(contest: Contest, times: int) -> list[str]:
    measured = bench_measure.hold(contest, times)
    ours = measured[0]
    return [
        "",
        ROW.format(contest.name, "seconds", "/ ours", "CPU s", "/ ours", "peak MB", "size MB"),
        "|---|--:|--:|--:|--:|--:|--:|",
        *(_row(one, ours) for one in measured),
    ]


def _row(one: Measured, ours: Measured) -> str:
    return ROW.format(
        one.name,
        f"{one.seconds:.3f}",
        f"{one.seconds / ours.seconds:.2f}",
        f"{one.processor:.3f}",
        f"{one.processor / ours.processor:.2f}",
        f"{one.peak / 1e6:.0f}",
        "" if one.made is None else f"{one.made / 1e6:.1f}",
    )


def _install(missing: set[str]) -> str:
    packages = sorted(PACKAGES.get(program, program) for program in missing)
    return f"\nNot measured, because not installed: apt-get install -y {' '.join(packages)}"


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except bench_measure.Failed as failure:
        sys.exit(f"bench: {failure}")
