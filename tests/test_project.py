"""Where a project's folders lie, and who says so."""

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conventions_text import CONVENTIONS
from engine import project
from engine.errors import UserError
from engine.project import Project, disagreements, open_project

TEMPLATE = Path(__file__).parents[1] / "template"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project that holds nothing but its conventions."""
    root = tmp_path / "my project"
    (root / "training").mkdir(parents=True)
    (root / "training/conventions.toml").write_text(CONVENTIONS)
    return root


def opened(root: Path, **environ: str) -> Project:
    return open_project(root, root / "training/conventions.toml", environ)


def test_without_overrides_the_conventions_count(root: Path) -> None:
    """Every folder is relative to the root, and three of them say who placed them."""
    project = opened(root)
    assert project.root == root.resolve()
    assert vars(project.folders) == {
        "training": "training",
        "active": "training/experiments/active",
        "archived": "training/experiments/archived",
        "logs": "training/logs",
        "results": "training/results",
        "production": "model_weights/production",
        "pretrained": "model_weights/pretrained",
        "guides": "docs/training",
        "history": "training/.history",
    }
    assert set(project.sources.values()) == {"conventions.toml"}


@pytest.mark.parametrize(
    ("key", "variable"),
    [
        ("training", "TRAINING_DIR"),
        ("active", "EXPERIMENT_DIR"),
        ("production", "MODEL_WEIGHTS_DIR"),
    ],
)
@pytest.mark.parametrize(
    ("by_environment", "by_dotenv"), [*itertools.product([True, False], repeat=2)]
)
def test_the_environment_wins_over_dotenv_over_the_conventions(
    root: Path, key: str, variable: str, by_environment: bool, by_dotenv: bool
) -> None:
    """The first of the three sources that says anything places the folder."""
    if by_dotenv:
        (root / ".env").write_text(f"OTHER=1\n{variable}=./from_dotenv/x\n")
    project = opened(root, **({variable: "from_environment/x"} if by_environment else {}))
    place, source = (
        ("from_environment/x", "environment")
        if by_environment
        else ("from_dotenv/x", ".env")
        if by_dotenv
        else (getattr(opened(root).folders, key), "conventions.toml")
    )
    assert getattr(project.folders, key) == place
    assert project.sources == {**dict.fromkeys(project.sources, "conventions.toml"), key: source}


def test_what_lies_below_training_moves_with_it(root: Path) -> None:
    """TRAINING_DIR moves logs, results and archive, but neither experiments nor the history."""
    folders = opened(root, TRAINING_DIR="out").folders
    assert (folders.logs, folders.archived) == ("out/logs", "out/experiments/archived")
    assert folders.active == "training/experiments/active"
    assert folders.history == "training/.history"


def test_a_folder_outside_is_absolute(root: Path, tmp_path: Path) -> None:
    """An override may point anywhere; inside the root it is still told relative to it."""
    assert opened(root, TRAINING_DIR=f"{tmp_path}/scratch").folders.logs == (
        (tmp_path / "scratch/logs").resolve().as_posix()
    )
    assert opened(root, TRAINING_DIR="../scratch").folders.training == (
        (tmp_path / "scratch").resolve().as_posix()
    )
    assert opened(root, TRAINING_DIR=f"{root}/here").folders.training == "here"


def test_the_root_may_be_reached_through_a_link(root: Path, tmp_path: Path) -> None:
    """A path inside the project stays inside, even if it is spelled through a symbolic link."""
    link = tmp_path / "link"
    link.symlink_to(root)
    assert opened(link, TRAINING_DIR=f"{link}/here").folders.training == "here"


@pytest.mark.parametrize(
    "value",
    ["", " ", "/", ".", "./", "..", "a/..", "~/x", "$HOME/x", "${X}", "a\nb", "a\x00b", "x" * 300],
)
@pytest.mark.parametrize("variable", ["TRAINING_DIR", "EXPERIMENT_DIR", "MODEL_WEIGHTS_DIR"])
def test_overrides_that_are_no_folder_are_refused(root: Path, variable: str, value: str) -> None:
    """An override that no folder can bear is refused in a line that names source and variable."""
    with pytest.raises(UserError, match=rf"\Aenvironment: {variable}=[^\n]+\Z"):
        opened(root, **{variable: value})


@pytest.mark.parametrize("value", ["conventions", "conventions/x"])
def test_an_override_that_is_a_file_is_refused(root: Path, value: str) -> None:
    """A file in the place of the folder, or of its parent, is named."""
    (root / "conventions").touch()
    (root / ".env").write_text(f"TRAINING_DIR='{value}'\n")
    with pytest.raises(UserError, match=rf"\A\.env: TRAINING_DIR='{value}' [^\n]+\Z"):
        opened(root)


def test_a_loop_of_links_is_refused(root: Path, tmp_path: Path) -> None:
    """A folder that is a symbolic link to itself is one line, not a traceback."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for value in (f"{tmp_path}/loop", f"{tmp_path}/loop/x"):
        with pytest.raises(UserError, match=r"\Aenvironment: TRAINING_DIR=[^\n]+\Z"):
            opened(root, TRAINING_DIR=value)


