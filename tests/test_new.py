"""`just new`: the folder of an experiment, with what is known when it begins."""

import os
import shlex
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.launch import start_facts
from engine.plans.new_experiment import Wanted, config_text
from engine.readers import read
from projects import just, recipe, recipe_json, tree
from template_fixture import commit_all, git

ACTIVE = "training/experiments/active"
NOW = ("--now", "2025-07-25T10:44:38")
HERE = f"{ACTIVE}/2025-07-25_resnet50_wide"


def config_of(experiment: Path) -> dict[str, Any]:
    found = yaml.safe_load((experiment / "config.yaml").read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def test_an_experiment_begins_with_what_is_known(project: Path) -> None:
    """Code, interpreter, packages and machine are noted, and the rest waits to be filled in."""
    commit_all(project)
    just(project, "new", "resnet50", "wide", "--seed", "42", "--python", sys.executable, *NOW)
    assert {path.name for path in (project / HERE).iterdir()} == {"config.yaml", "checkpoints"}
    config = config_of(project / HERE)
    packages = config.pop("packages")
    assert f"PyYAML=={yaml.__version__}" in packages
    known: dict[str, Any] = {
        "model_type": "resnet50",
        "experiment_name": "wide",
        "parent": None,
        "tags": [],
        "seed": 42,
        "started": "2025-07-25 10:44:38",
        "command": None,
        "git_commit": git(project, "rev-parse", "HEAD").strip(),
        "git_dirty": False,
        "python": ".".join(map(str, sys.version_info[:3])),
        "interpreter": sys.executable,
        "host": os.uname().nodename,
    }
    assert {key: config[key] for key in known} == known
    assert config["cpus"] >= 1
    assert config["memory_gb"] > 0.1
    assert set(config["hyperparameters"].values()) == {None}


def test_what_is_uncommitted_is_noted(project: Path) -> None:
    """A new file counts: the commit does not have it."""
    commit_all(project)
    (project / "train.py").touch()
    recipe(project, "new", "resnet50", "wide", *NOW)
    assert config_of(project / HERE)["git_dirty"] is True


def test_without_git_the_commit_is_unknown(project: Path) -> None:
    """Unknown is null, not false."""
    just(project, "new", "resnet50", "wide", *NOW, GIT_DIR="/nowhere")
    config = config_of(project / HERE)
    assert (config["git_commit"], config["git_dirty"]) == (None, None)


def test_undo_takes_a_new_experiment_back(project: Path) -> None:
    """The project is as it was, to the times of its folders."""
    before = tree(project)
    just(project, "new", "resnet50", "wide", *NOW)
    just(project, "undo")
    assert tree(project) == before


def test_undo_leaves_an_experiment_that_was_used(project: Path) -> None:
    """Once there is a checkpoint, its config is not taken from it."""
    recipe(project, "new", "resnet50", "wide", *NOW)
    (project / HERE / "checkpoints/last.pth").touch()
    before = tree(project)
    done = recipe(project, "undo", status=2)
    assert f"{HERE}/checkpoints/last.pth: came after" in done.stderr
    assert tree(project) == before


def test_undo_leaves_a_config_that_was_filled_in(project: Path) -> None:
    """What somebody wrote is never removed."""
    recipe(project, "new", "resnet50", "wide", *NOW)
    with (project / HERE / "config.yaml").open("a") as file:
        file.write("lr: 0.1\n")
    recipe(project, "undo", status=1)
    assert config_of(project / HERE)["lr"] == 0.1


def test_a_second_experiment_of_a_name_has_its_own_folder(project: Path) -> None:
    """So has one whose namesake is archived."""
    (project / "training/experiments/archived/2025-07-25_resnet50_wide_2.tar.gz").touch()
    for _ in range(2):
        recipe(project, "new", "resnet50", "wide", *NOW)
    names = {path.name for path in (project / ACTIVE).iterdir() if path.is_dir()}
    assert names == {"2025-07-25_resnet50_wide", "2025-07-25_resnet50_wide_3"}


def test_the_parent_is_an_experiment(project: Path) -> None:
    """By name or by folder, active or archived; what is none is refused."""
    (project / "training/experiments/archived/2025-07-20_resnet50.tar.gz").touch()
    recipe(project, "new", "resnet50", *NOW, "--parent", "2025-07-20_resnet50")
    parent = f"{ACTIVE}/2025-07-25_resnet50/"
    recipe(project, "new", "resnet50", "wide", *NOW, "--parent", parent)
    assert config_of(project / ACTIVE / "2025-07-25_resnet50")["parent"] == "2025-07-20_resnet50"
    assert config_of(project / HERE)["parent"] == "2025-07-25_resnet50"
    done = recipe(project, "new", "resnet50", "--parent", "2025-07-01_resnet50", status=2)
    assert done.stderr == f"--parent 2025-07-01_resnet50: is no experiment; see {ACTIVE}\n"


@pytest.mark.parametrize(
    "words", [[], ["Resnet"], ["resnet50", "a b"], ["../x"], ["a", "b", "c"], ["a", "--seed", "x"]]
)
def test_a_mistake_is_refused_and_nothing_made(project: Path, words: list[str]) -> None:
    """A name that is no slug, or too many of them, is status 2."""
    before = tree(project, ())
    done = recipe(project, "new", *words, status=2)
    assert "Traceback" not in done.stderr
    assert tree(project, ()) == before


def test_a_dry_run_makes_nothing(project: Path) -> None:
    """It shows what would be made, and the command that makes it."""
    before = tree(project, ())
    done = recipe(project, "new", "resnet50", "wide", *NOW, "--dry-run")
    assert HERE in done.stdout
    assert "Next: just new resnet50 wide" in done.stdout
    assert tree(project, ()) == before


def test_json_names_what_was_made(project: Path) -> None:
    """The run, and each path that it made."""
    made = recipe_json(project, "new", "resnet50", "wide", *NOW)
    assert made["run"]
    assert [action["dst"] for action in made["actions"]] == [
        f"{HERE}/config.yaml",
        f"{HERE}/checkpoints",
    ]


def test_an_active_folder_outside_the_project(project: Path, tmp_path: Path) -> None:
    """Experiments may lie on another disk."""
    just(project, "new", "resnet50", *NOW, EXPERIMENT_DIR=str(tmp_path / "scratch/active"))
    assert (tmp_path / "scratch/active/2025-07-25_resnet50/config.yaml").is_file()


# ---- config.yaml


@settings(max_examples=50, deadline=None)
@example(["é\n", "\udcff"], "\x85\u2028")
@given(st.lists(st.text(), max_size=3), st.one_of(st.none(), st.text()))
def test_any_command_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, command: list[str], host: str | None
) -> None:
    """Whatever a command or a machine is called, the file is YAML that our reader takes."""
    wanted = Wanted("resnet50", "wide", datetime(2025, 7, 25), 1, None, tuple(command))
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    path.write_bytes(config_text(wanted, {"host": host}).encode("utf-8", "backslashreplace"))
    found = yaml.safe_load(path.read_bytes())
    assert found["host"] == host
    assert found["command"] == (shlex.join(command) or None)
    reading = read(path, path.name)
    assert reading is not None
    assert reading.role == "config"
    assert reading.config["seed"] == 1


