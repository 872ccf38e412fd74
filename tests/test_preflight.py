"""What must hold before a run begins: nothing is changed while any of it does not."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import cleanup
import new
import purge
import train
import undo
from conftest import NOBODY
from place import Place


@pytest.fixture
def place(open_folder: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    """A repository of the user that a test may become."""
    Place(open_folder / "first", capsys).there_and_back()  # nothing is left to be imported
    return Place(open_folder / "repository", capsys)


def give_away(root: Path) -> None:
    """Give all in a folder to the user that the test becomes."""
    for path in (root, *root.rglob("*")):
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)


@pytest.mark.parametrize("variable", ["TRAINING_DIR", "MODEL_WEIGHTS_DIR"])
@pytest.mark.parametrize("words", [(), ("--json",), ("--apply",)])
def test_a_folder_that_may_not_be_made_is_refused_with_the_plan(
    words: tuple[str, ...], variable: str, place: Place, unprivileged: Callable[[], None]
) -> None:
    """One that `.env` names below another's: nobody plans in vain, and nothing is changed."""
    theirs = place.root.parent / "theirs"
    theirs.mkdir(0o555)
    place.write(".env", f"{variable}={theirs}/training\n")
    place.settle()
    give_away(place.root)
    unprivileged()
    status, said = place.run(cleanup.main, *words)
    assert (status, said.splitlines()[0].split(": ")[0]) == (2, str(theirs))
    assert "name another folder in .env" in said
    assert not place.changed()


def train_net(options: list[str]) -> int:
    return train.main(["net", *options, "--", "true"])


@pytest.mark.parametrize(
    ("main", "words"),
    [(train_net, ()), (undo.main, ()), (purge.main, ("--apply",))],
    ids=["train", "undo", "purge"],
)
def test_who_may_only_read_is_refused_in_a_line(
    main: Callable[[list[str]], int],
    words: tuple[str, ...],
    place: Place,
    unprivileged: Callable[[], None],
) -> None:
    """Also by what makes no plan: nothing was begun, so there is nothing to resume or undo."""
    place.settle()
    (place.root / "training/.history").mkdir(parents=True)
    (place.root / "training/experiments/active").mkdir(parents=True, exist_ok=True)
    for folder in (place.root, *place.root.rglob("*")):
        folder.chmod(0o555)
    place.before = place.tree()
    unprivileged()
    status, said = place.run(main, *words)
    assert (status, "may not be written to" in said, len(said.splitlines())) == (2, True, 1)
    assert "just resume" not in said
    assert not place.changed()


def test_who_may_only_read_a_repository_sees_its_plan(
    place: Place, unprivileged: Callable[[], None]
) -> None:
    """Only to carry it out is refused, before anything is changed."""
    place.settle()
    for folder in (place.root, *place.root.rglob("*")):
        folder.chmod(0o555)
    place.before = place.tree()
    unprivileged()
    assert place.run(cleanup.main)[0] == 0
    status, said = place.run(cleanup.main, "--apply")
    assert (status, "may not be written to" in said, len(said.splitlines())) == (2, True, 1)
    assert place.run(new.main, "net")[0] == 2
    assert not place.changed()


def test_a_lock_of_someone_who_does_not_share_is_told_in_a_line(
    place: Place, unprivileged: Callable[[], None]
) -> None:
    """The folder may be written to and the file in it not: who can mend it, and how."""
    lock = place.write("training/.history/lock", "")
    place.settle()
    lock.parent.chmod(0o777)
    lock.chmod(0o444)
    unprivileged()
    status, said = place.run(undo.main)
    assert (status, said.split(": ")[0], "umask 002" in said) == (2, str(lock), True)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root is several")
def test_a_group_shares_a_project(place: Place) -> None:
    """Whose umask lets the group write can take back what another of the group did."""
    place.settle()
    before = os.umask(0o002)
    try:
        assert place.run(cleanup.main, "--apply")[0] == 0
        for path in (place.root, *place.root.rglob("*")):
            os.chown(path, -1, NOBODY, follow_symlinks=False)
            if path.is_dir():
                path.chmod(0o775)
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
        said = place.run(undo.main)[1]
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.umask(before)
    assert "is taken back" in said
    assert not [path for path in place.changed() if not (place.root / path).is_dir()]
