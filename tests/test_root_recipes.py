"""The recipes of this repository itself: on any repository, and the demo."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import legacy_tree
from projects import REPOSITORY, changed, tree
from template_fixture import GIT_ENVIRONMENT

pytestmark = pytest.mark.skipif(not shutil.which("uv"), reason="uv is not on the path")


def just(*words: str, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    """Run a recipe of this repository."""
    return subprocess.run(
        [shutil.which("just") or "just", "-f", str(REPOSITORY / "justfile"), *words],
        cwd=cwd,
        env={**os.environ, **GIT_ENVIRONMENT, "UV_NO_SYNC": "1"},
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def legacy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("elsewhere") / "legacy"
    legacy_tree.build(root)
    return root


@pytest.mark.parametrize("recipe", ["cleanup", "archive"])
def test_a_plan_for_any_repository_writes_nothing_into_it(recipe: str, legacy: Path) -> None:
    """`just cleanup REPO` shows the plan of a repository that has no copy of the template."""
    before = tree(legacy, without=())
    shown = just(recipe, legacy.name, cwd=legacy.parent)
    assert shown.returncode == 0, shown.stderr
    assert not changed(before, tree(legacy, without=()))
    if recipe == "cleanup":
        assert "best_model.pt" in shown.stdout
        last = " ".join(shown.stdout.split("Next: ")[1].split())
        assert last == f"uv run just scaffold {legacy}, then just cleanup there"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cleanup", ".", "--apply"], "copy the template into it first"),
        (["cleanup", "no/such/folder"], "no/such/folder: is no folder"),
        (["archive", "--json"], "which repository?"),
    ],
)
def test_a_wrong_call_is_one_line(words: list[str], message: str, tmp_path: Path) -> None:
    """What cannot be done is refused with one line that says what to do, and status 2."""
    refused = just(*words, cwd=tmp_path)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_help_says_that_a_repository_comes_first() -> None:
    """`just cleanup --help` is the recipe's own, below the word that it takes here in addition."""
    shown = just("cleanup", "--help")
    assert shown.returncode == 0
    assert "just cleanup REPO [option...]" in shown.stdout.splitlines()[0]
    assert "--keep-active DAYS" in shown.stdout


def test_scaffold_copies_the_template(tmp_path: Path) -> None:
    """`just scaffold DEST` makes a project at a path relative to where the user stands."""
    done = just("scaffold", "my project", "--defaults", "--vcs-ref", "HEAD", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "my project/training/conventions.toml").is_file()


def test_the_demo_ends_with_every_byte_back(tmp_path: Path) -> None:
    """The demo plays through: mess, copy, plan, apply, before and after, undo, comparison."""
    shown = just("demo", "--keep", str(tmp_path / "kept"))
    assert shown.returncode == 0, shown.stderr
    assert "every byte, mode and time is back" in shown.stdout
    assert (tmp_path / "kept/training/conventions.toml").is_file()
