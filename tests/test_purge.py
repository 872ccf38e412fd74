"""No proof, no delete."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

import cleanup
import purge
import undo
import verify
from conventions_text import CONVENTIONS
from engine.changes import disk
from engine.changes import purge as checks
from engine.changes.journal import Record
from engine.changes.kept import Place, follow, taken
from engine.changes.known_hashes import FILE, Known, KnownHashes
from engine.changes.purge import Proof
from engine.project import open_project
from packed_project import flip
from place import Place as Repository
from projects import changed, contents, tree
from torch_writer import Tensor, save


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Repository:
    """A run with a copy of its best, packed and dropped; all waits in quarantine."""
    made = Repository(tmp_path / "repository", capsys)
    made.weights("runs/one/best (copy).pt", 0.7)
    (made.root / "runs/one/link").symlink_to("best.pt")
    made.settle()
    assert made.run(cleanup.main, "--apply")[0] == 0
    return made


def quarantined(place: Repository, name: str) -> Path:
    history = place.root / "training/.history"
    (path,) = (path for path in history.glob("*/quarantine/**/*") if path.name == name)
    return path


def kept_back(place: Repository) -> str:
    status, said = place.run(purge.main, "--apply")
    assert status == 1
    return said


def test_only_a_check_makes_a_proof() -> None:
    """Nothing else can have a file deleted."""
    with pytest.raises(TypeError):
        Proof(Record("quarantine", "a", "done"), {}, object())


def test_without_apply_nothing_goes(place: Repository) -> None:
    """The plan names each file and where its bytes are by now."""
    status, said = place.run(purge.main, "--json")
    actions = {action["src"]: action["dst"] for action in json.loads(said)["actions"]}
    assert (status, {"runs/one/last.pt", "runs/one/best (copy).pt"} - {*actions}) == (0, set())
    assert not [kept for kept in actions.values() if not (place.root / kept).exists()]
    assert quarantined(place, "last.pt").exists()


def planned(place: Repository) -> dict[str, tuple[str, str | None, str]]:
    actions = json.loads(place.run(purge.main, "--json")[1])["actions"]
    return {action["src"]: (action["verb"], action["dst"], action["reason"]) for action in actions}


def test_a_plan_names_where_an_archive_is_by_now(place: Repository) -> None:
    """One that other conventions moved; what is kept in one that has gone is not to be freed."""
    text = CONVENTIONS.replace('archived = "experiments/archived"', 'archived = "packed"')
    place.write("training/conventions.toml", text)
    assert place.run(cleanup.main, "--apply")[0] == 0
    verb, archive, _ = planned(place)["runs/one/last.pt"]
    assert (verb, str(archive).startswith("training/packed/")) == ("delete", True)
    (place.root / str(archive)).unlink()
    gone = ("skip", None, f"{archive} has gone")
    assert planned(place)["runs/one/last.pt"] == gone


def test_what_was_written_to_in_quarantine_stays(place: Repository) -> None:
    """A writer that had the file open has put something there that is nowhere else."""
    for name in ("last.pt", "best (copy).pt"):
        with quarantined(place, name).open("ab") as file:
            file.write(b"more")
    said = kept_back(place)
    assert "last.pt: stays in quarantine: was written to since" in said
    assert quarantined(place, "last.pt").read_bytes().endswith(b"more")
    assert quarantined(place, "best (copy).pt").read_bytes().endswith(b"more")


@pytest.mark.parametrize("what", ["original", "archive"])
def test_what_is_written_to_after_it_was_proven_stays(
    what: str, place: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proof holds only while nothing that was read for it changes."""
    archive = place.root / "training/experiments/archived/undated_one.tar.gz"
    changing = quarantined(place, "last.pt") if what == "original" else archive
    real = checks._write_unless_full

    def write(*arguments: Any) -> None:
        real(*arguments)
        if arguments[1][0].op == "purge":
            with changing.open("ab") as file:
                file.write(b"more")

    monkeypatch.setattr(checks, "_write_unless_full", write)
    assert "last.pt: stays in quarantine: something was written meanwhile" in kept_back(place)
    assert quarantined(place, "last.pt").exists()


