"""`just verify`: bit rot is found and named, and what was found is remembered."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.archives import verification
from engine.archives.verification import Checked
from engine.changes.known_hashes import FILE, Known, KnownHashes
from packed_project import (
    ARCHIVED,
    NOTES,
    NOW,
    PRODUCTION,
    WEIGHTS,
    archive_of,
    flip,
    opened,
    packed,
)
from projects import changed, just, just_json, recipe, recipe_json, tree, twin

NAME = "2025-01-01_pat_conv_l_one"
WHEN = "2025-08-01T10:00:00"


@pytest.fixture(scope="session")
def cleaned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed(tmp_path_factory.getbasetemp())


@pytest.fixture
def project(cleaned: Path, tmp_path: Path) -> Path:
    return twin(cleaned, tmp_path)


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name.removesuffix(".tar.gz") + suffix)


def verified(root: Path) -> list[Checked]:
    project = opened(root)
    known = KnownHashes(project)
    return [verification.verify(project, i, known, WHEN) for i in verification.items(project)]


def rotten(root: Path) -> dict[str, str | None]:
    return {one.path: one.problem for one in verified(root) if one.state == "damaged"}


def damaged(answer: dict[str, object]) -> dict[str, str]:
    files = answer["files"]
    assert isinstance(files, list)
    return {one["path"]: one["problem"] for one in files if one["state"] == "damaged"}


def test_everything_whole_is_status_0(project: Path) -> None:
    """All archives and production models are read, and nothing but the record is written."""
    before = tree(project)
    answer = just_json(project, "verify")
    assert (answer["whole"], answer["damaged"], answer["unknown"]) == (4, 0, 0)
    paths = {one["path"] for one in answer["files"]}
    assert paths == {f"{ARCHIVED}/{p.name}" for p in (project / ARCHIVED).glob("*.tar.gz")} | {
        PRODUCTION
    }
    assert not changed(before, tree(project))
    assert just(project, "verify").stdout == "4 of 4 files are whole, 0 are damaged.\n"


@pytest.mark.parametrize("offset", [3, 5, 30, 100_000, 300_000, -30, -6, -1])
def test_a_flipped_bit_in_an_archive_is_found(project: Path, offset: int) -> None:
    """One bit anywhere in an archive, header and trailer included: damaged, named, status 1."""
    broken = archive_of(project, WEIGHTS)
    flip(broken, offset)
    assert rotten(project).keys() == {f"{ARCHIVED}/{broken.name}"}


def test_the_member_that_rots_is_named(project: Path) -> None:
    """The line tells the archive and the first member that cannot be believed.

    That is the first of the megabyte in which the byte lies.
    """
    broken = archive_of(project, WEIGHTS)
    flip(broken, broken.stat().st_size // 2)
    error = just(project, "verify", status=1).stderr
    assert error.startswith(f"damaged: {ARCHIVED}/{broken.name}: ")
    first = json.loads(beside(broken, ".json").read_text())["members"][0]["path"]
    assert f"from {first!r} on" in error
    assert str(project) not in error


def test_an_archive_that_was_made_anew_is_not_what_was_packed(project: Path) -> None:
    """Another archive that is whole in itself is damaged: the manifest says what it must hold."""
    broken, other = archive_of(project, WEIGHTS), project / ARCHIVED / "logs_before_20250725.tar.gz"
    broken.write_bytes(other.read_bytes())
    assert "is not the next member" in str(rotten(project)[f"{ARCHIVED}/{broken.name}"])


def test_a_rotten_production_model_is_named(project: Path) -> None:
    """A weight whose content differs from its metadata's sha256 is damaged."""
    flip(project / PRODUCTION, 1000)
    found = rotten(project)
    assert found.keys() == {PRODUCTION}
    assert "sha256" in str(found[PRODUCTION])


@pytest.mark.parametrize("suffix", [".json", ".sha256", ".tar.gz"])
@pytest.mark.parametrize("way", ["remove", "change"])
def test_each_of_the_three_files_of_an_archive_counts(project: Path, suffix: str, way: str) -> None:
    """An archive without its manifest or checksum, or with a wrong one, is reported by name."""
    archive = archive_of(project, WEIGHTS)
    file = beside(archive, suffix)
    if way == "remove":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-3])
    assert rotten(project).keys() == {f"{ARCHIVED}/{archive.name}"}


