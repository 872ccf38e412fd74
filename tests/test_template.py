"""What a project receives from the template, and what it keeps when it had something before."""

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

import torch_writer
from engine.conventions import load
from engine.recognition import metrics
from template_fixture import (
    REPOSITORY,
    commit_all,
    copy_of_template,
    generate,
    git,
    make_files,
    read_files,
    update,
)

LEGACY_ANSWERS = {"model_types": ["pat_conv_l"], "metric_name": "auc"}
LEGACY_GITIGNORE = """\
logs/
results/
experiments/
outputs/
data/
models/
checkpoints/
*.log
*.pth
*.pt
*.h5
*.tar.gz
.env
__pycache__/
"""
STARTERS = {
    ".env",
    ".env.example",
    ".gitignore",
    "README.md",
    "docs/training/PAT_CONV_L_TRAINING_GUIDE.md",
    "docs/training/REPRODUCIBILITY.md",
    "justfile",
    "model_weights/README.md",
    "model_weights/pretrained/.gitignore",
    "model_weights/production/.gitignore",
    "training/.gitignore",
    "training/experiments/.gitignore",
    "training/experiments/active/.gitignore",
    "training/experiments/archived/.gitignore",
    "training/logs/.gitignore",
    "training/results/.gitignore",
}
UPDATED = {"training/conventions.toml", "training/log_paths.py", "training/recipes.just"}
ANSWERS_FILE = ".copier-answers.yml"
WORKFLOW = ".github/workflows/training-outputs.yml"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_template(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def bare(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template without its scripts, which no answer changes: half the time for each copy."""
    folder = tmp_path_factory.mktemp("bare")
    return Path(shutil.copytree(template, folder, ignore=only_scripts, dirs_exist_ok=True))


def only_scripts(folder: str, names: list[str]) -> set[str]:
    return {"recipes"} & set(names)


@pytest.fixture(scope="session")
def legacy(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project with the answers of the legacy one; tests read it and change nothing."""
    project = tmp_path_factory.mktemp("projects") / "my project"
    return generate(template, project, **LEGACY_ANSWERS)


def recipes(template: Path) -> set[str]:
    return {
        f"training/recipes/{name}" for name in read_files(template / "template/training/recipes")
    }


# The tree


def test_a_copy_holds_exactly_these_files(template: Path, legacy: Path) -> None:
    """A copy with the legacy answers holds the files of the layout and the recipes, no others."""
    assert set(read_files(legacy)) == STARTERS | UPDATED | {ANSWERS_FILE} | recipes(template)


def test_a_copy_holds_exactly_these_folders(legacy: Path) -> None:
    """Every folder of the layout is there, and each has a file in it that git can carry."""
    folders = {path for path in legacy.rglob("*") if path.is_dir()}
    names = {path.relative_to(legacy).as_posix() for path in folders}
    assert {name for name in names if not name.startswith("training/recipes/")} == {
        "docs",
        "docs/training",
        "model_weights",
        "model_weights/pretrained",
        "model_weights/production",
        "training",
        "training/experiments",
        "training/experiments/active",
        "training/experiments/archived",
        "training/logs",
        "training/recipes",
        "training/results",
    }
    assert all(any(path.is_file() for path in folder.rglob("*")) for folder in folders)


def test_the_answers_add_their_own_files(template: Path, tmp_path: Path) -> None:
    """CI, git-lfs and each model type add exactly their files."""
    project = generate(
        template,
        tmp_path / "project",
        model_types=["a", "b2"],
        weights_in_git="git-lfs",
        ci="github",
    )
    added = set(read_files(project)) - STARTERS - UPDATED - recipes(template) - {ANSWERS_FILE}
    assert added == {
        "docs/training/A_TRAINING_GUIDE.md",
        "docs/training/B2_TRAINING_GUIDE.md",
        "model_weights/.gitattributes",
        WORKFLOW,
    }


def test_there_are_no_symlinks_and_no_names_that_windows_refuses(template: Path) -> None:
    """Template and projects can be checked out on Windows."""
    for path in (template / "template").rglob("*"):
        assert not path.is_symlink()
        assert not re.search(r'[<>:"\\|?*\x00-\x1f]|[ .]$', path.name), path


def test_python_and_recipes_ship_byte_for_byte(template: Path, legacy: Path) -> None:
    """What is not rendered arrives as it lies in the template."""
    sources = read_files(template / "template")
    copies = read_files(legacy)
    verbatim = {name for name in sources if not name.endswith(".jinja") and "{" not in name}
    assert {"training/log_paths.py", "training/recipes.just", "justfile"} <= verbatim
    assert all(copies[name] == sources[name] for name in verbatim if name in copies)


# Answers

COMBINATIONS = list(itertools.product(("max", "min"), ("no", "git-lfs"), ("none", "github")))


@pytest.mark.parametrize(("direction", "weights_in_git", "ci"), COMBINATIONS)
@pytest.mark.parametrize("model_types", [[], ["pat_conv_l"], ["a", "b", "c"]])
def test_every_combination_of_answers_renders(
    bare: Path,
    tmp_path: Path,
    model_types: list[str],
    direction: str,
    weights_in_git: str,
    ci: str,
) -> None:
    """No file keeps a Jinja brace, conventions load, and the workflow and answers are YAML."""
    project = generate(
        bare,
        tmp_path / "project",
        model_types=model_types,
        metric_direction=direction,
        weights_in_git=weights_in_git,
        ci=ci,
    )
    assert stray_braces(bare, project) == []
    conventions = load(project / "training/conventions.toml")
    assert conventions.metric.direction == direction
    assert conventions.project.model_types == tuple(model_types)
    assert (project / WORKFLOW).exists() == (ci == "github")
    for path in project.rglob("*.yml"):
        assert isinstance(yaml.safe_load(path.read_text()), dict)
    guides = {path.name for path in (project / "docs/training").glob("*_TRAINING_GUIDE.md")}
    assert guides == {f"{name.upper()}_TRAINING_GUIDE.md" for name in model_types}


def stray_braces(template: Path, project: Path) -> list[str]:
    """Name the files with Jinja left in them, apart from those that ship as they are."""
    verbatim = set(read_files(template / "template").values())
    return [
        name
        for name, data in read_files(project).items()
        if data not in verbatim and re.search(rb"\{\{|\}\}|\{%|%\}|\{#", data)
    ]


def test_the_defaults_alone_make_a_project(bare: Path, tmp_path: Path) -> None:
    """All questions have defaults; the project is named after its folder."""
    project = generate(bare, tmp_path / "sleep study")
    conventions = tomllib.loads((project / "training/conventions.toml").read_text())
    assert conventions["project"] == {"name": "sleep study", "model_types": [], "renamed": {}}
    assert conventions["metric"]["direction"] == "max"
    assert conventions["archive"]["after_days"] == 30


def test_there_are_at_most_ten_questions_and_none_needs_trust(template: Path) -> None:
    """Each question has a default and help that asks; nothing runs code on the user's machine."""
    settings = yaml.safe_load((template / "copier.yml").read_text())
    questions = {
        name: question
        for name, question in settings.items()
        if not name.startswith("_") and question.get("when") is not False
    }
    assert len(questions) <= 10
    for question in questions.values():
        assert "default" in question
        assert "?" in question["help"]
        assert "validator" in question or "choices" in question
    assert not {"_tasks", "_migrations", "_jinja_extensions"} & set(settings)


@pytest.mark.parametrize(
    ("metric", "direction"),
    [
        ("auc", "max"),
        ("val_loss", "min"),
        ("RMSE", "min"),
        ("word_error_rate", "min"),
        ("wer", "min"),
        ("mAP50-95(B)", "max"),
        ("f1", "max"),
        ("power", "max"),
        ("confidence", "max"),
    ],
)
def test_the_direction_follows_from_the_metric(
    bare: Path, tmp_path: Path, metric: str, direction: str
) -> None:
    """The default direction is that of the metric's name."""
    project = generate(bare, tmp_path / "project", metric_name=metric)
    conventions = tomllib.loads((project / "training/conventions.toml").read_text())
    assert conventions["metric"]["name"] == metric
    assert conventions["metric"]["direction"] == direction


def test_the_default_direction_is_the_one_that_recipes_know() -> None:
    """Of each metric in their table, by any of its names: the wrong one would keep the worst."""
    default = yaml.safe_load((REPOSITORY / "copier.yml").read_text())["metric_direction"]["default"]
    filters = "jinja2_ansible_filters.AnsibleCoreFiltersExtension"
    template = jinja2.Environment(extensions=[filters], autoescape=True).from_string(default)
    assert [
        alias
        for alias, name in metrics._ALIASES.items()
        if template.render(metric_name=alias) != metrics.direction(name)
    ] == []


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"project_name": "  "}, "one line"),
        ({"project_name": "a\nb"}, "one line"),
        ({"project_name": "x" * 101}, "100"),
        ({"model_types": "pat_conv_l"}, "list"),
        ({"model_types": {"a": 1}}, "list"),
        ({"model_types": 3}, "list"),
        ({"model_types": ["PAT-Conv-L"]}, "PAT-Conv-L"),
        ({"model_types": ["ok", "not ok"]}, "not ok"),
        ({"model_types": ["a\n"]}, "Not text"),
        ({"model_types": ["../up"]}, "../up"),
        ({"model_types": ["_a"]}, "_a"),
        ({"model_types": [""]}, "Not text"),
        ({"model_types": [50]}, "50"),
        ({"model_types": ["con"]}, "Windows"),
        ({"model_types": ["x" * 65]}, "64"),
        ({"model_types": ["a", "a"]}, "twice"),
        ({"metric_name": ""}, "64"),
        ({"metric_name": 'a"b'}, "64"),
        ({"metric_name": "a b"}, "64"),
        ({"metric_direction": "up"}, "Invalid choice"),
        ({"pretrained_weights": "a.h5"}, "list"),
        ({"pretrained_weights": ["/etc/*"]}, "/etc/"),
        ({"pretrained_weights": ["a/../b"]}, "a/../b"),
        ({"pretrained_weights": ["C:/a"]}, "C:/a"),
        ({"pretrained_weights": ["a\\b"]}, "below"),
        ({"pretrained_weights": [""]}, "Not a pattern"),
        ({"pretrained_weights": ["./a/*.h5"]}, "./a/"),
        ({"pretrained_weights": ["a//b"]}, "a//b"),
        ({"pretrained_weights": ["weights/"]}, "weights/"),
        ({"pretrained_weights": [1]}, "Not a pattern"),
        ({"archive_after_days": -1}, "0 to 36500"),
        ({"archive_after_days": "soon"}, "soon"),
        ({"weights_in_git": "yes"}, "Invalid choice"),
        ({"ci": "gitlab"}, "Invalid choice"),
    ],
)
def test_a_bad_answer_is_refused_in_one_line(
    bare: Path, tmp_path: Path, answers: dict[str, Any], message: str
) -> None:
    """A bad answer stops the copy with a line that says what is expected; nothing is written."""
    with pytest.raises(ValueError, match=re.escape(message)) as refusal:
        generate(bare, tmp_path / "project", **answers)
    assert "\n" not in str(refusal.value).strip()
    assert not (tmp_path / "project").exists()


