"""What every shipped script has in common, run as a user or a scheduler runs it."""

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_console_scripts import ScriptRunner

from projects import REPOSITORY
from template_fixture import copy_of_template, generate

RECIPES = REPOSITORY / "template/training/recipes"
SCRIPTS = sorted(RECIPES.glob("*.py"))
MORE = {"status": ["jinja2>=3.1,<4"]}  # for the HTML report alone


def old_pythons() -> Iterator[str]:
    """Yield what may be a Python older than 3.11, also what a stub of pyenv stands for."""
    for name in ("python3.10", "python3.9"):
        if found := shutil.which(name):
            yield found
            yield from map(str, Path(found).parents[1].glob(f"versions/3.*/bin/{name}"))


OLD_PYTHON = next(
    (p for p in old_pythons() if not subprocess.run([p, "-c", ""], capture_output=True).returncode),
    None,
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scripts")
    return generate(copy_of_template(folder / "copier"), folder / "project")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_help_names_the_recipe_and_gives_an_example(
    script: Path, script_runner: ScriptRunner
) -> None:
    """--help calls the script what the user types, explains it in 80 columns, shows an example."""
    environment = {**os.environ, "COLUMNS": "80"}
    shown = script_runner.run([sys.executable, str(script), "--help"], env=environment)
    assert shown.success
    assert shown.stdout.startswith(f"usage: just {script.stem} ")
    assert f"example: just {script.stem}" in shown.stdout
    assert not [line for line in shown.stdout.splitlines() if len(line) > 80]
    assert not shown.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_wrong_option_is_refused(script: Path, script_runner: ScriptRunner) -> None:
    """What does not exist ends with status 2 and one line, as every mistake of a user does."""
    refused = script_runner.run([sys.executable, str(script), "--no-such\noption"])
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert line.startswith(f"just {script.stem}: error: ")
    assert f"just {script.stem} --help" in line


def needs(script: Path) -> list[str]:
    """Return the packages that a script names in its metadata."""
    (line,) = re.findall(r"^# dependencies = \[(.*)\]$", script.read_text(), re.MULTILINE)
    return [need.strip('"') for need in line.split(", ")]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_every_script_is_short_and_says_what_it_needs(script: Path) -> None:
    """A script stays under 120 lines; all name the same packages, with bounds, but for a report."""
    text = script.read_text()
    assert text.count("\n") <= 120
    more = MORE.get(script.stem, [])
    assert needs(script) == sorted([*needs(SCRIPTS[0]), *more])
    assert all(">=" in need and "<" in need for need in needs(script))


def test_scripts_run_under_a_safe_path(project: Path) -> None:
    """They find their modules when Python leaves the script's folder out of its path."""
    done = subprocess.run(
        [sys.executable, project / "training/recipes/cleanup.py"],
        env=os.environ | {"PYTHONSAFEPATH": "1"},
        cwd="/",
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Nothing to do" in done.stdout


@pytest.mark.parametrize(
    ("script", "others"),
    [
        ("archive", {"concurrent.futures", "engine.changes.apply"}),
        ("relink", {"concurrent.futures", "engine.checks.layout"}),
    ],
)
def test_a_plan_does_not_wait_for_what_it_does_not_need(
    project: Path, script: str, others: set[str]
) -> None:
    """Importing the threads, the writers or the rules of the check takes longer than the plan."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", project / f"training/recipes/{script}.py"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "Nothing to " in done.stdout
    assert not others & {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


def run(project: Path, *words: str, **environ: str) -> str:
    """Run a script for a user who says nothing of bytecode; return what it said, all of it."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "XDG_"))}
    script, *options = words
    done = subprocess.run(
        [sys.executable, project / f"training/recipes/{script}.py", *options],
        env=keep | environ,
        check=True,
        capture_output=True,
        text=True,
    )
    assert not list(project.rglob("__pycache__"))
    assert not list(project.rglob("*.pyc"))
    return done.stdout + done.stderr


def home(folder: Path) -> dict[str, str]:
    """Return what tells a script, on any system, that the user's caches lie in a folder."""
    return dict.fromkeys(("HOME", "LOCALAPPDATA", "XDG_CACHE_HOME"), str(folder))


def bytecode(folder: Path) -> dict[str, int]:
    """Return the compiled modules below a folder, each with the time when it was written."""
    return {path.name.split(".")[0]: path.stat().st_mtime_ns for path in folder.rglob("*.pyc")}


def test_bytecode_is_kept_in_the_users_cache(project: Path, tmp_path: Path) -> None:
    """Not in the project; and what was compiled once is used the next time."""
    assert "Nothing to do" in run(project, "cleanup", **home(tmp_path))
    kept = bytecode(tmp_path)
    assert kept.keys() >= {"cleanup_plan", "project", "log_paths"}
    assert "Nothing to do" in run(project, "cleanup", **home(tmp_path))
    assert bytecode(tmp_path) == kept


def test_a_changed_engine_is_used_at_once(project: Path, tmp_path: Path) -> None:
    """An update replaces modules that are in the cache already."""
    twin = Path(shutil.copytree(project, tmp_path / "twin"))
    before = run(twin, "status", "--help", **home(tmp_path))
    options = twin / "training/recipes/engine/options.py"
    options.write_text(options.read_text().replace('f"example: ', 'f"for instance: '))
    after = run(twin, "status", "--help", **home(tmp_path))
    assert after == before.replace("example: ", "for instance: ") != before


@pytest.mark.parametrize("place", ["relative", "{file}/x", "{locked}", "{project}/x"])
def test_without_a_place_for_it_nothing_is_kept(project: Path, tmp_path: Path, place: str) -> None:
    """No home, one that is not ours, or one inside the project: not a word, not a file."""
    (tmp_path / "file").touch()
    (tmp_path / "locked/copier-training-outputs").mkdir(parents=True)
    (tmp_path / "locked/copier-training-outputs").chmod(0o500)
    if os.name != "nt" and os.geteuid() == 0:  # for whom no folder is locked
        os.chown(tmp_path / "locked/copier-training-outputs", 12345, -1)
    names = {"file": tmp_path / "file", "locked": tmp_path / "locked", "project": project}
    said = run(project, "status", "--help", **home(Path(place.format(**names))))
    assert said == run(project, "status", "--help", PYTHONDONTWRITEBYTECODE="1")
    assert not bytecode(tmp_path)


def test_what_the_user_says_of_bytecode_counts(project: Path, tmp_path: Path) -> None:
    """Python's own variables: none at all, or elsewhere."""
    cache, other = tmp_path / "cache", tmp_path / "other"
    run(project, "status", "--help", PYTHONDONTWRITEBYTECODE="1", **home(cache))
    assert not cache.exists()
    run(project, "status", "--help", PYTHONPYCACHEPREFIX=str(other), **home(cache))
    assert not cache.exists()
    assert "options" in bytecode(other)


def test_a_missing_package_is_one_line(project: Path, tmp_path: Path) -> None:
    """An interpreter without the packages is told how to install them."""
    venv.create(tmp_path / "bare", symlinks=os.name != "nt")
    python = tmp_path / "bare" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    (project / "model.pt").write_bytes(b"")
    done = subprocess.run(
        [python, project / "training/recipes/cleanup.py"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert re.fullmatch(r"\w+ is missing: .* -m pip install .*\"pyyaml>=6,<7\".*\n", done.stderr)


@pytest.mark.skipif(OLD_PYTHON is None, reason="no Python older than 3.11 on this machine")
@pytest.mark.parametrize(
    ("script", "status"), [("training/recipes/cleanup.py", 2), ("training/log_paths.py", 1)]
)
def test_an_old_python_is_told_so(project: Path, script: str, status: int) -> None:
    """An interpreter that is too old is named, in one line; to a training, which imports, too."""
    done = subprocess.run(
        [str(OLD_PYTHON), project / script],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == status
    assert re.search(r"is too old: .+ needs? Python 3\.11 or newer\n\Z", done.stderr)


@pytest.mark.skipif(not shutil.which("uv"), reason="uv is not on the path")
def test_uv_runs_a_script_with_what_it_needs(project: Path) -> None:
    """Without $TRAINING_PYTHON the recipe runs by `uv run --script`."""
    environment = {k: v for k, v in os.environ.items() if k != "TRAINING_PYTHON"}
    done = subprocess.run(
        [shutil.which("just") or "just", "-f", project / "training/recipes.just", "undo"],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Nothing to take back." in done.stdout
