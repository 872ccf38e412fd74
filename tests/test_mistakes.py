"""What a careless user typed, wrote or deleted by hand is told in a line that says what to do."""

from pathlib import Path

import pytest

import cleanup
import undo
from conventions_text import CONVENTIONS
from place import Place


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
