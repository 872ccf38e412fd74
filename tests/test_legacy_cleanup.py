"""The whole way on the legacy repository: plan, apply, account, undo, resume, purge."""

import hashlib
import json
import os
import re
import subprocess
import tarfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from engine.plans.cleanup_plan import Options, cleanup
from engine.project import open_project
from engine.recognition import findings
from legacy_tree import EXPECTED
from projects import changed, contents, just, just_json, recipe, recipe_json, tree, twin

PYTORCH = "model_weights/pat/pytorch/"
BEST = PYTORCH + "pat_conv_l_simple_best.pth"
PRODUCTION = "model_weights/production/pat_conv_l_v0.5929.pth"
SUMMARY = "training/results/pat_conv_l_v0.5929_summary.md"
CANONICAL_LOG = "training/logs/pat_conv_l_v0.5929_20250725.log"
ARCHIVED = "training/experiments/archived/"
OLD_LOGS = ARCHIVED + "logs_before_20250725.tar.gz"
CHECKPOINT = re.compile(r"\.(pth|pt|h5)$")


@pytest.fixture(scope="module")
def plan(legacy: Path) -> dict[str, Any]:
    """What a clean-up would do, for programs."""
    return recipe_json(legacy, "cleanup")


@pytest.fixture
def project(legacy: Path, tmp_path: Path) -> Path:
    return twin(legacy, tmp_path)


@pytest.fixture
def applied(cleaned: Path, tmp_path: Path) -> Path:
    return twin(cleaned, tmp_path)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def members(project: Path) -> dict[str, str]:
    """The hash of every member of every archive, by the member's name."""
    found = {}
    for archive in (project / ARCHIVED).glob("*.tar.gz"):
        with tarfile.open(archive) as tar:
            for member in tar:
                content = tar.extractfile(member)
                assert content is not None
                found[member.name] = hashlib.sha256(content.read()).hexdigest()
    return found


def test_every_checkpoint_gets_the_value_that_stands_anywhere(plan: dict[str, Any]) -> None:
    """Each checkpoint's metric is the documented one; unknown stays null."""
    found = {c["path"]: c for c in plan["checkpoints"]}
    assert {path: found[path]["value"] for path in EXPECTED} == EXPECTED
    for checkpoint in found.values():
        told = [e for e in checkpoint["evidence"] if e["fact"] == "metric" and e["used"]]
        assert bool(told) == (checkpoint["value"] is not None)


def test_json_has_the_documented_shape(plan: dict[str, Any]) -> None:
    """Programs find runs, checkpoints, actions and totals under the documented names."""
    assert {"run", "checkpoints", "actions", "totals"} <= plan.keys()
    roles = {"production", "candidate", "pretrained", "duplicate", "training_state", "ignored"}
    keys = {"path", "role", "model_type", "metric", "value", "date", "related", "evidence"}
    for checkpoint in plan["checkpoints"]:
        assert keys <= checkpoint.keys()
        assert checkpoint["role"] in roles
    for action in plan["actions"]:
        assert action.keys() == {"verb", "src", "dst", "bytes", "reason"}


def test_a_plan_changes_nothing(project: Path) -> None:
    """Showing the plan leaves every byte, mode and time as it was."""
    before = tree(project, without=())
    shown = just(project, "cleanup").stdout
    assert "just cleanup --apply" in shown.splitlines()[-1]
    assert not changed(before, tree(project, without=()))


def test_the_best_model_goes_to_production_with_its_log_and_papers(
    legacy: Path, cleaned: Path
) -> None:
    """Production file, metadata, canonical log and summary stand under their names."""
    assert sha256(cleaned / PRODUCTION) == sha256(legacy / BEST)
    log = "docs/archive/pat_experiments/pat_conv_l_simple.log"
    assert sha256(cleaned / CANONICAL_LOG) == sha256(legacy / log)
    metadata = json.loads((cleaned / PRODUCTION).with_suffix(".json").read_bytes())
    expected: dict[str, Any] = {
        "model_type": "pat_conv_l",
        "metric": "auc",
        "value": 0.5929,
        "date": "2025-07-25",
        "source": BEST,
        "sha256": sha256(cleaned / PRODUCTION),
        "size": (cleaned / PRODUCTION).stat().st_size,
        "parameters": "1984289",
    }
    assert {key: metadata[key] for key in expected} == expected
    assert any(e["where"] == "key val_auc" for e in metadata["evidence"])


def test_the_summary_is_a_model_card(cleaned: Path) -> None:
    """The results summary parses as a Hugging Face model card and shows the epochs."""
    card = ModelCard.load(cleaned / SUMMARY)
    (result,) = card.data.eval_results
    assert (result.metric_type, result.metric_value) == ("auc", 0.5929)
    assert "| 2 | 1.3056 | 1.2253 | 0.5929 |" in card.text
    assert "weight_decay" in card.text


