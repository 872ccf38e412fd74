"""`just update`: what is newer, what it changes, and the update itself with its check."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from engine import newer
from projects import REPOSITORY, changed, just, recipe, tree
from template_fixture import CACHES, commit_all, copy_of_template, generate, git, make_files
from trained_project import train

CHANGELOG = """\
# Changelog

## {}1.0.0 - 2025-07-25

- The first.
"""
NEWER = "1.1.0 - 2025-08-01\n\n- Newer names.\n\n## "
RECIPES = REPOSITORY / "template/training/recipes"
WITH_COPIER = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def versions(folder: Path, recipes: str) -> tuple[Path, Path]:
    """Make a template with two versions, and a committed project of the first.

    The template holds those recipes; the others are the project's own.
    """
    template = copy_of_template(folder / "template")
    for path in (template / "template/training/recipes").rglob("*.*"):
        if not path.match(recipes):
            path.unlink()
    make_files(template, {"CHANGELOG.md": CHANGELOG.format("")})
    commit_all(template, "v1.0.0")
    project = generate(template, folder / "project", model_types=["net"])
    own = project / "training/recipes"
    shutil.copytree(RECIPES, own, ignore=CACHES, dirs_exist_ok=True)
    commit_all(project)
    make_files(template, {"CHANGELOG.md": CHANGELOG.format(NEWER)})
    conventions = template / "template/training/conventions.toml.jinja"
    conventions.write_text(conventions.read_text().replace("v{metric}_summary", "{metric}_notes"))
    commit_all(template, "v1.1.0")
    return template, project


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two versions with few recipes: copier copies each file again and again."""
    return versions(tmp_path_factory.mktemp("seed"), "update.py")


