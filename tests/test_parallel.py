"""Reading is shared among processes after a while: the answers are the same, whatever dies."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from engine import cores, processes
from engine.readers import parallel

SAMPLES = Path(__file__).parent / "samples"
FILES = sorted(
    path.relative_to(SAMPLES).as_posix() for path in SAMPLES.rglob("*") if path.is_file()
)
FEW = FILES[::9]


def alone(files: list[str]) -> str:
    """Return what files say, read by one process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "PATIENCE", 1e9)
        return repr(parallel.read_all(SAMPLES, files))


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have reading shared at once, by two processes."""
    monkeypatch.setattr(parallel, "PATIENCE", 0)
    monkeypatch.setattr(cores, "usable", lambda: 2)


def dying(work: Callable[[object], object], channel: Connection) -> None:
    """Die with the second parcel in hand."""
    channel.send((work(channel.recv()), None))
    channel.recv()
    os._exit(1)


def waiting(_: object, channel: Connection) -> None:
    """Take a parcel, and never answer."""
    channel.recv()
    print("has begun", flush=True)
    with suppress(EOFError):
        channel.recv()


@pytest.mark.usefixtures("shared")
def test_processes_tell_what_one_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that the samples say comes from other processes, in the order of the files."""
    expected = alone(FILES)
    monkeypatch.setattr(parallel, "_read", None)  # nothing is read here
    assert repr(parallel.read_all(SAMPLES, FILES)) == expected


@pytest.mark.usefixtures("shared")
def test_what_a_dead_process_was_sent_is_read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one that the system stopped for its memory."""
    monkeypatch.setattr(processes, "_serve", dying)
    assert repr(parallel.read_all(SAMPLES, FEW)) == alone(FEW)


@pytest.mark.usefixtures("shared")
def test_where_no_process_can_be_had_one_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A login node allows a user only so many."""

    def start(process: BaseProcess) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(BaseProcess, "start", start)
    assert repr(parallel.read_all(SAMPLES, FEW)) == alone(FEW)


def test_quick_reading_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does reading where one core may be used, however long it takes."""
    monkeypatch.setattr(parallel, "_shared", None)
    monkeypatch.setattr(cores, "usable", lambda: 2)
    monkeypatch.setattr(parallel, "PATIENCE", 1e9)
    assert repr(parallel.read_all(SAMPLES, FEW)) == alone(FEW)
    monkeypatch.setattr(cores, "usable", lambda: 1)
    monkeypatch.setattr(parallel, "PATIENCE", 0)
    assert repr(parallel.read_all(SAMPLES, FEW)) == alone(FEW)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no process groups of this kind")
@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM", "SIGKILL"])
def test_no_process_outlives_a_recipe(how: str, tmp_path: Path) -> None:
    """Ctrl-C, which a terminal sends to all of them, is answered by the recipe alone."""
    script = tmp_path / "read.py"
    script.write_text(
        "from pathlib import Path\n"
        "from engine import command_line, cores, processes\n"
        "from engine.readers import parallel\n"
        "from test_parallel import waiting\n"
        "parallel.PATIENCE, processes._serve, cores.usable = 0, waiting, lambda: 2\n"
        "if __name__ == '__main__':\n"
        f"    command_line.run(lambda argv: parallel.read_all(Path(), {['a.log', 'b.log']}))\n"
    )
    command = [sys.executable, str(script)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, env=env, start_new_session=True
    ) as child:
        assert child.stdout
        assert child.stderr
        assert [child.stdout.readline() for _ in range(2)] == ["has begun\n"] * 2
        if how == "Ctrl-C":
            os.killpg(child.pid, signal.SIGINT)
        else:
            child.send_signal(getattr(signal, how))
        said = child.stderr.read()  # ends when the last that could write to it has ended
    if how == "SIGKILL":
        assert child.returncode == -signal.SIGKILL
    else:
        assert said.startswith("interrupted. ")
        assert said.count("\n") == 1
        assert child.returncode == 1
