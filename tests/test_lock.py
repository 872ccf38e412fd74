"""Only one process at a time changes a project."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import engine
from engine.changes.lock import Held, project_lock, refuse_held
from engine.errors import UserError

RECIPES = Path(engine.__file__).parents[1]
HOLD = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from engine.changes.lock import project_lock
with project_lock(Path(sys.argv[2])):
    print("held", flush=True)
    time.sleep(60)
"""


def hold(history: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(RECIPES), str(history), "new\nline\x1b[31m"]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def end(holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.communicate()


def test_the_lock_names_who_holds_it(tmp_path: Path) -> None:
    """A second process is told the first one's number and command, in one harmless line."""
    holder = hold(tmp_path / ".history")
    try:
        with pytest.raises(UserError) as problem, project_lock(tmp_path / ".history"):
            pass
    finally:
        end(holder)
    message = str(problem.value)
    assert f"held by process {holder.pid} on " in message
    assert str(RECIPES) in message
    assert message.isprintable()


def test_the_lock_ends_with_its_holder(tmp_path: Path) -> None:
    """A killed process leaves no lock behind, however old or young the file is."""
    end(hold(tmp_path))
    with project_lock(tmp_path):
        assert (tmp_path / "lock").exists()


def test_the_lock_file_stays(tmp_path: Path) -> None:
    """The file is never removed, so that two processes never lock two files."""
    with project_lock(tmp_path):
        inode = (tmp_path / "lock").stat().st_ino
    with project_lock(tmp_path):
        assert (tmp_path / "lock").stat().st_ino == inode
        assert f"process {os.getpid()} on" in (tmp_path / "lock").read_text()


def test_a_former_holder_is_not_named(tmp_path: Path) -> None:
    """Of a longer text that stood in the file nothing is left."""
    (tmp_path / "lock").write_text("process 1 on elsewhere (just cleanup)" * 50)
    with project_lock(tmp_path):
        assert "elsewhere" not in (tmp_path / "lock").read_text()


def test_an_old_lock_file_still_locks(tmp_path: Path) -> None:
    """A holder that works for days is not robbed."""
    with project_lock(tmp_path):
        os.utime(tmp_path / "lock", (0, 0))
        with pytest.raises(UserError), project_lock(tmp_path):
            pass


def test_the_lock_is_released_after_an_error(tmp_path: Path) -> None:
    """A recipe that fails does not lock out the next one."""
    with pytest.raises(ZeroDivisionError), project_lock(tmp_path):
        raise ZeroDivisionError
    with project_lock(tmp_path):
        pass


def test_a_run_that_goes_on_is_not_called_interrupted(tmp_path: Path) -> None:
    """Who holds the lock is named to all but itself, also to who only looks."""
    process = hold(tmp_path)
    try:
        with pytest.raises(Held, match=f"process {process.pid} .*wait until it ends"):
            refuse_held(tmp_path)
    finally:
        end(process)
    refuse_held(tmp_path)
    with project_lock(tmp_path):
        refuse_held(tmp_path)
    refuse_held(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_nothing_is_waited_for(tmp_path: Path) -> None:
    """A held lock is told at once."""
    with project_lock(tmp_path):
        start = time.monotonic()
        with pytest.raises(UserError), project_lock(tmp_path):
            pass
        assert time.monotonic() - start < 1


def test_the_history_is_not_made_through_a_symlink(tmp_path: Path) -> None:
    """A history that is a symlink, dangling or not, is refused."""
    (tmp_path / "elsewhere").mkdir()
    for name, target in {"live": "elsewhere", "dangling": "nowhere"}.items():
        (tmp_path / name).symlink_to(target)
        with pytest.raises(UserError, match="is not a folder"), project_lock(tmp_path / name):
            pass


def test_the_history_is_made_with_its_parents(tmp_path: Path) -> None:
    """A repository that has no training folder yet can be locked."""
    with project_lock(tmp_path / "training/.history"):
        assert (tmp_path / "training/.history/lock").is_file()