def test_what_is_packed_by_name_alone_is_not_called_0_days_old(bare: Path, tmp_path: Path) -> None:
    """With 0 no age lets anything go, and the documents say so."""
    project = generate(bare, tmp_path / "project", archive_after_days=0, model_types=["net"])
    guide = (project / "docs/training/NET_TRAINING_GUIDE.md").read_text()
    readme = (project / "README.md").read_text()
    assert " 0 days" not in guide + readme
    assert "An experiment is packed when you name it" in guide
    assert "shows which finished experiments you named" in readme


def test_any_printable_project_name_is_safe_in_toml(bare: Path, tmp_path: Path) -> None:
    """Quotes, backslashes and letters of any script arrive in conventions.toml as typed."""
    name = """a"b it's C:\\x naïve 🙂 #1 = {a} <b>& ''' ]"""
    project = generate(
        bare, tmp_path / "project", project_name=name, pretrained_weights=["*[0-9] ü.h5"]
    )
    conventions = tomllib.loads((project / "training/conventions.toml").read_text("utf-8"))
    assert conventions["project"]["name"] == name
    assert conventions["pretrained"]["patterns"] == ["*[0-9] ü.h5"]


def test_folders_of_the_layout_and_of_the_conventions_are_the_same(legacy: Path) -> None:
    """Each folder that conventions.toml names is there, but for the history, which recipes make."""
    folders = tomllib.loads((legacy / "training/conventions.toml").read_text())["folders"]
    inner = folders.pop("in_training")
    assert not (legacy / folders.pop("history")).exists()
    for folder in (*folders.values(), *(f"training/{name}" for name in inner.values())):
        assert (legacy / folder).is_dir(), folder


