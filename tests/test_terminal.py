"""One style in all recipes: width, colour, ASCII, progress, errors and the next command."""

import contextlib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from projects import REPOSITORY, just, recipe
from trained_project import age, new_project, train

RECIPES = REPOSITORY / "template/training/recipes"
FIRST, SECOND, THIRD = "2025-07-20_net_first", "2025-07-25_net_second", "2025-08-01_net_third"
NOW = ("--now", "2025-08-02T12:00:00")
# What each recipe is asked, so that it shows what it has to show and changes nothing; its status.
ASKED: Mapping[str, tuple[tuple[str, ...], int]] = {
    "archive": ((SECOND, *NOW), 0),
    "check": (NOW, 3),
    "cleanup": (NOW, 0),
    "new": (("net", "wide", "--dry-run", *NOW), 0),
    "promote": ((THIRD, "--dry-run", *NOW), 0),
    "pull": (("--dry-run",), 2),
    "purge": ((), 0),
    "push": (("--dry-run",), 2),
    "relink": ((), 0),
    "restore": ((FIRST, "--dry-run", *NOW), 0),
    "resume": (("--dry-run",), 0),
    "schedule": (("--off",), 0),
    "status": (NOW, 0),
    "train": (("net", "wide", "--dry-run", "--", sys.executable, "train.py"), 0),
    "undo": (("--dry-run",), 0),
    "update": ((), 2),
    "verify": (("--quick",), 0),
    "where": ((f"training/experiments/active/{FIRST}/training.log", *NOW), 0),
}
SCRIPTS = sorted(path.stem for path in RECIPES.glob("*.py"))
PLANS = ("archive", "cleanup", "promote", "purge", "relink", "restore", "undo")
By = Callable[..., subprocess.CompletedProcess[str]]  # just, or recipe: in this process
every_recipe = pytest.mark.parametrize("name", SCRIPTS)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project in which every recipe has something to say."""
    root = new_project(tmp_path_factory.mktemp("terminal"))
    for number, name in enumerate((FIRST, SECOND, THIRD)):
        train(root, name, [0.5, 0.55 + number / 50])
    recipe(root, "promote", SECOND, *NOW)
    recipe(root, "archive", FIRST, "--apply", *NOW)
    trained = root / f"training/experiments/active/{THIRD}"
    for old in ("moved.log", "net_ünïcode_….log"):
        (root / "old").mkdir(exist_ok=True)
        shutil.copy(trained / "training.log", root / "old" / old)
        age(root / "old")
        if old == "moved.log":
            recipe(root, "cleanup", "--apply", *NOW)
    (root / "plot.py").write_text('open("old/moved.log")\n')
    return root


@pytest.fixture
def crontab(tmp_path: Path) -> str:
    """Return a path on which a crontab program comes first that has an empty table."""
    (tmp_path / "crontab").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "crontab").chmod(0o755)
    return f"{tmp_path}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have asked for colours or an encoding; none of it belongs here."""
    for name in "COLUMNS FORCE_COLOR NO_COLOR LC_ALL PYTHONIOENCODING PYTHONUTF8".split():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("TERM", "xterm-256color")


