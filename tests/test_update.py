"""The day the template changes: `copier update` from tag to tag, offline and without trust."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from engine.conventions import load
from projects import changed, tree
from template_fixture import (
    CACHES,
    GIT_ENVIRONMENT,
    REPOSITORY,
    commit_all,
    copy_of_template,
    generate,
    git,
    make_files,
    read_files,
    update,
)

PARTS = ("copier.yml", "migrations", "template")  # all that a project is made from
CONVENTIONS = "training/conventions.toml"
SUMMARY = 'summary = "{model_type}_v{metric}_summary.md"'
ANSWERS: dict[str, object] = {"model_types": ["net"]}
ANSWER_SETS: tuple[dict[str, object], ...] = (
    ANSWERS,
    {"project_name": "a study", "metric_name": "val_loss", "metric_direction": "min"},
    {
        "model_types": ["net", "vit"],
        "pretrained_weights": ["*.h5"],
        "archive_after_days": 7,
    },
)
# what training and the recipes have made, and what its owner wrote
OUTPUTS = {
    "training/experiments/active/2025-07-25_net/checkpoints/best.pth": "weights",
    "training/experiments/active/2025-07-25_net/training.log": "Epoch 1\n",
    "training/.history/20250725T104438_cleanup/plan.json": "{}",
    "model_weights/production/net_v0.5929.pth": "weights",
    "wandb.log": "ignored by its owner\n",
}
THEIRS = {
    ".gitignore": ".env\n*.log\n",
    "justfile": "import? 'training/recipes.just'\n\nmine:\n    @echo mine\n",
    "training/experiments/active/2025-07-25_net/config.yaml": "learning_rate: 0.1\n",
    "model_weights/production/net_v0.5929.json": '{"value": 0.5929}\n',
    "src/train.py": "print()\n",
}


def versions(folder: Path) -> tuple[Path, Path]:
    """Make a template with two versions; return it, and a project of the first."""
    template = copy_of_template(folder / "template")
    keep = ("engine/errors.py", "engine/README.md", "undo.py")  # the others make it slow
    for path in (template / "template/training/recipes").rglob("*"):
        if path.is_file() and not path.as_posix().endswith(keep):
            path.unlink()
    make_files(template, {"template/training/recipes/gone.py": ""})
    commit_all(template, "v1.0.0")
    project = generate(template, folder / "project", **ANSWERS)
    replace(template / f"template/{CONVENTIONS}.jinja", SUMMARY, SUMMARY.replace("_v", "-v"))
    replace(template / "template/training/recipes/engine/errors.py", '"""', '"""Newer. ')
    (template / "template/training/recipes/gone.py").unlink()
    make_files(template, {"template/training/recipes/engine/new.py": "NEW = 1\n"})
    commit_all(template, "v1.1.0")
    return template, project


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seed")
    versions(folder)
    return folder


@pytest.fixture
def project(seed: Path) -> Path:
    """A project of version 1.0.0 whose template has a version 1.1.0."""
    twin = seed / f"twin_{len(list(seed.iterdir()))}"
    return Path(shutil.copytree(seed / "project", twin))


def copier(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "copier", *words],
        cwd=project,
        env={**os.environ, **GIT_ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_updated_project_equals_a_fresh_copy(project: Path, tmp_path: Path, seed: Path) -> None:
    """After the update every file is that of a new project of the new version."""
    commit_all(project)
    update(project)
    fresh = generate(seed / "template", tmp_path / seed.name / "project", **ANSWERS)
    ours, theirs = read_files(project), read_files(fresh)
    assert not {name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)}
    assert "training/recipes/gone.py" not in ours
    assert b"Newer" in ours["training/recipes/engine/errors.py"]


def test_only_the_edits_of_the_user_set_it_apart(project: Path, seed: Path, tmp_path: Path) -> None:
    """What is theirs stays, what they edited of ours is merged, outputs are untouched."""
    make_files(project, THEIRS | OUTPUTS)
    replace(project / CONVENTIONS, "keep = []", 'keep = ["*_paper"]')
    (project / "docs/training/NET_TRAINING_GUIDE.md").unlink()
    commit_all(project)
    assert set(OUTPUTS) - set(git(project, "ls-files").splitlines()) == set(OUTPUTS)
    outputs = {name: tree(project, without=(".git",))[name] for name in (*OUTPUTS, *THEIRS, ".env")}
    update(project)
    after = tree(project, without=(".git",))
    assert {name: after[name] for name in outputs} == outputs
    fresh = generate(seed / "template", tmp_path / "project", **ANSWERS)
    assert changed(read_files(fresh), read_files(project)) == {
        *(THEIRS | OUTPUTS),
        CONVENTIONS,
        "docs/training/NET_TRAINING_GUIDE.md",
    }
    assert "UU" not in git(project, "status", "--porcelain")
    assert load(project / CONVENTIONS).archive.keep == ("*_paper",)
    assert load(project / CONVENTIONS).names.summary == "{model_type}-v{metric}_summary.md"


def test_a_conflict_is_explained_and_can_be_aborted(project: Path) -> None:
    """A line that both changed holds both; the message says how to go on, and its abort works."""
    make_files(project, THEIRS | OUTPUTS)
    replace(project / CONVENTIONS, SUMMARY, SUMMARY.replace("_summary", "_notes"))
    commit_all(project)
    before = tree(project, without=(".git",))
    done = copier(project, "update", "--defaults")
    assert done.returncode == 0, done.stderr
    assert f"UU {CONVENTIONS}" in git(project, "status", "--porcelain")
    text = (project / CONVENTIONS).read_text()
    assert text.index("<<<<<<< before updating") < text.index("_notes") < text.index("=======")
    assert '"<<<<<<< before updating"' in done.stderr
    abort = next(line.strip() for line in done.stderr.splitlines() if "git reset" in line)
    assert abort == "git reset && git checkout . && git clean -di"
    git(project, "reset", "--quiet")
    git(project, "checkout", "--quiet", ".")
    git(project, "clean", "-df")  # the same without asking
    after = tree(project, without=(".git",))
    assert {path: entry[0] for path, entry in before.items()} == {
        path: entry[0] for path, entry in after.items()
    }


def test_an_answer_can_be_changed_without_a_new_version(project: Path) -> None:
    """`copier update -r :current: -d` brings a metric and a model type into the conventions."""
    commit_all(project)
    words = ("-d", "metric_name=val_loss", "-d", "metric_direction=min")
    types = ("-d", "model_types=[net, vit]")
    done = copier(project, "update", "--defaults", "-r", ":current:", *words, *types)
    assert done.returncode == 0, done.stderr
    rules = load(project / CONVENTIONS)
    assert (rules.metric.name, rules.metric.direction) == ("val_loss", "min")
    assert rules.project.model_types == ("net", "vit")
    assert rules.names.summary == "{model_type}_v{metric}_summary.md"
    assert (project / "docs/training/VIT_TRAINING_GUIDE.md").is_file()


def test_copier_knows_that_there_is_a_newer_version(project: Path) -> None:
    """`copier check-update` has status 2 before the update and 0 after it."""
    commit_all(project)
    assert copier(project, "check-update", "--quiet").returncode == 2
    update(project)
    assert copier(project, "check-update", "--quiet").returncode == 0


def released() -> list[str]:
    """Return the tags of this repository, and its last commit: none where there is no git."""
    if not (REPOSITORY / ".git").exists():
        return []
    return [*git(REPOSITORY, "tag", "--list", "v*").split(), "HEAD"]


@pytest.fixture(scope="module")
def template_since(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the template with two tags: what a version of this repository holds, and what is here.

    Copier clones it again and again, so that it has no more in it than the template.
    """

    @cache
    def make(version: str) -> Path:
        folder = tmp_path_factory.mktemp("since")
        clone, template = folder / "clone", folder / "template"
        git(folder, "clone", "--quiet", "--no-local", "--no-checkout", str(REPOSITORY), str(clone))
        template.mkdir()
        parts = [part for part in PARTS if git(clone, "ls-tree", version, part)]
        git(clone, f"--work-tree={template}", "checkout", "--quiet", version, "--", *parts)
        commit_all(template, "v0.0.1")
        shutil.rmtree(template / "template")
        shutil.copytree(REPOSITORY / "template", template / "template", ignore=CACHES)
        shutil.copy(REPOSITORY / "copier.yml", template)
        make_files(template, {"RELEASED": ""})  # so that there is something to commit
        commit_all(template, "v999.0.0")
        return template

    return make


