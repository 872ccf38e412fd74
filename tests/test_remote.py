"""`just push`, `just pull` and `just archive --offload`: what is dropped here is proven there."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

import pytest

from engine.archives import catalog, transfer
from engine.archives.remote import Remote, listable, remotes
from engine.changes.apply import apply
from engine.changes.steps import Steps
from engine.errors import RemoteError, UserError
from packed_project import ARCHIVED, MESS, NOTES, ONE, WEIGHTS, flip, opened, packed
from projects import Tree, changed, just, just_json, recipe, recipe_json, tree, twin
from s3_store import Store, s3_store

pytestmark = pytest.mark.skipif(
    not shutil.which("rclone"), reason="rclone is not on the path: apt install rclone"
)
NAME, LOGS, TWO = "2025-01-01_pat_conv_l_one", "logs_before_20250725", "undated_pat_conv_l_two"
SUFFIXES = (".json", ".sha256", ".tar.gz")
ALL = {f"{name}{suffix}" for name in (NAME, LOGS, TWO) for suffix in SUFFIXES}


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    """A project whose archives are the only place of what they hold."""
    base = tmp_path_factory.getbasetemp()
    purged = base / "purged" / "my project"
    if not purged.exists():
        made = twin(packed(base), base / "purging")
        recipe(made, "purge", "--apply")
        made.parent.rename(base / "purged")
    return twin(purged, tmp_path / "here")


@pytest.fixture
def other(project: Path, tmp_path: Path) -> Path:
    """The same project on a machine that has none of the archives."""
    made = twin(project, tmp_path / "other")
    for path in (made / ARCHIVED).glob("*.*"):
        path.unlink()
    return made


@pytest.fixture
def away(tmp_path: Path) -> Path:
    """The folder that is the store where none is needed that can fail."""
    return tmp_path / "away"


@pytest.fixture
def store() -> Iterator[Store]:
    with s3_store() as made:
        yield made


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def archives_here(project: Path) -> set[str]:
    return {path.name for path in (project / ARCHIVED).glob("*.tar.gz")}


def at(
    environ: Mapping[str, str],
    project: Path,
    *words: str,
    status: int = 0,
    by: Callable[..., subprocess.CompletedProcess[str]] = recipe,
) -> subprocess.CompletedProcess[str]:
    """Run a recipe with these variables."""
    return by(project, *words, status=status, cwd=None, **environ)


def files(root: Path) -> Tree:
    """Everything but folders, whose times may differ."""
    return {path: entry for path, entry in tree(root).items() if entry[0] != "folder"}


def offload(project: Path, *words: str, **environ: str) -> None:
    at(environ, project, "archive", "--offload", *words, "--apply")
    at(environ, project, "purge", "--apply")


def rclone(store: Store, *words: str | Path) -> str:
    """Return what rclone prints, asked by hand."""
    environ = os.environ | store.environ
    done = subprocess.run(["rclone", *words], env=environ, check=True, capture_output=True)
    return done.stdout.decode()


def lines(text: str) -> list[str]:
    return text.strip().split("\n")


# Through a real S3 server


def test_archives_go_to_a_bucket_and_come_back(project: Path, store: Store) -> None:
    """Pushed, dropped, purged; known by their manifests; restored byte for byte, logs included."""
    at(store.environ, project, "push", by=just)
    offload(project, **store.environ)
    assert archives_here(project) == set()
    status = just_json(project, "status")
    assert {a["remote"] for a in status["archives"]} == {store.remote}
    assert f"at {store.remote}" in just(project, "where", WEIGHTS).stdout
    assert f"just restore {NAME}" in just(project, "where", WEIGHTS).stdout
    at(store.environ, project, "restore", NAME, by=just)
    assert (project / WEIGHTS).read_bytes() == MESS[WEIGHTS]
    assert archives_here(project) == {f"{NAME}.tar.gz", f"{LOGS}.tar.gz"}


def test_a_push_that_broke_off_goes_on_by_running_again(project: Path, tmp_path: Path) -> None:
    """The server goes away after one archive: status 1, one line; the next push sends the rest."""
    with s3_store() as broken:
        broken.dies_after = 1
        failed = at(broken.environ, project, "push", status=1)
    assert "refused" in failed.stderr
    assert len(lines(failed.stderr)) == 1
    assert not list((project / ARCHIVED).glob("*.remote"))
    with s3_store(empty=False) as again:
        at(again.environ, project, "push")
        assert again.uploads == len(archives_here(project)) - 1
        offload(project, **again.environ)
    assert archives_here(project) == set()


def test_access_denied_drops_nothing(project: Path, store: Store) -> None:
    """A store that takes no upload: each archive is named in a line, and stays."""
    at(store.environ, project, "push", NAME)
    store.denies = "PUT"
    before = files(project)
    failed = at(store.environ, project, "push", LOGS, status=1)
    assert "AccessDenied" in failed.stderr
    assert len(lines(failed.stderr)) == 1
    at(store.environ, project, "archive", "--offload", LOGS, "--apply", status=1)
    assert not changed(before, files(project))


def test_a_purge_asks_the_store_again(project: Path, store: Store) -> None:
    """Gone from the bucket, or no answer, or no store named: the dropped archive is not deleted."""
    at(store.environ, project, "archive", "--offload", NAME, "--apply")
    (dropped,) = (project / "training/.history").glob("*_archive")
    assert "ARCHIVE_REMOTE is not set" in recipe(project, "purge", "--apply", status=1).stderr
    store.denies = "GET"
    at(store.environ, project, "purge", "--apply", status=1)
    store.denies = ""
    (remote,) = remotes(opened(project), store.environ)
    rclone(store, "deletefile", f"{remote.spec}/{NAME}.tar.gz")
    error = at(store.environ, project, "purge", "--apply", status=1).stderr
    assert "is not there" in error
    recipe(project, "undo", dropped.name)
    assert f"{NAME}.tar.gz" in archives_here(project)


def test_what_a_store_has_damaged_is_not_restored(project: Path, store: Store) -> None:
    """Other bytes of the same size: pull and restore say so in one line, and nothing is written."""
    at(store.environ, project, "push", NAME)
    rotten = project.parent / f"{NAME}.tar.gz"
    shutil.copy(project / ARCHIVED / rotten.name, rotten)
    offload(project, NAME, **store.environ)
    flip(rotten, 300)
    rclone(store, "copyto", rotten, f"{store.remote}/{rotten.name}")
    before = files(project)
    for name in ("pull", "restore"):
        failed = at(store.environ, project, name, NAME, status=1)
        assert "is damaged at" in failed.stderr
        assert len(lines(failed.stderr)) == 1
    assert not changed(before, files(project))


def test_an_object_that_is_there_is_not_replaced(project: Path, store: Store) -> None:
    """Of another machine, under the same name: it stays in the bucket, and the archive here."""
    other = project.parent / "other"
    other.write_bytes(b"of another machine")
    rclone(store, "copyto", other, f"{store.remote}/{NAME}.tar.gz")
    answer = at(store.environ, project, "push", status=1)
    assert lines(answer.stderr) == [
        f"{NAME}: {NAME}.tar.gz: is another file there ({store.remote})"
    ]
    assert rclone(store, "cat", f"{store.remote}/{NAME}.tar.gz") == "of another machine"
    at(store.environ, project, "archive", "--offload", "--apply", status=1)
    assert archives_here(project) == {f"{NAME}.tar.gz"}


def test_an_object_that_has_gone_is_one_line(project: Path, store: Store) -> None:
    """Deleted in the bucket: pull and restore name it, with status 1, and nothing is written."""
    offload(project, NAME, **store.environ)
    rclone(store, "deletefile", f"{store.remote}/{NAME}.tar.gz")
    before = files(project)
    for name in ("pull", "restore"):
        failed = at(store.environ, project, name, NAME, status=1).stderr
        assert failed.startswith(f"{NAME}.tar.gz: is not there")
        assert len(lines(failed)) == 1
    assert not changed(before, files(project))


# Through a folder


def test_nothing_at_a_store_is_replaced(project: Path, away: Path) -> None:
    """Another file of that name is there: it stays, the others go, and the status is 1."""
    away.mkdir()
    (away / f"{NAME}.tar.gz").write_bytes(b"of another machine")
    answer = recipe(project, "push", status=1, ARCHIVE_REMOTE=str(away))
    assert f"{NAME}: {NAME}.tar.gz: is another file there" in answer.stderr
    assert len(lines(answer.stderr)) == 1
    assert (away / f"{NAME}.tar.gz").read_bytes() == b"of another machine"
    assert names(away) == ALL - {f"{NAME}.json", f"{NAME}.sha256"} | {f"{NAME}.sha256"}
    recipe(project, "archive", "--offload", "--apply", status=1, ARCHIVE_REMOTE=str(away))
    assert archives_here(project) == {f"{NAME}.tar.gz"}


def test_a_dry_run_and_a_plan_send_nothing(project: Path, away: Path) -> None:
    """--dry-run and a plan without --apply leave project and store as they are."""
    before = tree(project, without=())
    recipe(project, "push", "--dry-run", ARCHIVE_REMOTE=str(away))
    shown = recipe(project, "archive", "--offload", ARCHIVE_REMOTE=str(away)).stdout
    assert shown.strip().endswith("just archive --offload --apply")
    assert not away.exists()
    assert not changed(before, tree(project, without=()))


def test_the_store_may_stand_in_dotenv_and_the_environment_wins(
    project: Path, away: Path, tmp_path: Path
) -> None:
    """A plain folder in `.env` is relative to the project's root."""
    with (project / ".env").open("a") as file:
        file.write('ARCHIVE_REMOTE="../../away"\n')
    assert remotes(opened(project), {})[0].spec == str(away)
    assert remotes(opened(project), {"ARCHIVE_REMOTE": "s3:b/c"})[0].spec == "s3:b/c"
    recipe(project, "push", TWO)
    assert names(away) == {f"{TWO}{suffix}" for suffix in SUFFIXES}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "is not set"),
        ("archives", "lies in the project"),
        ("..", "the project in it"),
        (ARCHIVED, "lies in the project"),
        ("-x:y", "is no remote"),
        ("~/archives", "is no remote"),
        ("s3:a\nb", "is no remote"),
    ],
)
def test_a_store_that_cannot_be_one_is_refused(project: Path, said: str, why: str) -> None:
    """In one line, and before rclone is asked."""
    with pytest.raises(UserError, match=why):
        remotes(opened(project), {"ARCHIVE_REMOTE": said})


