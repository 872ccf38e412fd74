"""A checkpoint that is a folder, such as Hugging Face's `checkpoint-3/`, is promoted whole."""

import json
import shutil
from pathlib import Path

import pytest

from engine.changes.known_hashes import KnownHashes
from packed_project import flip, opened
from projects import changed, just, just_json, recipe, recipe_json, tree
from template_fixture import commit_all, make_files
from trained_project import ACTIVE, age, new_project, train

SAMPLE = Path(__file__).parent / "samples/huggingface/bert_out"
NAME = "2025-07-25_net_bert"
HOME, MODEL = f"{ACTIVE}/{NAME}", "model_weights/production/net_v0.7000"
NOW = ("--now", "2025-08-02T12:00:00")
NOT_OURS = (".git", "training/.history")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with an experiment as the Trainer of transformers leaves it."""
    made = new_project(tmp_path)
    home = made / HOME
    shutil.copytree(SAMPLE, home / "checkpoints")
    (home / "config.yaml").write_text("seed: 7\n")
    age(home)
    commit_all(made)
    return made


def promoted(project: Path) -> dict[str, bytes]:
    """Promote the first checkpoint; return its files by their inner paths."""
    recipe(project, "promote", NAME, "--checkpoint", "checkpoints/checkpoint-2/", "--metric", "0.7")
    folder = project / HOME / "checkpoints/checkpoint-2"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_folder_is_copied_whole_and_taken_back(project: Path) -> None:
    """Each file keeps its inner name; metadata tells of the folder; undo leaves no trace."""
    before = tree(project, without=NOT_OURS)
    files = promoted(project)
    assert {path.name: path.read_bytes() for path in (project / MODEL).iterdir()} == files
    metadata = json.loads((project / f"{MODEL}.json").read_text())
    assert metadata["source"] == f"{HOME}/checkpoints/checkpoint-2"
    assert metadata["size"] == sum(map(len, files.values()))
    just(project, "check")
    just(project, "verify")
    (found,) = just_json(project, "where", f"{MODEL}/model.safetensors")["found"]
    assert found["now"] == f"at {MODEL}/model.safetensors"
    again = just(project, "promote", NAME, "--checkpoint", "checkpoints/checkpoint-2")
    assert f"in production already: {MODEL}" in " ".join(again.stdout.split())
    just(project, "undo")
    assert not changed(before, tree(project, without=NOT_OURS))


def test_one_changed_bit_in_the_folder_is_found(project: Path) -> None:
    """`verify` and `check` read each file of a folder in production."""
    promoted(project)
    recipe(project, "verify")
    assert KnownHashes(opened(project)).sha256_of(MODEL)
    flip(project / MODEL / "model.safetensors", -1)
    recipe(project, "verify", "--quick", status=1)
    recipe(project, "verify", status=1)
    assert MODEL in recipe(project, "check", status=3).stdout


def test_a_better_model_sends_the_folder_into_the_archive(project: Path) -> None:
    """All its files are packed with their papers, and come back from there."""
    files = promoted(project)
    train(project, "2025-07-26_net_better", [0.5, 0.8])
    recipe(project, "promote", "2025-07-26_net_better", *NOW)
    assert not (project / MODEL).exists()
    (archive,) = (project / "training/experiments/archived").glob("*_superseded.tar.gz")
    recipe(project, "restore", archive.name, f"{MODEL}/*")
    assert {path.name: path.read_bytes() for path in (project / MODEL).iterdir()} == files


def test_an_experiment_with_folders_is_packed_and_comes_back(project: Path) -> None:
    """Each file of its checkpoints is a member, and `restore` brings it back exactly."""
    before = tree(project / HOME)
    recipe(project, "archive", NAME, "--apply", *NOW)
    assert not (project / HOME).exists()
    recipe(project, "restore", NAME)
    assert tree(project / HOME).keys() == before.keys()
    files = {path: facts for path, facts in before.items() if facts[0] != "folder"}
    assert not changed(files, {path: tree(project / HOME)[path] for path in files})


def test_a_folder_in_production_follows_changed_conventions(project: Path) -> None:
    """It is renamed whole, its metadata beside it, and both say and show the new name."""
    promoted(project)
    conventions = project / "training/conventions.toml"
    text = conventions.read_text()
    old = 'production = "{model_type}_v{metric}.{ext}"'
    assert old in text
    conventions.write_text(text.replace(old, 'production = "{model_type}-{metric}.{ext}"'))
    recipe(project, "check", status=3)
    recipe(project, "cleanup", "--apply")
    assert (project / "model_weights/production/net-0.7000/model.safetensors").is_file()
    assert not (project / MODEL).exists()
    recipe(project, "check")
    recipe(project, "verify")
    (project / "use.py").write_text(f"M = '{MODEL}'\n")
    recipe(project, "relink", "--apply")
    assert "net-0.7000" in (project / "use.py").read_text()


def test_what_status_proposes_can_be_promoted(project: Path) -> None:
    """Where promote would refuse for want of evidence, status proposes something else."""
    shutil.rmtree(project / HOME / "checkpoints")
    (project / HOME / "checkpoints").mkdir()
    (project / HOME / "checkpoints/model.pth").write_bytes(b"not readable")
    (project / HOME / "training.log").write_text(
        "2025-07-25 10:01:00 - INFO - Epoch 1: val_auc 0.5\n"
        "2025-07-25 10:02:00 - INFO - Epoch 2: val_auc 0.6\n"
    )
    age(project / HOME)
    recipe(project, "promote", NAME, "--dry-run", status=2)
    assert "promote" not in str(recipe_json(project, "status")["next"])


def test_a_saved_model_is_taken_and_a_set_of_files_is_not(project: Path) -> None:
    """TensorFlow's SavedModel is a folder; its checkpoints have no path of their own to bear."""
    for name in ("saved_model.pb", "variables/variables.index"):
        make_files(project / ACTIVE / "2025-07-26_net_tf/checkpoints/export", {name: "x"})
    for name in ("ckpt-5.index", "ckpt-5.data-00000-of-00001"):
        make_files(project / ACTIVE / "2025-07-27_net_tf/checkpoints", {name: "y"})
    age(project / ACTIVE)
    recipe(project, "promote", "2025-07-26_net_tf", "--metric", "0.7")
    assert (project / MODEL / "variables/variables.index").read_text() == "x"
    refused = recipe(project, "promote", "2025-07-27_net_tf", "--metric", "0.9", status=2)
    assert "ckpt-5: is a set of files; name a file or a folder" in refused.stderr