def test_pretrained_weights_go_to_their_folder(legacy: Path, cleaned: Path) -> None:
    """The published originals end in pretrained/ with their names, and are never best."""
    for size in "SML":
        name = f"PAT-{size}_29k_weights.h5"
        old = legacy / "model_weights/pat/pretrained" / name
        assert sha256(cleaned / "model_weights/pretrained" / name) == sha256(old)


def test_all_fourteen_namesakes_keep_their_own_bytes(legacy: Path, cleaned: Path) -> None:
    """Each best_model.pt is in an archive under its old path, with its own content."""
    packed = members(cleaned)
    namesakes = [path for path in EXPECTED if path.endswith("/best_model.pt")]
    assert len(namesakes) == 14
    assert {path: packed[path] for path in namesakes} == {
        path: sha256(legacy / path) for path in namesakes
    }


def test_no_checkpoint_or_training_log_is_left_outside(cleaned: Path) -> None:
    """What remains outside the layout are other people's models and application logs."""
    layout = ("training/", "model_weights/production/", "model_weights/pretrained/")
    rest = [
        path
        for path in tree(cleaned)
        if re.search(r"\.(pth|pt|h5|log|out)$", path) and not path.startswith(layout)
    ]
    assert sorted(rest) == ["logs/big_mood_detector.log", "pytest.log"]


def test_old_logs_are_packed_and_their_runs_tell_where(legacy: Path, cleaned: Path) -> None:
    """Scattered logs of before the best model are in one archive; each run's manifest says so."""
    with tarfile.open(cleaned / OLD_LOGS) as tar:
        names = tar.getnames()
    log = "logs/pat_training/pat_l_corrected_20250724_160538.log"
    assert log in names
    assert "pat_l_gentle_schedule.log" in names
    manifest = json.loads((cleaned / ARCHIVED / "2025-07-24_pat_l_corrected.json").read_bytes())
    assert {"path": log, "now": OLD_LOGS} in manifest["elsewhere"]


def test_everything_else_is_untouched(legacy: Path, cleaned: Path, plan: dict[str, Any]) -> None:
    """Sources, documents, data, the other study's models and application logs keep each byte."""
    before, after = tree(legacy), tree(cleaned)
    planned = {a["src"] for a in plan["actions"] if a["src"]}
    kept = {path for path, (digest, _, _) in before.items() if digest != "folder"} - planned
    assert not {path for path in kept if before[path] != after.get(path)}
    assert {path for path in planned if re.search(r"xgboost|^src/|^tests/|^data/", path)} == set()


def test_archives_are_read_by_the_usual_programs(cleaned: Path, tmp_path: Path) -> None:
    """`sha256sum -c`, `gzip -t` and `tar xzf` work without this project."""
    folder = cleaned / ARCHIVED
    for checksum in folder.glob("*.sha256"):
        subprocess.run(["sha256sum", "--quiet", "-c", checksum.name], cwd=folder, check=True)
    for archive in folder.glob("*.tar.gz"):
        subprocess.run(["gzip", "-t", archive], check=True)
        subprocess.run(["tar", "xzf", archive, "-C", tmp_path], check=True)
    assert (tmp_path / PYTORCH / "pat_l_lp_best.pth").is_file()


def test_the_report_accounts_for_every_original(
    legacy: Path, cleaned: Path, plan: dict[str, Any]
) -> None:
    """Each original file stands in the report once, and the sums of bytes agree."""
    (report,) = (cleaned / "training/results").glob("cleanup_*.md")
    text = report.read_text()
    account = text.split("## Account")[1].split("## Sums")[0]
    rows = [line.split(" | ") for line in account.splitlines() if line.startswith("| ")][2:]
    planned = {a["src"] for a in plan["actions"] if a["src"]}
    assert {row[0].removeprefix("| ") for row in rows} == planned
    total = sum((legacy / path).stat().st_size for path in planned)
    assert f"| all | {len(planned):,} | {total:,} |" in text


def test_a_second_clean_up_plans_nothing(applied: Path) -> None:
    """Cleaning what is clean does nothing, with or without --apply."""
    before = tree(applied)
    assert just_json(applied, "cleanup")["actions"] == []
    assert "Nothing to do" in just(applied, "cleanup", "--apply").stdout
    assert not changed(before, tree(applied))


def test_undo_gives_the_original_tree_back(legacy: Path, applied: Path) -> None:
    """After undo every byte, mode and time is as it was before."""
    recipe(applied, "undo")
    assert not changed(tree(legacy), tree(applied))
    assert "Nothing to take back" in recipe(applied, "undo").stdout


