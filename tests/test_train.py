"""`just train`: a new experiment, a command in it, and a record of how it went."""

import errno
import json
import os
import pty
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.changes.lock import project_lock
from engine.launch import interpreter, teed_command
from engine.readers import read
from projects import RECIPES, just, recipe
from template_fixture import GIT_ENVIRONMENT, JUST, commit_all

ACTIVE = "training/experiments/active"
NOW = ("--now", "2025-07-25T10:44:38")
SCRIPT = """\
import os, sys
from training.log_paths import get_checkpoint_path, get_experiment_dir, get_logger
logger = get_logger("resnet50")
experiment = get_experiment_dir("resnet50", "wide")
for epoch in (1, 2):
    logger.info("Epoch %d: val auc=%.4f", epoch, 0.5 + epoch / 100)
    get_checkpoint_path(experiment, f"epoch_{epoch:03}.pth").write_bytes(b"weights %d" % epoch)
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def train_py(project: Path) -> list[str]:
    """The command that just runs, for tests that talk to its process."""
    return [sys.executable, str(project / "training/recipes/train.py"), "resnet50", *NOW, "--"]


def environ(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.endswith("_DIR")}
    return {**kept, **GIT_ENVIRONMENT, "TRAINING_PYTHON": sys.executable, **more}


def record_of(experiment: Path) -> dict[str, Any]:
    found = json.loads((experiment / "run.json").read_text())
    assert isinstance(found, dict)
    return found


def wait_for(path: Path, text: str = "") -> str:
    """Return what a file holds once it holds this text."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if path.exists() and text in (found := path.read_text(errors="replace")):
            return found
        select.select([], [], [], 0.01)
    raise AssertionError(f"{path} never held {text!r}")


def test_a_training_by_the_helper_fills_one_experiment(project: Path) -> None:
    """Log, checkpoints, config and record of a run lie in the folder that was made for it."""
    (project / "train.py").write_text(SCRIPT)
    commit_all(project)
    words = (
        "resnet50",
        "wide",
        "--seed",
        "42",
        *NOW,
        "--",
        sys.executable,
        "train.py",
        "--lr",
        "1",
    )
    done = just(project, "train", *words)
    experiment = project / ACTIVE / "2025-07-25_resnet50_wide"
    assert {path.relative_to(experiment).as_posix() for path in experiment.rglob("*")} == {
        "checkpoints",
        "checkpoints/epoch_001.pth",
        "checkpoints/epoch_002.pth",
        "config.yaml",
        "run.json",
        "training.log",
    }
    log = (experiment / "training.log").read_text()
    assert [line.partition("INFO - ")[2] for line in log.splitlines()] == [
        "Epoch 1: val auc=0.5100",
        "Epoch 2: val auc=0.5200",
    ]
    assert log in done.stderr
    assert done.stderr.splitlines()[-1] == "Next: just promote 2025-07-25_resnet50_wide"
    record = record_of(experiment)
    assert record["started"] == "2025-07-25 10:44:38"
    assert record["ended"].startswith("2025-07-25 10:44:")
    assert record["exit_status"] == 0
    assert record["command"].endswith(" train.py --lr 1")
    config = yaml.safe_load((experiment / "config.yaml").read_text())
    assert (config["seed"], config["command"]) == (42, record["command"])
    assert config["interpreter"] == sys.executable
    assert not list((project / "training/logs").glob("*.log"))


@pytest.mark.parametrize(
    "saves", ["pass", f"import os; os.rmdir('{ACTIVE}/2025-07-25_resnet50/checkpoints')"]
)
def test_nothing_saved_is_nothing_to_promote(project: Path, saves: str) -> None:
    """The next step is not one that would be refused."""
    done = just(project, "train", "resnet50", *NOW, "--", *python(saves))
    assert done.stderr.splitlines()[-1] == "Next: just status"


def test_the_status_of_the_command_is_returned(project: Path) -> None:
    """Whatever the command exits with, just does too, and the record says so."""
    just(project, "train", "resnet50", *NOW, "--", *python("raise SystemExit(7)"), status=7)
    assert record_of(project / ACTIVE / "2025-07-25_resnet50")["exit_status"] == 7


