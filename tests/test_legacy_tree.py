"""The legacy repository that the demo and the tests of the clean-up start from."""

import hashlib
import json
import math
import pickletools
import re
import struct
import subprocess
import sys
import tomllib
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

import legacy_tree
from legacy_checkpoints import CHECKPOINTS, ENCODERS, TREE, encoder_shapes
from legacy_tree import EXPECTED, TRACKED, build, commit, main

PYTORCH = "model_weights/pat/pytorch/"
BEST = PYTORCH + "pat_conv_l_simple_best.pth"
COPY = PYTORCH + "pat_conv_l_simple_best (copy).pth"
LEGACY_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
LOGGED = {
    "pat_l_corrected_best.pth": "logs/pat_training/pat_l_corrected_20250724_160538.log",
    "pat_l_higher_lr_best.pth": "logs/pat_training/pat_l_higher_lr_20250724_174129.log",
    "pat_l_final_best.pth": "logs/pat_training/pat_l_final_20250724_163802.log",
    "pat_l_ft_best.pth": "logs/pat_training/pat_l_ft_20250724_124816.log",
    "pat_l_optimized_best.pth": "logs/pat_training/pat_l_optimized_20250724_133245.log",
    "pat_l_depression_stage1_best.pth": (
        "logs/pat_training/pat_l_depression_stage1_20250724_014502.log"
    ),
    "pat_l_gentle_best.pth": "pat_l_gentle_schedule.log",
    "pat_conv_l_simple_best.pth": "docs/archive/pat_experiments/pat_conv_l_simple.log",
}
EPOCH = re.compile(r"INFO - Epoch +(\d+): .*Val AUC=(0\.\d{4})")


@pytest.fixture(scope="module")
def legacy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dest = tmp_path_factory.mktemp("legacy") / "big-mood-detector"
    build(dest)
    return dest


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def account(root: Path) -> dict[str, tuple[object, ...]]:
    """Return content, mode and time of everything under `root`, and of `root`."""
    return {
        path.relative_to(root).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder",
            path.stat().st_mode,
            path.stat().st_mtime_ns,
        )
        for path in [root, *root.rglob("*")]
    }


def epochs(log: str) -> list[tuple[int, float]]:
    return [(int(number), float(value)) for number, value in EPOCH.findall(log)]


def value_inside(path: Path) -> float | None:
    """Return the numpy scalar that follows the key `val_auc` in a zip checkpoint."""
    with zipfile.ZipFile(path) as archive:
        operations = list(pickletools.genops(archive.read("archive/data.pkl")))
    texts = [argument for _, argument, _ in operations if isinstance(argument, str)]
    if "val_auc" not in texts:
        return None
    after = texts[texts.index("val_auc") + 1 :]
    raw = next(text for text in after if len(text) == 8 and " " not in text)
    return float(struct.unpack("<d", raw.encode("latin-1"))[0])


def test_every_tracked_path_is_there(legacy: Path) -> None:
    """All 697 paths that git tracked exist as regular files."""
    assert len(TRACKED) == 697
    assert [path for path in TRACKED if not (legacy / path).is_file()] == []
    assert not any(path.is_symlink() for path in legacy.rglob("*"))


def test_python_compiles_and_data_files_parse(legacy: Path) -> None:
    """Sources compile; JSON, YAML and TOML parse."""
    for path in files(legacy):
        if path.suffix == ".py":
            compile(path.read_bytes(), str(path), "exec")
        elif path.suffix == ".json":
            json.loads(path.read_bytes())
        elif path.suffix in {".yml", ".yaml"}:
            assert isinstance(yaml.safe_load(path.read_bytes()), dict)
        elif path.suffix == ".toml":
            tomllib.loads(path.read_text(encoding="utf-8"))


def test_recorded_files_are_kept_byte_for_byte(legacy: Path) -> None:
    """Real results and logs lie under their real paths with their own bytes."""
    for source in files(TREE):
        assert (legacy / source.relative_to(TREE)).read_bytes() == source.read_bytes()
    results = json.loads((legacy / PYTORCH / "pat_l_higher_lr_results.json").read_text())
    assert results["best_auc"] == 0.5694400054789517
    crashed = legacy / "docs/archive/pat_experiments/pat_conv_training.out"
    assert crashed.stat().st_size == 2888


def test_expected_names_every_checkpoint(legacy: Path) -> None:
    """EXPECTED holds each `.pt`, `.pth` and `.h5` file and nothing else."""
    found = [path for path in files(legacy) if path.suffix in {".pt", ".pth", ".h5"}]
    assert {path.relative_to(legacy).as_posix() for path in found} == set(EXPECTED)