def test_dotenv_repeats_the_defaults_of_the_conventions(legacy: Path) -> None:
    """The three variables of .env name the folders that conventions.toml names."""
    folders = tomllib.loads((legacy / "training/conventions.toml").read_text())["folders"]
    for name in (".env", ".env.example"):
        lines = (legacy / name).read_text().splitlines()
        assert [line for line in lines if line and not line.startswith("#")] == [
            f'TRAINING_DIR="./{folders["training"]}"',
            f'MODEL_WEIGHTS_DIR="./{folders["production"]}"',
            f'EXPERIMENT_DIR="./{folders["active"]}"',
        ]


# A project that was there before

OWN_FILES = {
    ".env": "SECRET=$(x)\nTRAINING_DIR=elsewhere\n",
    ".gitignore": LEGACY_GITIGNORE,
    "README.md": "# Mine\n",
    "docs/training/PAT_CONV_L_TRAINING_GUIDE.md": "mine\n",
    "docs/guide.md": "mine\n",
    "model_weights/README.md": "mine\n",
    "model_weights/pat/pytorch/best.pth": "weights\n",
    "model_weights/production/.gitignore": "*.bin\n",
    "training/__init__.py": "",
    "training/.gitignore": "*.tmp\n",
    "training/logs/.gitkeep": "",
    "logs/a.log": "Epoch 1\n",
    "src/app.py": "print('{{ not jinja }}')\n",
}