def test_output_passes_byte_for_byte(project: Path) -> None:
    """Screen and log get exactly the bytes that the command wrote, whatever they are."""
    code = "import os; [os.write(1, bytes(range(256)) * 999) for _ in range(3)]"
    done = subprocess.run(
        [*train_py(project), *python(code)], env=environ(), capture_output=True, check=True
    )
    assert done.stdout == bytes(range(256)) * 999 * 3
    assert (project / ACTIVE / "2025-07-25_resnet50/training.log").read_bytes() == done.stdout


def test_the_command_sees_folders_dotenv_and_project(project: Path) -> None:
    """Folders are absolute, `.env` gives way to the environment, and the project imports."""
    (project / ".env").write_text(
        "TRAINING_DIR=outputs\nTOKEN='a $HOME'\nGIVEN=dotenv\nexport LAST=1 # one\nnot a line\n"
    )
    (project / "package.py").write_text("here = True\n")
    (project / "deeper").mkdir()
    names = "TRAINING_DIR EXPERIMENT_DIR MODEL_WEIGHTS_DIR TRAINING_RUN_DIR TOKEN GIVEN LAST"
    code = (
        f"import json, os, package; print(json.dumps([os.environ[n] for n in '{names}'.split()]))"
    )
    words = ("train", "resnet50", *NOW, "--", *python(code))
    done = just(project, *words, cwd=project / "deeper", GIVEN="environment")
    assert json.loads(done.stdout) == [
        str(project / "outputs"),
        str(project / ACTIVE),
        str(project / "model_weights/production"),
        str(project / ACTIVE / "2025-07-25_resnet50"),
        "a $HOME",
        "environment",
        "1",
    ]


def test_arguments_of_the_command_are_its_own(project: Path) -> None:
    """What follows the first `--` is not read by the recipe, nor by a shell."""
    words = ["--help", "-n", "--", "a b", "$(touch x)", "é\n", "*"]
    done = just(
        project, "train", "resnet50", "--", *python("import sys; print(sys.argv[1:])"), *words
    )
    assert done.stdout == f"{words}\n"


@pytest.mark.parametrize(
    "words",
    [
        ["resnet50"],
        ["resnet50", "--"],
        ["--", "true"],
        ["Res", "--", "true"],
        ["a", "b c", "--", "true"],
    ],
)
def test_a_mistake_is_refused_and_nothing_made(project: Path, words: list[str]) -> None:
    """A missing command, and names that are no slugs, are status 2."""
    done = recipe(project, "train", *words, status=2)
    assert "Traceback" not in done.stderr
    assert [path.name for path in (project / ACTIVE).iterdir()] == [".gitignore"]