def test_a_production_model_that_has_gone_is_reported(project: Path) -> None:
    """Metadata whose weights are missing tells which file is missing."""
    (project / PRODUCTION).unlink()
    assert rotten(project) == {PRODUCTION: "has gone"}


def test_a_model_without_metadata_is_not_called_whole(project: Path) -> None:
    """Nothing says what it must be: unknown, aloud, and no damage."""
    (project / PRODUCTION).with_suffix(".json").unlink()
    done = recipe(project, "verify")
    assert done.stderr.startswith(f"unknown: {PRODUCTION}: no metadata")
    assert done.stdout == "3 of 4 files are whole, 0 are damaged.\n"


def test_two_models_of_one_name_are_told_apart(project: Path) -> None:
    """Metadata tells of the weights with its source's extension, not of an export beside it."""
    (project / PRODUCTION).with_suffix(".onnx").write_bytes(b"another format")
    answer = recipe_json(project, "verify")
    assert (answer["whole"], answer["unknown"]) == (4, 1)


def test_originals_in_quarantine_are_read_on_request(project: Path) -> None:
    """--quarantine reads what undo relies on as well."""
    (original,) = (project / "training/.history").glob(f"*/quarantine/{WEIGHTS}")
    flip(original, 1000)
    assert recipe_json(project, "verify")["damaged"] == 0
    found = damaged(recipe_json(project, "verify", "--quarantine", status=1))
    assert [Path(path).name for path in found] == [original.name]


def test_a_damaged_archive_whose_originals_wait_has_a_way_back(project: Path) -> None:
    """As long as nothing was purged the line names the undo that gives the originals back."""
    broken = archive_of(project, WEIGHTS)
    flip(broken, 100)
    run = next((project / "training/.history").glob("*_cleanup")).name
    assert f"just undo {run}" in recipe(project, "verify", status=1).stderr


def test_a_name_narrows_it(project: Path) -> None:
    """An archive or a model is verified alone, by name or path."""
    flip(archive_of(project, WEIGHTS), 100)
    one = recipe_json(project, "verify", "logs_before_20250725")
    assert [file["name"] for file in one["files"]] == ["logs_before_20250725"]
    for name in (PRODUCTION, Path(PRODUCTION).name, Path(PRODUCTION).stem):
        assert [f["path"] for f in recipe_json(project, "verify", name)["files"]] == [PRODUCTION]
    recipe(project, "verify", NAME, status=1)
    assert "no archive of that name" in recipe(project, "verify", "x", status=2).stderr


def quick(project: Path, status: int = 0) -> tuple[dict[str, Any], set[str]]:
    """Run `verify --quick`; return its answer and the archives and weights that it opened."""
    script = str(project / "training/recipes/verify.py")
    noting = (
        "import runpy, sys\n"
        "def note(event, args):\n"
        "    if event == 'open' and str(args[0]).endswith(('.tar.gz', '.safetensors')):\n"
        "        print(args[0], file=sys.stderr)\n"
        "sys.addaudithook(note)\n"
        "del sys.argv[0]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    command = [sys.executable, "-c", noting, script, "--quick", "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout), {Path(line).name for line in done.stderr.splitlines()}


@pytest.fixture
def fresh(cleaned: Path, tmp_path: Path) -> Path:
    """A project that was cleaned up where it lies: a copy has other inodes, and is read again."""
    root = twin(cleaned, tmp_path)
    recipe(root, "undo")
    recipe(root, "cleanup", "--apply", "--now", NOW)
    return root


def test_quick_reads_nothing_that_was_read_when_it_was_made(fresh: Path) -> None:
    """Archives are hashed when they are packed, models when they are moved: both are known."""
    answer, opened_files = quick(fresh)
    assert (answer["whole"], answer["damaged"], answer["unknown"]) == (4, 0, 0)
    assert not opened_files


def test_quick_reads_what_was_written_to(fresh: Path) -> None:
    """A byte that changed is found though size and time are as before; the others stay closed."""
    broken = archive_of(fresh, NOTES)
    flip(broken, 100)
    answer, opened_files = quick(fresh, status=1)
    assert damaged(answer).keys() == {f"{ARCHIVED}/{broken.name}"}
    assert opened_files == {broken.name}