def test_packages_do_not_crowd_out_parameters(tmp_path: Path) -> None:
    """Hundreds of packages, one called `seed`, leave what a summary shows as it is."""
    packages = [f"package{number}==1" for number in range(900)] + ["seed==9"]
    wanted = Wanted("resnet50", None, datetime(2025, 7, 25), 1)
    path = tmp_path / "config.yaml"
    path.write_text(config_text(wanted, {"packages": packages}))
    reading = read(path, path.name)
    assert reading is not None
    assert reading.config["hyperparameters.learning_rate"] is None
    assert not any("package" in key for key in reading.config)
    assert [noted.value for noted in reading.notes if noted.fact == "seed"] == ["1"]


# ---- the machine


def fake_smi(folder: Path, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "nvidia-smi").chmod(0o755)


@pytest.mark.parametrize(
    ("script", "gpus"),
    [
        ("printf 'A100, 40 GiB, 550\\nA100, 40 GiB, 550\\n'", ["A100, 40 GiB, 550"] * 2),
        ("echo no driver; exit 9", None),
        ("sleep 60", None),
    ],
)
def test_gpus_are_as_the_driver_lists_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, gpus: list[str] | None
) -> None:
    """A driver that fails or hangs makes them unknown, and keeps nobody waiting for long."""
    fake_smi(tmp_path / "bin", script)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(start_facts, "SECONDS", 0.5)
    assert start_facts.start_facts(tmp_path, None, os.environ)["gpus"] == gpus


def test_packages_are_those_of_the_training_python(tmp_path: Path) -> None:
    """Another environment than the recipe's has other packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "own"], check=True)
    python = str(tmp_path / "own/bin/python")
    facts = start_facts.start_facts(tmp_path, python, {"PATH": os.environ["PATH"]})
    assert facts["packages"] == []
    assert facts["interpreter"] == python