def test_a_folder_where_nothing_may_be_made_is_named_with_the_fix(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the user's to mend: one line, status 2."""

    def refuse(path: Path, *_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr("engine.plans.new_experiment.create", refuse)
    done = recipe(project, "train", "resnet50", "--", *python("1"), status=2)
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        f"{project / ACTIVE}: no experiment can be made in it (Permission denied)"
    )
    assert line.endswith("or name another folder in .env")


def test_a_program_that_is_not_there_is_status_127(project: Path) -> None:
    """One line says so, and no folder is left behind."""
    done = just(project, "train", "resnet50", "--", "no_such_program", status=127)
    assert done.stderr == "no_such_program: no such program; nothing was made\n"
    assert [path.name for path in (project / ACTIVE).iterdir()] == [".gitignore"]


def test_a_file_that_is_no_program_is_status_126(project: Path) -> None:
    """What cannot be run is recorded as a run that failed."""
    program = project / "train.bin"
    program.write_bytes(b"\0nothing")
    program.chmod(0o755)
    done = just(project, "train", "resnet50", *NOW, "--", str(program), status=126)
    assert f"{program}: Exec format error" in done.stderr
    record = record_of(project / ACTIVE / "2025-07-25_resnet50")
    assert (record["exit_status"], record["ended"][:16]) == (126, "2025-07-25 10:44")


def test_a_dry_run_makes_nothing(project: Path) -> None:
    """It says what would be made and run."""
    done = recipe(project, "train", "resnet50", *NOW, "--dry-run", "--", "echo", "a b")
    assert done.stdout == f"would make {ACTIVE}/2025-07-25_resnet50 and run echo 'a b'\n"
    assert [path.name for path in (project / ACTIVE).iterdir()] == [".gitignore"]


def test_json_is_the_record(project: Path) -> None:
    """With --json standard output is the record alone; what the command prints goes beside it."""
    done = just(project, "train", "resnet50", *NOW, "--json", "--", "echo", "hello")
    record = json.loads(done.stdout)
    assert record.pop("experiment") == f"{ACTIVE}/2025-07-25_resnet50"
    assert record == record_of(project / ACTIVE / "2025-07-25_resnet50")
    assert "hello\n" in done.stderr


def test_trainings_start_whatever_else_goes_on(project: Path) -> None:
    """Neither a recipe at work nor an interrupted run keeps a training from its own folder."""
    (project / "training/.history/20250101T000000_archive").mkdir(parents=True)
    (project / "training/.history/20250101T000000_archive/plan.json").write_text("{}")
    with project_lock(project / "training/.history"):
        runs = [
            subprocess.Popen([*train_py(project), "true"], env=environ(), stderr=subprocess.DEVNULL)
            for _ in range(3)
        ]
        assert [run.wait() for run in runs] == [0, 0, 0]
    names = {path.parent.name for path in (project / ACTIVE).glob("*/run.json")}
    assert names == {"2025-07-25_resnet50", "2025-07-25_resnet50_2", "2025-07-25_resnet50_3"}


def test_the_name_of_an_archived_experiment_is_taken(project: Path) -> None:
    """Otherwise the new experiment could never be archived."""
    (project / "training/experiments/archived/2025-07-25_resnet50.tar.gz").touch()
    recipe(project, "train", "resnet50", *NOW, "--", "true")
    assert (project / ACTIVE / "2025-07-25_resnet50_2").is_dir()


def test_each_experiment_of_one_script_has_its_own_folder(project: Path) -> None:
    """The first that asks gets the recorded folder, so that folds do not overwrite each other."""
    code = (
        "import subprocess, sys; from training.log_paths import get_experiment_dir as e\n"
        "print(e('resnet50').name, e('resnet50').name, flush=True)\n"
        "if len(sys.argv) == 1: subprocess.run([sys.executable, __file__, 'again'])\n"
    )
    (project / "folds.py").write_text(code)
    done = just(project, "train", "resnet50", "base", *NOW, "--", sys.executable, "folds.py")
    names = done.stdout.split()
    assert names[0] == "2025-07-25_resnet50_base"
    assert len(set(names)) == 4


def test_a_log_that_the_script_opens_is_not_the_recorded_one(project: Path) -> None:
    """It lies beside it, so that a file opened anew does not wipe what was on the screen."""
    code = (
        "from training.log_paths import get_experiment_dir, get_log_path\n"
        "print('shown', flush=True)\n"
        "folder = get_experiment_dir('resnet50')\n"
        "for log in (get_log_path('resnet50'), get_log_path('resnet50', folder)):\n"
        "    log.write_text('own')\n"
    )
    just(project, "train", "resnet50", *NOW, "--", *python(code))
    experiment = project / ACTIVE / "2025-07-25_resnet50"
    assert (experiment / "training.log").read_text() == "shown\n"
    own = [path.read_text() for path in experiment.glob("resnet50_training_*.log")]
    assert own == ["own", "own"]


# ---- signals, without a terminal


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"])
def test_a_signal_reaches_the_command(project: Path, name: str) -> None:
    """It may save what it has, and choose its status."""
    code = (
        "import signal, sys, time\n"
        f"signal.signal(signal.{name}, lambda *_: sys.exit(print('got it', flush=True) or 5))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    run = subprocess.Popen(
        [*train_py(project), *python(code)],
        env=environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    wait_for(project / ACTIVE / "2025-07-25_resnet50/training.log", "ready")
    run.send_signal(getattr(signal, name))
    out, _ = run.communicate(timeout=60)
    assert (out, run.returncode) == (b"ready\ngot it\n", 5)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_command_that_a_signal_ends_is_128_and_more(project: Path, name: str) -> None:
    """The status is a shell's, and the record complete: TERM to just alone, INT to all."""
    assert JUST
    words = ["-f", str(project / RECIPES), "train", "resnet50", *NOW, "--", "sleep", "60"]
    run = subprocess.Popen([JUST, *words], env=environ(), stdin=subprocess.DEVNULL, process_group=0)
    path = project / ACTIVE / "2025-07-25_resnet50/run.json"
    wait_for(path)
    running = json.loads(path.read_text())
    while running["pid"] == os.getpid() or not _is_sleep(running["pid"]):
        running = json.loads(path.read_text())
    assert "ended" not in running
    number = getattr(signal, name)
    (run.send_signal if name == "SIGTERM" else lambda n: os.killpg(run.pid, n))(number)
    assert run.wait(60) == 128 + number
    assert record_of(path.parent)["exit_status"] == run.returncode


def _is_sleep(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text() == "sleep\n"
    except OSError:
        return False


def test_what_nohup_ignores_stays_ignored(project: Path) -> None:
    """A training under nohup outlives its terminal."""
    code = "import signal; print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)"
    done = subprocess.run(
        ["nohup", *train_py(project), *python(code)], env=environ(), capture_output=True, check=True
    )
    assert done.stdout == b"True\n"


def test_copies_of_a_signal_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What just and uv pass on as well counts once; the same half a second later counts again."""
    sent: list[tuple[int, int]] = []
    clock = iter([100.0, 100.0, 100.1, 100.6, 100.6])
    monkeypatch.setattr(os, "killpg", lambda pid, number: sent.append((pid, number)))
    monkeypatch.setattr("engine.launch.teed_command.time.monotonic", lambda: next(clock))
    relay = teed_command.Relay(True, [])
    relay.take(signal.SIGTERM, None)
    assert sent == []
    relay.start(7)
    relay.take(signal.SIGTERM, None)
    relay.take(signal.SIGTERM, None)
    assert sent == [(7, signal.SIGTERM)] * 2


def test_what_the_terminal_sent_to_all_is_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control-C reaches the command by itself; a `kill` in the background is ours to pass on."""
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    relay = teed_command.Relay(False, [])
    relay.start(7)
    monkeypatch.setattr(teed_command, "_in_foreground", lambda: True)
    relay.take(signal.SIGINT, None)
    relay.take(signal.SIGTERM, None)
    monkeypatch.setattr(teed_command, "_in_foreground", lambda: False)
    relay.take(signal.SIGINT, None)
    assert sent == [(7, signal.SIGTERM), (7, signal.SIGINT)]


# ---- with a terminal


class Terminal:
    """A terminal with just in it."""

    def __init__(self, project: Path, *command: str) -> None:
        words = ["-f", str(project / RECIPES), "train", "resnet50", *NOW, "--", *command]
        self.shown = b""
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            os.execve(str(JUST), [str(JUST), *words], environ())
        self.resize(30, 77)

    def resize(self, rows: int, columns: int) -> None:
        import fcntl
        import struct
        import termios

        fcntl.ioctl(self.screen, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def read_until(self, text: bytes) -> None:
        end = time.monotonic() + 60
        while text not in self.shown:
            assert time.monotonic() < end, self.shown
            if select.select([self.screen], [], [], 0.1)[0]:
                self.shown += os.read(self.screen, 1 << 16)

    def status(self) -> int:
        """Read to the end and return the exit status."""
        while True:
            try:
                self.shown += os.read(self.screen, 1 << 16)
            except OSError:
                break
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        os.close(terminal.screen)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_progress_bars_stay_intact(project: Path, terminals: list[Terminal]) -> None:
    """On a terminal the command has one too, of the same size, and the log has its very bytes."""
    code = (
        "import os, sys\n"
        "input('go? ')\n"
        "for n in range(3): sys.stderr.write(f'\\r\\x1b[32m{n}/2\\x1b[0m')\n"
        "print('\\nis', [os.isatty(n) for n in range(3)], os.get_terminal_size().columns)\n"
    )
    terminal = Terminal(project, *python(code))
    terminals.append(terminal)
    terminal.read_until(b"go? ")
    os.write(terminal.screen, b"yes\n")
    assert terminal.status() == 0
    bar = b"\r\x1b[32m0/2\x1b[0m\r\x1b[32m1/2\x1b[0m\r\x1b[32m2/2\x1b[0m"
    assert bar + b"\r\nis [True, True, True] 77\r\n" in terminal.shown
    log = (project / ACTIVE / "2025-07-25_resnet50/training.log").read_bytes()
    assert log == b"go? " + bar + b"\nis [True, True, True] 77\n"


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_control_c_interrupts_the_command_once(project: Path, terminals: list[Terminal]) -> None:
    """The command may save in peace, and its log has what it says then."""
    code = (
        "import os, time\n"
        "try: os.write(1, b'ready\\n'); time.sleep(60)\n"
        "except KeyboardInterrupt: time.sleep(0.3); print('saved')\n"
    )
    terminal = Terminal(project, *python(code))
    terminals.append(terminal)
    terminal.read_until(b"ready")
    os.write(terminal.screen, b"\x03")
    terminal.status()
    experiment = project / ACTIVE / "2025-07-25_resnet50"
    assert (experiment / "training.log").read_text() == "ready\nsaved\n"
    assert record_of(experiment)["exit_status"] == 0


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_new_size_of_the_terminal_reaches_the_command(
    project: Path, terminals: list[Terminal]
) -> None:
    """Progress bars follow when the window is made larger."""
    code = (
        "import os, signal\n"
        "def resized(*_): os.write(1, b'size %d\\n' % os.get_terminal_size().columns)\n"
        "signal.signal(signal.SIGWINCH, resized)\n"
        "os.write(1, b'ready\\n')\n"
        "while True: signal.pause()\n"
    )
    terminal = Terminal(project, *python(code))
    terminals.append(terminal)
    terminal.read_until(b"ready")
    terminal.resize(30, 99)
    terminal.read_until(b"size 99")
    os.write(terminal.screen, b"\x03")
    terminal.status()
    experiment = project / ACTIVE / "2025-07-25_resnet50"
    assert "size 99\n" in (experiment / "training.log").read_text()
    assert record_of(experiment)["exit_status"] == 130


# ---- the command's output, when something is wrong with screen or log


def teed(log: Path, command: list[str], screens: tuple[int, int]) -> teed_command.Ended:
    return teed_command.run(command, dict(os.environ), log, screens, lambda pid: None)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Two files that stand for standard output and standard error."""
    opened = [os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in ("out", "err")]
    yield opened[0], opened[1]
    for descriptor in opened:
        os.close(descriptor)


def test_lines_of_two_streams_do_not_break_each_other(
    tmp_path: Path, files: tuple[int, int]
) -> None:
    """A line that was written in parts stands whole in the log; the files get their own stream."""
    code = (
        "import os, time\n"
        "for n in range(20):\n"
        "    os.write(1, b'val_'); time.sleep(0.004); os.write(2, b'warning\\n')\n"
        "    os.write(1, b'auc 0.5\\n')\n"
        "os.write(1, b'no end')"
    )
    assert teed(tmp_path / "log", python(code), files).status == 0
    log = (tmp_path / "log").read_text().split("\n")
    assert sorted(log) == sorted(["val_auc 0.5"] * 20 + ["warning"] * 20 + ["no end"])
    assert (tmp_path / "out").read_text() == "val_auc 0.5\n" * 20 + "no end"
    assert (tmp_path / "err").read_text() == "warning\n" * 20


def test_a_process_left_running_is_not_waited_for(tmp_path: Path, files: tuple[int, int]) -> None:
    """A server that the command started holds its output open; the training ends all the same."""
    began = time.monotonic()
    ended = teed(tmp_path / "log", ["sh", "-c", "sleep 90 & echo $!"], (files[0], files[0]))
    assert time.monotonic() - began < 60
    os.kill(int((tmp_path / "log").read_text()), signal.SIGKILL)
    assert ended.status == 0


def test_a_process_that_goes_on_writing_is_not_waited_for(
    tmp_path: Path, files: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A monitor that the command left running never pauses; the training ends all the same."""
    monkeypatch.setattr(teed_command, "LINGER", 0.2)
    command = "(for n in $(seq 900); do echo up; sleep 0.01; done) & echo done"
    began = time.monotonic()
    ended = teed(tmp_path / "log", ["sh", "-c", command], (files[0], files[0]))
    assert time.monotonic() - began < 5
    assert ended.status == 0
    assert "done\n" in (tmp_path / "log").read_text()


def test_a_full_disk_does_not_end_the_training(tmp_path: Path, files: tuple[int, int]) -> None:
    """Where the log cannot grow, the screen goes on, and it is said in the end."""
    ended = teed(Path("/dev/full"), ["sh", "-c", "echo 1; echo 2"], files)
    assert ended.status == 0
    assert ended.trouble == ("/dev/full: No space left on device; later output is not in it",)
    assert (tmp_path / "out").read_text() == "1\n2\n"


def test_a_closed_screen_does_not_end_the_training(tmp_path: Path) -> None:
    """`just train ... | head` stops showing; the log goes on."""
    closed, screen = os.pipe()
    os.close(closed)
    ended = teed(tmp_path / "log", ["sh", "-c", "echo 1; sleep 0.1; echo 2"], (screen, screen))
    os.close(screen)
    assert ended.status == 0
    assert (tmp_path / "log").read_text() == "1\n2\n"
    assert "the screen: Broken pipe" in ended.trouble[0]


def test_the_peak_of_memory_is_that_of_the_command(tmp_path: Path, files: tuple[int, int]) -> None:
    """Bytes, also where a child of the command took them."""
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'bytearray(200 << 20)'])"
    peak = teed(tmp_path / "log", python(code), files).peak_memory_bytes
    assert peak
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # a fork counts its parent's
    assert 200 << 20 < peak < max(300 << 20, own + (50 << 20))


# ---- whose interpreter


def test_the_users_python_is_found_behind_uvs(tmp_path: Path) -> None:
    """The recipes' own environment, which uv puts first, is not that of the training."""
    if (uv := shutil.which("uv")) is None:
        pytest.skip("uv is not on the path")
    script = tmp_path / "look.py"
    engine = Path(interpreter.__file__).parents[1]
    script.write_text(
        '# /// script\n# requires-python = ">=3.11"\n# dependencies = []\n# ///\n'
        f"import os, sys; sys.path[:0] = [{str(engine)!r}, {str(engine.parent)!r}]\n"
        "from engine.launch.interpreter import *\n"
        "mine = users_environ(os.environ)\n"
        "print(os.environ['VIRTUAL_ENV'] == sys.prefix, training_python(None, (), mine),"
        " mine.get('VIRTUAL_ENV'))\n"
    )
    own = tmp_path / "own"
    (own / "bin").mkdir(parents=True)
    (own / "pyvenv.cfg").touch()
    (own / "bin/python").symlink_to(sys.executable)
    path = f"{own / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [uv, "run", "--script", str(script)],
        env={**os.environ, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"True {own / 'bin/python'} {own}\n"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with interpreters, and with a script of another one's."""
    for name in ("python", "python3.11", "uv", "bash", "other/python3"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.symlink_to("/bin/true")
    script = tmp_path / "torchrun"
    script.write_text(f"#!{tmp_path}/other/python3\n")
    script.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("named", "command", "found"),
    [
        (None, (), "python"),
        (None, ("bash", "train.sh"), "python"),
        (None, ("python3.11", "train.py"), "python3.11"),
        (None, ("torchrun", "train.py"), "other/python3"),
        (None, ("uv", "run", "train.py"), None),
        ("python3.11", ("uv", "run", "train.py"), "python3.11"),
    ],
)
def test_the_interpreter_is_the_commands(
    programs: Path, named: str | None, command: tuple[str, ...], found: str | None
) -> None:
    """The named one, the command's own, or else `python`; unknown where a launcher decides."""
    path = interpreter.training_python(named, command, {"PATH": str(programs)})
    assert path == (found and str(programs / found))


def test_packages_that_cannot_be_listed_are_unknown(project: Path) -> None:
    """Nothing is made up: what uv would choose, or a Python that fails, is null, and said so."""
    recipe(project, "train", "resnet50", *NOW, "--python", "false", "--", "true")
    path = project / ACTIVE / "2025-07-25_resnet50/config.yaml"
    config = yaml.safe_load(path.read_text())
    assert (config["python"], config["packages"]) == (None, None)
    assert re.fullmatch(r"\S+/false", config["interpreter"])
    reading = read(path, "config.yaml")
    assert reading is not None
    assert reading.role == "config"


@pytest.mark.parametrize("words", [(), ("wide", "python", "train.py", "--lr", "1"), ("wide", "--")])
def test_a_command_without_dashes_is_told_of_them(words: tuple[str, ...], project: Path) -> None:
    """Whatever it looks like, and nothing is made; --help needs none."""
    refused = recipe(project, "train", "resnet50", *words, status=2).stderr
    assert refused.startswith("just train: error: say what to run, after --;")
    assert not list((project / "training/experiments/active").glob("*resnet50*"))
    assert "usage: just train MODEL_TYPE" in recipe(project, "train", "--help").stdout
