"""One style in all recipes: width, colour, ASCII, progress, errors and the next command."""

import contextlib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from projects import REPOSITORY, just
from template_fixture import GIT_ENVIRONMENT
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
every_recipe = pytest.mark.parametrize("recipe", SCRIPTS)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project in which every recipe has something to say."""
    root = new_project(tmp_path_factory.mktemp("terminal"))
    for number, name in enumerate((FIRST, SECOND, THIRD)):
        train(root, name, [0.5, 0.55 + number / 50])
    just(root, "promote", SECOND, *NOW)
    just(root, "archive", FIRST, "--apply", *NOW)
    trained = root / f"training/experiments/active/{THIRD}"
    for name in ("moved.log", "net_ünïcode_….log"):
        (root / "old").mkdir(exist_ok=True)
        shutil.copy(trained / "training.log", root / "old" / name)
        age(root / "old")
        if name == "moved.log":
            just(root, "cleanup", "--apply", *NOW)
    (root / "plot.py").write_text('open("old/moved.log")\n')
    return root


@pytest.fixture
def crontab(tmp_path: Path) -> str:
    """Return a path on which a crontab program comes first that has an empty table."""
    (tmp_path / "crontab").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "crontab").chmod(0o755)
    return f"{tmp_path}{os.pathsep}{os.environ['PATH']}"


def environment(**more: str) -> dict[str, str]:
    told = (
        "COLUMNS",
        "FORCE_COLOR",
        "NO_COLOR",
        "LC_ALL",
        "LANG",
        "PYTHONIOENCODING",
        "PYTHONUTF8",
    )
    kept = {k: v for k, v in os.environ.items() if k not in told and not k.endswith("_DIR")}
    return {**kept, **GIT_ENVIRONMENT, "LANG": "C.UTF-8", "TERM": "xterm-256color", **more}


def ask(
    project: Path, recipe: str, *words: str, **environ: str
) -> subprocess.CompletedProcess[bytes]:
    """Ask a recipe what it is asked here; return what it printed into pipes."""
    asked, status = ASKED[recipe]
    script = project / f"training/recipes/{recipe}.py"
    cut = asked.index("--") if "--" in asked else len(asked)
    done = subprocess.run(
        [sys.executable, script, *asked[:cut], *words, *asked[cut:]],
        cwd=project,
        env=environment(**environ),
        check=False,
        capture_output=True,
    )
    assert done.returncode == status, done.stderr
    return done


def test_every_recipe_is_asked() -> None:
    """A recipe that is new is in the table above."""
    assert sorted(ASKED) == SCRIPTS


def without_free(text: bytes) -> bytes:
    """Return what was printed without what changes by the minute: the space that is free."""
    return re.sub(rb'[\d.]+ [kMG]?B\sfree|"free": \d+', b"", text)


@every_recipe
@pytest.mark.parametrize(
    ("columns", "ascii_by"), [(80, {"LC_ALL": "C"}), (120, {"PYTHONIOENCODING": "ascii"})]
)
def test_lines_fit_the_terminal(
    project: Path, crontab: str, recipe: str, columns: int, ascii_by: Mapping[str, str]
) -> None:
    """Up to 100 columns, but for what must not be broken: the next command, errors, one path.

    A locale that asks for ASCII gets it, in columns that are as wide; so does Python's own setting.
    """
    done = ask(project, recipe, PATH=crontab, COLUMNS=str(columns), **ascii_by)
    assert (done.stdout + done.stderr).isascii()
    assert b"Traceback" not in done.stderr
    assert b"\x1b" not in done.stdout
    long = [line for line in done.stdout.decode().splitlines() if len(line) > min(columns, 100)]
    assert [line for line in long if "Next: just" not in line and "/" not in line] == []


@pytest.mark.parametrize("recipe", [*PLANS, "status"])
@pytest.mark.parametrize("columns", [1, 20, 45])
def test_a_screen_may_be_too_narrow(project: Path, recipe: str, columns: int) -> None:
    """Then lines are longer than it, and names are still there."""
    shown = ask(project, recipe, COLUMNS=str(columns)).stdout.decode()
    assert "Next: just" in shown
    if recipe == "status":
        assert re.search(rf"^  {SECOND[:7]}", shown, re.MULTILINE)


@every_recipe
def test_colour_is_asked_for_or_on_a_terminal(project: Path, crontab: str, recipe: str) -> None:
    """A pipe gets none, with NO_COLOR nobody does; with FORCE_COLOR the same words are coloured."""
    usual = ask(project, recipe, PATH=crontab)
    forced = ask(project, recipe, PATH=crontab, FORCE_COLOR="1")
    bare = re.sub(rb"\x1b\[[\d;]*m", b"", forced.stdout)
    assert without_free(bare) == without_free(usual.stdout)
    assert forced.stderr == usual.stderr
    if recipe in (*PLANS, "status"):
        assert b"\x1b[" in forced.stdout
        colourless = ask(project, recipe, FORCE_COLOR="1", NO_COLOR="1")
        assert not re.search(rb"\x1b\[(?:\d+;)*(?:3[0-7]|9[0-7])", colourless.stdout)


@every_recipe
def test_programs_get_json_alone(project: Path, crontab: str, recipe: str) -> None:
    """Whatever the width, the colours and the locale."""
    done = ask(project, recipe, "--json", PATH=crontab, LC_ALL="C", FORCE_COLOR="1")
    if ASKED[recipe][1] == 2:
        assert done.stdout == b""
    else:
        json.loads(done.stdout)


@pytest.mark.parametrize("recipe", [*PLANS, "status", "promote"])
def test_the_last_line_is_the_next_command(project: Path, recipe: str) -> None:
    """Whole, on one line, however narrow the terminal is."""
    last = ask(project, recipe, COLUMNS="80").stdout.decode().splitlines()[-1]
    assert re.search(rf"Next: just (?:{recipe}\b|promote|\w+$)", last), last


@every_recipe
def test_a_mistake_is_one_line(tmp_path: Path, recipe: str) -> None:
    """That names the file; on standard error, with status 2."""
    words, _ = ASKED[recipe]
    script = RECIPES / f"{recipe}.py"
    place = ("--project", str(tmp_path / "nowhere"))
    done = subprocess.run(
        [sys.executable, script, *place, *words],
        env=environment(),
        check=False,
        capture_output=True,
    )
    assert done.returncode == 2
    assert done.stdout == b""
    (line,) = done.stderr.decode().splitlines()
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
    with subprocess.Popen(command, cwd=RECIPES, env=environment(), stderr=theirs) as working:
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
        command, cwd=RECIPES, env=environment(FORCE_COLOR="1"), check=True, capture_output=True
    )
    assert (log.stdout, log.stderr) == (b"", b"")
