"""`just where`: every path that a file ever had leads to it, with why and the way back."""

import json
import os
import shlex
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from engine.archives.lives import Life, Step, _Lives
from engine.archives.whereabouts import way_back, where
from packed_project import (
    ARCHIVED,
    BEST,
    COPY,
    LOG,
    MESS,
    NOTES,
    NOW,
    OLD,
    ONE,
    PRODUCTION,
    TWO,
    WEIGHTS,
    archive_of,
    opened,
    packed,
    untidy,
    weights,
)
from projects import changed, just, recipe, recipe_json, tree, twin

NAME = "2025-01-01_pat_conv_l_one"


@pytest.fixture
def mess(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    return twin(untidy(tmp_path_factory.getbasetemp()), tmp_path)


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    return twin(packed(tmp_path_factory.getbasetemp()), tmp_path)


def answers(project: Path, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = where(opened(project), path, datetime.fromisoformat(NOW))["found"]
    return found


def found(project: Path, path: str) -> dict[str, Any]:
    (one,) = answers(project, path)
    return one


def run_of(project: Path, recipe: str) -> str:
    return max(p.name for p in (project / "training/.history").glob(f"*_{recipe}"))


def do(project: Path, command: str) -> None:
    just(project, *shlex.split(command)[1:])


# --- after a run --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [WEIGHTS, NOTES, LOG, f"{ONE}/results.json"])
def test_the_command_gets_a_packed_file_back(project: Path, path: str) -> None:
    """For a packed file the one command restores it, whatever its name; then it is in its place."""
    one = found(project, path)
    assert one["now"] == f"in {ARCHIVED}/{archive_of(project, path).name}, as {path}"
    do(project, one["command"])
    assert (project / path).read_bytes() == MESS[path]
    after = found(project, path)
    assert (after["now"], after["command"]) == (f"at {path}", None)
    assert [step["verb"] for step in after["steps"]] == ["pack", "restore"]


def test_the_command_gets_back_what_looks_like_an_option(mess: Path) -> None:
    """The name of a folder begins with a dash: neither just nor tar takes it for one."""
    (mess / "-rf").mkdir()
    (mess / ONE).rename(mess / "-rf/pat_conv_l_one")
    recipe(mess, "cleanup", "--apply", "--now", NOW)
    path = f"-rf/{WEIGHTS.removeprefix('runs/')}"
    do(mess, where(opened(mess), path, datetime.now())["found"][0]["command"])
    assert (mess / path).read_bytes() == MESS[WEIGHTS]
    recipe(mess, "undo")
    recipe(mess, "purge", "--apply")
    archive_of(mess, path).with_name(f"{NAME}.json").unlink()
    command = where(opened(mess), path, datetime.now())["found"][0]["command"]
    subprocess.run(shlex.split(command), cwd=mess, check=True)
    assert (mess / path).read_bytes() == MESS[WEIGHTS]


def test_the_command_gets_a_moved_file_back(project: Path) -> None:
    """A file that was moved is found by its old and its new path, and undo puts it back."""
    for path in (BEST, PRODUCTION):
        one = found(project, path)
        assert one["now"] == f"at {PRODUCTION}"
        assert one["command"] == f"just undo {run_of(project, 'cleanup')}"
    do(project, one["command"])
    assert (project / BEST).read_bytes() == MESS[BEST]


def test_it_says_why(project: Path) -> None:
    """Evidence with its place, role, and the reason of each run that touched the file."""
    one = found(project, WEIGHTS)
    assert one["checkpoint"]["role"] == "candidate"
    assert {(e["path"], e["where"]) for e in one["evidence"] if e["fact"] == "metric"} == {
        (f"{ONE}/results.json", "key best_val_auc"),
        (LOG, "line 1"),
    }
    (step,) = one["steps"]
    assert (step["run"], step["verb"]) == (run_of(project, "cleanup"), "pack")
    assert step["reason"] == "auc 0.6100 is not the best"
    text = just(project, "where", WEIGHTS).stdout
    assert "auc 0.6100 is not the best" in text
    assert f"{LOG}, line 1" in text
    assert text.splitlines()[-1] == f"  back by: just restore {NAME} {WEIGHTS}"


def test_a_copy_leads_to_the_one_that_was_kept(project: Path) -> None:
    """For a dropped copy: where the kept one is now, and the command that gives the copy back."""
    one = found(project, COPY)
    assert one["now"] == f"it was a copy; the one that was kept, {BEST}, is at {PRODUCTION}"
    do(project, one["command"])
    assert (project / COPY).read_bytes() == MESS[COPY]


def test_a_copy_of_what_was_packed_is_restored_from_there(mess: Path) -> None:
    """If the kept one is in an archive, its bytes come from there."""
    copy = mess / "backup/one_copy.safetensors"
    copy.write_bytes(MESS[WEIGHTS])
    os.utime(copy, (OLD, OLD))
    recipe(mess, "cleanup", "--apply", "--now", NOW)
    one = found(mess, "backup/one_copy.safetensors")
    assert "the one that was kept" in one["now"]
    do(mess, one["command"])
    assert (mess / WEIGHTS).read_bytes() == MESS[WEIGHTS]


def test_a_file_is_followed_through_several_runs(project: Path) -> None:
    """Packed, restored, packed again: the last place counts."""
    recipe(project, "restore", NAME)
    recipe(project, "cleanup", "--apply", "--now", NOW)
    one = found(project, WEIGHTS)
    assert [step["verb"] for step in one["steps"]] == ["pack", "restore", "pack"]
    assert f"{NAME}.tar.gz" not in one["now"]
    do(project, one["command"])
    assert (project / WEIGHTS).read_bytes() == MESS[WEIGHTS]


def test_of_two_restored_copies_the_kept_one_counts(project: Path) -> None:
    """Restored twice, and one dropped for the other: what is left is told of, where it is."""
    for folder in ("o1", "o2"):
        recipe(project, "restore", NAME, "--to", folder)
        for path in (project / folder).rglob("*"):
            os.utime(path, (OLD, OLD), follow_symlinks=False)
    now = {a["now"] for a in answers(project, WEIGHTS)}
    assert now == {f"at o1/{WEIGHTS}", f"at o2/{WEIGHTS}"}
    recipe(project, "cleanup", "--apply", "--now", NOW)
    one, copy = answers(project, WEIGHTS)
    assert "o1" in one["now"]
    assert copy["now"].startswith("it was a copy; the one that was kept")
    assert copy["now"].endswith(one["now"])


def test_a_dropped_copy_that_is_restored_is_a_copy_no_more(project: Path) -> None:
    """Each is dropped for the other in turn: following them ends."""
    known = _Lives()
    for run, verb, src, dst in (
        ("1", "pack", "a.pt", "x.tar.gz"),
        ("2", "restore", "x.tar.gz", "o1/a.pt"),
        ("3", "drop", "o1/a.pt", "b.pt"),
        ("4", "restore", "x.tar.gz", "o2/a.pt"),
        ("5", "drop", "b.pt", "o2/a.pt"),
    ):
        known.take(Step(run, verb, src, dst, "", "a.pt" if verb == "restore" else None))
    assert {life.origin: life.kept.place for life in known.all} == {
        "a.pt": "o2/a.pt",
        "b.pt": "o2/a.pt",
    }


def test_a_moved_model_is_followed_into_an_archive(project: Path) -> None:
    """In production by one run, packed by a later one that found a better: found by all names."""
    better = project / "runs/pat_conv_l_three/model.safetensors"
    better.parent.mkdir(parents=True)
    better.write_bytes(weights(3))
    better.with_name("results.json").write_text('{"best_val_auc": 0.8}')
    for path in better.parent.iterdir():
        os.utime(path, (OLD, OLD))
    recipe(project, "cleanup", "--apply", "--now", NOW)
    assert found(project, "model_weights/production/pat_conv_l_v0.8000.safetensors")["steps"]
    one = found(project, BEST)
    assert found(project, PRODUCTION) == one


def test_a_new_file_under_an_old_name_is_told_apart(project: Path) -> None:
    """The path of a packed file has a new file: both are told of, each with what becomes of it."""
    (project / ONE).mkdir(parents=True)
    (project / WEIGHTS).write_bytes(weights(9))
    os.utime(project / WEIGHTS, (OLD, OLD))
    answer = answers(project, WEIGHTS)
    assert answer[0]["command"] == f"just restore {NAME} {WEIGHTS}"
    assert (answer[1]["now"], len(answer)) == ("here", 2)


def test_what_was_taken_back_has_no_history(project: Path) -> None:
    """After undo the file is in its place, and no run's plan counts any more."""
    recipe(project, "undo")
    one = found(project, WEIGHTS)
    assert (one["now"], one["steps"]) == ("here", [])


def test_an_archive_says_what_it_is(project: Path) -> None:
    """The path of an archive leads to the restore of all it holds."""
    one = found(project, f"{ARCHIVED}/{NAME}.tar.gz")
    assert one["now"] == "here: the archive of 4 files"
    assert one["command"] == f"just restore {NAME}"


def test_a_folder_that_went_is_summed_up(project: Path) -> None:
    """The folder of a run leads to the archives and places that have its files now."""
    answer = answers(project, ONE)
    assert [(a["now"], a["command"]) for a in answer] == [
        (f"4 of its files: in {ARCHIVED}/{NAME}.tar.gz", f"just restore {NAME}")
    ]
    places = {a["now"] for a in answers(project, f"{TWO}/")}
    assert any("model_weights/production" in place for place in places)


@pytest.mark.parametrize("path", [".", ""])
def test_the_root_is_a_folder_like_others(project: Path, path: str) -> None:
    """What runs took lay in it: the archives and places that have it now are told."""
    shown = recipe(project, "where", path).stdout
    assert f"files: in {ARCHIVED}/{NAME}.tar.gz" in shown
    assert "no run took anything" not in shown


def test_a_name_that_cannot_be_pasted_is_left_out(project: Path) -> None:
    """For a name with a line break the command names the archive, and gives back all it holds."""
    life = Life("a\n.pt", packed=(f"{ARCHIVED}/{NAME}.tar.gz", "a\n.pt"))
    assert way_back(opened(project), life) == f"just restore {NAME}"


def test_the_archives_are_enough_where_the_history_is_missing(
    project: Path, tmp_path: Path
) -> None:
    """A colleague has no history, but the manifests name members, evidence and all."""
    (project / "training/.history").rename(tmp_path / "gone")
    one = found(project, WEIGHTS)
    assert one["command"] == f"just restore {NAME} {WEIGHTS}"
    assert one["checkpoint"]["value"] == 0.61
    there = found(project, PRODUCTION)
    assert there["rule"].startswith("in production: highest auc")
    assert there["evidence"]


@pytest.mark.parametrize("suffix", [".tar.gz", ".json"])
def test_an_archive_that_has_gone_is_said(project: Path, suffix: str) -> None:
    """If someone removed the archive or its manifest, the originals are the way back."""
    archive = archive_of(project, WEIGHTS)
    archive.with_name(archive.name.removesuffix(".tar.gz") + suffix).unlink()
    one = found(project, WEIGHTS)
    assert "gone" in one["now"]
    assert one["command"] == f"just undo {run_of(project, 'cleanup')}"


@pytest.mark.parametrize("purged", [False, True])
def test_a_manifest_that_has_gone_is_not_called_an_archive_that_has(
    purged: bool, project: Path
) -> None:
    """No recipe unpacks it any more: the originals are the way back, or tar."""
    if purged:
        recipe(project, "purge", "--apply")
    archive = f"{ARCHIVED}/{NAME}.tar.gz"
    (project / f"{ARCHIVED}/{NAME}.json").unlink()
    one = found(project, WEIGHTS)
    assert f"in {archive}, whose manifest has gone, as" in one["now"]
    undo = f"just undo {run_of(project, 'cleanup')}"
    assert one["command"] == (f"tar xzkf {archive} {WEIGHTS}" if purged else undo)
    folder = found(project, ONE)
    assert folder["now"].endswith(f"in {archive}, whose manifest has gone")
    assert folder["command"] == (f"tar xzkf {archive}" if purged else undo)
    packed = found(project, archive)
    assert (packed["now"].split(":")[0], packed["command"]) == (
        "here, but nothing tells what it holds",
        None,
    )
    if purged:
        subprocess.run(shlex.split(str(one["command"])), cwd=project, check=True)
        assert (project / WEIGHTS).read_bytes() == MESS[WEIGHTS]


@pytest.mark.parametrize("name", [NAME, f"{NAME}.tar.gz"])
def test_the_name_of_an_archive_is_enough(name: str, project: Path) -> None:
    """As for the other recipes."""
    assert found(project, name)["command"] == f"just restore {NAME}"


def test_what_was_deleted_on_request_says_so(mess: Path) -> None:
    """Waiting in quarantine undo brings it back; after a purge nothing does, and it is said."""
    recipe(mess, "cleanup", "--apply", "--delete-redundant", "--now", NOW)
    one = found(mess, WEIGHTS)
    assert one["now"] == "in quarantine, to be deleted"
    assert one["command"] == f"just undo {run_of(mess, 'cleanup')}"
    recipe(mess, "purge", "--apply")
    gone = found(mess, WEIGHTS)
    assert (gone["now"], gone["command"]) == ("deleted for good, as asked", None)


# --- names ---------------------------------------------------------------------------------------


def test_a_file_name_is_enough_if_one_file_had_it(project: Path) -> None:
    """A name without folders is looked up in all of history; of several all are listed."""
    assert found(project, Path(NOTES).name)["origin"] == NOTES
    done = recipe(project, "where", "model.safetensors", status=1)
    assert done.stderr.splitlines() == [
        "model.safetensors: 2 files had that name",
        f"  {WEIGHTS}",
        f"  {BEST}",
    ]


def test_what_is_lost_is_not_called_in_its_place(mess: Path) -> None:
    """Its archive went after the purge; what lies there needs no command."""
    recipe(mess, "cleanup", "--apply", "--now", NOW)
    recipe(mess, "purge", "--apply")
    assert recipe(mess, "where", "training/conventions.toml").stdout.endswith("\n  in its place\n")
    archive_of(mess, WEIGHTS).unlink()
    for path in (WEIGHTS, str(Path(WEIGHTS).parent)):
        told = recipe(mess, "where", path).stdout
        assert "\n  lost: no command brings it back\n" in told
        assert "in its place" not in told.splitlines()[-1]


def test_a_name_is_enough_for_what_no_recipe_moved(mess: Path) -> None:
    """It lies where it was written: one is told of, of several all are listed."""
    new = [mess / f"new/{name}" for name in ("lone.pt", "a/twin.pt", "b/twin.pt")]
    for path in new:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    assert found(mess, "lone.pt")["now"] == "here"
    done = recipe(mess, "where", "twin.pt", status=1)
    assert done.stderr.splitlines() == [
        "twin.pt: 2 files have that name",
        "  new/a/twin.pt",
        "  new/b/twin.pt",
    ]
    assert "no recipe moved it" in recipe(mess, "where", "in.pt", status=1).stderr


def test_a_path_counts_from_where_the_user_stands(project: Path) -> None:
    """Relative to the current folder, or to the root; absolute as well."""
    for path in (f"../{WEIGHTS}", WEIGHTS, str(project / WEIGHTS)):
        done = just(project, "where", path, cwd=project / "src")
        assert done.stdout.splitlines()[0] == WEIGHTS


@pytest.mark.parametrize("path", ["no/such/file", "", ".", "../..", "/etc/passwd", "x\n\x1b[31m"])
def test_an_unknown_path_is_said_to_be_so(project: Path, path: str) -> None:
    """What is not there and never was: one line, no control characters."""
    status = 0 if path in ("", ".") else 1
    done = recipe(project, "where", path, status=status)
    if status:
        assert done.stderr.count("\n") == 1
        assert "give the old path, or its name" in done.stderr
        assert "\x1b" not in done.stderr


# --- still in the mess ---------------------------------------------------------------------------


def test_looking_changes_nothing(mess: Path) -> None:
    """Every byte, mode and time is as before."""
    before = tree(mess, without=())
    recipe(mess, "where", WEIGHTS)
    assert not changed(before, tree(mess, without=()))


def test_a_checkpoint_in_the_mess_is_explained(mess: Path) -> None:
    """All evidence, the rule and its rank, and what would make it win or leave it alone."""
    one = found(mess, WEIGHTS)
    planned = recipe_json(mess, "cleanup", "--now", NOW)
    (described,) = (c for c in planned["checkpoints"] if c["path"] == WEIGHTS)
    assert list(one["evidence"]) == described["evidence"]
    assert one["rule"] == (
        f"is packed into {ARCHIVED}/{NAME}.tar.gz: auc 0.6100 is not the best; "
        f"number 2 of 2 by auc (max); {BEST} wins: highest auc of 2 comparable checkpoints"
    )
    changes = " ".join(one["changes"])
    for way in ("--pick", "[production] pick", "--keep", "[scan] leave_alone", "--keep-active"):
        assert way in changes
    text = recipe(mess, "where", WEIGHTS, "--now", NOW).stdout
    assert f"just cleanup: {one['rule']}" in text


def test_what_would_change_it_does(mess: Path) -> None:
    """--pick makes the loser win, and --keep leaves the file alone, as it says."""
    picked = recipe_json(mess, "cleanup", "--pick", WEIGHTS, "--now", NOW)
    assert {c["path"]: c["role"] for c in picked["checkpoints"]}[WEIGHTS] == "production"
    kept = recipe_json(mess, "cleanup", "--keep", WEIGHTS, "--now", NOW)
    assert WEIGHTS not in {action["src"] for action in kept["actions"]}


def test_the_winner_is_explained(mess: Path) -> None:
    """The best says that it moves to production, and how another would."""
    one = found(mess, BEST)
    assert one["rule"].startswith(f"moves to {PRODUCTION}: highest auc of 2")
    assert any("--pick with another path" in change for change in one["changes"])


def test_a_copy_in_the_mess_names_the_kept_one(mess: Path) -> None:
    """A byte-identical copy says which file stays."""
    assert found(mess, COPY)["rule"] == f"is dropped, as a copy of {BEST}: the bytes are equal"


def test_an_old_log_in_the_mess_is_explained(mess: Path) -> None:
    """A log says what it tells of whom, why it is old, and what sets the day."""
    one = found(mess, LOG)
    assert "metric of " + WEIGHTS in {e["fact"] for e in one["evidence"]}
    assert "before 2025-07-25" in one["rule"]
    assert any("--cutoff" in change for change in one["changes"])


def test_a_file_in_use_says_so(mess: Path) -> None:
    """What is left alone because someone writes to it names that file."""
    os.utime(mess / WEIGHTS)
    one = found(mess, f"{ONE}/results.json")
    assert one["rule"].startswith(f"is left alone: in use: {WEIGHTS}")
    assert any("in_use_minutes" in change for change in one["changes"])


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("src/app.py", "not recognised"),
        ("tests/data/model.safetensors", "tests and fixtures"),
        ("node_modules/x/model.safetensors", "node_modules is not looked into (vendored)"),
        ("training/experiments/active/2025-07-25_pat_conv_l/a.pt", "experiment 2025-07-25_pat"),
        ("training/logs/some.log", "the folder for logs"),
    ],
)
def test_what_a_clean_up_does_not_touch_says_why(mess: Path, path: str, said: str) -> None:
    """Sources, fixtures, vendored folders and the layout stay, each for its reason."""
    (mess / path).parent.mkdir(parents=True, exist_ok=True)
    (mess / path).write_bytes(MESS[WEIGHTS] if path.endswith(".safetensors") else b"x")
    os.utime(mess / path, (OLD, OLD))
    assert said in found(mess, path)["rule"]


def test_left_alone_on_request_names_the_setting(mess: Path) -> None:
    """A file that conventions.toml protects says so."""
    conventions = mess / "training/conventions.toml"
    text = conventions.read_text()
    conventions.write_text(text.replace("leave_alone = []", 'leave_alone = ["runs/*_one"]'))
    one = found(mess, WEIGHTS)
    assert one["rule"] == "stays: conventions.toml says so"
    assert "leave_alone" in one["changes"][0]


def test_json_of_an_unknown_path(project: Path) -> None:
    """Programs get an empty list, why, and what else had the name."""
    done = recipe(project, "where", "model.safetensors", "--json", status=1)
    assert json.loads(done.stdout) == {
        "path": "model.safetensors",
        "found": [],
        "why": "2 files had that name",
        "candidates": [WEIGHTS, BEST],
    }