@pytest.mark.parametrize("justfile", ["justfile", "Justfile", ".justfile", "JUSTFILE", None])
def test_a_project_keeps_every_byte_and_nobody_is_asked(
    template: Path, tmp_path: Path, justfile: str | None
) -> None:
    """Copying into a messy repository changes no file of it, in whatever case a name is spelled."""
    own = OWN_FILES | ({justfile: "default:\n    @echo mine\n"} if justfile else {})
    project = make_files(tmp_path / "old [1]", own)
    before = read_files(project)
    generate(template, project, **LEGACY_ANSWERS)
    after = read_files(project)
    assert {name: after[name] for name in before} == before
    assert UPDATED | recipes(template) < set(after)
    assert "justfile" in {name.lower().lstrip(".") for name in after}
    assert sum(name.lower() in ("justfile", ".justfile") for name in after) == 1


@pytest.mark.parametrize("readme", ["README.rst", "readme.md", "README"])
def test_no_second_readme_appears(bare: Path, tmp_path: Path, readme: str) -> None:
    """A README of another spelling or format is not joined by one that would hide it."""
    project = make_files(tmp_path / "project", {readme: "mine\n"})
    generate(bare, project)
    assert [path.name for path in project.glob("[rR][eE][aA][dD][mM][eE]*")] == [readme]