@pytest.mark.parametrize("answers", ANSWER_SETS)
@pytest.mark.parametrize("version", released())
def test_every_released_version_can_be_updated_to_this_one(
    version: str,
    answers: dict[str, object],
    tmp_path: Path,
    template_since: Callable[[str], Path],
) -> None:
    """From each tag, and the last commit, to what is here now: it equals a fresh copy.

    What its owner wrote sets it apart, and the starters, which are theirs once written.
    """
    template = template_since(version)
    project = generate(template, tmp_path / "old/project", ref="v0.0.1", **answers)
    make_files(project, THEIRS | OUTPUTS)
    commit_all(project)
    outputs = {name: tree(project, without=(".git",))[name] for name in (*OUTPUTS, *THEIRS, ".env")}
    update(project)
    after = tree(project, without=(".git",))
    assert {name: after[name] for name in outputs} == outputs
    fresh = generate(template, tmp_path / "new/project", **answers)
    apart = changed(read_files(fresh), read_files(project))
    assert {path for path in apart if not _is_starter(path)} == {*THEIRS, *OUTPUTS} - {"justfile"}
    assert "UU" not in git(project, "status", "--porcelain")


def _is_starter(path: str) -> bool:
    """Return whether the template writes a file once, and then never again."""
    starters = ("justfile", "README.md", ".env", ".env.example")
    return (
        path in starters or path.startswith("docs/") or path.endswith(("/README.md", "/.gitignore"))
    )