def test_purge_frees_the_space_and_undo_still_works(legacy: Path, applied: Path) -> None:
    """Purging deletes the verified originals only; undo rebuilds the tree from the archives."""
    quarantine = applied / "training/.history"
    waiting = contents(quarantine)
    just(applied, "purge")
    assert contents(quarantine) == waiting
    just(applied, "purge", "--apply")
    assert not [path for path in quarantine.rglob("*") if CHECKPOINT.search(path.name)]
    just(applied, "undo")
    assert not changed(tree(legacy), tree(applied))


def test_cleanup_works_again_after_an_undo(legacy: Path, applied: Path) -> None:
    """Plan, apply, undo and apply once more end in the same layout."""
    done = {path: digest for path, (digest, _, _) in tree(applied).items()}
    recipe(applied, "undo")
    recipe(applied, "cleanup", "--apply")
    again = {path: digest for path, (digest, _, _) in tree(applied).items()}
    assert done.keys() == again.keys()
    weights = {path for path in done if CHECKPOINT.search(path)}
    assert {path: done[path] for path in weights} == {path: again[path] for path in weights}


def test_young_runs_stay_folders_when_asked(project: Path) -> None:
    """--keep-active keeps the runs of the last days in active/, as of the given day."""
    recipe(project, "cleanup", "--apply", "--keep-active", "1", "--now", "2025-07-25T12:00:00")
    active = project / "training/experiments/active"
    names = {path.name for path in active.iterdir() if path.is_dir()}
    assert "2025-07-25_pat_conv_l" in names
    assert not any(name.startswith("2025-07-23") for name in names)
    assert (active / "2025-07-25_pat_conv_l/pat_conv_l_best_10e5.pth").is_file()
    assert (project / "training/results/cleanup_20250725.md").is_file()


def test_a_pick_wins_whatever_the_numbers_say(project: Path) -> None:
    """--pick makes the named checkpoint the production model."""
    pick = PYTORCH + "pat_l_corrected_best.pth"
    bytes_of_pick = sha256(project / pick)
    recipe(project, "cleanup", "--apply", "--pick", pick)
    assert sha256(project / "model_weights/production/pat_l_v0.5888.pth") == bytes_of_pick
    assert not (project / PRODUCTION).exists()


def test_what_is_kept_is_left_alone(project: Path) -> None:
    """--keep leaves the matching files where they are, whatever they are."""
    plan = recipe_json(project, "cleanup", "--keep", "model_weights/pat/heads")
    assert not [a for a in plan["actions"] if "heads" in (a["src"] or "")]
    assert any("pat_l_ft" in (a["src"] or "") for a in plan["actions"])


def test_the_cut_off_decides_which_logs_are_old(project: Path) -> None:
    """With an earlier --cutoff the logs go with their runs instead."""
    plan = recipe_json(project, "cleanup", "--cutoff", "2025-07-01")
    logs = [a for a in plan["actions"] if (a["src"] or "").endswith(".log")]
    assert logs
    assert not [a for a in logs if "logs_before" in a["dst"]]


def test_redundant_checkpoints_are_deleted_only_on_request(legacy: Path, project: Path) -> None:
    """--delete-redundant names them; purge deletes them; undo says that they are gone for good."""
    redundant = PYTORCH + "pat_l_corrected_best.pth"
    unknown = PYTORCH + "pat_l_lp_best.pth"
    plan = recipe_json(project, "cleanup", "--delete-redundant")
    deleted = {a["src"] for a in plan["actions"] if a["verb"] == "delete"}
    assert redundant in deleted
    assert unknown not in deleted
    shown = recipe(project, "cleanup", "--delete-redundant").stdout
    assert re.search(r"DELETE +pat_l_corrected_best\.pth", shown)
    recipe(project, "cleanup", "--delete-redundant", "--apply")
    assert sha256(legacy / redundant) in contents(project / "training/.history")
    recipe(project, "purge", "--apply")
    assert redundant in recipe(project, "undo", status=1).stderr
    assert sha256(project / BEST) == sha256(legacy / BEST)
    assert not (project / redundant).exists()


def test_a_plan_reads_no_disk(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it asks was found before: a plan is the same wherever the files are by then."""
    opened = open_project(project, project / "training/conventions.toml", {})
    mess = findings.look(opened)

    def refuse(path: object, *_: object, **__: object) -> None:
        raise AssertionError(f"a plan asked the disk for {path}")

    with monkeypatch.context() as patched:
        for call in ("lstat", "stat", "open", "scandir", "listdir"):
            patched.setattr(os, call, refuse)
        plan = cleanup(opened, mess, Options(datetime(2025, 7, 26, 9)))
    assert len(plan.changes) > 50
    assert all(action.bytes for action in plan.changes if action.verb == "move")