@pytest.mark.parametrize("call", ["unlink", "rename_no_replace"])
def test_what_cannot_be_deleted_does_not_hold_up_the_others(
    call: str, place: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a protected file, or one that is read-only on Windows: it stays under its name, aloud."""
    waiting = quarantined(place, "last.pt")
    owner = Path if call == "unlink" else disk
    real = getattr(owner, call)

    def refuse(path: disk.Name, *others: disk.Name) -> None:
        if "last.pt" in Path(path).name:
            raise PermissionError(1, "Operation not permitted", str(path))
        real(path, *others)

    with monkeypatch.context() as patched:
        patched.setattr(owner, call, refuse)
        said = kept_back(place)
    assert "last.pt: stays in quarantine: cannot be deleted: Operation not permitted" in said
    assert [*waiting.parent.iterdir()] == [waiting]
    assert place.run(purge.main, "--apply")[0] == 0
    assert place.run(undo.main)[0] == 0
    assert not place.changed()


def test_what_waits_behind_a_link_stays(place: Repository, tmp_path: Path) -> None:
    """Someone put the quarantine on another disk: no file and no folder goes there."""
    (quarantine,) = (place.root / "training/.history").glob("*/quarantine")
    (quarantine / "runs/one/empty").mkdir()
    quarantine.rename(tmp_path / "disk")
    quarantine.symlink_to(tmp_path / "disk")
    before = tree(tmp_path / "disk")
    assert "is behind a link by now" in kept_back(place)
    assert not changed(before, tree(tmp_path / "disk"))
    quarantine.unlink()
    (tmp_path / "disk").rename(quarantine)
    assert place.run(purge.main, "--apply")[0] == 0


def test_a_link_that_was_changed_stays(place: Repository) -> None:
    """It is its target that has to be in the archive."""
    link = quarantined(place, "link")
    link.unlink()
    link.symlink_to("elsewhere")
    assert "runs/one/link: stays" in kept_back(place)


def test_what_someone_writes_to_stays(place: Repository) -> None:
    """A file that a process has open for writing is not deleted."""
    with quarantined(place, "last.pt").open("ab"):
        assert "last.pt: stays in quarantine: in use" in kept_back(place)
    assert place.run(purge.main, "--apply")[0] == 0


@pytest.mark.parametrize("problem", ["gone", "changed"])
def test_the_last_copy_stays(problem: str, place: Repository) -> None:
    """When what was kept is not there any more, the dropped copy is the only one."""
    (kept,) = (place.root / "model_weights/production").glob("*.pt")
    kept.unlink() if problem == "gone" else kept.write_bytes(b"another training")
    assert "best (copy).pt: stays" in kept_back(place)
    assert quarantined(place, "best (copy).pt").exists()


# --- remembered hashes are not asked --------------------------------------------------------------


def lie(place: Repository, **sha256: str) -> None:
    """Have it remembered that files, as they are now, have these hashes."""
    project = open_project(place.root, place.root / "training/conventions.toml", {})
    known = KnownHashes(project)
    for path, told in sha256.items():
        known.note(path, known.state(path), Known("2025-07-25", told))
    known.save()


def test_a_remembered_hash_is_no_proof(place: Repository) -> None:
    """What is kept has rotted, and what is remembered says that it has not: nothing goes."""
    told = {path: known["sha256"] for path, known in remembered(place).items()}
    assert len(told) == 2
    for path in told:
        flip(place.root / path, 300)
    lie(place, **told)
    assert place.run(verify.main, "--quick")[0] == 0
    said = kept_back(place)
    assert "best (copy).pt: stays in quarantine" in said
    assert "last.pt: stays in quarantine: its archive is not whole" in said
    assert quarantined(place, "last.pt").exists()
    assert quarantined(place, "best (copy).pt").exists()


def test_a_remembered_hash_drops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two files differ, and what is remembered says that they are equal: both are kept."""
    place = Repository(tmp_path / "repository", capsys)
    one, other = "runs/one/best.pt", "runs/one/best (copy).pt"
    for name in (one, other):
        save(place.root / name, {"val_auc": 0.7, "model": {"w": Tensor((20_000,), seed=1)}})
    flip(place.root / other, 30_000)  # beyond what is read of every large file
    place.settle()
    assert not {a["src"] for a in place.plan()["actions"] if a["verb"] == "drop"}
    before = contents(place.root / "runs")
    lie(place, **dict.fromkeys((one, other), "0" * 64))
    assert {a["src"] for a in place.plan()["actions"] if a["verb"] == "drop"} & {one, other}
    status, said = place.run(cleanup.main, "--apply")
    assert status == 1
    assert "differs from" in said
    place.run(purge.main, "--apply")
    assert (place.root / one).exists() + (place.root / other).exists() > 0
    place.run(undo.main)
    assert contents(place.root / "runs") == before


def remembered(place: Repository) -> dict[str, Any]:
    known = json.loads((place.root / "training/.history" / FILE).read_bytes())
    assert isinstance(known, dict)
    return known


# --- where the bytes are by now -------------------------------------------------------------------


def test_bytes_are_found_where_newer_runs_put_them() -> None:
    """What was kept went to production, from there into an archive, and that was moved."""

    def moved(src: str, dst: str) -> Record:
        return Record("move", src, "done", src, dst)

    packed = Record("quarantine", "p", "done", "p", kept={"archive": "x.tar.gz", "member": "p"})
    dropped = Record("quarantine", "p", "done", "p", kept={"copy": "twin"})
    asked = Record("quarantine", "p", "done", "p", kept={"delete": "worse"})
    first = [moved("kept", "p"), moved("other", "kept")]
    archives = [packed, moved("x.tar.gz", "y.tar.gz")]
    for runs, place in (
        ([first], Place("p")),
        ([first, archives], Place("y.tar.gz", "p")),
        ([first, [dropped]], Place("twin")),
        ([first, [asked]], None),
        ([[first[0]._replace(state="undone")]], Place("kept")),
        ([[moved("kept", "b"), moved("b", "kept")]], Place("kept")),
    ):
        assert follow(map(taken, runs), Place("kept")) == place


def test_a_quarantine_that_someone_emptied_is_rebuilt(place: Repository) -> None:
    """`git clean -x` takes the originals; the archive and the kept copy have the bytes."""
    for path in sorted((place.root / "training/.history").glob("*/quarantine/**/*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    assert place.run(undo.main)[0] == 0
    assert not place.changed()


def test_what_is_written_to_while_it_is_rebuilt_from_is_told(
    place: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy that was kept is in use again: what it was kept for does not come back, aloud."""
    assert place.run(purge.main, "--apply")[0] == 0

    def changed(src: Path, dst: Path) -> str:
        raise disk.Changed(f"{src}: was written to")

    monkeypatch.setattr(disk, "copy_new", changed)
    status, said = place.run(undo.main)
    assert (status, "best (copy).pt: best.pt, which had the same bytes" in said) == (1, True)


def test_a_part_that_was_purged_is_rebuilt_with_the_rest(place: Repository) -> None:
    """Undo after a purge that kept some back has each file once."""
    with quarantined(place, "last.pt").open("ab"):
        kept_back(place)
    assert place.run(undo.main)[0] == 0
    assert not place.changed()


def test_what_has_another_name_frees_nothing(place: Repository, tmp_path: Path) -> None:
    """A file that is hard-linked elsewhere goes, and its bytes are not called freed."""
    waiting = quarantined(place, "last.pt")
    os.link(waiting, tmp_path / "elsewhere.pt")
    count = sum(
        path.lstat().st_size
        for path in (place.root / "training/.history").glob("*/quarantine/**/*")
        if not path.is_dir() and path != waiting
    )
    status, said = place.run(purge.main, "--apply", "--json")
    assert (status, [run["bytes"] for run in json.loads(said)["runs"]]) == (0, [count])
    assert not waiting.exists()


def test_all_runs_are_told_in_one_answer(place: Repository) -> None:
    """For programs it is one value, however many runs were freed; each tells what it kept."""
    place.weights("runs/two/best.pt", 0.3)
    place.settle()
    assert place.run(cleanup.main, "--apply")[0] == 0
    quarantined(place, "last.pt").write_bytes(b"written since")
    status, said = place.run(purge.main, "--apply", "--json")
    first, second = json.loads(said[said.index("{") : said.rindex("}") + 1])["runs"]
    assert (status, [*first["kept"]], second["kept"]) == (1, ["runs/one/last.pt"], {})
    assert (second["files"], second["remarks"]) == (1, [])
    assert first["run"] < second["run"]


def test_purging_as_one_goes_needs_less(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A disk that cannot hold all archives beside the originals can hold one after the other."""
    place = Repository(tmp_path / "repository", capsys)
    for run in ("two", "three", "four"):
        place.weights(f"runs/{run}/best.pt", 0.1)
        place.write(f"runs/{run}/huge.bin", bytes(4 << 20))
    place.settle()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(disk, "free_bytes", lambda _: 8 << 20)
        status, said = place.run(cleanup.main, "--apply")
        assert (status, "8.4 MB are free" in said) == (2, True)
        assert place.run(cleanup.main, "--apply", "--purge-as-you-go")[0] == 0
    assert not list((place.root / "training/.history").glob("*/quarantine/**/*.bin"))
    assert place.run(undo.main)[0] == 0
    assert not place.changed()
