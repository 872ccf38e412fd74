"""The logging helper, as training scripts use it."""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from importlib import util
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import log_paths as shipped
from conventions_text import CONVENTIONS

HELPER = Path(shipped.__file__)
VARIABLES = ("TRAINING_DIR", "EXPERIMENT_DIR", "MODEL_WEIGHTS_DIR")
NOW = datetime(2025, 7, 25, 10, 44, 38)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with the helper and its conventions, in a folder with a space in its name."""
    root = tmp_path / "my project"
    (root / "training").mkdir(parents=True)
    shutil.copy(HELPER, root / "training")
    (root / "training/conventions.toml").write_text(CONVENTIONS)
    return root.resolve()


class Noon(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        """Return always the same second."""
        return NOW


@pytest.fixture
def helper(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[ModuleType]:
    """The project's own helper, imported while one stands elsewhere and time stands still."""
    for variable in (*VARIABLES, shipped.RECORDED):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    name = f"helper_of_{os.getpid()}_{abs(hash(request.node.nodeid))}"
    spec = util.spec_from_file_location(name, root / "training/log_paths.py")
    assert spec and spec.loader
    module = util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "datetime", Noon)
    yield module
    for logger in [*logging.Logger.manager.loggerDict]:
        if logger.startswith("training."):
            for handler in [*logging.getLogger(logger).handlers]:
                if handler.name == logger:
                    handler.close()
                    logging.getLogger(logger).removeHandler(handler)


def run(
    *arguments: str, cwd: Path, check: bool = True, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run Python without anything in the environment that tells it where the helper is."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in (*VARIABLES, shipped.RECORDED, "PYTHONPATH")
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**inherited, **environ},
        capture_output=True,
        text=True,
        check=check,
    )


def test_a_log_goes_to_the_logs_of_the_project(helper: ModuleType, root: Path) -> None:
    """The path is by convention, below the root and not below where one stands, and exists."""
    path = helper.get_log_path("pat_conv_l")
    assert path == root / "training/logs/pat_conv_l_training_20250725_104438.log"
    assert path.read_bytes() == b""


def test_the_log_of_an_experiment_lies_in_its_folder(helper: ModuleType, root: Path) -> None:
    """With experiment=True there is a new experiment folder, complete, and the log in it."""
    path = helper.get_log_path("pat_conv_l", experiment=True)
    assert path == root / "training/experiments/active/2025-07-25_pat_conv_l/training.log"
    assert path.is_file()
    assert (path.parent / "checkpoints").is_dir()


def test_an_experiment_may_be_named_first(helper: ModuleType, root: Path) -> None:
    """Given an experiment's folder, the log is that one's, and a resumed run goes on with it."""
    folder = helper.get_experiment_dir("pat_conv_l", "simplified")
    assert folder == root / "training/experiments/active/2025-07-25_pat_conv_l_simplified"
    log = helper.get_log_path("pat_conv_l", folder)
    log.write_text("epoch 1\n")
    assert helper.get_log_path("pat_conv_l", str(folder)) == log == folder / "training.log"
    assert log.read_text() == "epoch 1\n"


def test_runs_of_the_same_second_do_not_share_a_file(helper: ModuleType) -> None:
    """The second and third run get a number, before the extension."""
    assert [helper.get_log_path("a").name for _ in range(3)] == [
        "a_training_20250725_104438.log",
        "a_training_20250725_104438_2.log",
        "a_training_20250725_104438_3.log",
    ]
    logs = [helper.get_log_path("a", experiment=True) for _ in range(3)]
    assert [log.parent.name for log in logs] == [
        "2025-07-25_a",
        "2025-07-25_a_2",
        "2025-07-25_a_3",
    ]


