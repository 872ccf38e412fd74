# /// script
# requires-python = ">=3.11"
# dependencies = ["isal>=1.7,<2", "jinja2>=3.1,<4", "pyyaml>=6,<7", "rich>=14,<16"]
# ///
"""Show experiments, production models, archives and disk on one screen, and what to do next."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.dont_write_bytecode = True  # engine/__init__ allows it again, outside of the project
sys.path.insert(0, str(Path(__file__).resolve().parent))

from engine import options


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = options.parser("status", __doc__ or "", "just status; just status --html --open")
    parser.add_argument(
        "--all", action="store_true", help="read all experiments and archives, not only a screenful"
    )
    options.add_now(parser, "ages as of this time")
    parser.add_argument(
        "--html",
        nargs="?",
        type=Path,
        const=Path(),
        metavar="FILE",
        help="write all of it as one HTML file, by default report.html in the results folder",
    )
    parser.add_argument("--open", action="store_true", help="with --html: show it in a browser")
    arguments = parser.parse_args(argv)
    if arguments.open and arguments.html is None:
        parser.error("--open goes with --html")
    return arguments


if __name__ == "__main__":
    _parse(sys.argv[1:])  # --help and mistakes end here: what follows takes longer to import

import json
from datetime import datetime

from engine import command_line, show
from engine.project import Project
from engine.reports import advice, overview, overview_text


def main(argv: Sequence[str]) -> int:
    """Look and print; returns the exit status."""
    arguments = _parse(argv)
    project = command_line.project_of(arguments)
    now = arguments.now or datetime.now()
    rows = None if arguments.all or arguments.html is not None else overview_text.ROWS
    seen = overview.look(project, rows)
    step = advice.next_step(project, seen, now)
    if arguments.html is not None:
        return _report(project, seen, step, now, arguments)
    if arguments.json:
        print(json.dumps(overview_text.as_values(seen, now, step), indent=2))
        return command_line.DONE
    out = show.console()
    for line, style in overview_text.lines(project, seen, now, step, rows, out.width):
        out.print(line, style=style, no_wrap=True, overflow="ignore", crop=False)
    return command_line.DONE


def _report(
    project: Project,
    seen: overview.Overview,
    step: tuple[str, str],
    now: datetime,
    arguments: argparse.Namespace,
) -> int:
    """Write the report and say where; returns the exit status."""
    from engine.checks.rules import violations
    from engine.checks.subject import look
    from engine.reports import report_html

    conventions = arguments.conventions or Path(__file__).resolve().parents[1] / "conventions.toml"
    found = violations(look(project, conventions.resolve(), (), now))
    usual = project.root / project.folders.results / report_html.FILE
    target = usual if arguments.html == Path() else arguments.html
    report_html.write(report_html.page(project, seen, found, step, now), target)
    show.say(f"Written: {target}", arguments.json, file=str(target))
    if arguments.open:
        import webbrowser

        webbrowser.open(target.resolve().as_uri())
    return command_line.DONE


if __name__ == "__main__":
    command_line.run(main)