def test_overrides_that_put_folders_into_each_other_are_refused(root: Path) -> None:
    """Production weights and pretrained originals never share a folder, whoever says so."""
    with pytest.raises(UserError, match=r"MODEL_WEIGHTS_DIR \(environment\).*is or lies in"):
        opened(root, MODEL_WEIGHTS_DIR="model_weights/pretrained")
    with pytest.raises(UserError, match="is or lies in"):
        opened(root, EXPERIMENT_DIR="training/logs/x")


def test_an_unused_bad_value_does_no_harm(root: Path) -> None:
    """What the environment overrules in `.env` need not be usable."""
    (root / ".env").write_text("TRAINING_DIR=$HOME/x\n")
    assert opened(root, TRAINING_DIR="out").folders.training == "out"


def test_a_root_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing root, or a file in its place, is one line."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(UserError, match="no such folder"):
            open_project(path, environ={})


def test_a_project_without_conventions_says_so(root: Path) -> None:
    """A missing conventions.toml is one line with its path."""
    (root / "training/conventions.toml").unlink()
    with pytest.raises(UserError, match=r"conventions\.toml: no such file"):
        opened(root)


def test_disagreements_are_listed(root: Path) -> None:
    """What the sources place differently is a line each; spelling alone is no difference."""
    (root / ".env").write_text(
        'TRAINING_DIR="./training/"\nEXPERIMENT_DIR=elsewhere\nMODEL_WEIGHTS_DIR=~/w\n'
    )
    lines = disagreements(
        root, root / "training/conventions.toml", {"EXPERIMENT_DIR": f"{root}/third"}
    )
    assert lines == (
        "EXPERIMENT_DIR: environment says third, .env says elsewhere, "
        "conventions.toml says training/experiments/active; environment counts",
        "MODEL_WEIGHTS_DIR: .env says '~/w', "
        "conventions.toml says model_weights/production; .env counts",
    )


def test_a_copied_engine_finds_its_own_project(root: Path, tmp_path: Path) -> None:
    """Without arguments the project is the one that the engine lies in, wherever one stands."""
    ignore = shutil.ignore_patterns("__pycache__", "*.jinja")
    shutil.copytree(TEMPLATE / "training", root / "training", dirs_exist_ok=True, ignore=ignore)
    code = "from engine.project import open_project as o; p = o(); print(p.root, p.folders.logs)"
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.endswith(("_DIR", "PYTHONPATH"))
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**environ, "PYTHONPATH": str(root / "training/recipes")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{root.resolve()} training/logs\n"


def test_a_training_folder_that_is_a_link_is_refused(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies around the folder that it leads to is somebody else's."""
    (tmp_path / "repository/deep").mkdir(parents=True)
    (tmp_path / "repository/training").symlink_to(root / "training")
    monkeypatch.setattr(project, "_TRAINING", root / "training")
    monkeypatch.chdir(tmp_path / "repository/deep")
    with pytest.raises(UserError, match=r"repository/training: is a link, .* TRAINING_DIR in .env"):
        open_project(environ={})
    monkeypatch.chdir(root)
    assert open_project(environ={}).root == root
