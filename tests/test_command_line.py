"""What recipes have in common on the command line: exit status, messages, the next step."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

import cleanup
from conventions_text import CONVENTIONS
from engine import command_line, options
from engine.archives.manifest import Damaged
from engine.errors import UserError
from engine.plans.plan import Action, Plan
from engine.project import Project, open_project

SKIP = Action("skip", "a", None, 1, "in use: a (open)", "a")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with a file in it."""
    root = tmp_path / "my project"
    (root / "training").mkdir(parents=True)
    (root / "training/conventions.toml").write_text(CONVENTIONS)
    (root / "a").write_bytes(b"x")
    return open_project(root, root / "training/conventions.toml", {})


def moving(project: Project) -> Plan:
    status = (project.root / "a").stat()
    return Plan("cleanup", "", (Action("move", "a", "b/a", 1, "why", "a", status.st_mtime_ns),))


def parse(*argv: str) -> argparse.Namespace:
    made = options.parser("cleanup", "What it does.", "just cleanup")
    options.add_apply(made)
    return made.parse_args(argv)


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00Z", "2026-01-01T05:30:00+05:30"])
def test_a_time_with_a_zone_becomes_local(text: str) -> None:
    """All other times that are compared with it are local ones, without a zone."""
    there = datetime(2026, 1, 1, tzinfo=UTC)
    assert options.moment(text) == there.astimezone().replace(tzinfo=None)
    assert options.moment("2026-01-01T05:30") == datetime(2026, 1, 1, 5, 30)


@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31T23:59:59Z", "yesterday"])
def test_what_is_no_time_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line that names it, before anything is read."""
    made = options.parser("archive", "What it does.", "just archive")
    options.add_now(made, "plan as of this time")
    with pytest.raises(SystemExit, match="2"):
        made.parse_args(["--now", text])
    assert f"'{text}' is no time" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--keep-active", "-3"], "'-3' is no count; write 0 or more"),
        (["--keep-active", "999999999999"], "is no count"),
        (["--cutoff", "2025-13-01"], "'2025-13-01' is no day; write 2025-07-25"),
    ],
)
def test_a_number_out_of_reach_is_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, before anything is read."""
    with pytest.raises(SystemExit, match="2"):
        cleanup.main(words)
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def raising(error: BaseException) -> Callable[[Sequence[str]], int]:
    def main(argv: Sequence[str]) -> int:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (UserError("a.toml:3: mend it"), 2, "a.toml:3: mend it"),
        (OSError(28, "No space left on device", "x"), 1, "just resume"),
        (Damaged("x.tar.gz: a: differs"), 1, "just undo"),
        (KeyboardInterrupt(), 1, "interrupted"),
        (ModuleNotFoundError("gone", name="isal"), 2, "isal is missing"),
        (ModuleNotFoundError("gone", name="_ctypes"), 2, "was built without _ctypes; name another"),
    ],
)
def test_a_mistake_is_one_line_on_standard_error(
    error: BaseException,
    status: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No traceback; the status tells a user's mistake from a failure."""
    monkeypatch.setattr("sys.argv", [__file__])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as stopped:
        command_line.run(raising(error))
    captured = capsys.readouterr()
    assert stopped.value.code == status
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert said in captured.err


def test_the_status_of_a_recipe_is_the_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets the arguments without its own name."""
    monkeypatch.setattr("sys.argv", ["just", "a", "b"])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as stopped:
        command_line.run(len)
    assert stopped.value.code == 2


@pytest.mark.parametrize("argv", [["--appl"], ["--unknown"]])
def test_wrong_usage_is_refused(argv: list[str]) -> None:
    """Abbreviations, too: `--a` might mean something else tomorrow."""
    with pytest.raises(SystemExit) as stopped:
        parse(*argv)
    assert stopped.value.code == 2


def test_a_plan_is_shown_and_nothing_happens(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next step repeats the arguments, quoted for the shell."""
    status = command_line.show_or_apply(project, moving(project), parse(), ["--keep", "a b;*"])
    assert status == command_line.DONE
    assert (project.root / "a").exists()
    assert "Next: just cleanup --keep 'a b;*' --apply" in capsys.readouterr().out


def test_json_goes_to_standard_output_alone(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before and after: then with the run's name."""
    command_line.show_or_apply(project, moving(project), parse("--json"), [])
    assert json.loads(capsys.readouterr().out)["run"] is None
    arguments = parse("--json", "--apply")
    assert command_line.show_or_apply(project, moving(project), arguments, []) == command_line.DONE
    captured = capsys.readouterr()
    assert json.loads(captured.out)["run"].endswith("_cleanup")
    assert captured.err == ""
    assert (project.root / "b/a").exists()


@pytest.mark.parametrize(("argv", "status"), [([], 0), (["--apply"], 1)])
def test_a_plan_of_nothing_but_skips_changes_nothing(
    project: Project, argv: list[str], status: int
) -> None:
    """To apply it means that something was skipped; no run is begun."""
    plan = Plan("cleanup", "", (SKIP,))
    assert command_line.show_or_apply(project, plan, parse(*argv), []) == status
    assert not (project.root / "training/.history").exists()


def test_nothing_to_do_is_done(project: Project) -> None:
    """With --apply as well."""
    plan = Plan("cleanup", "", ())
    assert command_line.show_or_apply(project, plan, parse("--apply"), []) == command_line.DONE


def test_an_interrupt_while_modules_are_imported_is_one_line(tmp_path: Path) -> None:
    """Nothing was begun by then; on a slow disk that takes seconds."""
    (tmp_path / "tomllib.py").write_text("raise KeyboardInterrupt")
    command = [sys.executable, str(Path(cleanup.__file__).with_name("status.py"))]
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("", "interrupted\n")
    assert done.returncode != 0
