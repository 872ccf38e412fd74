"""Conventions that change: check lists what no longer follows, cleanup renames it, in step."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest

from projects import changed, just, just_json, recipe, recipe_json, tree, twin
from template_fixture import commit_all, make_files
from trained_project import new_project, train

OLD_MODEL, NEW_MODEL = "model_weights/production/net_v0.5929", "model_weights/production/net-0.5929"
CHANGES = {
    'production = "{model_type}_v{metric}.{ext}"': 'production = "{model_type}-{metric}.{ext}"',
    'model = "{model_type}_v{metric}_{date}.{ext}"': 'model = "{model_type}-{metric}-{date}.{ext}"',
    'summary = "{model_type}_v{metric}_summary.md"': 'summary = "{model_type}-{metric}-notes.md"',
    'canonical_log = "{model_type}_v{metric}_{date}.log"': (
        'canonical_log = "{model_type}-{metric}-{date}.log"'
    ),
}


@cache
def renamed(base: Path) -> Path:
    """A project with a promoted model, whose name templates have changed since."""
    made = new_project(base / "renamed")
    train(made, "2025-07-25_net_first", [0.51, 0.5929])
    recipe(made, "promote", "2025-07-25_net_first", "--now", "2025-08-02T12:00:00")
    (made / "eval.py").write_text(f"M = '{OLD_MODEL}.pth'\n")
    conventions = made / "training/conventions.toml"
    text = conventions.read_text()
    for old, new in CHANGES.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    conventions.write_text(text)
    commit_all(made)
    return made


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of that project."""
    return twin(renamed(tmp_path_factory.getbasetemp()), tmp_path)


def test_a_changed_template_is_followed_by_model_and_papers(project: Path) -> None:
    """Check, cleanup and relink bring names, metadata, summary and references in step."""
    found = just_json(project, "check", status=3)["violations"]
    assert f"{OLD_MODEL}.pth" in {violation["path"] for violation in found}
    before = tree(project, without=(".git", "training/.history"))

    just(project, "cleanup", "--apply")
    metadata = json.loads((project / f"{NEW_MODEL}.json").read_text())
    log = "training/logs/net-0.5929-20250725.log"
    assert metadata["log"] == log
    assert (project / log).is_file()
    summary = (project / "training/results/net-0.5929-notes.md").read_text()
    assert f"`{NEW_MODEL}.pth` (" in summary
    assert f"`{log}`" in summary
    assert OLD_MODEL not in summary
    assert "](net-0.5929-notes.svg)" in summary
    assert (project / "training/results/net-0.5929-notes.svg").is_file()
    assert not list(project.glob(f"{OLD_MODEL}*"))

    just(project, "relink", "--apply")
    assert (project / "eval.py").read_text() == f"M = '{NEW_MODEL}.pth'\n"
    left = just_json(project, "check", status=0)["violations"]
    assert left == []

    just(project, "undo")
    just(project, "undo")
    assert not changed(before, tree(project, without=(".git", "training/.history")))


def test_what_follows_the_conventions_is_not_renamed(project: Path) -> None:
    """After the renames, and in a project whose templates never changed, there is nothing to do."""
    recipe(project, "cleanup", "--apply")
    moves = [a for a in recipe_json(project, "cleanup")["actions"] if a["verb"] != "write"]
    assert moves == []


