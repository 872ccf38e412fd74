"""What a careless user typed, wrote or deleted by hand is told in a line that says what to do."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import cleanup
import purge
import restore
import resume
import undo
from conventions_text import CONVENTIONS
from engine.changes import disk
from place import Place
from projects import changed


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    return Place(tmp_path / "repository", capsys)


def test_a_glob_that_matches_nothing_is_told(place: Place) -> None:
    """With the plan and with what is done: the files that were meant are not kept."""
    place.settle()
    words = ("--keep", "./runs/one", "--keep", "runs/one/last.pt")
    told = "--keep ./runs/one: matches nothing"
    notes = place.plan(*words)["notes"]
    assert [note.split(";")[0] for note in notes if "matches" in note] == [told]
    assert told in place.run(cleanup.main, *words, "--apply")[1]


def test_a_pick_that_is_no_checkpoint_is_told(place: Place) -> None:
    """One that a clean-up has moved is not: it was right when it was made."""
    picks = 'pick = ["runs/one/last.pt", "runs/one/lost.pt"]'
    place.write("training/conventions.toml", CONVENTIONS.replace("pick = []", picks))
    place.settle()
    for main, words in ((cleanup.main, ["--apply"]), (cleanup.main, []), (undo.main, [])):
        notes = [note for note in place.plan()["notes"] if "production.pick" in note]
        assert notes == [
            "conventions.toml: production.pick runs/one/lost.pt: is no checkpoint that was found"
        ]
        assert place.run(main, *words)[0] == 0


def test_a_restored_run_is_told_to_be_packed_already(place: Place) -> None:
    """As long as it is as it was; with what leaves it, or takes it away again."""
    place.weights("runs/two/best.pt", 0.5)
    place.settle()
    place.run(cleanup.main, "--apply")
    place.run(restore.main, "undated_two")
    (note,) = (note for note in place.plan()["notes"] if "already" in note)
    assert note.startswith("runs/two: undated_two seems to hold it already; ")
    assert not [a for a in place.plan("--keep", "runs/two")["actions"] if a["verb"] == "pack"]
    os.utime(place.root / "runs/two/best.pt", (1, 1))
    assert not [note for note in place.plan()["notes"] if "already" in note]


def history(place: Place, name: str) -> Path:
    """Return a file of the history of the only run."""
    (path,) = (place.root / "training/.history").glob(f"*/{name}")
    return path


@pytest.mark.parametrize("main", [undo.main, resume.main, purge.main, cleanup.main])
@pytest.mark.parametrize("is_empty", [True, False])
def test_a_run_without_its_journal_is_not_called_taken_back(
    is_empty: bool, main: Callable[[list[str]], int], place: Place
) -> None:
    """What it did is there, and nobody knows any more what that was: one line says what helps."""
    place.settle()
    place.run(cleanup.main, "--apply")
    journal = history(place, "journal.jsonl")
    kept = journal.read_bytes()
    journal.write_bytes(b"") if is_empty else journal.unlink()
    before = place.tree()
    status, said = place.run(main)
    assert (status, said.count("\n")) == (2, 0)
    assert said.startswith(f"{journal}: has gone or is empty")
    assert not changed(before, place.tree())
    journal.write_bytes(kept)
    assert place.run(undo.main)[0] == 0
    assert not place.changed()


def test_an_empty_journal_of_a_run_that_did_nothing_is_no_loss(place: Place) -> None:
    """It was stopped before its first step."""
    place.settle()
    place.run(cleanup.main, "--apply")
    place.run(undo.main)
    history(place, "journal.jsonl").write_bytes(b"")
    assert place.run(undo.main)[0] == 0
    assert not place.changed()


@pytest.mark.parametrize("content", [None, b"{", b"[]"])
def test_all_files_come_back_without_what_tells_of_their_folders(
    content: bytes | None, place: Place
) -> None:
    """Only the folders' modes and times cannot, which is told."""
    place.settle()
    place.run(cleanup.main, "--apply")
    told = history(place, "folders.json")
    told.unlink() if content is None else told.write_bytes(content)
    status, said = place.run(undo.main)
    assert (status, f"{told}: cannot be read" in said) == (1, True)
    assert all((place.root / path).is_dir() for path in place.changed())
    assert place.run(undo.main)[1] == "Nothing to take back.\n"


def test_a_run_without_its_plan_is_told(place: Place) -> None:
    """It is a run all the same: nothing of it is swept away, and its journal is enough to purge."""
    place.settle()
    place.run(cleanup.main, "--apply")
    plan = history(place, "plan.json")
    kept = plan.read_bytes()
    plan.unlink()
    status, said = place.run(undo.main)
    assert (status, said.startswith(f"{plan}: the plan of this run cannot be read")) == (2, True)
    assert place.run(purge.main, "--apply")[0] == 0
    plan.write_bytes(kept)
    assert place.run(undo.main)[0] == 0
    assert not place.changed()


def test_a_full_disk_is_told_with_an_option_that_there_is(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What packs can free originals as it goes; an undo after a purge cannot."""
    place.settle()
    place.run(cleanup.main, "--apply")
    place.run(purge.main, "--apply")
    monkeypatch.setattr(disk, "free_bytes", lambda place: 0)
    status, said = place.run(undo.main)
    assert (status, said.endswith("are free; free some space")) == (2, True)
    place.weights("runs/new/best.pt", 0.5)
    place.settle()
    assert place.run(cleanup.main, "--apply")[1].endswith("or pack with --purge-as-you-go")


def test_picks_that_compete_are_refused(place: Place) -> None:
    """One would not be in production, and with --delete-redundant it was to be deleted."""
    place.settle()
    words = ("--pick", "runs/one/best.pt", "--pick", "runs/one/last.pt", "--delete-redundant")
    status, said = place.run(cleanup.main, *words, "--apply")
    assert (status, said.startswith("--pick runs/one/last.pt: another --pick takes")) == (2, True)
    assert not place.changed()
    assert place.run(cleanup.main, *words[2:])[0] == 0
