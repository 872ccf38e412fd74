"""`just restore`: members of archives come back as they were, and nothing is ever replaced."""

import json
import os
from datetime import datetime
from pathlib import Path

import pytest

from engine.archives import archive, catalog
from engine.archives.manifest import manifest_bytes
from engine.changes import disk
from engine.changes.apply import Outcome, apply
from engine.changes.new_files import NewFiles
from engine.errors import UserError
from engine.plans.restore_plan import restore
from packed_project import (
    ARCHIVED,
    BEST,
    LINK,
    LOG,
    MESS,
    NOTES,
    OLD,
    ONE,
    PRODUCTION,
    TWO,
    WEIGHTS,
    archive_of,
    flip,
    opened,
    packed,
    untidy,
    weights,
)
from projects import changed, just, recipe, recipe_json, tree, twin

NAME = "2025-01-01_pat_conv_l_one"
WHOLE = {WEIGHTS, f"{ONE}/results.json", NOTES, LINK, LOG}


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    return twin(packed(tmp_path_factory.getbasetemp()), tmp_path)


def files(root: Path) -> set[str]:
    paths = (root / "runs", root / "logs")
    return {p.relative_to(root).as_posix() for f in paths for p in f.rglob("*") if not p.is_dir()}


def partials(root: Path) -> list[Path]:
    return list(root.rglob(".*.partial"))


def bring_back(root: Path, *files: str) -> Outcome:
    setting = opened(root)
    plan = restore(setting, catalog.find(setting, NAME), files, None, "now")
    return apply(setting, plan, datetime(2026, 1, 1))


@pytest.mark.parametrize("name", [NAME, f"{NAME}.tar.gz", f"{ARCHIVED}/{NAME}.tar.gz", f"{ONE}/"])
def test_an_archive_is_named_in_any_of_these_ways(project: Path, name: str) -> None:
    """By its name, by its path, or by the folder of the run that it holds."""
    assert catalog.find(opened(project), name).name == NAME


