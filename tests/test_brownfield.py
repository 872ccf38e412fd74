"""The day the template meets a living repository: copied on the command line, run by just."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from projects import changed, tree
from template_fixture import (
    GIT_ENVIRONMENT,
    JUST,
    commit_all,
    copy_of_template,
    git,
    make_files,
    read_files,
)

OWN = {
    ".env": "API_KEY='s3cret $(x)'\nexport PORT=8000",
    ".gitignore": ".env\nlogs/\n*.pth\n",
    "Makefile": "cleanup:\n\techo mine\n",
    "README.md": "# Ours\n",
    "docs/index.md": "ours\n",
    "justfile": "set dotenv-load\n\n# Ours.\ncleanup:\n    @echo mine\n",
    "model_weights/README.md": "ours\n",
    "model_weights/old/best_auc_0.71.pth": "weights",
    "pyproject.toml": "[project]\nname = 'ours'\n",
    "training/__init__.py": "",
    "training/loop.py": "LOG = 'logs/train.log'\n",
    "training/recipes.md": "pancakes\n",
    "logs/train.log": "Epoch 1: loss=0.3\n",
}


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program where nobody can answer a question."""
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_DIR")}
    return subprocess.run(
        words,
        cwd=cwd,
        env={**environment, **GIT_ENVIRONMENT, "TRAINING_PYTHON": sys.executable},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def values(project: Path) -> list[str]:
    """Return the lines of .env.example that set something."""
    return re.findall(r"^\w+_DIR=.*$", (project / ".env.example").read_text(), re.MULTILINE)


def just(project: Path, *words: str) -> str:
    done = run(str(JUST), *words, cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, dict[str, bytes]]:
    """A repository of someone's with the template in it, what copier said, and what it had."""
    template = copy_of_template(tmp_path_factory.mktemp("template"))
    project = make_files(tmp_path_factory.mktemp("adopted") / "our repo", OWN)
    (project / "training/loop.py").chmod(0o755)
    commit_all(project)
    before, states = read_files(project), tree(project, without=(".git",))
    copy = ("-m", "copier", "copy", "--defaults", str(template), str(project))
    done = run(sys.executable, *copy, cwd=project)
    assert done.returncode == 0, done.stderr
    after = tree(project, without=(".git",))
    assert not changed(states, after) & before.keys()
    return project, done.stderr, before


@pytest.fixture
def project(adopted: tuple[Path, str, dict[str, bytes]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(adopted[0], tmp_path / "our repo"))


def test_git_sees_nothing_but_new_files(adopted: tuple[Path, str, dict[str, bytes]]) -> None:
    """Whatever was in the repository is as it was, byte for byte, secrets among it."""
    project, _, before = adopted
    assert before.items() <= read_files(project).items()
    states = {line[:2] for line in git(project, "status", "--porcelain").splitlines()}
    assert states == {"??"}


def test_what_is_needed_is_told_in_the_words_to_type(
    adopted: tuple[Path, str, dict[str, bytes]],
) -> None:
    """Each line that the message proposes does what it says, as it stands there."""
    project, message, _ = adopted
    lines = {line.strip() for line in message.splitlines()}
    assert {
        "import? 'training/recipes.just'",
        "mod outputs 'training/recipes.just'",
        'TRAINING_DIR="./training"',
        'MODEL_WEIGHTS_DIR="./model_weights/production"',
        'EXPERIMENT_DIR="./training/experiments/active"',
        "just -f training/recipes.just cleanup",
        f"cd '{project}'",
    } <= lines
    assert set(values(project)) <= lines


@pytest.mark.parametrize("folder", [".", "docs", "model_weights/old"])
def test_recipes_work_before_anything_is_added(project: Path, folder: str) -> None:
    """`just -f training/recipes.just` plans at once, from any folder; it writes nothing."""
    before = tree(project)
    recipes = os.path.relpath(project / "training/recipes.just", project / folder)
    shown = run(str(JUST), "-f", recipes, "cleanup", "--json", cwd=project / folder)
    assert shown.returncode == 0, shown.stderr
    found = {checkpoint["path"] for checkpoint in json.loads(shown.stdout)["checkpoints"]}
    assert found == {"model_weights/old/best_auc_0.71.pth"}
    assert not changed(before, tree(project))


def test_the_proposed_module_leaves_their_recipe_to_them(project: Path) -> None:
    """Who has a `cleanup` adds the line with `mod`: both are there, under their own names."""
    with (project / "justfile").open("a") as justfile:
        justfile.write("mod outputs 'training/recipes.just'\n")
    assert just(project, "cleanup") == "mine\n"
    assert '"checkpoints"' in just(project / "docs", "outputs", "cleanup", "--json")


@pytest.mark.parametrize("name", ["Justfile", ".justfile"])
def test_the_proposed_import_works_in_any_justfile(project: Path, name: str) -> None:
    """Who has no recipe of these names adds the line with `import?`, in whatever it is called."""
    (project / "justfile").unlink()
    make_files(project, {name: "mine:\n    @echo mine\n\nimport? 'training/recipes.just'\n"})
    assert just(project, "mine") == "mine\n"
    assert '"checkpoints"' in just(project / "docs", "cleanup", "--json")


def test_the_proposed_values_agree_with_the_conventions(project: Path) -> None:
    """With the three lines added to their .env nothing disagrees, and secrets are not shown."""
    with (project / ".env").open("a") as env:
        env.write("\n" + "\n".join(values(project)) + "\n")
    checked = run(str(JUST), "-f", "training/recipes.just", "check", cwd=project)
    assert ".env" not in checked.stdout
    assert "s3cret" not in checked.stdout + checked.stderr


def test_a_clean_up_of_it_is_taken_back_byte_for_byte(project: Path) -> None:
    """Adopted, put in order, and taken back: everything is where it was."""
    before = tree(project, without=(".git", "training/.history"))
    old = {"in_use_minutes = 10": "in_use_minutes = 0"}
    conventions = project / "training/conventions.toml"
    for there, wanted in old.items():
        conventions.write_text(conventions.read_text().replace(there, wanted))
    just(project, "-f", "training/recipes.just", "cleanup", "--apply")
    assert not (project / "model_weights/old/best_auc_0.71.pth").exists()
    just(project, "-f", "training/recipes.just", "undo")
    after = tree(project, without=(".git", "training/.history"))
    assert changed(before, after) == {"training/conventions.toml"}