def test_quick_reads_a_copy_of_the_project_once(project: Path) -> None:
    """Nobody has read these bytes yet; from then on they are known."""
    answer, opened_files = quick(project)
    assert answer["whole"] == len(opened_files) == 4
    assert quick(project) == (answer, set())


@pytest.mark.parametrize("suffix", [".json", ".sha256"])
def test_quick_still_compares_with_what_lies_beside(fresh: Path, suffix: str) -> None:
    """That the bytes are known does not make them those that they must be."""
    archive = archive_of(fresh, WEIGHTS)
    beside(archive, suffix).write_bytes(b"{}")
    answer, opened_files = quick(fresh, status=1)
    assert damaged(answer).keys() == {f"{ARCHIVED}/{archive.name}"}
    assert not opened_files


def test_quick_says_again_what_was_damaged(project: Path) -> None:
    """Damage is read again each time: somebody may have mended what lies beside it."""
    broken = archive_of(project, NOTES)
    checksum = beside(broken, ".sha256").read_bytes()
    beside(broken, ".sha256").unlink()
    found = damaged(recipe_json(project, "verify", status=1))
    assert damaged(quick(project, status=1)[0]) == found
    beside(broken, ".sha256").write_bytes(checksum)
    assert quick(project)[0]["whole"] == 4


def test_it_is_remembered_when_a_file_was_read(project: Path) -> None:
    """Status reads it: with time and hash, until the file changes; what has gone is forgotten."""
    recipe(project, "verify", "--now", WHEN)
    archive = archive_of(project, WEIGHTS)
    path = f"{ARCHIVED}/{archive.name}"
    sha256 = beside(archive, ".sha256").read_text().split()[0]
    assert KnownHashes(opened(project)).get(path) == Known("2025-08-01 10:00:00", sha256)
    os.utime(archive)
    assert KnownHashes(opened(project)).get(path) is None
    for suffix in (".tar.gz", ".json", ".sha256"):
        beside(archive, suffix).unlink()
    recipe(project, "verify", "logs_before_20250725")
    known = KnownHashes(opened(project)).entries.keys()
    assert path not in known
    assert known > {PRODUCTION}


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "null", "[" * 10_000, '{"PATH": 1}', '{"PATH": {"state": []}}', "TORN"]
)
def test_what_makes_no_sense_is_not_remembered(fresh: Path, text: str) -> None:
    """A torn or foreign file is as good as none, and is written anew."""
    path = fresh / "training/.history" / FILE
    known = path.read_text()
    path.write_text(text.replace("PATH", PRODUCTION).replace("TORN", known[: len(known) // 2]))
    answer, opened_files = quick(fresh)
    assert answer["whole"] == len(opened_files) == 4
    assert path.read_text().count("sha256") == 4


def test_two_that_remember_at_a_time_both_do(fresh: Path) -> None:
    """What another recipe has noted meanwhile stays."""
    one, other = KnownHashes(opened(fresh)), KnownHashes(opened(fresh))
    for known, path in ((one, NOTES), (other, WEIGHTS)):
        (fresh / path).parent.mkdir(parents=True, exist_ok=True)
        (fresh / path).touch()
        known.note(path, known.state(path), Known(WHEN, path))
    one.save()
    other.save()
    known = KnownHashes(opened(fresh))
    assert (known.sha256_of(NOTES), known.sha256_of(WEIGHTS)) == (NOTES, WEIGHTS)
    assert known.sha256_of(PRODUCTION)


def test_whoever_may_not_write_there_reads_each_time(project: Path) -> None:
    """What is remembered only saves time: without it everything is said all the same."""
    history = project / "training/.history"
    history.rename(project / "elsewhere")
    history.write_bytes(b"no folder")
    assert quick(project)[0]["whole"] == 4
    assert history.read_bytes() == b"no folder"


def test_an_archive_that_cannot_be_read_is_not_whole(project: Path) -> None:
    """A folder in the place of an archive is reported, not raised."""
    archive = archive_of(project, WEIGHTS)
    archive.unlink()
    archive.mkdir()
    found = rotten(project)
    assert found.keys() == {f"{ARCHIVED}/{archive.name}"}


def test_a_project_without_archives_is_whole(tmp_path: Path, project: Path) -> None:
    """Nothing to verify is no failure."""
    recipe(project, "undo")
    assert recipe(project, "verify").stdout.startswith("0 of 0 files")