def test_a_run_comes_back_with_its_old_log(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Every file is in its place with its bytes, mode and time, also what another archive holds."""
    before = tree(untidy(tmp_path_factory.getbasetemp()))
    held = archive_of(project, WEIGHTS).read_bytes()
    just(project, "restore", NAME)
    now = tree(project)
    assert files(project) == WHOLE
    put_back = WHOLE - {LINK}  # the time of a link is nobody's concern
    assert not changed({p: before[p] for p in put_back}, {p: now[p] for p in put_back})
    assert (project / LINK).readlink() == Path("model.safetensors")
    assert archive_of(project, WEIGHTS).read_bytes() == held


def test_undo_takes_a_restore_back(project: Path) -> None:
    """After undo the project is as before it, folders and their times included."""
    before = tree(project)
    just(project, "restore", NAME)
    just(project, "undo")
    assert not changed(before, tree(project))


def test_undo_leaves_a_restored_file_that_was_worked_on(project: Path) -> None:
    """What changed since it came back stays, aloud; the rest goes."""
    recipe(project, "restore", NAME)
    (project / NOTES).write_text("better\n")
    assert NOTES in recipe(project, "undo", status=1).stderr
    assert files(project) == {NOTES}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([WEIGHTS], {WEIGHTS}),
        ([NOTES], {NOTES}),
        (["model.safetensors"], {WEIGHTS}),
        (["*.json"], {f"{ONE}/results.json"}),
        ([LOG, "latest"], {LOG, LINK}),
        ([ONE], WHOLE - {LOG}),
    ],
)
def test_files_are_named_by_path_or_glob(
    project: Path, words: list[str], expected: set[str]
) -> None:
    """A member is named by its path, by its path in the run, by a glob or by its folder."""
    bring_back(project, *words)
    assert files(project) == expected


def test_a_file_may_be_named_from_where_the_user_stands(project: Path) -> None:
    """A path relative to the current folder is understood."""
    just(project, "restore", NAME, f"../{WEIGHTS}", cwd=project / "src")
    assert files(project) == {WEIGHTS}


def test_to_another_folder(project: Path, tmp_path: Path) -> None:
    """With --to the files lie below that folder under their inner paths; undo empties it again."""
    out = tmp_path / "out"
    recipe(project, "restore", NAME, WEIGHTS, LOG, "--to", str(out))
    found = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    assert found == {WEIGHTS, LOG}
    assert (out / WEIGHTS).read_bytes() == MESS[WEIGHTS]
    assert files(project) == set()
    recipe(project, "undo")
    assert not out.exists()


def test_a_dry_run_changes_nothing(project: Path) -> None:
    """--dry-run shows each file and the command that would bring them back."""
    before = tree(project, without=())
    shown = recipe(project, "restore", NAME, "latest", "--dry-run").stdout
    assert shown.splitlines()[-1].endswith(f"just restore {NAME} latest")
    assert LINK in shown
    assert not changed(before, tree(project, without=()))


def test_json_tells_what_came_back(project: Path) -> None:
    """Programs get the run and an action for each file, with its archive and its place."""
    answer = recipe_json(project, "restore", NAME, WEIGHTS)
    (action,) = answer["actions"]
    assert (action["verb"], action["src"], action["dst"]) == (
        "restore",
        f"{ARCHIVED}/{NAME}.tar.gz",
        WEIGHTS,
    )
    assert answer["run"].endswith("_restore")
    assert answer["left"] == {}


def test_nothing_is_replaced(project: Path) -> None:
    """If a single file is in the way it is named, and not one is restored."""
    (project / NOTES).parent.mkdir(parents=True)
    (project / NOTES).write_text("new\n")
    before = tree(project)
    done = just(project, "restore", NAME, status=2)
    assert done.stderr == f"{NOTES}: is already there; move it away, or use --to DIR\n"
    assert not changed(before, tree(project))


def test_a_log_that_another_restore_brought_back_is_not_in_the_way(project: Path) -> None:
    """An old log serves several runs: the same bytes in its place are fine, other bytes are not."""
    recipe(project, "restore", "logs_before_20250725")
    assert f"{LOG}: is in its place already" in recipe_json(project, "restore", NAME)["notes"]
    recipe(project, "undo")
    (project / LOG).write_text("other\n")
    assert LOG in recipe(project, "restore", NAME, status=2).stderr


@pytest.mark.parametrize("offset", [30, 200_000, -6])
def test_a_damaged_archive_gives_nothing(project: Path, offset: int) -> None:
    """One flipped bit anywhere: no file comes back from it, and the archive is named."""
    broken = archive_of(project, WEIGHTS)
    flip(broken, offset)
    outcome = bring_back(project, NOTES)
    assert broken.name in outcome.left[NOTES]
    assert files(project) == set()


def test_the_other_archive_of_a_run_may_be_damaged(project: Path) -> None:
    """What lies in a whole archive comes back though the old logs are rotten, and status is 1."""
    flip(archive_of(project, LOG), 30)
    done = recipe(project, "restore", NAME, status=1)
    assert LOG in done.stdout
    assert files(project) == WHOLE - {LOG}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["2025-01-01_pat_conv_l_on"], f"did you mean {NAME}?"),
        (["nothing like it"], "there is no archive of that name"),
        ([NAME, "no_such_file"], "no_such_file: is none of the 5 files"),
    ],
)
def test_unknown_names_are_one_line(project: Path, words: list[str], said: str) -> None:
    """A name or file that no archive has is refused in one line that helps."""
    error = recipe(project, "restore", *words, status=2).stderr
    assert said in error
    assert error.count("\n") == 1


def test_a_damaged_manifest_is_refused(project: Path) -> None:
    """Without a manifest that can be believed nothing is restored."""
    archive_of(project, WEIGHTS).with_suffix("").with_suffix(".json").write_text("{}")
    assert "cannot be restored" in recipe(project, "restore", NAME, status=2).stderr


@pytest.mark.parametrize("to", [(), ("--to", "out")])
def test_a_link_on_the_way_is_not_followed(
    project: Path, tmp_path: Path, to: tuple[str, ...]
) -> None:
    """A symlink where a folder belongs is refused, though a folder is behind it."""
    (tmp_path / "away").mkdir()
    base = project / "/".join(to[1:])
    (base / ONE).parent.mkdir(parents=True, exist_ok=True)
    (base / ONE).symlink_to(tmp_path / "away")
    error = recipe(project, "restore", NAME, WEIGHTS, *to, "--dry-run", status=2).stderr
    assert "a link" in error
    assert not any((tmp_path / "away").iterdir())


@pytest.mark.parametrize(
    "path", [".git/hooks/post-checkout", "a/.GIT/config", "training/recipes/evil.py"]
)
def test_a_manifest_from_elsewhere_cannot_plant_code(
    project: Path, tmp_path: Path, path: str
) -> None:
    """Members that would land in git's folder or among the recipes are refused."""
    source = tmp_path / "source" / path
    source.parent.mkdir(parents=True)
    source.write_text("evil")
    target = project / ARCHIVED / "evil.tar.gz"
    seen = {path: disk.identity(source).seen}
    members = archive.pack(tmp_path / "source", seen, target)
    (project / ARCHIVED / "evil.json").write_bytes(manifest_bytes(members, {}))
    assert "no place for a training output" in recipe(project, "restore", "evil", status=2).stderr
    assert not (project / path).exists()


def test_a_run_folder_in_several_archives_is_asked_back(project: Path) -> None:
    """A folder that stands in two manifests is ambiguous, and both are named."""
    manifest = project / ARCHIVED / f"{NAME}.json"
    for suffix in (".json", ".sha256", ".tar.gz"):
        twin_file = manifest.with_name(f"again{suffix}")
        twin_file.write_bytes(manifest.with_suffix("").with_name(NAME + suffix).read_bytes())
    with pytest.raises(UserError, match=f"{NAME}, again"):
        catalog.find(opened(project), str(project / ONE))


def test_an_archive_that_goes_bad_before_it_is_read_is_left_alone(project: Path) -> None:
    """Between plan and act: the run is finished, says what was not restored, and wrote nothing."""
    setting = opened(project)
    plan = restore(setting, catalog.find(setting, NAME), (), None, "now")
    archive_of(project, WEIGHTS).unlink()
    outcome = apply(setting, plan, datetime(2026, 1, 1))
    assert set(outcome.left) == WHOLE - {LOG}
    assert files(project) == {LOG}


@pytest.mark.parametrize("folder", [ONE, "runs"])
def test_an_interrupted_restore_is_finished_or_taken_back(
    folder: str, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after the first name: resume ends like an undisturbed run, undo like none at all."""
    (project / folder).mkdir(parents=True, exist_ok=True)
    before, setting = tree(project), opened(project)
    plan = restore(setting, catalog.find(setting, NAME), (), None, "now")
    real, named = disk.rename_no_replace, []

    def stop_at_the_second(src: disk.Name, dst: disk.Name) -> None:
        if "/.history/" not in str(dst):
            named.append(dst)
        if len(named) == 2:
            raise KeyboardInterrupt
        real(src, dst)

    monkeypatch.setattr(disk, "rename_no_replace", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        apply(setting, plan, datetime(2026, 1, 1))
    monkeypatch.undo()
    assert "just resume" in just(project, "restore", NAME, status=2).stderr
    other = twin(project, tmp_path / "other")
    just(project, "resume")
    assert files(project) == WHOLE
    just(project, "undo")
    just(other, "undo")
    for root in (project, other):
        assert not changed(before, tree(root))


@pytest.mark.parametrize("written", [0, 1, 3])
def test_what_a_killed_restore_had_written_goes(
    written: int, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before anything had its name: resume and undo leave no partial file or folder."""
    before, setting = tree(project), opened(project)
    plan = restore(setting, catalog.find(setting, NAME), (), None, "now")
    calls: list[disk.Name] = []
    real = disk.stamp

    def killed(descriptor: int, path: disk.Name, mode: int, mtime_ns: int) -> None:
        if len(calls) == written:
            raise KeyboardInterrupt
        calls.append(path)
        real(descriptor, path, mode, mtime_ns)

    monkeypatch.setattr(disk, "stamp", killed)
    monkeypatch.setattr(NewFiles, "_remove", lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        apply(setting, plan, datetime(2026, 1, 1))
    monkeypatch.undo()
    assert partials(project)
    other = twin(project, tmp_path / "other")
    recipe(project, "resume")
    assert files(project) == WHOLE
    recipe(other, "undo")
    assert not changed(before, tree(other))
    assert not partials(project) + partials(other)


def test_a_partial_file_of_someone_else_stays(project: Path) -> None:
    """What another program is writing beside the place of a restored file is not ours to remove."""
    theirs = project / Path(WEIGHTS).with_name(f".{Path(WEIGHTS).name}.partial")
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"half")
    recipe(project, "restore", NAME)
    assert theirs.read_bytes() == b"half"


def test_a_damaged_archive_gives_nothing_back(project: Path) -> None:
    """Damage at the end of it: the folder is not there, nor anything half made."""
    setting = opened(project)
    plan = restore(setting, catalog.find(setting, NAME), (), None, "now")
    held = archive_of(project, WEIGHTS)
    flip(held, held.stat().st_size - 5)
    outcome = apply(setting, plan, datetime(2026, 1, 1))
    assert set(outcome.left) == WHOLE - {LOG}
    assert files(project) == {LOG}
    assert not (project / ONE).exists()
    assert not partials(project)


def test_undo_of_an_interrupted_restore_keeps_what_it_did_not_make(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that someone put there in the meantime is not taken for the restored one."""
    setting = opened(project)
    plan = restore(setting, catalog.find(setting, NAME), (NOTES,), None, "now")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(archive, "extract", interrupted)
    with pytest.raises(KeyboardInterrupt):
        apply(setting, plan, datetime(2026, 1, 1))
    monkeypatch.undo()
    (project / NOTES).parent.mkdir(parents=True)
    (project / NOTES).write_text("mine, new\n")
    recipe(project, "undo", status=1)
    assert (project / NOTES).read_text() == "mine, new\n"


def test_the_run_that_packed_cannot_be_undone_before_the_restore(project: Path) -> None:
    """Undo of the clean-up would collide with the restore: it names what comes first."""
    recipe(project, "restore", NAME)
    runs = sorted(p.name for p in (project / "training/.history").iterdir() if p.is_dir())
    error = recipe(project, "undo", runs[0], status=2).stderr
    assert runs[1] in error
    recipe(project, "undo")
    recipe(project, "undo")
    assert (project / WEIGHTS).read_bytes() == MESS[WEIGHTS]


def test_a_full_disk_is_seen_before_anything_is_written(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too little space for what would come back is refused."""
    setting = opened(project)
    plan = restore(setting, catalog.find(setting, NAME), (), None, "now")
    monkeypatch.setattr("engine.changes.disk.free_bytes", lambda _: 1000)
    with pytest.raises(UserError, match="free some space"):
        apply(setting, plan, datetime(2026, 1, 1))
    assert files(project) == set()


def test_manifests_are_enough_where_the_history_is_missing(project: Path, tmp_path: Path) -> None:
    """A colleague who has only the archived folder restores as well."""
    (project / "training/.history").rename(tmp_path / "gone")
    recipe(project, "restore", NAME)
    assert json.loads((project / ONE / "results.json").read_bytes()) == {"best_val_auc": 0.61}


# --- what the archive of a run does not hold -----------------------------------------------------

FOLDS = {f"saved_models/model_fold_{n}.safetensors": weights(n) for n in (3, 4, 5)}
FOLDS["saved_models/best_model.safetensors"] = weights(5)
TWIN = {
    "runs/pat_m_four/model.safetensors": weights(6),
    "runs/pat_m_four/results.json": b'{"best_val_auc": 0.5}',
    "runs/pat_m_five/model.safetensors": weights(6),
    "runs/pat_m_five/results.json": b'{"best_val_auc": 0.4}',
    "runs/pat_m_six/model.safetensors": weights(7),
    "runs/pat_m_six/results.json": b'{"best_val_auc": 0.6}',
}


def cleaned(project: Path, files: dict[str, bytes], *, purged: bool = False) -> Path:
    """Clean up a project with these files in it; return its root."""
    for name, data in files.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (OLD, OLD))
    recipe(project, "cleanup", "--apply", "--now", "2025-07-26T12:00:00")
    if purged:
        recipe(project, "purge", "--apply")
    return project


@pytest.mark.parametrize("purged", [False, True])
def test_a_dropped_copy_comes_back_with_its_run(project: Path, purged: bool) -> None:
    """From the member with its bytes, which comes back as well; all say where they are."""
    cleaned(project, FOLDS, purged=purged)
    recipe(project, "restore", "saved_models")
    assert {name: (project / name).read_bytes() for name in FOLDS} == FOLDS
    for name in FOLDS:
        assert f"now at {name}" in recipe(project, "where", name).stdout
    recipe(project, "undo")
    assert not (project / "saved_models").exists()


@pytest.mark.parametrize("name", FOLDS)
def test_a_dropped_copy_is_given_back_alone(project: Path, name: str) -> None:
    """Whichever of the equal files was kept: asked for by name it comes, and no other."""
    cleaned(project, FOLDS)
    recipe(project, "restore", "saved_models", name)
    assert [path.name for path in (project / "saved_models").iterdir()] == [Path(name).name]
    assert (project / name).read_bytes() == FOLDS[name]


@pytest.mark.parametrize("purged", [False, True])
def test_a_copy_comes_back_out_of_the_archive_of_another_run(project: Path, purged: bool) -> None:
    """Two runs ended with the same weights; either is whole again."""
    cleaned(project, TWIN, purged=purged)
    for folder in ("runs/pat_m_four", "runs/pat_m_five"):
        recipe(project, "restore", folder)
    assert {name: (project / name).read_bytes() for name in TWIN if "six" not in name} == {
        name: data for name, data in TWIN.items() if "six" not in name
    }


def test_what_went_to_production_is_named(project: Path) -> None:
    """A restore says which file of the run it did not bring, and where it was put."""
    said = f"{BEST}: is no part of an archive; it was put at {PRODUCTION}"
    assert said in " ".join(recipe(project, "restore", TWO).stdout.split())
    recipe(project, "undo")
    assert recipe(project, "restore", TWO, BEST, status=2).stderr == f"{said}\n"
    assert "note" not in recipe(project, "restore", TWO, "results.json").stdout


def test_what_was_put_somewhere_and_is_gone_is_named_so(project: Path) -> None:
    """The note does not send anyone to a place where nothing is."""
    (project / PRODUCTION).unlink()
    (note,) = recipe_json(project, "restore", TWO)["notes"]
    assert note.endswith(f"{PRODUCTION}, where nothing is: just where {PRODUCTION}")


def test_manifests_of_before_name_only_the_file_that_was_kept(project: Path) -> None:
    """Where that is a member of the same archive, the copy comes back as well."""
    manifest = project / ARCHIVED / f"{NAME}.json"
    about = json.loads(manifest.read_bytes())
    about["elsewhere"] = [{"path": f"{ONE}/last.safetensors", "now": WEIGHTS}]
    manifest.write_text(json.dumps(about))
    recipe(project, "restore", NAME, "last.safetensors")
    assert (project / ONE / "last.safetensors").read_bytes() == MESS[WEIGHTS]


def test_the_totals_are_of_what_came_back(project: Path) -> None:
    """Of a damaged archive nothing does; what another holds is counted."""
    whole = recipe_json(project, "restore", NAME, "--to", "whole")["totals"]
    assert whole["restore"]["files"] == len(WHOLE)
    packed_run = archive_of(project, WEIGHTS)
    packed_run.write_bytes(packed_run.read_bytes()[:-100])
    weights = (WEIGHTS, "--to", "weights")
    said = recipe(project, "restore", NAME, *weights, status=1).stdout
    assert ("restored" in said, "1  left alone" in said) == (False, True)
    assert said.splitlines()[-1] == "Nothing was done."
    told = recipe_json(project, "restore", NAME, "--to", "some", status=1)
    done = {verb: total["files"] for verb, total in told["totals"].items()}
    assert done == {"restore": 1, "skip": len(WHOLE) - 1}
    assert {a["dst"] for a in told["actions"] if a["verb"] == "restore"} == {f"some/{LOG}"}


def test_what_is_taken_below_another_folder_is_named_there(project: Path) -> None:
    """And the advice is to use another one."""
    recipe(project, "restore", NAME, WEIGHTS, "--to", "out")
    done = recipe(project, "restore", NAME, WEIGHTS, "--to", "out", status=2)
    taken = f"out/{WEIGHTS}: is already there; move it away, or use another --to DIR\n"
    assert done.stderr == taken