def test_a_password_is_never_shown(project: Path) -> None:
    """A remote with options is told by its name alone, in messages and journals."""
    secret = ":s3,secret_access_key=hunter2:bucket/folder"
    (remote,) = remotes(opened(project), {"ARCHIVE_REMOTE": secret})
    assert remote.shown == ":s3:..."
    assert "hunter2" not in repr(remote)
    broken = Remote(":nonsense,password=hunter2:x", ":nonsense:...")
    with pytest.raises(RemoteError) as failed:
        broken.sizes()
    assert "hunter2" not in str(failed.value)


def test_an_offload_is_undone_while_the_archive_waits(project: Path, away: Path) -> None:
    """Before a purge the dropped archives come back byte for byte, and pull says how."""
    before = files(project)
    recipe(project, "archive", "--offload", "--apply", ARCHIVE_REMOTE=str(away))
    refused = recipe(project, "restore", NAME, status=2, ARCHIVE_REMOTE=str(away)).stderr
    assert "waits in quarantine: just undo" in refused
    recipe(project, "undo")
    marks = {path for path in files(project) if path.endswith(".remote")}
    assert changed(before, files(project)) == marks


def test_an_undo_after_the_purge_names_what_to_pull(project: Path, away: Path) -> None:
    """It changes nothing until the archives are here again, and then is done."""
    before = files(project)
    offload(project, ARCHIVE_REMOTE=str(away))
    run = max(path.name for path in (project / "training/.history").glob("*_archive"))
    refused = recipe(project, "undo", run, status=2).stderr
    assert f"just pull {NAME} {LOGS} {TWO} first" in refused
    recipe(project, "pull", NAME, LOGS, TWO, ARCHIVE_REMOTE=str(away))
    recipe(project, "undo", run)
    marks = {path for path in files(project) if path.endswith(".remote")}
    assert changed(before, files(project)) == marks
    recipe(project, "undo")  # of the clean-up, from the archives that were away
    assert (project / WEIGHTS).read_bytes() == MESS[WEIGHTS]