def ask(
    project: Path, name: str, *words: str, by: By = recipe, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Ask a recipe what it is asked here; return what it printed into files or pipes."""
    asked, status = ASKED[name]
    cut = asked.index("--") if "--" in asked else len(asked)
    return by(project, name, *asked[:cut], *words, *asked[cut:], status=status, **environ)


def test_every_recipe_is_asked() -> None:
    """A recipe that is new is in the table above."""
    assert sorted(ASKED) == SCRIPTS


def without_free(text: str) -> str:
    """Return what was printed without what changes by the minute: the space that is free."""
    return re.sub(r'[\d.]+ [kMG]?B\sfree|"free": \d+', "", text)


@every_recipe
@pytest.mark.parametrize(
    ("columns", "by", "ascii_by"),
    [(80, recipe, {"LC_ALL": "C"}), (120, just, {"PYTHONIOENCODING": "ascii"})],
)
def test_lines_fit_the_terminal(
    project: Path,
    crontab: str,
    name: str,
    columns: int,
    by: By,
    ascii_by: Mapping[str, str],
) -> None:
    """Up to 100 columns, but for what must not be broken: the next command, errors, one path.

    A locale that asks for ASCII gets it, in columns that are as wide; so does Python's own setting.
    """
    done = ask(project, name, by=by, PATH=crontab, COLUMNS=str(columns), **ascii_by)
    assert (done.stdout + done.stderr).isascii()
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stdout
    long = [line for line in done.stdout.splitlines() if len(line) > min(columns, 100)]
    assert [line for line in long if "Next: just" not in line and "/" not in line] == []


@pytest.mark.parametrize("name", [*PLANS, "status"])
@pytest.mark.parametrize("columns", [1, 20, 45])
def test_a_screen_may_be_too_narrow(project: Path, name: str, columns: int) -> None:
    """Then lines are longer than it, and names are still there."""
    shown = ask(project, name, COLUMNS=str(columns)).stdout
    assert "Next: just" in shown
    if name == "status":
        assert re.search(rf"^  {SECOND[:7]}", shown, re.MULTILINE)


@every_recipe
def test_colour_is_asked_for_or_on_a_terminal(project: Path, crontab: str, name: str) -> None:
    """A pipe gets none, with NO_COLOR nobody does; with FORCE_COLOR the same words are coloured.

    The first goes through just: what a recipe says in this process is what it says to a user.
    """
    usual = ask(project, name, by=just, PATH=crontab)
    assert "\x1b" not in usual.stdout
    forced = ask(project, name, PATH=crontab, FORCE_COLOR="1")
    bare = re.sub(r"\x1b\[[\d;]*m", "", forced.stdout)
    assert without_free(bare) == without_free(usual.stdout)
    assert forced.stderr == usual.stderr
    if name in (*PLANS, "status"):
        assert "\x1b[" in forced.stdout
        colourless = ask(project, name, FORCE_COLOR="1", NO_COLOR="1")
        assert not re.search(r"\x1b\[(?:\d+;)*(?:3[0-7]|9[0-7])", colourless.stdout)


@every_recipe
def test_programs_get_json_alone(project: Path, crontab: str, name: str) -> None:
    """Whatever the width, the colours and the locale."""
    done = ask(project, name, "--json", PATH=crontab, LC_ALL="C", FORCE_COLOR="1")
    if ASKED[name][1] == 2:
        assert done.stdout == ""
    else:
        json.loads(done.stdout)


@pytest.mark.parametrize("name", [*PLANS, "status", "promote"])
def test_the_last_line_is_the_next_command(project: Path, name: str) -> None:
    """Whole, on one line, however narrow the terminal is."""
    last = ask(project, name, COLUMNS="80").stdout.splitlines()[-1]
    assert re.search(rf"Next: just (?:{name}\b|promote|\w+$)", last), last


@every_recipe
def test_a_mistake_is_one_line(tmp_path: Path, name: str) -> None:
    """That names the file; on standard error, with status 2."""
    words, _ = ASKED[name]
    place = ("--project", str(tmp_path / "nowhere"))
    done = recipe(REPOSITORY / "template", name, *place, *words, status=2)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "nowhere" in line


WORK = """
from engine import show
with show.progress("packing", 400_000) as done:
    for _ in range(200_000):
        done(1)
with show.progress("reading"):
    pass
"""


def test_progress_is_for_terminals_alone() -> None:
    """With rate and time left on standard error; not in a log, even if that is to be coloured.

    Where nobody knows how much there is, the time that has gone is told.
    """
    command = [sys.executable, "-c", WORK]
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, cwd=RECIPES, stderr=theirs) as working:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the end of a terminal
            while read := os.read(ours, 1 << 16):
                shown += read
    os.close(ours)
    assert working.returncode == 0
    text = re.sub(r"\x1b\[[\d;?]*\w", "", shown.decode())
    assert re.search(r"packing .* 200.0/400.0 kB [\d.]+ [kM]B/s 0:00:\d\d", text)
    assert re.search(r"reading \S+ 0:00:00", text)
    log = subprocess.run(
        command,
        cwd=RECIPES,
        env={**os.environ, "FORCE_COLOR": "1"},
        check=True,
        capture_output=True,
    )
    assert (log.stdout, log.stderr) == (b"", b"")
