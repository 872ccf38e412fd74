"""A checkpoint and its papers go into production; what they replace goes into the archive."""

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

import promote as script
from engine.archives import archive
from engine.changes import disk
from engine.changes.apply import apply
from engine.changes.known_hashes import KnownHashes
from engine.errors import UserError
from engine.plans.plan import Plan
from engine.plans.promotion import Wish, promote
from engine.project import Project, open_project
from engine.reports import documents
from projects import changed, just, recipe, recipe_json, tree
from template_fixture import commit_all
from trained_project import ACTIVE, new_project, train

PRODUCTION = "model_weights/production"
FIRST, SECOND = "2025-07-25_net_first", "2025-08-01_net_second"
NOW = ("--now", "2025-08-02T12:00:00")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = new_project(tmp_path)
    train(made, FIRST, [0.51, 0.5929, 0.55])
    return made


def run(project: Path, *words: str) -> int:
    """Run the recipe in this process, which is much faster; return its status."""
    conventions = project / "training/conventions.toml"
    return script.main([*words, "--project", str(project), "--conventions", str(conventions)])


def refusal(project: Path, *words: str) -> str:
    """Return why the recipe refuses: a line."""
    with pytest.raises(UserError) as refused:
        run(project, *words)
    said = str(refused.value)
    assert "\n" not in said
    return said


def summary(project: Path, value: str) -> str:
    return (project / f"training/results/net_v{value}_summary.md").read_text()


def metadata(project: Path, value: str) -> dict[str, object]:
    content = json.loads((project / f"{PRODUCTION}/net_v{value}.json").read_text())
    assert isinstance(content, dict)
    return content


def test_the_best_checkpoint_is_copied_with_its_papers(project: Path) -> None:
    """Weights and log are copies, byte for byte; the experiment stays as it was."""
    home = project / f"{ACTIVE}/{FIRST}"
    before = tree(home)
    just(project, "promote", FIRST, *NOW)
    model = project / f"{PRODUCTION}/net_v0.5929.pth"
    assert model.read_bytes() == (home / "checkpoints/epoch_002.pth").read_bytes()
    log = project / "training/logs/net_v0.5929_20250725.log"
    assert log.read_bytes() == (home / "training.log").read_bytes()
    assert tree(home) == before
    said = metadata(project, "0.5929")
    opened = open_project(project, project / "training/conventions.toml", {})
    path = model.relative_to(project).as_posix()
    assert KnownHashes(opened).sha256_of(path) == said["sha256"]
    assert said["value"] == 0.5929
    assert said["source"] == f"training/experiments/active/{FIRST}/checkpoints/epoch_002.pth"
    assert said["config"] == {"learning_rate": 0.001, "batch_size": 32, "seed": 7}
    assert "highest auc of 3 comparable checkpoints" in str(said["chosen_because"])
    assert yaml.safe_load(summary(project, "0.5929").split("---")[1])["model_name"] == "net_v0.5929"


def test_a_promotion_is_taken_back_byte_for_byte(project: Path) -> None:
    """Undo removes what was made, and gives back what was superseded, after a purge as well."""
    run(project, FIRST, *NOW)
    train(project, SECOND, [0.61])
    before = tree(project)
    for purge in (False, True):
        run(project, SECOND, *NOW)
        if purge:
            recipe(project, "purge", "--apply")
        recipe(project, "undo")
        assert changed(before, tree(project)) == set()


def test_a_superseded_model_is_archived_and_its_summary_says_by_what(project: Path) -> None:
    """The archive holds weights, metadata and the summary as it was; the summary is annotated."""
    run(project, FIRST, *NOW)
    old = summary(project, "0.5929")
    train(project, SECOND, [0.61])
    run(project, SECOND, *NOW)
    assert sorted(p.name for p in (project / PRODUCTION).glob("net_*")) == [
        "net_v0.6100.json",
        "net_v0.6100.pth",
    ]
    archive = "2025-07-25_net_v0_5929_superseded"
    manifest = json.loads((project / f"training/experiments/archived/{archive}.json").read_text())
    assert manifest["superseded_by"] == f"{PRODUCTION}/net_v0.6100.pth"
    assert {member["path"].rpartition("/")[2] for member in manifest["members"]} == {
        "net_v0.5929.pth",
        "net_v0.5929.json",
        "net_v0.5929_summary.md",
    }
    new = summary(project, "0.5929")
    news = re.search(
        r"# net_v0\.5929\n\n> Superseded by `([^`]+)` \(auc 0\.61\) on 2025-08-02", new
    )
    assert news and news[1] == f"{PRODUCTION}/net_v0.6100.pth"
    assert set(old.splitlines()) <= set(new.splitlines())
    (back,) = re.findall("`(just restore [^`]+)`", new)
    recipe(project, *shlex.split(back)[1:])
    assert (project / f"{PRODUCTION}/net_v0.5929.pth").exists()
    assert f"supersedes: `{PRODUCTION}/net_v0.5929.pth` (0.5929)" in summary(project, "0.6100")
    supersedes = metadata(project, "0.6100")["supersedes"]
    assert isinstance(supersedes, list)
    assert supersedes[0]["path"] == f"{PRODUCTION}/net_v0.5929.pth"


