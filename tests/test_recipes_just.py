"""The recipes, run through the real just from a project made of the template."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from template_fixture import JUST, REPOSITORY, copy_of_template, generate

RECIPES = [
    "archive",
    "check",
    "cleanup",
    "new",
    "promote",
    "pull",
    "purge",
    "push",
    "relink",
    "restore",
    "resume",
    "schedule",
    "status",
    "train",
    "undo",
    "update",
    "verify",
    "where",
]
ECHO = """\
import json, os, sys
print(json.dumps([os.path.basename(__file__), os.getcwd(), sys.executable, sys.argv[1:]]))
sys.exit(3)
"""
HOSTILE = ["a b", "$(touch x)", "`touch y`", "o'brien", '"', "*", "--help", "-n", "--", "", "é\n"]


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    template = copy_of_template(tmp_path_factory.mktemp("template"))
    project = generate(template, tmp_path_factory.mktemp("generated") / "project")
    for name in RECIPES:
        (project / f"training/recipes/{name}.py").write_text(ECHO)
    return project


@pytest.fixture
def project(generated: Path, tmp_path: Path) -> Path:
    """A project in a folder with a space and a quote, whose scripts print what they were given."""
    return Path(shutil.copytree(generated, tmp_path / "my 'project"))


@pytest.fixture
def python(tmp_path: Path) -> str:
    """An interpreter whose path has a space in it."""
    path = tmp_path / "my python"
    path.symlink_to(sys.executable)
    return str(path)


def just(
    folder: Path, *arguments: str, python: str | None = sys.executable
) -> subprocess.CompletedProcess[str]:
    assert JUST
    environment = {key: value for key, value in os.environ.items() if not key.startswith("JUST")}
    environment.pop("TRAINING_PYTHON", None)
    if python is not None:
        environment["TRAINING_PYTHON"] = python
    return subprocess.run(
        [JUST, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_runs_the_script_of_its_name(project: Path, name: str, python: str) -> None:
    """The script gets its arguments untouched, the named interpreter, and its status is just's."""
    done = just(project, name, *HOSTILE, python=python)
    assert json.loads(done.stdout) == [f"{name}.py", str(project), python, HOSTILE]
    assert done.returncode == 3
    assert done.stderr == ""
    assert not (project / "x").exists()


@pytest.mark.parametrize(
    "spelling",
    [["cleanup"], ["-f", "{project}/training/recipes.just", "cleanup"], ["outputs", "cleanup"]],
    ids=["import", "file", "module"],
)
@pytest.mark.parametrize("folder", [".", "training", "src/deep er"])
def test_a_recipe_stays_where_the_user_stands(
    project: Path, spelling: list[str], folder: str
) -> None:
    """Imported, by file or as a module, from any folder: paths mean what the user meant."""
    if spelling[0] == "outputs":
        (project / "justfile").write_text("mod outputs 'training/recipes.just'\n")
    stand = project / folder
    stand.mkdir(parents=True, exist_ok=True)
    done = just(stand, *(part.format(project=project) for part in spelling), "--json", "a b")
    assert json.loads(done.stdout) == [
        "cleanup.py",
        str(stand.resolve()),
        sys.executable,
        ["--json", "a b"],
    ]


def test_a_module_lives_with_recipes_of_the_same_name(project: Path) -> None:
    """Who has a cleanup of their own keeps it, and calls ours by the module's name."""
    own = "mod outputs 'training/recipes.just'\n\ncleanup:\n    @echo mine\n"
    (project / "justfile").write_text(own)
    assert just(project, "cleanup").stdout == "mine\n"
    assert json.loads(just(project, "outputs", "cleanup", "x").stdout)[3] == ["x"]


def test_the_import_bears_any_settings_and_variables_of_the_user(project: Path) -> None:
    """The imported file has no settings and no variables that could clash with theirs."""
    own = "set dotenv-load\nset positional-arguments\nset export\npython := 'x'\nroot := 'y'\n"
    (project / "justfile").write_text(f"{own}import? 'training/recipes.just'\n")
    assert json.loads(just(project, "cleanup", "a b").stdout)[3] == ["a b"]


def test_just_alone_lists_the_recipes(project: Path) -> None:
    """With no name, the new justfile explains its recipes and runs none of them."""
    done = just(project)
    assert done.returncode == 0
    assert "[training outputs]" in done.stdout
    for name in RECIPES:
        assert f"    {name} *args" in done.stdout
    assert "# " in done.stdout


@pytest.mark.parametrize("file", ["justfile", "template/training/recipes.just"])
def test_a_list_of_recipes_fits_a_terminal(file: str) -> None:
    """No line of `just --list`, of a project or of this repository, is wider than 80 columns."""
    lines = just(REPOSITORY, "--justfile", str(REPOSITORY / file), "--list").stdout.splitlines()
    assert len(lines) > 8
    assert not [line for line in lines if len(line) > 80]


@pytest.mark.parametrize("unset", [None, ""])
def test_without_a_named_interpreter_uv_runs_the_script(project: Path, unset: str | None) -> None:
    """An unset or empty TRAINING_PYTHON means uv, with the arguments as they are."""
    if shutil.which("uv") is None:
        pytest.skip("uv is not on the path")
    (project / "training/recipes/cleanup.py").write_text(
        f'# /// script\n# requires-python = ">=3.11"\n# dependencies = []\n# ///\n{ECHO}'
    )
    done = just(project, "cleanup", "a b", python=unset)
    assert json.loads(done.stdout)[3] == ["a b"], done.stderr


def test_an_interpreter_that_is_not_there_is_status_127(project: Path) -> None:
    """A wrong TRAINING_PYTHON is reported by name."""
    done = just(project, "cleanup", python="/nowhere/python")
    assert done.returncode == 127
    assert "/nowhere/python" in done.stderr


@pytest.mark.parametrize("name", ["justfile", "training/recipes.just"])
def test_justfiles_are_formatted(name: str) -> None:
    """`just --fmt --check` has nothing to say about what ships."""
    path = REPOSITORY / "template" / name
    done = just(REPOSITORY, "--justfile", str(path), "--fmt", "--check")
    assert done.returncode == 0, done.stdout + done.stderr