@pytest.fixture
def project(seed: tuple[Path, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(seed[1], tmp_path / "project"))


def test_it_tells_what_is_new_and_changes_nothing(project: Path) -> None:
    """Both versions, and the changelog between the two without what the project has."""
    before = tree(project, without=())
    shown = just(project, "update", PATH=WITH_COPIER).stdout
    assert "v1.0.0 is installed, 1.1.0 is there" in shown
    assert "- Newer names." in shown
    assert "The first" not in shown
    assert shown.rstrip().endswith("Next: just update --apply")
    assert not changed(before, tree(project, without=()))


def test_an_update_is_checked_and_followed(tmp_path: Path) -> None:
    """--apply brings the new conventions, and says what no longer follows them; then none is newer.

    Cleanup renames the model's summary, and all is in order.
    """
    _, project = versions(tmp_path, "*")
    train(project, "2025-07-25_net_first", [0.51, 0.5929])
    just(project, "promote", "2025-07-25_net_first")
    old, lone = (f"training/results/net_v{value}_summary.md" for value in ("0.5929", "0.4000"))
    make_files(project, {lone: "# x\n"})
    commit_all(project)
    done = just(project, "update", "--apply", PATH=WITH_COPIER)
    assert "{metric}_notes.md" in (project / "training/conventions.toml").read_text()
    assert f"{lone}:1: " in done.stdout
    assert f"{old}:1: changed: " in done.stdout
    (project / lone).unlink()
    commit_all(project)
    assert "is the newest version" in just(project, "update", PATH=WITH_COPIER).stdout
    just(project, "cleanup", "--apply")
    assert (project / "training/results/net_0.5929_notes.md").is_file()
    assert not (project / old).exists()
    just(project, "check")


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_conflicts_are_named_and_not_called_done(words: tuple[str, ...], project: Path) -> None:
    """A line that the project and the new version both changed: which file to mend, status 1."""
    conventions = project / "training/conventions.toml"
    conventions.write_text(conventions.read_text().replace("v{metric}_summary", "{metric}_mine"))
    commit_all(project)
    done = recipe(project, "update", "--apply", *words, PATH=WITH_COPIER, status=1)
    assert "<<<<<<< before updating" in conventions.read_text()
    *_, named, then = done.stderr.splitlines()
    assert named.startswith("training/conventions.toml: has conflict marks; ")
    assert then == "Then: just check"
    assert "not valid TOML" not in done.stdout


def test_a_template_beside_the_project_is_found(
    seed: tuple[Path, Path], tmp_path: Path, project: Path
) -> None:
    """A relative path starts at the project; one that leads nowhere from there is explained."""
    shutil.copytree(seed[0], tmp_path / "template")
    answers = project / ".copier-answers.yml"
    whole = answers.read_text()
    answers.write_text(whole.replace(str(seed[0]), "../template"))
    assert "- Newer names." in just(project, "update", PATH=WITH_COPIER).stdout
    commit_all(project)
    just(project, "update", "--apply", PATH=WITH_COPIER)
    answers.write_text(whole.replace(str(seed[0]), "template"))
    said = refusal(project)
    assert said.startswith(".copier-answers.yml: _src_path template: there is no such folder, ")


def test_what_is_new_is_shown_in_lines(project: Path) -> None:
    """An empty line stands before the changelog, and before what is to be done."""
    said = recipe(project, "update", PATH=WITH_COPIER).stdout
    assert "\\n" not in said
    assert "What is new:\n\n" in said
    assert "\n\nNothing was changed yet. Next: just update --apply\n" in said


def test_for_programs_it_is_json(project: Path) -> None:
    """Versions and changelog, as data."""
    told = json.loads(recipe(project, "update", "--json", PATH=WITH_COPIER).stdout)
    assert (told["version"], told["newest"]) == ("v1.0.0", "1.1.0")
    assert "- Newer names." in told["changes"]


def refusal(project: Path, *words: str, path: str = WITH_COPIER) -> str:
    done = recipe(project, "update", *words, status=2, PATH=path)
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_a_template_out_of_reach_is_one_line(project: Path) -> None:
    """Offline, or moved: the address, git's reason, and that nothing was changed."""
    answers = project / ".copier-answers.yml"
    lines = answers.read_text().splitlines()
    away = "git+file:///nowhere/at/all"
    new = [f"_src_path: {away}" if "_src_path" in line else line for line in lines]
    answers.write_text("\n".join(new))
    said = refusal(project)
    assert "/nowhere/at/all" in said
    assert said.rstrip().endswith("Nothing was changed")


def test_uncommitted_work_is_refused_by_name(project: Path) -> None:
    """The update could not be told from it."""
    make_files(project, {"mine.py": "x = 1\n"})
    assert refusal(project, "--apply").startswith("mine.py: is not committed")


def test_a_project_without_git_is_one_line(project: Path) -> None:
    """An update cannot be merged, nor taken back, where nothing was committed."""
    shutil.rmtree(project / ".git")
    before = tree(project)
    assert refusal(project, "--apply") == (
        f"{project}: is in no git repository, which updates need; git init, commit, then update\n"
    )
    assert tree(project) == before


def test_a_project_without_answers_is_one_line(project: Path) -> None:
    """Nobody knows which version it has."""
    (project / ".copier-answers.yml").write_text("_src_path: x\n")  # of another template
    assert refusal(project).startswith("no .copier-answers.yml of this template")


def test_without_copier_it_says_how_to_get_it(project: Path, tmp_path: Path) -> None:
    """Neither copier nor uvx on the path: the command that installs it."""
    (tmp_path / "bin").mkdir()
    for name in ("git", "sh", "bash", "env"):
        if found := shutil.which(name):
            (tmp_path / "bin" / name).symlink_to(found)
    assert "pip install copier" in refusal(project, path=str(tmp_path / "bin"))
    (tmp_path / "bin/git").unlink()
    assert refusal(project, path=str(tmp_path / "bin")).endswith("install git\n")
    assert git(project, "status", "--porcelain") == ""


def test_a_version_without_a_word_in_the_changelog_is_told_so(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be a changelog all the same, with other versions in it."""
    monkeypatch.setattr(newer, "look", lambda *_: newer.Newer("1.2.0"))
    assert "(no changelog tells it)" in recipe(project, "update").stdout