def test_a_worse_model_is_refused(project: Path) -> None:
    """Nothing changes unless it is said that it may be worse; then the reason says so."""
    run(project, FIRST, *NOW)
    train(project, SECOND, [0.58])
    before = tree(project, without=())
    done = just(project, "promote", SECOND, *NOW, status=2)
    assert "auc 0.58 is worse than 0.5929" in done.stderr
    assert done.stderr.count("\n") == 1
    assert changed(before, tree(project, without=())) == set()
    run(project, SECOND, "--even-if-worse", *NOW)
    assert "though auc 0.58 is worse than 0.5929" in str(
        metadata(project, "0.5800")["chosen_because"]
    )


def test_another_task_is_no_rival(tmp_path: Path) -> None:
    """Models whose configs name different tasks are not compared: both stay in production."""
    project = new_project(tmp_path)
    train(project, FIRST, [0.9], config="task: sleep\n")
    train(project, SECOND, [0.6], config="task: mood\n")
    run(project, FIRST, *NOW)
    run(project, SECOND, *NOW)
    assert len(list((project / PRODUCTION).glob("*.pth"))) == 2


def test_the_same_bytes_are_not_promoted_twice(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is nothing to do, which is no failure, and no run is noted."""
    run(project, FIRST, *NOW)
    before = tree(project, without=())
    assert run(project, FIRST, *NOW) == 0
    assert "is in production already" in " ".join(capsys.readouterr().out.split())
    assert changed(before, tree(project, without=())) == set()


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("epoch_001.pth", "."),
        ("checkpoints/epoch_001.pth", "."),
        ("epoch_001.pth", f"{ACTIVE}/{FIRST}/checkpoints"),
        (f"{ACTIVE}/{FIRST}/checkpoints/epoch_001.pth", "."),
        (f"../{FIRST}/checkpoints/epoch_001.pth", f"{ACTIVE}/{FIRST}"),
    ],
)
def test_a_checkpoint_may_be_named(project: Path, file: str, folder: str) -> None:
    """By its name, or by a path as seen from where the user stands."""
    words = ("promote", FIRST, "--checkpoint", file, "--dry-run", "--json")
    answer = json.loads(just(project, *words, cwd=project / folder).stdout)
    assert answer["actions"][0]["src"] == f"{ACTIVE}/{FIRST}/checkpoints/epoch_001.pth"
    assert answer["actions"][0]["dst"] == f"{PRODUCTION}/net_v0.5100.pth"


def test_a_value_may_be_said(project: Path) -> None:
    """It names the files, and the evidence says that the user said it, beside what disagrees."""
    run(project, FIRST, "--metric", "0.605", *NOW)
    said = metadata(project, "0.6050")
    evidence = [e for e in said["evidence"] if e["fact"] == "metric"]  # type: ignore[attr-defined]
    assert [e["where"] for e in evidence if e["used"]] == ["said by the user (--metric)"]
    assert any(e["value"] == "val_auc 0.5929" for e in evidence)


@pytest.mark.parametrize("value", ["91.2", "nan", "-0.1", "inf"])
def test_an_impossible_value_is_refused(project: Path, value: str) -> None:
    """A percentage, or no number, is no AUC."""
    assert "can be no auc" in refusal(project, FIRST, f"--metric={value}")


def test_without_evidence_the_value_must_be_said(tmp_path: Path) -> None:
    """An unknown metric never gets into production by itself."""
    project = new_project(tmp_path)
    home = train(project, FIRST, [])
    (home / "checkpoints/model.pth").write_bytes(b"\0" * 100)
    os.utime(home / "checkpoints/model.pth", (1.75e9, 1.75e9))
    assert "--checkpoint FILE" in refusal(project, FIRST)
    words = (FIRST, "--checkpoint", "model.pth")
    assert "--metric VALUE" in refusal(project, *words)
    run(project, *words, "--metric", "0.7", *NOW)
    assert (project / f"{PRODUCTION}/net_v0.7000.pth").read_bytes() == b"\0" * 100


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["2025-07-25_net_frist"], "did you mean 2025-07-25_net_first?"),
        (["nothing_like_it"], "just status"),
        ([FIRST, "--checkpoint", "epoch_9.pth"], "epoch_001.pth"),
        (["../../../etc"], "is no experiment"),
    ],
)
def test_what_is_not_there_is_refused_in_one_line(
    project: Path, words: list[str], said: str
) -> None:
    """The line names what there is."""
    assert said in refusal(project, *words)


def test_an_archived_experiment_is_to_be_restored_first(project: Path) -> None:
    """The refusal says how."""
    recipe(project, "archive", FIRST, "--apply", *NOW)
    assert f"just restore {FIRST}" in refusal(project, FIRST)


def test_a_dry_run_changes_nothing(project: Path) -> None:
    """It shows what would be done, and the command that does it."""
    before = tree(project, without=())
    done = recipe(project, "promote", FIRST, "--dry-run")
    assert "net_v0.5929.pth" in done.stdout
    assert done.stdout.rstrip().endswith(f"just promote {FIRST}")
    assert changed(before, tree(project, without=())) == set()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has a file open")
def test_a_checkpoint_that_is_being_written_is_refused(project: Path) -> None:
    """Half a checkpoint is worth nothing."""
    file = project / f"{ACTIVE}/{FIRST}/checkpoints/epoch_002.pth"
    script = f"f = open({str(file)!r}, 'ab'); print(flush=True); input()"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as writer:
        assert writer.stdout and writer.stdin
        writer.stdout.readline()
        assert "promote it when it is written" in refusal(project, FIRST)
        writer.communicate("\n")


def test_a_link_is_not_promoted(project: Path) -> None:
    """What it leads to may change or go; the file itself can be named."""
    link = project / f"{ACTIVE}/{FIRST}/checkpoints/best.pth"
    link.symlink_to("epoch_002.pth")
    assert "best.pth" in refusal(project, FIRST, "--checkpoint", "best.pth")


def test_a_second_model_of_the_same_value_keeps_both_names_apart(project: Path) -> None:
    """Equal values are not worse; the new model is named with its date."""
    run(project, FIRST, *NOW)
    train(project, SECOND, [0.5929])
    run(project, SECOND, *NOW)
    assert [p.name for p in (project / PRODUCTION).glob("*.pth")] == ["net_v0.5929_20250801.pth"]
    assert "Superseded by" in summary(project, "0.5929")


@pytest.fixture
def apart(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on another file system for all that the training folder holds."""
    folder, real = tmp_path / "disk/mine", disk.volume
    folder.mkdir(parents=True)

    def volume(path: Path) -> tuple[int, str]:
        return (1, "disk") if path.is_relative_to(folder.parent) else real(path)

    monkeypatch.setattr(disk, "volume", volume)
    monkeypatch.setenv("TRAINING_DIR", str(folder))
    return folder


def test_a_summary_outside_the_project_stays(
    project: Path, apart: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What lies there cannot be packed: its model is superseded all the same, which is said."""
    train(project, SECOND, [0.7])
    assert run(project, FIRST, *NOW) == 0
    paper = apart / "results/net_v0.5929_summary.md"
    before = paper.read_bytes()
    assert run(project, SECOND, *NOW) == 0
    assert f"{paper} stays as it is" in capsys.readouterr().err
    assert paper.read_bytes() == before
    assert not (project / f"{PRODUCTION}/net_v0.5929.pth").exists()
    recipe(project, "undo", TRAINING_DIR=str(apart))
    assert (project / f"{PRODUCTION}/net_v0.5929.pth").exists()


@pytest.mark.parametrize("shared", [False, True])
def test_a_paper_on_another_file_system_is_written_anew(
    shared: bool, project: Path, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old one waits there, as high up as this user may write, and undo puts it back."""
    assert run(project, FIRST, *NOW) == 0
    home, may = apart if shared else apart.parent, disk.may_change
    monkeypatch.setattr(disk, "may_change", lambda f: Path(f) != home.parent and may(f))
    paper = apart / "results/net_v0.5929_summary.md"
    paper.write_bytes(paper.read_bytes().replace(b"chosen because", b"because"))
    before = tree(apart)
    assert run(project, "net_v0.5929", "--again") == 0
    (waiting,) = (home / ".training_quarantine").rglob("*.md")
    assert waiting.read_bytes() != paper.read_bytes()
    recipe(project, "undo", TRAINING_DIR=str(apart))
    assert not changed(before, tree(apart))


def test_folders_may_lie_outside_the_project(project: Path, tmp_path: Path) -> None:
    """Production there gets its copies; a predecessor there stays, aloud: it cannot be packed."""
    train(project, SECOND, [0.61])
    (project / ACTIVE).rename(tmp_path / "active")
    moved = partial(
        just,
        project,
        EXPERIMENT_DIR=str(tmp_path / "active"),
        MODEL_WEIGHTS_DIR=str(tmp_path / "production"),
    )
    moved("promote", FIRST, *NOW)
    done = moved("promote", str(tmp_path / "active" / SECOND), *NOW)
    assert "net_v0.5929.pth stays" in done.stderr
    assert len(list((tmp_path / "production").glob("*.pth"))) == 2
    moved("undo")
    assert [p.name for p in (tmp_path / "production").glob("*.pth")] == ["net_v0.5929.pth"]


def test_the_source_of_a_production_model_is_not_archived(project: Path) -> None:
    """The metadata names it, so the retention rules keep it."""
    run(project, FIRST, *NOW)
    train(project, SECOND, [0.5])
    answer = recipe_json(project, "archive", "--older-than", "0d", "--keep-best", "0", *NOW)
    assert any(FIRST in note and "source of" in note for note in answer["notes"])


def test_tracked_files_are_told_of(project: Path) -> None:
    """What git tracks and goes into the archive is marked in the plan."""
    run(project, FIRST, *NOW)
    commit_all(project, "v1")
    train(project, SECOND, [0.61])
    assert "git tracks it" in recipe(project, "promote", SECOND, "--dry-run").stdout


# --- interruptions and changes, in this process ---------------------------------------------------


def planned(project: Path) -> tuple[Project, Plan]:
    """Return the plan that promotes the second experiment over the first."""
    run(project, FIRST, *NOW)
    train(project, SECOND, [0.61])
    opened = open_project(project, project / "training/conventions.toml", {})
    return opened, promote(opened, Wish(SECOND, datetime(2025, 8, 2, 12)))


@pytest.mark.parametrize("finish", ["resume", "undo"])
def test_an_interrupted_promotion_is_finished_or_taken_back(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finish: str
) -> None:
    """Wherever it stopped, while it copied, packed or wrote: nothing is lost, nothing is left."""
    opened, plan = planned(project)
    before = tree(project)
    stops = [(disk, "copy_new", 1), (archive, "pack", 0), (documents, "render", 2)]
    for module, name, call in stops:
        twin_project = Path(shutil.copytree(project, tmp_path / name))
        with monkeypatch.context() as patch:
            stop_at(patch, module, name, call)
            with pytest.raises(KeyboardInterrupt):
                apply(replace(opened, root=twin_project), plan, datetime(2025, 8, 2, 12))
        just(twin_project, finish)
        if finish == "undo":
            assert changed(before, tree(twin_project)) == set()
        else:
            assert (twin_project / f"{PRODUCTION}/net_v0.6100.json").exists()
            assert not (twin_project / f"{PRODUCTION}/net_v0.5929.pth").exists()
            assert "Superseded by" in summary(twin_project, "0.5929")


def stop_at(patch: pytest.MonkeyPatch, module: ModuleType, name: str, call: int) -> None:
    """Have a function interrupt the process at one of its calls."""
    real, calls = getattr(module, name), itertools.count()

    def stopping(*arguments: Any, **options: Any) -> Any:
        if next(calls) == call:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    patch.setattr(module, name, stopping)


@pytest.mark.parametrize(
    "changing",
    [
        f"training/experiments/active/{SECOND}/checkpoints/epoch_001.pth",
        f"training/experiments/active/{SECOND}/training.log",
        f"{PRODUCTION}/net_v0.5929.pth",
        "training/results/net_v0.5929_summary.md",
    ],
)
def test_what_changes_after_the_plan_stops_the_whole_promotion(
    project: Path, changing: str
) -> None:
    """All or nothing: a model is not superseded by one that did not get there."""
    opened, plan = planned(project)
    with (project / changing).open("ab") as file:
        file.write(b"more")
    before = tree(project)
    outcome = apply(opened, plan, datetime(2025, 8, 2, 12))
    assert changing in outcome.left
    assert changed(before, tree(project)) == set()
