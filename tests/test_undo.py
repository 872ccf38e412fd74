"""A run is taken back exactly, or what stops it is told; both ways out say when they are needed."""

import json
import os
import shutil
import sys
import tarfile
from contextlib import nullcontext
from pathlib import Path

import pytest

import archive
import cleanup
import new
import purge
import resume
import status as status_recipe
import undo
from conftest import NOBODY
from engine import show
from engine.changes import disk, history
from engine.changes.leaving import Leaving
from engine.changes.lock import project_lock
from engine.changes.packing import Packing
from packed_project import opened
from place import OLD, Place
from projects import changed, tree
from test_lock import end, hold

LOCK = "training/.history/lock"


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    made = Place(tmp_path / "repository", capsys)
    made.weights("runs/one/best (copy).pt", 0.7)
    return made.settle()


@pytest.fixture
def interrupted(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A clean-up that stopped in the middle."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Packing, "pack", stop)
        with pytest.raises(KeyboardInterrupt):
            place.run(cleanup.main, "--apply")
    return place


def production(place: Place) -> Path:
    (path,) = (place.root / "model_weights/production").glob("*.pt")
    return path


def test_nothing_to_do_is_said(place: Place) -> None:
    """Undo and resume without a run exit 0."""
    assert place.run(undo.main) == (0, "Nothing to take back.\n")
    assert place.run(resume.main) == (0, "Nothing to resume.\n")
    place.run(cleanup.main, "--apply")
    assert place.run(resume.main) == (0, "Nothing to resume.\n")
    assert place.run(undo.main)[0] == 0
    assert place.run(undo.main) == (0, "Nothing to take back.\n")


def test_an_interrupted_run_comes_first(interrupted: Place) -> None:
    """Whatever starts meanwhile names both ways out and exits 2."""
    for main, words in (
        (cleanup.main, ()),
        (cleanup.main, ("--apply",)),
        (archive.main, ()),
        (purge.main, ("--apply",)),
    ):
        status, said = interrupted.run(main, *words)
        assert (status, "just resume" in said, "just undo" in said) == (2, True, True)


def test_a_run_that_goes_on_is_no_interrupted_one(interrupted: Place) -> None:
    """While another process is at work on it, that is said, and not to resume or undo it."""
    home = interrupted.root / "training/.history"
    process = hold(home)
    try:
        status, said = interrupted.run(cleanup.main)
        told = interrupted.run(status_recipe.main)[1]
    finally:
        end(process)
    assert (status, f"held by process {process.pid}" in said, "resume" in said) == (2, True, False)
    assert "is at work: " in " ".join(told.split())
    assert "Next: just status" in told


def test_a_dry_run_changes_nothing(interrupted: Place) -> None:
    """Both say what they would deal with."""
    interrupted.before = interrupted.tree()
    for main in (undo.main, resume.main):
        status, said = interrupted.run(main, "--dry-run")
        assert (status, "interrupted" in said) == (0, True)
    assert not interrupted.changed()
    assert interrupted.run(resume.main)[0] == 0


@pytest.mark.parametrize("purged", [False, True])
def test_a_dry_run_of_undo_tells_what_undo_does(
    purged: bool, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not what was planned: a run was left alone."""
    room = Leaving._room
    monkeypatch.setattr(
        Leaving, "_room", lambda self, folder: None if folder == "runs/two" else room(self, folder)
    )
    place.weights("runs/two/best.pt", 0.5)
    place.settle()
    assert place.run(cleanup.main, "--apply")[0] == 1
    if purged:
        place.run(purge.main, "--apply")
    totals = json.loads(place.run(undo.main, "--dry-run", "--json")[1])["totals"]
    shown = place.run(undo.main, "--dry-run")[1]
    said = place.run(undo.main)[1]
    back, gone = totals["back"]["files"], totals["remove"]["files"]
    assert f"{back} files put back, {gone} that it had made removed" in said
    assert f"{back}  back to their places" in shown
    assert not place.changed()


def test_a_dry_run_of_resume_tells_what_is_left_to_do(interrupted: Place) -> None:
    """What was done before it was interrupted is not told again."""
    (past,) = history.past_runs(opened(interrupted.root))
    planned = past.plan.totals()
    totals = json.loads(interrupted.run(resume.main, "--dry-run", "--json")[1])["totals"]
    assert planned.keys() == {"move", "drop", "pack", "write"}
    assert totals == {verb: planned[verb] for verb in ("pack", "write")}
    assert interrupted.run(resume.main)[0] == 0


def test_a_resume_without_what_tells_of_folders_leaves_them(interrupted: Place) -> None:
    """All else is done: without their modes and times they could not be given back."""
    (told,) = (interrupted.root / "training/.history").glob("*/folders.json")
    told.unlink()
    status, said = interrupted.run(resume.main)
    assert (status, "folders.json: cannot be read" in said) == (1, True)
    assert (interrupted.root / "runs/one").is_dir()
    assert not [*(interrupted.root / "runs/one").iterdir()]


def test_half_an_archive_is_swept_up(interrupted: Place) -> None:
    """Also when the run that was being packed is left alone by now."""
    half = disk.partial_of(interrupted.root / "training/experiments/archived/undated_one.tar.gz")
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    (interrupted.root / "runs/one/last.pt").touch()
    status, said = interrupted.run(resume.main)
    assert (status, "changed since it was planned" in said) == (1, True)
    assert not half.exists()
    half.write_bytes(b"half")  # as if the resume had stopped there as well
    assert interrupted.run(undo.main)[0] == 0
    assert not half.exists()


def test_one_recipe_at_a_time(place: Place) -> None:
    """While another process has the lock, everything that writes is refused."""
    with project_lock(place.root / "training/.history"):
        for main, words in ((cleanup.main, ["--apply"]), (undo.main, []), (resume.main, [])):
            status, said = place.run(main, *words)
            assert (status, "held by process" in said) == (2, True)


def test_an_older_run_goes_back_while_nothing_depends_on_it(place: Place) -> None:
    """A newer run that needs what it made is named; once that is taken back, so is this."""
    before = place.tree()
    place.run(cleanup.main, "--apply")
    (first,) = [path.name for path in (place.root / "training/.history").glob("*_cleanup")]
    place.write("runs/two/best.bin", production(place).read_bytes())  # dropped in favour of it
    place.weights("runs/two/best.pt", 0.7)
    place.settle()
    place.run(cleanup.main, "--apply")
    status, said = place.run(undo.main, first)
    assert (status, "take that back first: just undo" in said) == (2, True)
    assert place.run(undo.main)[0] == 0
    assert place.run(undo.main, first)[0] == 0
    new = {"runs", "runs/two", "runs/two/best.bin", "runs/two/best.pt"}
    assert changed(before, place.tree()) <= new


def test_an_independent_older_run_can_be_taken_back_alone(place: Place) -> None:
    """The newer one stays as it is."""
    place.run(cleanup.main, "--apply")
    (first,) = [path.name for path in (place.root / "training/.history").glob("*_cleanup")]
    place.weights("other/deep/best.pt", 0.2)
    place.settle()
    place.run(cleanup.main, "--apply")
    assert place.run(undo.main, first)[0] == 0
    assert (place.root / "runs/one/last.pt").exists()
    assert not (place.root / "other/deep/best.pt").exists()


def test_what_is_in_the_way_stays(place: Place) -> None:
    """The old file is put beside the new one, and that is said."""
    place.run(cleanup.main, "--apply")
    place.write("runs/one/last.pt", b"a new training")
    status, said = place.run(undo.main)
    assert (status, "runs/one/last.pt: something new is there" in said) == (1, True)
    assert (place.root / "runs/one/last.pt").read_bytes() == b"a new training"
    (beside,) = (place.root / "runs/one").glob("before_*_last.pt")
    assert beside.stat().st_size > 1000


def test_the_same_bytes_in_a_place_make_room(place: Place) -> None:
    """A checkout brought them back: nothing is set aside, and times are as they were."""
    kept = {path: (place.root / path).read_bytes() for path in place.before if "best" in path}
    place.run(cleanup.main, "--apply")
    for path, content in kept.items():
        place.write(path, content)
    status, said = place.run(undo.main)
    assert (status, "something new" in said) == (0, False)
    assert not place.changed()


@pytest.mark.parametrize("way", ["unpacked", "linked"])
def test_nothing_stays_behind_of_what_is_in_its_place(way: str, place: Place) -> None:
    """Someone unpacked the archive with tar, or an undo by hard links was interrupted."""
    place.run(cleanup.main, "--apply")
    (waiting,) = (place.root / "training/.history").glob("*/quarantine/runs/one")
    if way == "linked":
        (place.root / "runs/one").mkdir(parents=True)
        os.link(waiting / "last.pt", place.root / "runs/one/last.pt")
    else:
        (archive,) = (place.root / "training/experiments/archived").glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(place.root, filter="data")
        assert (place.root / "runs/one/last.pt").stat().st_mtime_ns == OLD
    assert place.run(undo.main)[0] == 0
    assert not place.changed()
    assert not [*(place.root / "training/.history").glob("*/quarantine/**/*.pt")]


@pytest.mark.parametrize("how", ["other bytes", "written to", "a link"])
def test_what_is_not_only_the_same_bytes_keeps_its_place(how: str, place: Place) -> None:
    """Also the same bytes that someone is writing to, or that a link leads to."""
    if how == "written to" and sys.platform != "linux":
        pytest.skip("only Linux tells who writes to a file")
    kept = (place.root / "runs/one/last.pt").read_bytes()
    place.run(cleanup.main, "--apply")
    there = place.write("runs/one/last.pt", kept[:-1] + b"x" if how == "other bytes" else kept)
    if how == "a link":
        there.rename(place.root / "kept")
        there.symlink_to("../../kept")
    with there.open("ab") if how == "written to" else nullcontext():
        status, said = place.run(undo.main)
    (old,) = (place.root / "runs/one").glob("before_*_last.pt")
    assert (status, old.name in said, old.read_bytes()) == (1, True, kept)
    assert there.is_symlink() is (how == "a link")


def test_what_was_edited_stays(place: Place) -> None:
    """A summary that someone wrote into is not removed."""
    place.run(cleanup.main, "--apply")
    (summary,) = (place.root / "training/results").glob("*_summary.md")
    summary.write_text("my notes")
    status, said = place.run(undo.main)
    assert (status, f"{summary.name}: was changed since" in said) == (1, True)
    assert summary.read_text() == "my notes"


def test_what_was_deleted_on_request_is_all_that_stays_away(place: Place) -> None:
    """The rest comes back from archives and kept copies."""
    place.weights("weights/net_a_best_0.9.pt", 0.9)
    place.weights("weights/net_a_worse_0.1.pt", 0.1)
    place.settle()
    place.run(cleanup.main, "--apply", "--delete-redundant")
    assert place.run(purge.main, "--apply")[0] == 0
    status, said = place.run(undo.main)
    gone = {path for path in place.changed() if path.endswith(".pt")}
    assert gone
    assert status == 1
    assert all(f"{path}: was deleted on request; it cannot come back" in said for path in gone)


@pytest.mark.parametrize("busy", ["MERGE_HEAD", "rebase-merge", "CHERRY_PICK_HEAD"])
@pytest.mark.parametrize("worktree", [False, True])
def test_a_merge_comes_first(busy: str, worktree: bool, place: Place, tmp_path: Path) -> None:
    """Nothing is moved, forth or back, while git moves files, be it in a worktree."""
    git = place.root / ".git"
    if worktree:
        git.write_text(f"gitdir: {tmp_path}/elsewhere\n")
        git = tmp_path / "elsewhere"
    git.mkdir()
    assert place.run(cleanup.main, "--apply")[0] == 0
    (git / busy).touch()
    for main, words in ((undo.main, ["--dry-run"]), (undo.main, [])):
        status, said = place.run(main, *words)
        assert (status, "merge or rebase" in said) == (2, True)
    (git / busy).unlink()
    assert place.run(undo.main)[0] == 0
    (git / busy).touch()
    assert place.run(cleanup.main, "--apply")[0] == 2


@pytest.fixture
def apart(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A repository whose runs lie on another file system."""
    real, rename = disk.volume, disk.rename_no_replace

    def volume(path: Path) -> tuple[int, str]:
        return (1, "runs") if path.is_relative_to(place.root / "runs") else real(path)

    def refuse_across(src: disk.Name, dst: disk.Name) -> None:
        if volume(Path(src).parent) != volume(Path(dst).parent):
            raise OSError(18, "another file system")
        rename(src, dst)

    monkeypatch.setattr(disk, "volume", volume)
    monkeypatch.setattr(disk, "rename_no_replace", refuse_across)
    return place


def test_other_file_systems(apart: Place) -> None:
    """What lies on another is moved by a verified copy, and its original waits there."""
    assert apart.run(cleanup.main, "--apply")[0] == 0
    assert production(apart).stat().st_mtime_ns == apart.before["runs/one/best.pt"][2]
    assert list((apart.root / "runs/.training_quarantine").rglob("last.pt"))
    assert apart.run(purge.main, "--apply")[0] == 0
    assert not (apart.root / "runs").exists() or not list((apart.root / "runs").rglob("*.pt"))
    assert apart.run(undo.main)[0] == 0
    assert not apart.changed()


def size_of(path: Path) -> int:
    return path.lstat().st_size


def all_waiting(place: Place) -> list[Path]:
    """All files in a quarantine, of whichever run."""
    found = (p for name in ("quarantine", ".training_quarantine") for p in place.root.rglob(name))
    return [path for folder in found for path in folder.rglob("*") if path.is_file()]


def told_by_status(place: Place) -> int:
    answer: int = json.loads(place.run(status_recipe.main, "--json")[1])["disk"]["quarantine"]
    return answer


def test_what_waits_is_told_wherever_it_waits(apart: Place) -> None:
    """Also the original of what was moved to another file system; nothing where all was freed."""
    said = apart.run(cleanup.main, "--apply")[1]
    waiting = [p for p in (apart.root / "runs/.training_quarantine").rglob("*") if p.is_file()]
    assert {"best.pt", "last.pt"} <= {path.name for path in waiting}
    count = sum(path.stat().st_size for path in waiting)
    assert f"Originals of {show.size(count)} wait in quarantine." in said
    assert told_by_status(apart) == sum(map(size_of, all_waiting(apart)))
    (apart.root / "runs/.training_quarantine").rename(apart.root / "runs/taken_away")
    assert told_by_status(apart) < count
    (apart.root / "runs/taken_away").rename(apart.root / "runs/.training_quarantine")
    apart.run(undo.main)
    assert told_by_status(apart) == 0
    said = apart.run(cleanup.main, "--apply", "--purge-as-you-go")[1]
    assert "wait in quarantine" not in said
    assert told_by_status(apart) == sum(map(size_of, all_waiting(apart))) == 0


@pytest.mark.parametrize("late", [False, True])
def test_what_changes_while_it_is_moved_to_another_file_system_stays(
    late: bool, apart: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written to just before it is copied, or just after: no stale copy takes its place."""
    real, best = disk.copy_new, apart.root / "runs/one/best.pt"

    def copy(src: Path, dst: Path) -> str:
        if src != best:
            return real(src, dst)
        data = best.read_bytes()
        copied = real(src, dst) if late else ""
        best.write_bytes(data[:-1] + b"!")
        return copied or real(src, dst)

    monkeypatch.setattr(disk, "copy_new", copy)
    status, said = apart.run(cleanup.main, "--apply")
    assert (status, "left alone: runs/one/best.pt" in said) == (1, True)
    assert best.read_bytes().endswith(b"!")
    assert not [*(apart.root / "model_weights/production").glob("*.pt")]
    assert apart.run(undo.main)[0] == 0
    assert {path for path in apart.changed() if path != "runs/one/best.pt"} <= {"runs/one"}


def test_recipes_work_from_anywhere(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The working directory does not matter."""
    monkeypatch.chdir(tmp_path)
    assert place.run(cleanup.main, "--apply")[0] == 0
    monkeypatch.chdir("/")
    assert place.run(undo.main)[0] == 0
    assert not place.changed()


def test_an_archive_that_is_away_comes_first(place: Place, tmp_path: Path) -> None:
    """While the only copy of what was purged is not there, nothing of the run is taken back."""
    place.run(cleanup.main, "--apply")
    place.run(purge.main, "--apply")
    (packed,) = (place.root / "training/experiments/archived").glob("*.tar.gz")
    away = packed.rename(tmp_path / packed.name)
    after = tree(place.root, (LOCK,))
    for words in (["--dry-run"], []):
        status, said = place.run(undo.main, *words)
        name = packed.name.removesuffix(".tar.gz")
        assert (status, f"{packed.name}: is not there" in said, len(said.splitlines())) == (2, 1, 1)
        assert f"put it back, or `just pull {name}`" in said
    assert not changed(after, tree(place.root, (LOCK,)))
    away.rename(packed)
    assert place.run(undo.main)[0] == 0
    assert not place.changed()


@pytest.mark.parametrize("what", ["file", "link"])
def test_what_is_no_folder_is_moved_away_first(what: str, place: Place, tmp_path: Path) -> None:
    """Where a folder is needed and something else is, nothing is begun."""
    place.write("logs/deep/train.log", "Epoch 1: Val AUC=0.7\n")
    place.settle()
    place.run(cleanup.main, "--apply")
    runs = place.root / "runs"
    assert not runs.exists()
    runs.symlink_to(tmp_path) if what == "link" else runs.write_text("mine")
    after = tree(place.root, (LOCK,))
    for words in (["--dry-run"], []):
        said = "runs: is a link or a file, not a folder; move it away"
        assert place.run(undo.main, *words) == (2, said)
    assert not changed(after, tree(place.root, (LOCK,)))
    runs.unlink()
    assert place.run(undo.main)[0] == 0
    assert not place.changed()


def test_a_folder_that_was_put_elsewhere_comes_back_first(place: Place, tmp_path: Path) -> None:
    """Production is a link to another disk by now: nothing there is moved, removed or touched."""
    place.run(cleanup.main, "--apply")
    there = place.root / "model_weights/production"
    there.rename(tmp_path / "disk")
    (tmp_path / "disk").chmod(0o700)
    there.symlink_to(tmp_path / "disk")
    after, elsewhere = tree(place.root, (LOCK,)), tree(tmp_path / "disk")
    said = "model_weights/production: is a link or a file, not a folder; put the folder back in"
    status, told = place.run(undo.main)
    assert (status, told) == (2, f"{said} its place")
    assert not changed(after, tree(place.root, (LOCK,)))
    assert not changed(elsewhere, tree(tmp_path / "disk"))
    assert (tmp_path / "disk").stat().st_mode & 0o777 == 0o700


def test_an_empty_folder_that_became_a_link_is_left(place: Place, tmp_path: Path) -> None:
    """It is not what the run made: the undo ends, and the link stays."""
    place.run(new.main, "net", "--python", sys.executable)
    (folder,) = (place.root / "training/experiments/active").glob("*/checkpoints")
    folder.rename(tmp_path / "disk")
    folder.symlink_to(tmp_path / "disk")
    assert place.run(undo.main)[0] == 0
    assert [*folder.parent.iterdir()] == [folder]
    assert place.run(undo.main) == (0, "Nothing to take back.\n")


def test_what_a_clean_up_left_alone_is_not_counted_as_done(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is the paper of a model that stayed where it was."""
    planned = place.plan()["totals"]
    assert planned.keys() > {"move", "pack"}
    room = Leaving._room
    monkeypatch.setattr(
        Leaving, "_room", lambda self, folder: None if folder == "runs/one" else room(self, folder)
    )
    status, said = place.run(cleanup.main, "--apply", "--json")
    told = json.loads(said)
    assert (status, told["totals"].keys()) == (1, {"skip", "write"})
    written = {a["dst"] for a in told["actions"] if a["verb"] == "write"}
    assert told["totals"]["write"]["files"] == len(written)
    assert all((place.root / path).is_file() for path in written)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives away")
@pytest.mark.parametrize("noted", [True, False])
def test_folders_go_back_to_their_owners(noted: bool, place: Place) -> None:
    """Whose they were is noted; a version that did not note it left them to whoever undid."""
    runs = place.root / "runs"
    for path in (runs, runs / "one"):
        os.chown(path, NOBODY, NOBODY + 1)
    place.run(cleanup.main, "--apply")
    assert not runs.exists()
    (states,) = (place.root / "training/.history").glob("*/folders.json")
    if not noted:
        before = json.loads(states.read_bytes())
        states.write_text(json.dumps({path: state[:2] for path, state in before.items()}))
    assert place.run(undo.main)[0] == 0
    assert not place.changed()
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in (runs, runs / "one")}
    assert owners == {(NOBODY, NOBODY + 1) if noted else (0, os.getegid())}


@pytest.mark.parametrize(
    "name", ["backup", "20990101T000000_cleanup (copy)", "99999999T999999_cleanup"]
)
def test_what_is_not_called_as_a_run_is_none(name: str, place: Place) -> None:
    """A copy of a run that someone made is neither taken back nor in the way of the next run."""
    place.run(cleanup.main, "--apply")
    home = place.root / "training/.history"
    (run,) = home.glob("*_cleanup")
    shutil.copytree(run, home / name)
    (home / "unplanned").mkdir()
    (home / "unplanned/folders.json").touch()
    place.weights("other/deep/best.pt", 0.2)
    place.settle()
    assert place.run(cleanup.main, "--apply")[0] == 0
    assert place.run(undo.main)[0] == 0
    assert not place.changed()
    assert run.name in place.run(undo.main)[1]
    assert place.run(undo.main) == (0, "Nothing to take back.\n")
    assert (home / name / "plan.json").exists()
    assert (home / "unplanned/folders.json").exists()