def test_processes_of_the_same_second_do_not_share_a_file(root: Path) -> None:
    """Eight hundred names from four processes at once are eight hundred files and folders."""
    code = (
        "from training.log_paths import get_experiment_dir as e, get_log_path as g\n"
        "for _ in range(100): print(g('a'), e('a'), sep='\\n')"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    paths = [path for process in processes for path in process.communicate()[0].split("\n") if path]
    assert [process.returncode for process in processes] == [0] * 4
    assert len(paths) == len(set(paths)) == 800
    assert all(map(os.path.exists, paths))


def test_checkpoints_and_models_follow_the_conventions(helper: ModuleType, root: Path) -> None:
    """Checkpoints go into the experiment, models into production, each under its name."""
    folder = helper.get_experiment_dir("a", "b")
    name = helper.get_model_name("a", 0.59291)
    assert name == "a_v0.5929_20250725.pth"
    assert helper.get_checkpoint_path(folder, name) == folder / "checkpoints" / name
    path = helper.get_production_path("a", 0.5929, "safetensors")
    assert path == root / "model_weights/production/a_v0.5929.safetensors"
    assert path.parent.is_dir()
    assert not path.exists()
    assert helper.get_production_path("a", None).name == "a_vunknown.pth"


def test_a_production_model_is_never_overwritten(helper: ModuleType) -> None:
    """Where a model of that name lies, the path is another one."""
    path = helper.get_production_path("a", 0.5)
    path.touch()
    assert helper.get_production_path("a", 0.5).name == "a_v0.5000_2.pth"


def test_names_and_decimals_come_from_the_conventions(helper: ModuleType, root: Path) -> None:
    """A changed conventions.toml is followed at once."""
    text = CONVENTIONS.replace("decimals = 4", "decimals = 2")
    text = text.replace('logs = "logs"', 'logs = "protocols"')
    text = text.replace('"{model_type}_training_{date}_{time}.log"', '"{date}-{model_type}.txt"')
    (root / "training/conventions.toml").write_text(text)
    assert helper.get_log_path("a") == root / "training/protocols/20250725-a.txt"
    assert helper.get_production_path("a", 0.5929).name == "a_v0.59.pth"


@pytest.mark.parametrize("call", ["get_log_path", "get_experiment_dir", "get_logger"])
@pytest.mark.parametrize(
    "model_type",
    [
        "",
        "A",
        "a b",
        "a-b",
        "_a",
        "../x",
        "/etc/x",
        "-rf",
        "$(x)",
        "a;rm -rf ~",
        "a\n",
        "a\x00",
        "con",
        "nul",
        "com1",
        "é",
        "x" * 65,
        None,
    ],
)
def test_a_model_type_that_is_no_slug_is_refused(
    helper: ModuleType, root: Path, call: str, model_type: str
) -> None:
    """A name that could leave its folder, or confuse a shell or Windows, makes nothing."""
    for experiment in [False, True] if call != "get_experiment_dir" else [None]:
        with pytest.raises(ValueError, match="is not a slug"):
            getattr(helper, call)(model_type, experiment)
    assert sorted(path.name for path in root.iterdir()) == ["training"]


@pytest.mark.parametrize("name", ["../x", "A", "a b", "con", "x" * 65])
def test_an_experiment_name_that_is_no_slug_is_refused(helper: ModuleType, name: str) -> None:
    """The name of an experiment is a slug, too."""
    with pytest.raises(ValueError, match="is not a slug"):
        helper.get_experiment_dir("a", name)


@pytest.mark.parametrize("name", ["../x.pth", "", ".", "..", "a/b", "a\\b", "aux.pth", "a.", "-x"])
def test_a_checkpoint_stays_in_its_folder(helper: ModuleType, root: Path, name: str) -> None:
    """A checkpoint has a plain file name that every system takes."""
    with pytest.raises(ValueError, match="is not a file name"):
        helper.get_checkpoint_path(root, name)


def test_under_just_train_all_belongs_to_its_experiment(
    helper: ModuleType,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The first that asks gets its folder, and the screen is the log, which train writes."""
    recorded = root / "trials/x"
    recorded.mkdir(parents=True)
    (recorded / helper.UNCLAIMED).touch()
    monkeypatch.setenv(helper.RECORDED, str(recorded))
    assert helper.get_log_path("a") == recorded / "a_training_20250725_104438.log"
    assert helper.get_experiment_dir("a", "b") == recorded
    assert helper.get_experiment_dir("a", "b").name == "2025-07-25_a_b"
    for place in (False, recorded, "trials/x"):
        helper.get_logger("a", place).info("epoch 1")
    assert capsys.readouterr().err.count("epoch 1") == 3
    assert [path.name for path in recorded.iterdir()] == ["a_training_20250725_104438.log"]


def test_a_training_that_is_over_is_not_logged_into(
    helper: ModuleType, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its environment says of a folder that has gone does not count."""
    monkeypatch.setenv(helper.RECORDED, str(root / "gone"))
    assert helper.get_log_path("a").parent == root / "training/logs"
    assert helper.get_experiment_dir("a").name == "2025-07-25_a"


def test_a_dotenv_is_read_whole(tmp_path: Path) -> None:
    """Every variable in it is there, for the training that sees them; the rest is ignored."""
    (tmp_path / ".env").write_text("A=1\n export b_2='x y'\n3=c\nA-B=d\nnothing\né=f\n")
    assert shipped.read_dotenv(tmp_path / ".env") == {"A": "1", "b_2": "x y"}


def test_the_logger_writes_to_file_and_screen(
    helper: ModuleType, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line arrives once in the file and once on the screen, with time and level."""
    logger = helper.get_logger("a")
    assert helper.get_logger("a") is logger
    logger.info("epoch 1 ünï")
    logger.debug("not shown")
    (log,) = (root / "training/logs").iterdir()
    line = log.read_text("utf-8")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - INFO - epoch 1 ünï\n", line)
    assert capsys.readouterr().err == line


def test_loggers_of_different_runs_do_not_mix(helper: ModuleType, root: Path) -> None:
    """Experiments, and the plain log of the same model type, each have their own lines."""
    first, second = (helper.get_experiment_dir("a", name) for name in ("x", "y"))
    for place in (False, first, second):
        helper.get_logger("a", place).info("only in %s", place)
    (log,) = (root / "training/logs").iterdir()
    texts = [path.read_text() for path in (log, first / "training.log", second / "training.log")]
    assert [text.count("\n") for text in texts] == [1, 1, 1]
    assert f"only in {second}" in texts[2]


def test_a_configured_root_logger_does_not_double_the_lines(root: Path) -> None:
    """A script that has called basicConfig still sees each line once."""
    code = (
        "import logging; logging.basicConfig(level=logging.INFO)\n"
        "from training.log_paths import get_logger\n"
        "get_logger('a').info('hello')"
    )
    assert run("-c", code, cwd=root).stderr.count("hello") == 1


def test_relative_experiment_folders_start_at_the_root(helper: ModuleType, root: Path) -> None:
    """The folder of an experiment may be given relative to the project, wherever one stands."""
    assert helper.get_log_path("a", "trials/x") == root / "trials/x/training.log"
    assert (
        helper.get_checkpoint_path("trials/x", "last.pth").parent == root / "trials/x/checkpoints"
    )


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("TRAINING_DIR=x", "x"),
        ('TRAINING_DIR="./x y"', "./x y"),
        ("TRAINING_DIR='x'", "x"),
        ("  export   TRAINING_DIR = x  ", "x"),
        ("TRAINING_DIR=x # there", "x"),
        ("TRAINING_DIR=x#y", "x#y"),
        ("TRAINING_DIR='x # y' # there", "x # y"),
        ("TRAINING_DIR=x y", "x y"),
        ("TRAINING_DIR=x\r", "x"),
        ("TRAINING_DIR=x\nTRAINING_DIR=y", "y"),
        ("TRAINING_DIR=", ""),
        ("TRAINING_DIR= # nothing", ""),
        (r'TRAINING_DIR="C:\new"', r"C:\new"),
        ("TRAINING_DIR=$HOME", "$HOME"),
        ("#TRAINING_DIR=x", None),
        ("TRAINING_DIR", None),
        ('TRAINING_DIR="x', None),
        ('TRAINING_DIR="x" y', None),
        ("MY_TRAINING_DIR=x", None),
        ("TRAINING_DIRS=x", None),
        ("= [ nonsense", None),
    ],
)
def test_dotenv_lines(tmp_path: Path, line: str, value: str | None) -> None:
    """Plain and quoted values are read as they stand, and bad lines are ignored."""
    (tmp_path / ".env").write_bytes(f"A=1\n{line}\nB='".encode())
    assert shipped.read_dotenv(tmp_path / ".env").get("TRAINING_DIR") == value


@settings(max_examples=50)
@given(content=st.binary(max_size=80))
def test_any_dotenv_is_read(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever else is in a `.env` file, our line in it is found."""
    path = tmp_path_factory.mktemp("dotenv") / ".env"
    path.write_bytes(content + b"\nTRAINING_DIR=x\n")
    assert shipped.read_dotenv(path)["TRAINING_DIR"] == "x"


def test_a_dotenv_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    """What some Windows editors put first does not hide the first line."""
    (tmp_path / ".env").write_text("\ufeffTRAINING_DIR=x", "utf-8")
    assert shipped.read_dotenv(tmp_path / ".env") == {"TRAINING_DIR": "x"}


def test_a_dotenv_that_is_a_folder_is_none(tmp_path: Path) -> None:
    """A virtual environment in `.env/` says nothing."""
    (tmp_path / ".env").mkdir()
    assert shipped.read_dotenv(tmp_path / ".env") == {}


def test_overrides_count_in_their_order(
    helper: ModuleType, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Environment over `.env` over conventions.toml, relative to the root."""
    (root / ".env").write_text('TRAINING_DIR="./t"\nEXPERIMENT_DIR=e\nMODEL_WEIGHTS_DIR=w\n')
    monkeypatch.setenv("EXPERIMENT_DIR", str(tmp_path / "scratch"))
    assert helper.get_log_path("a").parent == root / "t/logs"
    assert helper.get_experiment_dir("a").parent == (tmp_path / "scratch").resolve()
    assert helper.get_production_path("a", 0.5).parent == root / "w"


@pytest.mark.skipif(os.sep == "\\", reason="there it is a path")
def test_a_path_of_windows_is_told_to_be_written_with_slashes(
    helper: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `.env` that came from there names what is wrong with it."""
    monkeypatch.setenv("TRAINING_DIR", "outputs\\training")
    with pytest.raises(ValueError, match=r'TRAINING_DIR.+write it with "/"'):
        helper.get_log_path("a")


@pytest.mark.parametrize("value", ["", "/", ".", "~/x", "$HOME/x", "a\nb", "training/log_paths.py"])
def test_overrides_that_are_no_folder_are_refused(
    helper: ModuleType, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """What no folder can bear is one line that names the variable and where it was read."""
    monkeypatch.setenv("TRAINING_DIR", value)
    with pytest.raises(ValueError, match=r"\Aenvironment: TRAINING_DIR=[^\n]+\Z"):
        helper.get_log_path("a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        (b"[names", "not valid TOML"),
        (b"\xff", "not valid TOML"),
        (b"x = " + b"[" * 100_000, "not valid TOML"),
        (b"", r"names\.training_log is missing"),
        (b"[names]\ntraining_log = 1", r"names\.training_log is missing, or is no str"),
        (b"names = 1", r"names\.training_log is missing"),
    ],
)
def test_broken_conventions_are_one_line(
    helper: ModuleType, root: Path, text: bytes | None, message: str
) -> None:
    """A missing or broken conventions.toml is a ValueError that names the file."""
    path = root / "training/conventions.toml"
    path.unlink()
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(ValueError, match=message) as caught:
        helper.get_log_path("a")
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("arguments", [("-m", "training.log_paths"), ("training/log_paths.py",)])
def test_run_as_a_program_it_shows_the_folders(root: Path, arguments: tuple[str, ...]) -> None:
    """The folders in force are printed, each with where it was read."""
    (root / ".env").write_text("MODEL_WEIGHTS_DIR=weights\n")
    done = run(*arguments, cwd=root, EXPERIMENT_DIR="trials")
    assert done.stdout.splitlines() == [
        f"project root       {root}",
        f"TRAINING_DIR       {root}/training  (from conventions.toml)",
        f"EXPERIMENT_DIR     {root}/trials  (from environment)",
        f"MODEL_WEIGHTS_DIR  {root}/weights  (from .env)",
    ]


def test_run_as_a_program_it_reports_a_mistake_in_one_line(root: Path) -> None:
    """A mistake is one line on standard error, and status 2."""
    done = run("-m", "training.log_paths", cwd=root, check=False, TRAINING_DIR="/")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_a_script_in_another_folder_finds_it(root: Path, tmp_path: Path) -> None:
    """The two lines that the docstring shows work, from wherever the script is started."""
    lines = shipped.__doc__ or ""
    start = lines.index("    import sys; from pathlib")
    recipe = lines[start : lines.index("In a notebook")].replace("\n    ", "\n").strip()
    (root / "scripts").mkdir()
    (root / "scripts/train.py").write_text(f"{recipe}\nget_logger('a').info('hello')\n")
    run(str(root / "scripts/train.py"), cwd=tmp_path)
    (log,) = (root / "training/logs").iterdir()
    assert log.read_text().endswith("INFO - hello\n")


def test_a_notebook_finds_it(root: Path) -> None:
    """The line for notebooks works where the working directory is that of the notebook."""
    line = 'sys.path.append("../training")'
    assert f"`{line}`" in (shipped.__doc__ or "")
    (root / "notebooks").mkdir()
    cell = f"import sys; {line}; from log_paths import get_log_path as g; print(g('a'))"
    done = run("-c", cell, cwd=root / "notebooks")
    assert Path(done.stdout.strip()).parent == root / "training/logs"


def test_it_needs_the_standard_library_alone(root: Path) -> None:
    """It imports without site-packages, and imports nothing that is not Python's own."""
    code = (
        "import sys, json; sys.path.append('training'); import log_paths; "
        "print(json.dumps([*sys.modules]))"
    )
    done = run("-I", "-S", "-c", code, cwd=root)
    modules = {name.partition(".")[0] for name in json.loads(done.stdout)} - {"log_paths"}
    assert modules <= {*sys.stdlib_module_names, "__main__"}