def test_expected_values_are_those_of_the_facts() -> None:
    """Known metrics have the value of the best evidence; where none stands it is None."""
    archive = PYTORCH + "archive/stage2_20250723_231445/best_model.pt"
    assert EXPECTED[BEST] == EXPECTED[COPY] == 0.5929
    assert EXPECTED[PYTORCH + "pat_l_corrected_best.pth"] == 0.5888
    assert EXPECTED[PYTORCH + "pat_l_higher_lr_best.pth"] == 0.5694400054789517
    assert EXPECTED[PYTORCH + "pat_l_training/best_stage1_auc_0.5788.pt"] == 0.5788455392201626
    assert EXPECTED[PYTORCH + "pat_s_depression_final.pt"] == 0.5597890603597845
    assert EXPECTED[archive] == 0.5801924481782486
    assert max(value for value in EXPECTED.values() if value is not None) == 0.5929
    assert sorted(path for path, value in EXPECTED.items() if value is None) == [
        "best_pat_depression_head_fixed.pt",
        "model_weights/pat/heads/pat_depression_head.pt",
        "model_weights/pat/heads/pat_depression_small_balanced_20250723_213045.pt",
        "model_weights/pat/pretrained/PAT-L_29k_weights.h5",
        "model_weights/pat/pretrained/PAT-M_29k_weights.h5",
        "model_weights/pat/pretrained/PAT-S_29k_weights.h5",
        PYTORCH + "pat_l_lp_best.pth",
        PYTORCH + "pat_l_training/checkpoint_before_migration.pt",
        PYTORCH + "pat_l_training/checkpoint_migration.pt",
        PYTORCH + "pat_l_training/final_mac_checkpoint.pt",
        "models/population/pat_depression.pt",
    ]


def test_fourteen_best_models_share_a_name_and_no_bytes(legacy: Path) -> None:
    """Only the copy of the best model has the bytes of another checkpoint."""
    assert sum(path.endswith("/best_model.pt") for path in EXPECTED) == 14
    contents = {path: (legacy / path).read_bytes() for path in EXPECTED}
    assert contents[COPY] == contents[BEST]
    assert len(set(contents.values())) == len(contents) - 1


def test_checkpoints_have_real_formats(legacy: Path) -> None:
    """Zip and legacy checkpoints, and HDF5, begin and end as their formats say."""
    legacy_format = {checkpoint.path for checkpoint in CHECKPOINTS if checkpoint.legacy}
    assert len(legacy_format) == 6
    for path in EXPECTED:
        file = legacy / path
        if path.endswith(".h5"):
            assert file.read_bytes()[:8] == b"\x89HDF\r\n\x1a\n"
        elif path in legacy_format:
            assert file.read_bytes().startswith(LEGACY_MAGIC)
        else:
            with zipfile.ZipFile(file) as archive:
                assert archive.testzip() is None
                assert "archive/data.pkl" in archive.namelist()


def test_metrics_stand_inside_exactly_where_the_facts_say(legacy: Path) -> None:
    """The six convolutional checkpoints and four of the stages hold their own value."""
    inside = {}
    for path in EXPECTED:
        if zipfile.is_zipfile(legacy / path):
            value = value_inside(legacy / path)
            if value is not None:
                inside[path] = value
        elif not path.endswith(".h5"):
            assert b"val_auc" not in (legacy / path).read_bytes()
    assert inside == {path: EXPECTED[path] for path in inside}
    assert sum("pat_conv_l_" in path for path in inside) == 6
    assert sum(path.endswith("/best_model.pt") for path in inside) == 4
    assert len(inside) == 10


def test_the_best_model_has_the_real_number_of_parameters() -> None:
    """The shapes of the production model add up to 1,984,289 weights."""
    assert sum(math.prod(shape) for _, shape in encoder_shapes(ENCODERS["full"])) == 1_984_289


def test_the_best_run_stopped_early_after_twelve_epochs(legacy: Path) -> None:
    """The log of the best model has its best at epoch 2, saved at the time in the file system."""
    log = legacy / LOGGED["pat_conv_l_simple_best.pth"]
    text = log.read_text(encoding="utf-8")
    assert [number for number, _ in epochs(text)] == list(range(1, 13))
    assert max(epochs(text), key=lambda epoch: epoch[1]) == (2, 0.5929)
    assert "INFO - Early stopping\n" in text
    assert (
        "2025-07-25 10:44:38,042 - INFO - Epoch  2: "
        "Train Loss=1.3056, Val Loss=1.2253, Val AUC=0.5929, LR=9.77e-05\n"
        "2025-07-25 10:44:38,310 - INFO - ✅ Saved best model with AUC: 0.5929\n"
    ) in text
    saved = datetime.fromtimestamp((legacy / BEST).stat().st_mtime, UTC)
    assert saved == datetime(2025, 7, 25, 10, 44, 38, tzinfo=UTC)


@pytest.mark.parametrize("name", sorted(LOGGED))
def test_the_log_of_a_checkpoint_ends_with_its_metric(legacy: Path, name: str) -> None:
    """The last saved-best line, and no epoch's value above it, is the expected metric."""
    text = (legacy / LOGGED[name]).read_text(encoding="utf-8")
    expected = EXPECTED[PYTORCH + name]
    assert expected is not None
    saved = re.findall(r"Saved best model with AUC: (0\.\d+)", text)
    assert float(saved[-1]) == max(value for _, value in epochs(text)) == round(expected, 4)
    assert "arget" in text  # numbers that are no results