def test_papers_follow_a_folder_that_changed(project: Path) -> None:
    """A canonical log and a summary go from what was their folder to the new one, unpacked."""
    conventions = project / "training/conventions.toml"
    text = conventions.read_text()
    for old, new in (
        ('logs = "logs"', 'logs = "log"'),
        ('results = "results"', 'results = "notes"'),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    conventions.write_text(text)
    for name in ("log", "notes"):
        (project / "training" / name).mkdir()
    recipe(project, "cleanup", "--apply")
    assert (project / "training/log/net-0.5929-20250725.log").is_file()
    summary = (project / "training/notes/net-0.5929-notes.md").read_text()
    assert "`training/log/net-0.5929-20250725.log`" in summary
    metadata = json.loads((project / f"{NEW_MODEL}.json").read_text())
    assert metadata["log"] == "training/log/net-0.5929-20250725.log"
    assert not list((project / "training/experiments/archived").glob("*.tar.gz"))


ACTIVE, ARCHIVED = "training/experiments/active", "training/experiments/archived"
FIRST, SECOND, THIRD = "2025-07-25_net_first", "2025-07-26_net_second", "2025-07-27_net_third"
NOT_OURS = (".git", "training/.history", "training/conventions.toml")


@cache
def lived_in(base: Path) -> Path:
    """A project in use: a model that superseded another, archives, experiments, a raw log."""
    made = new_project(base / "lived_in")
    train(made, FIRST, [0.51, 0.5929])
    train(made, SECOND, [0.52, 0.6112], record={"ended": "2025-07-26T11:00:00"})
    train(made, THIRD, [0.53, 0.57])
    (made / "model_weights/pretrained/base.pth").write_bytes(b"weights from elsewhere")
    raw = made / "training/logs/net_training_20250728_101010.log"
    raw.write_text("2025-07-28 10:10:10 - INFO - Epoch 1: val_auc 0.5000\n")
    os.utime(raw, (1.75e9, 1.75e9))
    recipe(made, "promote", FIRST, "--now", "2025-08-02T12:00:00")
    recipe(made, "promote", SECOND, "--now", "2025-08-03T12:00:00")
    recipe(made, "archive", FIRST, "--apply", "--now", "2025-08-04T12:00:00")
    recipe(made, "new", "net", "fourth", "--now", "2025-08-05T12:00:00")
    for path in (made / ACTIVE).rglob("*"):
        os.utime(path, (1.75e9, 1.75e9))
    commit_all(made)
    return made


@pytest.fixture
def used(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of that project."""
    base = tmp_path_factory.getbasetemp()
    (base / "lived_in").mkdir(exist_ok=True)
    return twin(lived_in(base), tmp_path)


def convene(project: Path, **lines: str) -> None:
    """Write other values for keys of conventions.toml, each named with its table."""
    conventions = project / "training/conventions.toml"
    text = conventions.read_text()
    for name, value in lines.items():
        table, key = name.split("__")
        head, mark, rest = text.partition(f"{table}]")
        rest, times = re.subn(rf'(?m)^{key} = ("[^"]*"|\[.*?\])', f"{key} = {value}", rest, count=1)
        assert times == 1, name
        text = head + mark + rest
    conventions.write_text(text)
    (project / ".env").write_text("")  # or it would win over folders of conventions.toml


@contextmanager
def realigned(project: Path, *gone: str) -> Iterator[None]:
    """Have check name what is `gone` afterwards, clean up, prove it, and take it back at last."""
    before, runs = tree(project, without=NOT_OURS), len(history(project))
    violations = recipe_json(project, "check", status=3)["violations"]
    assert set(gone) <= {v["path"] for v in violations if v["rule"] == "changed"}
    recipe(project, "cleanup", "--apply")
    assert not any(os.path.lexists(project / path) for path in gone)
    assert recipe_json(project, "cleanup")["actions"] == []
    recipe(project, "check")
    recipe(project, "verify")
    yield
    for _ in history(project)[runs:]:
        recipe(project, "undo")
    assert not changed(before, tree(project, without=NOT_OURS))


def history(project: Path) -> list[Path]:
    """Return the runs of a project."""
    return list((project / "training/.history").glob("*/plan.json"))


def test_a_production_folder_that_changed_is_followed(used: Path) -> None:
    """Model, metadata, and all that names them go to the new folder; archives tell of it."""
    convene(used, folders__production='"models/live"')
    with realigned(used, "model_weights/production/net_v0.6112.pth"):
        assert (used / "models/live/net_v0.6112.pth").is_file()
        summary = (used / "training/results/net_v0.6112_summary.md").read_text()
        assert "`models/live/net_v0.6112.pth` (" in summary
        assert "model_weights/production/net_v0.6112" not in summary
        (superseded,) = (used / ARCHIVED).glob("*_superseded.json")
        assert json.loads(superseded.read_text())["superseded_by"] == "models/live/net_v0.6112.pth"
        (found,) = recipe_json(used, "where", "model_weights/production/net_v0.6112.pth")["found"]
        assert found["now"] == "at models/live/net_v0.6112.pth"


def test_experiment_folders_that_changed_are_followed(used: Path) -> None:
    """Experiments and archives go on living in the new folders: restore, where, status know."""
    convene(used, folders__active='"experiments/now"', in_training__archived='"experiments/packed"')
    with realigned(used, f"{ACTIVE}/{SECOND}", f"{ARCHIVED}/{FIRST}.tar.gz"):
        assert (used / f"experiments/now/{THIRD}/config.yaml").is_file()
        assert (used / "experiments/now/2025-08-05_net_fourth/checkpoints").is_dir()
        packed = used / "training/experiments/packed"
        subprocess.run(["sha256sum", "-c", f"{FIRST}.sha256"], cwd=packed, check=True)
        names = {e["name"] for e in recipe_json(used, "status")["experiments"]}
        assert names >= {FIRST, SECOND, THIRD}
        recipe(used, "restore", FIRST)
        assert (used / f"experiments/now/{FIRST}/training.log").is_file()


def test_a_template_of_experiments_that_changed_is_followed(used: Path) -> None:
    """Folders, archives, manifests and checksums bear the new name, the inner files theirs."""
    convene(
        used,
        names__experiment='"{model_type}_{date}[_{experiment_name}]"',
        names__experiment_log='"train.txt"',
        names__experiment_checkpoints='"ckpt"',
    )
    with realigned(used, f"{ACTIVE}/{SECOND}", f"{ARCHIVED}/{FIRST}.tar.gz"):
        assert (used / ACTIVE / "net_20250726_second/train.txt").is_file()
        assert (used / ACTIVE / "net_20250726_second/ckpt/epoch_001.pth").is_file()
        assert (used / ACTIVE / "net_20250805_fourth/ckpt").is_dir()
        name = "net_20250725_first"
        subprocess.run(["sha256sum", "-c", f"{name}.sha256"], cwd=used / ARCHIVED, check=True)
        manifest = json.loads((used / ARCHIVED / f"{name}.json").read_text())
        assert (manifest["name"], manifest["archive"]) == (name, f"{name}.tar.gz")
        metadata = json.loads((used / "model_weights/production/net_v0.6112.json").read_text())
        assert metadata["source"].startswith(f"{ACTIVE}/net_20250726_second/ckpt/")
        (found,) = recipe_json(used, "where", f"{ACTIVE}/{FIRST}/training.log")["found"]
        assert found["command"] == f"just restore {name} {ACTIVE}/{FIRST}/training.log"
        recipe(used, "restore", name)


def test_log_and_pretrained_folders_that_changed_are_followed(used: Path) -> None:
    """Raw logs and originals from elsewhere move too; a raw log by its new template."""
    convene(
        used,
        in_training__logs='"log"',
        folders__pretrained='"weights/original"',
        names__training_log='"{date}_{time}_{model_type}.log"',
    )
    raw = "training/logs/net_training_20250728_101010.log"
    with realigned(used, raw, "model_weights/pretrained/base.pth"):
        assert (used / "training/log/20250728_101010_net.log").is_file()
        assert (used / "weights/original/base.pth").is_file()
        metadata = json.loads((used / "model_weights/production/net_v0.6112.json").read_text())
        assert metadata["log"] == "training/log/net_v0.6112_20250726.log"
        assert not (used / "training/logs").exists()


def test_a_model_type_that_was_renamed_is_followed(used: Path) -> None:
    """Check asks what it is called now; then names, metadata, summaries and manifests say that."""
    convene(used, project__model_types='["wide"]')
    violations = recipe_json(used, "check", status=3)["violations"]
    assert {v["path"] for v in violations} == {
        "model_weights/production/net_v0.6112.pth",
        f"{ACTIVE}/{SECOND}",
        f"{ACTIVE}/{THIRD}",
        f"{ACTIVE}/2025-08-05_net_fourth",
    }
    assert {v["rule"] for v in violations} == {"type"}
    assert recipe_json(used, "cleanup")["actions"] == []
    conventions = used / "training/conventions.toml"
    conventions.write_text(
        conventions.read_text().replace("[project.renamed]", '[project.renamed]\nnet = "wide"')
    )
    with realigned(used, "model_weights/production/net_v0.6112.pth", f"{ACTIVE}/{SECOND}"):
        metadata = json.loads((used / "model_weights/production/wide_v0.6112.json").read_text())
        assert metadata["model_type"] == "wide"
        summary = (used / "training/results/wide_v0.6112_summary.md").read_text()
        assert "# wide_v0.6112\n" in summary
        assert "- model type: wide\n" in summary
        manifest = json.loads((used / ARCHIVED / "2025-07-25_wide_first.json").read_text())
        assert manifest["model_type"] == "wide"
        assert {e["model_type"] for e in recipe_json(used, "status")["experiments"]} == {"wide"}
        recipe(used, "promote", "2025-07-27_wide_third", "--even-if-worse")
        assert (used / "model_weights/production/wide_v0.5700.pth").is_file()


def test_another_metric_is_followed_where_the_evidence_tells_it(used: Path) -> None:
    """A model is called by its value of the new metric, read in its log; metadata says the same."""
    convene(used, metric__name='"loss"', metric__direction='"min"')
    (note,) = recipe_json(used, "cleanup")["notes"]
    assert note.startswith("net_v0.5000: just promote net_v0.5000 --again writes its summary")
    with realigned(used, "model_weights/production/net_v0.6112.pth"):
        metadata = json.loads((used / "model_weights/production/net_v0.5000.json").read_text())
        assert (metadata["metric"], metadata["value"]) == ("loss", 0.5)
        assert metadata["direction"] == "min"
        recipe(used, "promote", "net_v0.5000", "--again")
        summary = (used / "training/results/net_v0.5000_summary.md").read_text()
        assert "- loss: **0.5**" in summary


def test_another_metric_that_nothing_tells_is_reported(used: Path) -> None:
    """Nothing is renamed, and check says what to write where; then cleanup follows that."""
    convene(used, metric__name='"f1"')
    assert recipe_json(used, "cleanup")["actions"] == []
    (violation,) = recipe_json(used, "check", status=3)["violations"]
    assert violation["rule"] == "metric"
    metadata = used / violation["path"]
    said = json.loads(metadata.read_text())
    metadata.write_text(json.dumps({**said, "metric": "f1", "value": 0.7}, indent=2))
    with realigned(used, "model_weights/production/net_v0.6112.pth"):
        assert (used / "model_weights/production/net_v0.7000.pth").is_file()


def test_another_direction_reaches_the_metadata(used: Path) -> None:
    """The name stays, and metadata says in which direction its metric is better now."""
    convene(used, metric__direction='"min"')
    with realigned(used):
        metadata = json.loads((used / "model_weights/production/net_v0.6112.json").read_text())
        assert metadata["direction"] == "min"


def test_check_fix_brings_the_layout_to_changed_conventions(used: Path) -> None:
    """`check --fix --apply` does what a clean-up would, and finds all in order then."""
    convene(
        used,
        folders__production='"models/live"',
        names__experiment='"{model_type}_{date}[_{experiment_name}]"',
    )
    recipe(used, "check", "--fix", "--apply")
    assert (used / "models/live/net_v0.6112.pth").is_file()


def test_what_is_in_use_stays_aloud(used: Path) -> None:
    """An experiment that was written to just now stays where it is, and the plan says so."""
    (used / ACTIVE / THIRD / "training.log").touch()
    convene(used, folders__active='"experiments/now"')
    actions = recipe_json(used, "cleanup")["actions"]
    assert f"{ACTIVE}/{SECOND}/config.yaml" in {action["src"] for action in actions}
    (skipped,) = [action for action in actions if THIRD in str(action["src"])]
    assert (skipped["verb"], skipped["reason"][:7]) == ("skip", "in use:")
    recipe(used, "cleanup", "--apply", status=1)
    assert f"{ACTIVE}/{THIRD}" in recipe(used, "check", status=3).stdout
    (note,) = recipe_json(used, "cleanup")["notes"]
    assert THIRD in note


def test_what_others_hold_by_name_or_way_stays_aloud(used: Path) -> None:
    """What DVC or a store knows by its name keeps that; a link that leads elsewhere stays."""
    model = "model_weights/production/net_v0.6112.pth"
    make_files(used, {f"{model}.dvc": "outs:\n- path: net_v0.6112.pth\n"})
    (used / ACTIVE / THIRD / "checkpoints/latest.pth").symlink_to(f"../../{SECOND}/training.log")
    (used / ACTIVE / SECOND / "checkpoints/latest.pth").symlink_to("epoch_002.pth")
    stored(used, FIRST)
    convene(
        used,
        names__production='"{model_type}-{metric}.{ext}"',
        names__experiment='"{model_type}_{date}[_{experiment_name}]"',
    )
    actions = recipe_json(used, "cleanup")["actions"]
    assert {a["reason"].partition(" ")[0] for a in actions if a["verb"] == "skip"} == {
        f"{ACTIVE}/{THIRD}/checkpoints/latest.pth",
        "a",
        f"{model}.dvc",
    }
    recipe(used, "cleanup", "--apply", status=1)
    assert (used / ACTIVE / "net_20250726_second/checkpoints/latest.pth").is_file()
    assert (used / model).is_file()


def test_a_project_that_changed_before_any_run_keeps_what_metadata_tells(project: Path) -> None:
    """In a clone, which has no history, models and their papers follow by their metadata."""
    shutil.rmtree(project / "training/.history")
    recipe(project, "cleanup", "--apply")
    assert (project / f"{NEW_MODEL}.pth").is_file()
    assert (project / "training/logs/net-0.5929-20250725.log").is_file()
    assert (project / "training/results/net-0.5929-notes.md").is_file()


def stored(project: Path, name: str) -> Path:
    """Note that a store has an archive; return where it lies here."""
    archive = project / ARCHIVED / f"{name}.tar.gz"
    data = archive.read_bytes()
    said = {"remote": "store:x", "sha256": sha256(data).hexdigest(), "size": len(data)}
    make_files(project, {f"{ARCHIVED}/{name}.remote": json.dumps(said)})
    return archive


def test_an_archive_that_only_a_store_has_follows_a_changed_folder(used: Path) -> None:
    """Manifest, checksum and mark move; where and pull look for it in the new folder."""
    stored(used, FIRST).unlink()
    convene(used, in_training__archived='"experiments/packed"')
    recipe(used, "cleanup", "--apply")
    (found,) = recipe_json(used, "where", f"{ACTIVE}/{FIRST}/training.log")["found"]
    packed = f"training/experiments/packed/{FIRST}.tar.gz"
    assert found["now"].startswith(f"in {packed}, at store:x")
    assert not [v for v in recipe_json(used, "check")["violations"] if FIRST in v["path"]]


def test_a_training_alone_notes_where_things_lie(tmp_path: Path) -> None:
    """`just train` keeps no journal; its experiment moves with the folder all the same."""
    project = new_project(tmp_path)
    just(project, "train", "net", "alone", "--now", "2025-07-25T10:44:38", "--", "true")
    for path in (project / ACTIVE).rglob("*"):
        os.utime(path, (1.75e9, 1.75e9))
    convene(project, folders__active='"experiments/now"')
    just(project, "cleanup", "--apply")
    assert (project / "experiments/now/2025-07-25_net_alone/run.json").is_file()


def test_a_mess_goes_by_the_new_name_of_its_type(tmp_path: Path) -> None:
    """A checkpoint that bears the old name of a renamed type is of the type that it is now."""
    project = new_project(tmp_path)
    home = train(project, "2025-07-25_net_old", [0.51])
    shutil.move(home / "checkpoints/epoch_001.pth", project / "net_best.pth")
    shutil.rmtree(home)
    conventions = project / "training/conventions.toml"
    text = conventions.read_text().replace("[project.renamed]", '[project.renamed]\nnet = "wide"')
    conventions.write_text(text)
    (checkpoint,) = recipe_json(project, "cleanup")["checkpoints"]
    assert checkpoint["model_type"] == "wide"