def test_answers_of_another_template_are_left_alone(bare: Path, tmp_path: Path) -> None:
    """An answers file that another template wrote stays, and ours goes beside it when asked."""
    project = make_files(tmp_path / "project", {ANSWERS_FILE: "_src_path: other\nname: x\n"})
    generate(bare, project)
    assert (project / ANSWERS_FILE).read_text() == "_src_path: other\nname: x\n"


def test_a_second_copy_changes_nothing(bare: Path, tmp_path: Path) -> None:
    """Copying the same version again leaves every byte as it is, and asks nothing."""
    project = generate(bare, tmp_path / "project", **LEGACY_ANSWERS)
    before = read_files(project)
    generate(bare, project)
    assert read_files(project) == before


# Messages


def message_of_copy(template: Path, project: Path, **answers: Any) -> str:
    data = [part for key, value in answers.items() for part in ("--data", f"{key}={value}")]
    done = subprocess.run(
        [sys.executable, "-m", "copier", "copy", "--defaults", *data, str(template), str(project)],
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return done.stderr


def test_the_last_words_of_a_copy_are_the_next_commands(bare: Path, tmp_path: Path) -> None:
    """A copy on the command line ends by naming the next command and the guide."""
    message = message_of_copy(bare, tmp_path / "a b", model_types="[vit_b16]")
    assert f"cd '{tmp_path / 'a b'}'\n    just cleanup\n" in message
    assert "docs/training/VIT_B16_TRAINING_GUIDE.md" in message
    assert "as it was" not in message
    assert "git lfs" not in message


def test_a_copy_into_the_folder_one_stands_in_needs_no_cd(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`cd .` would be a command that does nothing."""
    monkeypatch.chdir(tmp_path)
    message = message_of_copy(bare, Path())
    assert "(it changes nothing):\n    just cleanup\n" in message


@pytest.mark.parametrize("name", ["training", "model_weights", "docs"])
def test_a_file_in_the_place_of_a_folder_stops_the_copy(
    bare: Path, tmp_path: Path, name: str
) -> None:
    """The last line names it and the fix, and nothing was written."""
    make_files(tmp_path, {name: "mine\n"})
    with pytest.raises(subprocess.CalledProcessError) as stopped:
        message_of_copy(bare, tmp_path)
    last = stopped.value.stderr.splitlines()[-1]
    assert f"{name} is a file, and a folder of this name is needed: rename it" in last
    assert read_files(tmp_path) == {name: b"mine\n"}


def test_who_has_files_already_is_told_what_to_add_to_them(bare: Path, tmp_path: Path) -> None:
    """The message names the line for an existing justfile, and those for ignore files."""
    own = {".justfile": "", ".env": "", ".gitignore": "", "training/.gitignore": ""}
    project = make_files(tmp_path / "project", own)
    (project / ANSWERS_FILE).write_text("_src_path: other\n")
    message = message_of_copy(bare, project, weights_in_git="git-lfs")
    assert "Your .justfile is as it was" in message
    assert "    import? 'training/recipes.just'\n" in message
    assert "    mod outputs 'training/recipes.just'\n" in message
    assert "Your .env is as it was" in message
    assert "    !/experiments/\n" in message
    assert "git add --dry-run training model_weights docs/training" in message
    assert "git lfs install" in message
    assert "--answers-file .copier-answers.training-outputs.yml" in message
    assert "just -f training/recipes.just cleanup" in message
    assert "\n\n\n" not in message[message.index("has one place now") :].rstrip()


# Git

LOCAL_ONLY = {  # made by training and by recipes, and not for a colleague's clone
    "training/.history/run/journal.jsonl",
    "training/.history/run/quarantine/logs/a.json",
    "training/experiments/active/2025-07-25_pat_conv_l/checkpoints/best.safetensors",
    "training/experiments/active/2025-07-25_pat_conv_l/training.log",
    "training/experiments/archived/2025-07-25_pat_conv_l.tar.gz",
    "training/logs/pat_conv_l_training_20250725_104438.log",
    "training/recipes/engine/__pycache__/scan.cpython-311.pyc",
    "training/results/predictions.npz",
    "model_weights/pretrained/PAT-L_29k_weights.h5",
    "model_weights/pretrained/original.bin",
}
SHARED = {
    "training/experiments/archived/2025-07-25_pat_conv_l.json",
    "training/experiments/archived/2025-07-25_pat_conv_l.sha256",
    "training/experiments/archived/2025-07-25_pat_conv_l.remote",
    "training/experiments/archived/logs_before_20250725.json",
    "training/experiments/archived/logs_before_20250725.sha256",
    "training/results/cleanup_20250725.md",
    "training/results/pat_conv_l_v0.5929_summary.md",
    "model_weights/production/pat_conv_l_v0.5929.json",
}
WEIGHTS = {
    "model_weights/production/pat_conv_l_v0.5929.pth",
    "model_weights/production/pat_conv_l_v0.6.gguf",
}


@pytest.mark.parametrize("ignored", [LEGACY_GITIGNORE, None], ids=["legacy", "none"])
@pytest.mark.parametrize("weights_in_git", ["no", "git-lfs"])
def test_a_clone_receives_what_ships_and_what_is_shared(
    template: Path, tmp_path: Path, ignored: str | None, weights_in_git: str
) -> None:
    """Under an ignore file that hides half the layout, a colleague gets all that is needed."""
    own = {".gitignore": ignored} if ignored else {}
    project = make_files(tmp_path / "project", own)
    generate(template, project, **LEGACY_ANSWERS, weights_in_git=weights_in_git, ci="github")
    shipped = set(read_files(project)) - {".env"}
    make_files(project, dict.fromkeys(LOCAL_ONLY | SHARED | WEIGHTS, "x\n"))
    commit_all(project)
    git(tmp_path, "clone", "--quiet", str(project), "clone")
    in_git = weights_in_git == "git-lfs"
    assert set(read_files(tmp_path / "clone")) == shipped | SHARED | (WEIGHTS if in_git else set())


def test_git_ignores_no_file_that_ships(template: Path, tmp_path: Path) -> None:
    """`git check-ignore` finds nothing of ours under the legacy ignore file but .env."""
    project = make_files(tmp_path / "project", {".gitignore": LEGACY_GITIGNORE})
    generate(template, project, **LEGACY_ANSWERS)
    git(project, "init", "--quiet")
    names = sorted(set(read_files(project)) - {".env"})
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", "--", *names],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")


def test_git_lfs_takes_the_weights_and_leaves_the_text(bare: Path, tmp_path: Path) -> None:
    """Whatever a production weight is called it goes through LFS; metadata and notes do not."""
    project = generate(bare, tmp_path / "project", weights_in_git="git-lfs")
    git(project, "init", "--quiet")
    folder = "model_weights/production"
    names = ["a.pth", "b/model.safetensors", "b/config.json", "a.json", ".gitignore", "README.md"]
    paths = [f"{folder}/{name}" for name in names]
    filters = git(project, "check-attr", "filter", *paths, "model_weights/README.md")
    through_lfs = [line.split(":")[0] for line in filters.splitlines() if line.endswith(": lfs")]
    assert through_lfs == paths[:2]


# Updates


EDITED = {".env", "README.md", "docs/training/A_TRAINING_GUIDE.md"}
DELETED = {name.replace("PAT_CONV_L", "B") for name in STARTERS - EDITED} - {".gitignore"}


@pytest.fixture(scope="module")
def updated(bare: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A project that its owner changed, updated to a newer template; and that template."""
    root = tmp_path_factory.mktemp("update")
    template = Path(shutil.copytree(bare, root / "template"))
    recipes = make_files(template / "template/training/recipes", {"old_part.py": "", "gone.py": ""})
    commit_all(template, "v1.0.0")
    project = make_files(root / "project", {".gitignore": LEGACY_GITIGNORE})
    generate(template, project, model_types=["a", "b"])
    for name in EDITED:
        (project / name).write_text("mine now\n")
    for name in DELETED:
        (project / name).unlink()
    replace(project / "training/conventions.toml", "keep = []", 'keep = ["*_paper"]')
    commit_all(project)
    for path in (template / "template").rglob("*"):
        if path.is_file():
            path.write_text(path.read_text() + "# from v2\n")
    (recipes / "gone.py").unlink()
    make_files(recipes, {"new_part.py": ""})
    commit_all(template, "v2.0.0")
    update(project, model_types=["a", "b", "new"], ci="github")
    return project, template


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_an_update_brings_the_files_of_the_template(updated: tuple[Path, Path]) -> None:
    """Conventions, recipes and helper are those of the new version: changed, new and gone ones."""
    project, template = updated
    assert not (project / "training/recipes/gone.py").exists()
    for name in ("recipes.just", "log_paths.py", "recipes/old_part.py", "recipes/new_part.py"):
        expected = (template / "template/training" / name).read_bytes()
        assert (project / "training" / name).read_bytes() == expected
    assert "# from v2" in (project / "training/conventions.toml").read_text()


def test_an_update_can_add_the_workflow(updated: tuple[Path, Path]) -> None:
    """The workflow belongs to the template: a changed answer brings it."""
    project, _ = updated
    assert "training/recipes.just check" in (project / WORKFLOW).read_text()


def test_an_update_merges_edited_conventions(updated: tuple[Path, Path]) -> None:
    """The owner's retention rule and the new model type are both there, without a conflict."""
    project, _ = updated
    conventions = load(project / "training/conventions.toml")
    assert conventions.archive.keep == ("*_paper",)
    assert conventions.project.model_types == ("a", "b", "new")
    assert "UU" not in git(project, "status", "--porcelain")


def test_an_update_leaves_the_starters_alone(updated: tuple[Path, Path]) -> None:
    """No starter is rewritten, edited or not, tracked or ignored."""
    project, _ = updated
    assert {name: (project / name).read_text() for name in EDITED} == dict.fromkeys(
        EDITED, "mine now\n"
    )
    assert (project / ".gitignore").read_text() == LEGACY_GITIGNORE


def test_an_update_does_not_bring_back_what_was_deleted(updated: tuple[Path, Path]) -> None:
    """A starter that its owner deleted stays deleted."""
    project, _ = updated
    assert {name for name in DELETED if (project / name).exists()} == set()


def test_a_model_type_that_is_added_gets_its_guide(updated: tuple[Path, Path]) -> None:
    """Only the new model type's guide is written, and the next update will know it."""
    project, _ = updated
    guide = (project / "docs/training/NEW_TRAINING_GUIDE.md").read_text()
    assert guide.startswith("# Training new\n")
    answers = yaml.safe_load((project / ANSWERS_FILE).read_text())
    assert answers["starters_for"] == ["a", "b", "new"]
    assert answers["_commit"] == "v2.0.0"


# The guides


def python_blocks(markdown: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", markdown, re.MULTILINE | re.DOTALL)


def shell_blocks(markdown: str) -> list[str]:
    return re.findall(r"^```bash\n(.*?)^```$", markdown, re.MULTILINE | re.DOTALL)


def run_python(project: Path, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_training_guide_can_be_followed(template: Path, tmp_path: Path) -> None:
    """Its code starts an experiment and logs it, and its commands promote, pack and restore it."""
    project = generate(template, tmp_path / "project", **LEGACY_ANSWERS)
    guide = (project / "docs/training/PAT_CONV_L_TRAINING_GUIDE.md").read_text()
    start, log = python_blocks(guide)
    run_python(project, start + log)
    (experiment,) = (project / "training/experiments/active").glob("*_pat_conv_l_baseline")
    assert "Epoch 2: Train Loss=0.6900, Val auc=0.5200" in (experiment / "training.log").read_text()
    assert yaml.safe_load((experiment / "config.yaml").read_text())["seed"] == 42

    state = {"weight": torch_writer.Tensor((8, 8))}
    torch_writer.save(
        experiment / "checkpoints/epoch_002.pth",
        {"model_state_dict": state, "epoch": 2, "val_auc": 0.52},
    )
    promote, archive, restore, _ = shell_blocks(guide)
    for line in promote.splitlines():
        follow(project, line, experiment.name)
    (model,) = (project / "model_weights/production").glob("*.pth")
    assert model.name == "pat_conv_l_v0.5200.pth"
    assert model.with_suffix(".json").exists()
    assert (project / "training/results/pat_conv_l_v0.5200_summary.md").exists()
    for path in experiment.rglob("*"):
        os.utime(path, (1e9, 1e9))  # nobody has it in use any more
    follow(project, archive.splitlines()[2], experiment.name)
    assert not experiment.exists()
    follow(project, restore, experiment.name)
    assert (experiment / "checkpoints/epoch_002.pth").exists()


def follow(project: Path, command: str, experiment: str) -> None:
    """Run a command of a guide, for the experiment that there is, by the recipe's script."""
    command = command.replace("2025-07-25_pat_conv_l_baseline", experiment)
    _, recipe, *words = shlex.split(command, comments=True)
    script = project / f"training/recipes/{recipe}.py"
    done = subprocess.run(
        [sys.executable, script, *words], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout


def test_the_record_of_a_run_can_be_written(bare: Path, tmp_path: Path) -> None:
    """The code of section 5 records commit, packages and system beside the log."""
    project = generate(bare, tmp_path / "project", **LEGACY_ANSWERS)
    commit_all(project)
    blocks = python_blocks((project / "docs/training/REPRODUCIBILITY.md").read_text())
    standard_library = [block for block in blocks if "torch" not in block]
    run_python(project, "".join(standard_library))
    (config,) = (project / "training/experiments/active").glob("*_reproducible/config.yaml")
    record = yaml.safe_load(config.read_text())
    assert record["git_commit"] == git(project, "rev-parse", "HEAD").strip()
    assert record["git_dirty"] is False
    assert "copier" in record["packages"]


@pytest.mark.skipif(sys.platform != "linux", reason="sha256sum is GNU's")
def test_both_ways_to_hash_a_folder_agree(legacy: Path, tmp_path: Path) -> None:
    """The shell command and the Python function give one hash, and it changes with the data."""
    text = (legacy / "docs/training/REPRODUCIBILITY.md").read_text()
    (function,) = (block for block in python_blocks(text) if "folder_hash" in block)
    (command,) = (block for block in shell_blocks(text) if "find ." in block)
    make_files(tmp_path / "data", {"b.csv": "1", "a/c d.csv": "2", "a.csv": "3", "é": "4"})
    hashes = set()
    for text in ("5", "6"):
        (tmp_path / "data/b.csv").write_text(text)
        shell = subprocess.check_output(["sh", "-c", command], cwd=tmp_path, text=True).split()[0]
        assert run_python(tmp_path, function + "print(folder_hash('data'))").strip() == shell
        hashes.add(shell)
    assert len(hashes) == 2


def test_the_documents_name_only_recipes_that_exist(legacy: Path) -> None:
    """Every `just NAME` in a document is a recipe, and every link leads to a file."""
    known = set(re.findall(r"^(\w+) \*args:", (legacy / "training/recipes.just").read_text(), re.M))
    for path in legacy.rglob("*.md"):
        if path.is_relative_to(legacy / "training/recipes"):
            continue
        text = path.read_text()
        assert set(re.findall(r"`?\bjust ([a-z]+)\b(?=[` ]|$)", code_of(text), re.M)) <= known
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (path.parent / link).is_file(), f"{path}: {link}"


def code_of(markdown: str) -> str:
    return "\n".join(re.findall(r"```bash\n.*?```|`just [^`]*`", markdown, re.DOTALL))


def test_scripts_are_listed_by_recipes(template: Path) -> None:
    """Each recipe runs a script of its own name that ships, and each script has its recipe."""
    folder = template / "template/training"
    recipe_names = set(re.findall(r"^(\w+) \*args:", (folder / "recipes.just").read_text(), re.M))
    assert recipe_names == {path.stem for path in (folder / "recipes").glob("*.py")}