def test_four_runs_are_appended_to_one_log(legacy: Path) -> None:
    """Each run's best is the value inside the checkpoint named after its learning rate."""
    text = (legacy / "pat_conv_l_training.log").read_text(encoding="utf-8")
    sessions = text.split("PAT-Conv-L Training for Depression Classification")[1:]
    best = [max(value for _, value in epochs(session)) for session in sessions]
    inside = [EXPECTED[f"{PYTORCH}pat_conv_l_best_{rate}e5.pth"] for rate in (0, 3, 5, 10)]
    assert best == [round(value, 4) for value in inside if value is not None]
    assert re.findall(r"- Encoder LR: (\S+)", text) == ["0", "3e-05", "5e-05", "0.0001"]


def test_the_probe_without_a_metric_has_no_log(legacy: Path) -> None:
    """Nothing tells how good `pat_l_lp_best.pth` is."""
    assert not list(legacy.rglob("*_lp_*.log"))


@pytest.mark.parametrize("name", ["logs/big_mood_detector.log", "pytest.log"])
def test_other_logs_hold_no_epochs(legacy: Path, name: str) -> None:
    """The application's and the test runner's logs are not training logs."""
    text = (legacy / name).read_text(encoding="utf-8")
    assert len(text) > 2000
    assert epochs(text) == []


def test_sources_name_training_outputs(legacy: Path) -> None:
    """Source and scripts point at paths of training outputs in 151 lines."""
    lines = [
        line
        for path in files(legacy)
        if path.relative_to(legacy).parts[0] in {"src", "scripts"}
        for line in path.read_text(encoding="utf-8").splitlines()
        if "model_weights/pat" in line or "logs/pat_training" in line
    ]
    written = [line for line in lines if not line.startswith("Best so far")]
    assert len(written) == 151


def test_nothing_looks_recently_changed(legacy: Path) -> None:
    """Files and folders, the root among them, are of July 2025, with ordinary modes."""
    first, last = (datetime(2025, 7, day, tzinfo=UTC).timestamp() for day in (1, 26))
    for path in [legacy, *legacy.rglob("*")]:
        assert first <= path.stat().st_mtime < last, path
        executable = path.is_dir() or path.suffix == ".sh"
        assert path.stat().st_mode & 0o7777 == (0o755 if executable else 0o644), path


def test_it_is_small(legacy: Path) -> None:
    """The whole tree has fewer than 12 million bytes."""
    assert sum(path.stat().st_size for path in files(legacy)) < 12_000_000


def test_the_same_tree_comes_out_at_each_run(legacy: Path, tmp_path: Path) -> None:
    """Bytes, modes and times do not depend on when or where it is built."""
    build(tmp_path / "again")
    assert account(tmp_path / "again") == account(legacy)


def test_git_holds_the_tracked_files_and_ignores_the_rest(tmp_path: Path) -> None:
    """With --git the tracked paths are committed, and nothing else shows up as untracked."""
    dest = tmp_path / "repository"
    assert main([str(dest), "--git"]) == 0

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(dest), "-c", "core.quotePath=false", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert git("ls-files").splitlines() == sorted(TRACKED)
    assert git("status", "--porcelain") == ""
    assert git("log", "--format=%an <%ae> %s").strip() == (
        "Legacy Fixture <fixture@example.invalid> State before the clean-up"
    )
    build(tmp_path / "second")
    commit(tmp_path / "second")
    second = (tmp_path / "second/.git/refs/heads/main").read_text()
    assert git("rev-parse", "HEAD") == second


def test_git_leaves_no_folder_looking_recently_changed(tmp_path: Path) -> None:
    """Creating `.git` does not show in the time of the root."""
    assert main([str(tmp_path / "repository"), "--git"]) == 0
    assert datetime.fromtimestamp((tmp_path / "repository").stat().st_mtime, UTC).year == 2025


@pytest.mark.parametrize("kind", ["file", "full folder"])
def test_a_place_that_is_taken_is_refused(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit 2, and what is there stays as it is."""
    dest = tmp_path / "taken"
    if kind == "file":
        dest.write_text("mine")
    else:
        dest.mkdir()
        (dest / "mine.txt").write_text("mine")
    before = account(tmp_path)
    assert main([str(dest)]) == 2
    assert account(tmp_path) == before
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert str(dest) in message


def test_it_runs_as_a_script_without_any_package(tmp_path: Path) -> None:
    """`python scripts/legacy_tree.py DEST` needs nothing but the standard library."""
    dest = tmp_path / "new" / "repository"  # parents are made
    command = [sys.executable, "-S", legacy_tree.__file__, str(dest)]
    subprocess.run(command, check=True, cwd=tmp_path)
    assert (dest / BEST).is_file()
