"""A file that someone works on is seen, and the reason is told."""

import mmap
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import engine
from engine.recognition import in_use as module
from engine.recognition.in_use import in_use
from template_fixture import commit_all

RECIPES = Path(engine.__file__).parents[1]
NOW = 1_750_000_000.0
linux = pytest.mark.skipif(sys.platform != "linux", reason="open files are seen on Linux alone")


def old(path: Path, seconds_ago: float = 1e6) -> Path:
    path.write_bytes(b"weights")
    os.utime(path, (NOW - seconds_ago, NOW - seconds_ago))
    return path


@pytest.mark.parametrize(
    ("age", "reason"),
    [
        (0, "changed 0 seconds ago"),
        (1, "changed 1 second ago"),
        (200, "changed 3 minutes ago"),
        (599, "changed 9 minutes ago"),
        (600, None),
        (-7200, "changed 2 hours in the future: a clock is wrong, or `touch` it"),
    ],
)
def test_a_recent_change_is_a_reason(age: float, reason: str | None, tmp_path: Path) -> None:
    """What changed within the window, or after now, is in use; what is as old as it is not."""
    old(tmp_path / "file", age)
    assert in_use(tmp_path, ["file"], NOW, 600).get("file") == reason


def test_what_a_clone_brought_is_not_in_use(tmp_path: Path) -> None:
    """A checkout gives all its files one time; only what differs from it is being worked on."""
    for name in ("same", "changed"):
        old(tmp_path / name)
    commit_all(tmp_path)
    for name in ("same", "changed", "new"):
        old(tmp_path / name, 1)
    (tmp_path / "changed").write_bytes(b"trained on")
    os.utime(tmp_path / "changed", (NOW - 1, NOW - 1))
    assert in_use(tmp_path, ["same", "changed", "new"], NOW, 600).keys() == {"changed", "new"}


@linux
def test_a_writer_is_named(tmp_path: Path) -> None:
    """A process that has the file open for writing is told by number and name."""
    path = old(tmp_path / "file")
    code = "import sys, time; f = open(sys.argv[1], 'ab'); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        reasons = in_use(tmp_path, ["file"], NOW, 600)
        writer.kill()
    assert reasons["file"].startswith(f"open in process {writer.pid} (python")
    assert in_use(tmp_path, ["file"], NOW, 600) == {}


@linux
def test_a_reader_is_no_reason(tmp_path: Path) -> None:
    """A file that is only read can be moved."""
    with old(tmp_path / "file").open("rb"):
        assert in_use(tmp_path, ["file"], NOW, 600) == {}


@linux
def test_a_writer_by_another_name_is_seen(tmp_path: Path) -> None:
    """It is the file that counts, not the name under which it was opened."""
    path = old(tmp_path / "file")
    (tmp_path / "twin").hardlink_to(path)
    with (tmp_path / "twin").open("r+b"):
        assert "file" in in_use(tmp_path, ["file"], NOW, 600)


@linux
def test_a_writer_that_proc_hides_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's process, or one in a container, shows by the lease that is refused."""
    monkeypatch.setattr(module, "_writers", lambda _: {})
    path = old(tmp_path / "file")
    with path.open("ab"):
        assert in_use(tmp_path, ["file"], NOW, 600) == {
            "file": "open for writing in a process that cannot be seen"
        }
    assert in_use(tmp_path, ["file"], NOW, 600) == {}


@linux
def test_a_writable_map_is_seen(tmp_path: Path) -> None:
    """An array that is mapped for writing counts although its descriptor is closed."""
    path = old(tmp_path / "file")
    descriptor = os.open(path, os.O_RDWR)
    with mmap.mmap(descriptor, 0) as mapped:
        os.close(descriptor)
        assert "file" in in_use(tmp_path, ["file"], NOW, 600)
        assert mapped[0:1] == b"w"


def test_links_folders_and_missing_files_are_not_in_use(tmp_path: Path) -> None:
    """Nothing is followed, and nothing fails."""
    with (tmp_path / "file").open("wb"):
        (tmp_path / "link").symlink_to("file")
        (tmp_path / "folder").mkdir()
        assert in_use(tmp_path, ["link", "folder", "none", "file/none"], NOW, 600) == {}


@linux
def test_a_writer_who_comes_meanwhile_does_not_end_us(tmp_path: Path) -> None:
    """Looking while others open the file for writing is survived by both sides."""
    path = old(tmp_path / "file")
    code = f"""
import sys; sys.path.insert(0, {str(RECIPES)!r})
from pathlib import Path
from engine.recognition.in_use import _unseen_writer
for _ in range(20000): _unseen_writer(Path({str(path)!r}))
print("alive")
"""
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            os.close(os.open(path, os.O_WRONLY))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    finally:
        stop.set()
        writer.join()
    assert (run.returncode, run.stdout) == (0, "alive\n")


def test_ten_thousand_files_are_looked_at_quickly(tmp_path: Path) -> None:
    """The look takes less than a second of work."""
    paths = [f"file_{number}" for number in range(10_000)]
    for path in paths:
        (tmp_path / path).touch()
    start = time.process_time()
    in_use(tmp_path, paths, NOW, 600)
    assert time.process_time() - start < 1