def test_the_clean_up_is_not_undone_without_its_archives(project: Path, away: Path) -> None:
    """Even when the drop itself was forgotten: it names what to pull, and changes nothing."""
    recipe(project, "push", ARCHIVE_REMOTE=str(away))
    for name in (NAME, LOGS, TWO):
        (project / ARCHIVED / f"{name}.tar.gz").unlink()
    before = files(project)
    assert "just pull" in recipe(project, "undo", status=2).stderr
    assert not changed(before, files(project))


def test_another_machine_learns_what_a_store_has(project: Path, other: Path, away: Path) -> None:
    """`just pull` alone fetches the manifests; then an archive is restored that was never there."""
    shutil.rmtree(other / "training/.history")
    just(project, "push", ARCHIVE_REMOTE=str(away))
    just(other, "pull", ARCHIVE_REMOTE=str(away))
    assert names(other / ARCHIVED) >= {f"{NAME}.json", f"{NAME}.sha256", f"{NAME}.remote"}
    assert archives_here(other) == set()
    just(other, "restore", NAME, NOTES, ARCHIVE_REMOTE=str(away))
    assert (other / NOTES).read_bytes() == MESS[NOTES]
    assert (other / ONE).is_dir()


def test_check_and_verify_know_that_an_archive_is_elsewhere(project: Path, away: Path) -> None:
    """Dropped by the recipe: nothing is damaged or missing. Deleted by hand, unpushed: it is."""
    offload(project, NAME, ARCHIVE_REMOTE=str(away))
    recipe(project, "check")
    assert recipe_json(project, "verify")["unknown"] == 1
    (project / ARCHIVED / f"{TWO}.tar.gz").unlink()
    assert recipe_json(project, "verify", status=1)["damaged"] == 1


def test_more_copies_than_stores_drop_nothing(project: Path, away: Path, tmp_path: Path) -> None:
    """With min_copies = 2 one store is refused; of two, both must have it, and the purge asks."""
    conventions = project / "training/conventions.toml"
    text = conventions.read_text().replace("min_copies = 1", "min_copies = 2")
    conventions.write_text(text)
    refused = recipe(project, "archive", "--offload", status=2, ARCHIVE_REMOTE=str(away)).stderr
    assert "asks for 2 copies elsewhere" in refused
    both = {"ARCHIVE_REMOTE": f"{away}; {tmp_path / 'far'}"}
    at(both, project, "archive", "--offload", NAME, "--apply")
    assert names(away) == names(tmp_path / "far") == {f"{NAME}{suffix}" for suffix in SUFFIXES}
    (tmp_path / "far" / f"{NAME}.tar.gz").unlink()
    assert "asks for 2" in at(both, project, "purge", "--apply", status=1).stderr


def test_what_keeps_waiting_originals_is_not_dropped(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, away: Path
) -> None:
    """Archives whose originals lie in quarantine stay, aloud: the purge will need them."""
    fresh = twin(packed(tmp_path_factory.getbasetemp()), tmp_path / "fresh")
    words = ("archive", "--offload", "--apply")
    shown = recipe(fresh, *words, status=1, ARCHIVE_REMOTE=str(away)).stdout
    assert "just purge" in shown
    assert len(archives_here(fresh)) == 3


def test_a_damaged_archive_is_not_sent(project: Path, away: Path) -> None:
    """What does not fit its checksum stays here and is named; a store never gets it."""
    flip(project / ARCHIVED / f"{NAME}.tar.gz", 300)
    failed = recipe(project, "push", NAME, status=1, ARCHIVE_REMOTE=str(away)).stderr
    assert "is not what its checksum says" in failed
    assert names(away) == set()


def test_a_name_that_no_store_has_is_a_mistake(project: Path, away: Path) -> None:
    """There is nothing to try again, unlike where a manifest tells of the archive."""
    failed = recipe(project, "pull", "lost", status=2, ARCHIVE_REMOTE=str(away)).stderr
    assert failed.startswith("lost.tar.gz: is not there")
    assert "just status lists it" in failed


def test_a_missing_remote_file_is_one_line(project: Path, away: Path) -> None:
    """Gone from the store: pull and restore name it, with status 1."""
    offload(project, NAME, ARCHIVE_REMOTE=str(away))
    (away / f"{NAME}.tar.gz").unlink()
    for name in ("pull", "restore"):
        failed = recipe(project, name, NAME, status=1, ARCHIVE_REMOTE=str(away)).stderr
        assert failed.startswith(f"{NAME}.tar.gz: is not there")
        assert len(lines(failed)) == 1


def test_odd_names_are_never_options_or_patterns(tmp_path: Path) -> None:
    """Names reach rclone as they are, whatever they begin with; what no list holds is refused."""
    odd = ["-x.tar.gz", "--config=y", "#z é", ";a*[b]{c}", "$(d)"]
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    for name in [*odd, "other"]:
        (here / name).write_text(name)
    remote = Remote(str(there), "there", is_folder=True)
    assert remote.send(here, odd) is None
    assert names(there) == set(odd)
    assert remote.differences(here, odd) == {}
    (there / odd[0]).write_text("changed!!")
    assert set(remote.differences(here, [*odd, "other"])) == {odd[0], "other"}
    with pytest.raises(UserError, match="rename"):
        listable(["a\nb"])


def test_a_store_without_hashes_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a store that knows no hashes (crypt) other bytes of the same size are found."""
    monkeypatch.setenv("RCLONE_CONFIG", os.devnull)
    monkeypatch.setenv("RCLONE_SIZE_ONLY", "true")
    obscured = subprocess.run(
        ["rclone", "obscure", "pass"], check=True, capture_output=True, text=True
    ).stdout.strip()
    monkeypatch.setenv("RCLONE_CONFIG_SAFE_TYPE", "crypt")
    monkeypatch.setenv("RCLONE_CONFIG_SAFE_REMOTE", str(tmp_path / "crypt"))
    monkeypatch.setenv("RCLONE_CONFIG_SAFE_PASSWORD", obscured)
    (tmp_path / "a").write_bytes(b"one")
    remote = Remote("safe:", "safe:")
    assert remote.send(tmp_path, ["a"]) is None
    assert remote.differences(tmp_path, ["a"]) == {}
    (tmp_path / "a").write_bytes(b"two")
    assert set(remote.differences(tmp_path, ["a"])) == {"a"}


def test_a_hostile_store_writes_nothing_but_archives(project: Path, away: Path) -> None:
    """Broken manifests and odd names there are refused, and nothing of them stays here."""
    away.mkdir()
    for suffix in SUFFIXES:
        (away / f"evil{suffix}").write_text("{}")
        (away / f".hidden{suffix}").write_text("{}")
    before = files(project)
    failed = recipe(project, "pull", status=1, ARCHIVE_REMOTE=str(away)).stderr
    assert "is no manifest" in failed
    assert len(lines(failed)) == 1
    recipe(project, "pull", "../evil", status=1, ARCHIVE_REMOTE=str(away))
    assert not changed(before, files(project))


def test_a_damaged_manifest_at_a_store_keeps_no_other_from_coming(
    project: Path, other: Path, away: Path
) -> None:
    """It is named, each time; all others are known here afterwards. Hidden files are nobody's."""
    recipe(project, "push", ARCHIVE_REMOTE=str(away))
    (away / f"{NAME}.json").write_text("{")
    for suffix in SUFFIXES:  # as macOS leaves them on foreign disks
        (away / f"._{TWO}{suffix}").write_bytes(b"\0\5\x16\7")
    for _ in range(2):
        failed = recipe(other, "pull", status=1, ARCHIVE_REMOTE=str(away)).stderr
        assert failed.startswith(f"{NAME}.json: ")
        assert len(lines(failed)) == 1
    assert {packed.name for packed in catalog.archives(opened(other))} == {LOGS, TWO}


def test_a_damaged_archive_at_a_store_keeps_no_other_from_coming(
    project: Path, away: Path, other: Path
) -> None:
    """Of those that are asked for by name."""
    recipe(project, "push", TWO, NAME, ARCHIVE_REMOTE=str(away))
    flip(away / f"{NAME}.tar.gz", 300)
    before = files(other)
    wanted = (NAME, "nothing", TWO)
    refused = recipe(other, "pull", *wanted, status=2, ARCHIVE_REMOTE=str(away)).stderr
    assert refused.startswith("nothing.tar.gz: is not there")
    assert not changed(before, files(other))
    failed = recipe(other, "pull", NAME, TWO, status=1, ARCHIVE_REMOTE=str(away)).stderr
    assert f"{NAME}: is damaged at" in failed
    assert failed.count("\n") == 1
    assert archives_here(other) == {f"{TWO}.tar.gz"}


def test_an_archive_that_is_not_its_checksum_s_is_not_taken(
    project: Path, other: Path, away: Path
) -> None:
    """Archive and manifest agree, and the checksum tells of another: nothing of them is kept."""
    recipe(project, "push", TWO, NAME, ARCHIVE_REMOTE=str(away))
    line = (away / f"{TWO}.sha256").read_text().replace(TWO, NAME)
    (away / f"{NAME}.sha256").write_text(line)
    before = files(other)
    failed = recipe(other, "pull", NAME, status=1, ARCHIVE_REMOTE=str(away)).stderr
    assert "is damaged at" in failed
    assert not changed(before, files(other))


def test_a_mark_of_another_archive_counts_for_nothing(project: Path, away: Path) -> None:
    """A name that was used again: what is noted of the old archive does not hide a loss."""
    recipe(project, "push", NAME, ARCHIVE_REMOTE=str(away))
    mark = project / ARCHIVED / f"{NAME}.remote"
    mark.write_text(json.dumps(json.loads(mark.read_text()) | {"sha256": "0" * 64}))
    (project / ARCHIVED / f"{NAME}.tar.gz").unlink()
    (found,) = (p for p in catalog.archives(opened(project)) if p.name == NAME)
    assert (found.here, found.remote) == (False, None)


def test_no_rclone_is_one_line(project: Path, away: Path, tmp_path: Path) -> None:
    """It says how to get it, and nothing is changed."""
    (tmp_path / "bin").mkdir()
    for program in ("sh", "git"):
        (tmp_path / "bin" / program).symlink_to(str(shutil.which(program)))
    failed = recipe(
        project, "push", status=2, ARCHIVE_REMOTE=str(away), PATH=str(tmp_path / "bin")
    ).stderr
    assert "rclone is missing: apt install rclone" in failed
    assert len(lines(failed)) == 1


def test_an_interrupted_drop_is_finished_without_the_store(
    project: Path, away: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resume needs no network: what waits in quarantine is safe until a purge asks the store."""
    monkeypatch.setenv("ARCHIVE_REMOTE", str(away))
    plan = transfer.offload(opened(project), [], datetime(2026, 1, 1), send=True)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Steps, "quarantine", interrupted)
    with pytest.raises(KeyboardInterrupt):
        apply(opened(project), plan, datetime(2026, 1, 1))
    monkeypatch.undo()
    recipe(project, "resume")
    assert archives_here(project) == set()


@pytest.mark.parametrize("said", [None, "7m"])
def test_a_silent_store_is_given_up_earlier_unless_the_user_says_otherwise(
    said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """rclone alone waits for five minutes."""
    rclone = tmp_path / "rclone"
    rclone.write_text(
        """#!/bin/sh\necho "[{\\"Path\\": \\"$RCLONE_TIMEOUT\\", \\"Size\\": 1}]"\n"""
    )
    rclone.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    if said:
        monkeypatch.setenv("RCLONE_TIMEOUT", said)
    assert Remote("store:", "store:").sizes() == {said or "1m": 1}
