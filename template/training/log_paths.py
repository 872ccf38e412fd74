"""Where training output goes: logs, experiment folders, checkpoints, production models.

In a script that is started in the project's root:

    from training.log_paths import get_experiment_dir, get_logger

    logger = get_logger("my_model")  # training/logs/my_model_training_20250725_104438.log
    logger.info("epoch 1 val_auc 0.5712")

    experiment = get_experiment_dir("my_model", "simplified")  # or: a folder for each run,
    logger = get_logger("my_model", experiment)  # with training.log and checkpoints/ in it

From a script in another folder (here one level below the root), two lines find this file:

    import sys; from pathlib import Path
    sys.path.append(str(Path(__file__).resolve().parents[1] / "training"))
    from log_paths import get_logger

In a notebook one level below the root the second line is `sys.path.append("../training")`.
`python -m training.log_paths` (or `python training/log_paths.py`) prints the folders in force.

All names and folders come from `conventions.toml` beside this file. Three folders can be moved with
TRAINING_DIR, EXPERIMENT_DIR and MODEL_WEIGHTS_DIR: the environment wins over the project's `.env`,
and that over `conventions.toml`. Relative folders start at the project root, wherever you stand.

Under `just train` all of this belongs to the experiment that it records: what a logger shows goes
into its training.log, other logs lie beside that, and the first that asks for an experiment gets
its folder.

Two runs never share a name: the later one gets `_2`, then `_3`, before the extension. Files and
folders are created exclusively, so this holds for runs that start in the same second as well. Each
process that asks is a run: a distributed training asks in rank 0 alone, and hands the path on.
Standard library only, Python 3.11 or newer. The recipes use this very code.
"""

import os
import re
import stat
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - it is imported by whatever Python trains
    raise ImportError(f"{sys.executable} is too old: log_paths.py needs Python 3.11 or newer")

import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    import logging

PROJECT_ROOT = Path(__file__).resolve().parents[1]
CONVENTIONS = Path(__file__).resolve().with_name("conventions.toml")

# Keys of [folders] in conventions.toml, and the variables that override them.
VARIABLES = {
    "training": "TRAINING_DIR",
    "active": "EXPERIMENT_DIR",
    "production": "MODEL_WEIGHTS_DIR",
}

# `just train` names the folder of the experiment that it records; its training.log gets all that is
# shown. The second is a file in there, which whoever asks for an experiment first takes away.
RECORDED = "TRAINING_RUN_DIR"
UNCLAIMED = ".unclaimed"

# The fields of name templates: what texts may look like, how dates and times are written, and
# what stands for a value that is not known.
SLUG = r"[a-z0-9][a-z0-9_]{0,63}"
EXTENSION = r"[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z][A-Za-z0-9]*)*"
TEXTS = {"model_type": SLUG, "experiment_name": SLUG, "ext": EXTENSION}
FORMATS = {"date": "%Y%m%d", "time": "%H%M%S"}
UNKNOWN = {"date": "undated", "time": "unknown", "metric": "unknown"}
MOST_DECIMALS = 12  # in a name: what would need more is 0

Value = str | float | date | time | None
Kind = TypeVar("Kind", str, int)

# Windows refuses these names, with any extension.
_PORTS = {f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)}
_DEVICES = _PORTS | {"con", "prn", "aux", "nul"}
_ILLEGAL = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]|^[- ]|[. ]$|^$')

_PART = re.compile(
    r"(?P<optional>\[)?(?P<before>[^][{}]*)\{(?P<field>\w+)(?::(?P<format>[^][{}]+))?\}"
    r"(?(optional)(?P<after>[^][{}]*)\])|(?P<literal>[^][{}]+)"
)
_DOTENV_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=(.*)", re.ASCII)

# `~` and `$NAME` are not expanded, and a folder of that very name is hardly what was meant.
_UNUSABLE = re.compile(
    r"[\x00-\x1f\x7f]|^\s*$|^~|\$[A-Za-z_{(]" + (r"|\\" if os.sep == "/" else "")
)


# ---- what a training script calls


def get_log_path(model_type: str, experiment: bool | str | Path = False) -> Path:
    """Create an empty log file for a new run and return its path.

    It lies in the logs folder, or with `experiment=True` in a new experiment folder. Given the
    folder of an experiment, it is that one's log, whether new or there already. Under `just train`,
    which writes that experiment's log itself, it is a new file beside it.
    Raises ValueError if the model type is not a slug: a-z, 0-9 and `_`, at most 64 of them.
    """
    check_slug(model_type)
    recorded = _recorded()
    if experiment is not False:
        folder = get_experiment_dir(model_type) if experiment is True else PROJECT_ROOT / experiment
        if folder != recorded:
            folder.mkdir(parents=True, exist_ok=True)
            log = folder / _setting(str, "names", "experiment_log")
            log.touch()
            return log
    now = datetime.now()
    name = fill(_setting(str, "names", "training_log"), model_type=model_type, date=now, time=now)
    logs = recorded or (_folder("training")[0] / _setting(str, "folders", "in_training", "logs"))
    return create(logs, name, lambda path: path.open("x").close())


def get_experiment_dir(model_type: str, experiment_name: str | None = None) -> Path:
    """Create a new experiment folder, with its folder for checkpoints, and return its path.

    A second experiment of that name on the same day gets a folder of its own, ending in `_2`. Under
    `just train` the first that asks gets the folder that was made for it.
    Raises ValueError if the model type or the experiment name is not a slug.
    """
    name = fill(
        _setting(str, "names", "experiment"),
        model_type=model_type,
        experiment_name=experiment_name,
        date=datetime.now(),
    )
    if (recorded := _recorded()) and _claim(recorded):
        return recorded
    folder = create(_folder("active")[0], name, Path.mkdir)
    (folder / _setting(str, "names", "experiment_checkpoints")).mkdir()
    return folder


def get_checkpoint_path(experiment_dir: str | Path, file_name: str) -> Path:
    """Return the path for a checkpoint in the experiment's folder for checkpoints.

    The folder exists then, the file need not. Raises ValueError if the name is not a plain one.
    """
    _check_name(file_name)
    folder = PROJECT_ROOT / experiment_dir / _setting(str, "names", "experiment_checkpoints")
    folder.mkdir(parents=True, exist_ok=True)
    return folder / file_name


def get_model_name(model_type: str, value: float | None, ext: str = "pth") -> str:
    """Return the name of a model file of today, with the value that it reached (None: unknown)."""
    return _model_name("model", model_type, value, ext)


def get_production_path(model_type: str, value: float | None, ext: str = "pth") -> Path:
    """Return a path in the production folder where no file lies yet; the folder exists then."""
    folder = _folder("production")[0]
    folder.mkdir(parents=True, exist_ok=True)
    name = _model_name("production", model_type, value, ext)
    paths = (folder / numbered(name, number) for number in count(1))
    return next(path for path in paths if not os.path.lexists(path))


def get_logger(model_type: str, experiment: bool | str | Path = False) -> "logging.Logger":
    """Return a logger that writes to the path of `get_log_path` and to the screen.

    A process is one run: asked the same again, it returns the same logger with the same file. For
    another run in the same process, as in a notebook, give the folder of another experiment. Under
    `just train` the screen is enough, because what is shown is in that experiment's log already.
    """
    import logging  # the recipes read names with this code, and log nothing

    key = experiment if isinstance(experiment, bool) else PROJECT_ROOT / experiment
    name = f"training.{model_type}.{key}"
    logger = logging.getLogger(name)
    if name not in [handler.name for handler in logger.handlers]:  # others may have added theirs
        for handler in (*_file_handlers(model_type, experiment), logging.StreamHandler()):
            handler.setFormatter(logging.Formatter("%(asctime)s - %(levelname)s - %(message)s"))
            handler.name = name
            logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False  # or a configured root logger would print each line again
    return logger


def _file_handlers(model_type: str, experiment: bool | str | Path) -> "list[logging.Handler]":
    check_slug(model_type)
    recorded = _recorded()
    if experiment is True:
        experiment = get_experiment_dir(model_type)
    if recorded and (experiment is False or PROJECT_ROOT / experiment == recorded):
        return []
    import logging

    return [logging.FileHandler(get_log_path(model_type, experiment), encoding="utf-8")]


# ---- names


class Part(NamedTuple):
    """A piece of a name template: text, or a field between two texts, perhaps optional."""

    before: str
    field: str = ""
    format: str = ""
    after: str = ""
    optional: bool = False


def template_parts(template: str) -> Iterator[Part]:
    """Yield the parts of a name template; raises ValueError if it is not well-formed.

    `{field}` is replaced, `{date:%Y-%m-%d}` in that format, and `[_{field}]` is left out when the
    field is empty or unknown. So is the dot before an empty `{ext}`: folders have none.
    """
    end = 0
    while end < len(template):
        match = _PART.match(template, end)
        if not match:
            raise ValueError(f"name template {template!r} is malformed from {template[end:]!r} on")
        end = match.end()
        if match["literal"]:
            yield Part(match["literal"])
            continue
        part = Part(
            match["before"],
            match["field"],
            match["format"] or "",
            match["after"] or "",
            bool(match["optional"]),
        )
        if part.field not in TEXTS | UNKNOWN:
            raise ValueError(f"name template {template!r} has an unknown field {{{part.field}}}")
        if part.field == "ext" and not part.optional and part.before.endswith("."):
            yield Part(part.before[:-1])
            part = Part(".", "ext", optional=True)
        yield part


def fill(template: str, *, decimals: int = 4, **fields: Value) -> str:
    """Return the name that a template gives; fields that it does not mention are ignored.

    `decimals` are those of the metric. Raises ValueError if a field is missing or not a slug where
    it has to be one, or if the name is not one that every system takes.
    """
    parts = template_parts(template)
    return _check_name("".join(_part_text(part, fields, decimals) for part in parts))


def is_slug(text: str) -> bool:
    """Say whether a text may be a model type or an experiment name."""
    return re.fullmatch(SLUG, text) is not None and text not in _DEVICES


def check_slug(text: str) -> str:
    """Return the text, or raise ValueError if it is not a slug."""
    if not isinstance(text, str) or not is_slug(text):
        raise ValueError(f"{text!r} is not a slug: use a-z, 0-9 and _ only, at most 64 of them")
    return text


def is_legal_name(name: str) -> bool:
    """Say whether Linux, macOS and Windows all take a text as the name of a file or folder."""
    device = name.split(".")[0].strip().lower() in _DEVICES
    length = len(name.encode("utf-8", "surrogateescape"))
    return not device and length <= 255 and not _ILLEGAL.search(name)


def numbered(name: str, number: int) -> str:
    """Return the name of the nth file that claims one name: `a.log`, `a_2.log`, `a_3.log`."""
    stem = re.sub(rf"\.{EXTENSION}$", "", name)
    return name if number == 1 else f"{stem}_{number}{name[len(stem) :]}"


def _part_text(part: Part, fields: Mapping[str, Value], decimals: int) -> str:
    if not part.field:
        return part.before
    if part.field not in fields:
        raise ValueError(f"a name needs the field {{{part.field}}}")
    text = _field_text(part, fields[part.field], decimals)
    left_out = part.optional and text == UNKNOWN.get(part.field, "")
    return "" if left_out else part.before + text + part.after


def _field_text(part: Part, value: Value, decimals: int) -> str:
    if part.field == "metric":
        return _metric_name(value, decimals)
    if part.field != "model_type" and value in (None, ""):
        return UNKNOWN.get(part.field, "")
    if part.field in FORMATS and isinstance(value, date | time):
        return value.strftime(part.format or FORMATS[part.field])
    if TEXTS.get(part.field) == SLUG:
        return check_slug(str(value))
    if not re.fullmatch(TEXTS.get(part.field, "(?!)"), str(value)):
        raise ValueError(f"{value!r} cannot be the {part.field} in a name")
    return str(value)


def metric_text(value: float, decimals: int) -> str:
    """Return a metric with that many decimals, or as many as show two digits of it if all are 0."""
    text = f"{value:z.{decimals}f}"  # z: never -0.0000
    needed = 1 - int(f"{value:.1e}".partition("e")[2] or 0)  # NaN and infinities have no exponent
    return f"{value:.{needed}f}" if value and not float(text) and needed <= MOST_DECIMALS else text


def _metric_name(value: Value, decimals: int) -> str:
    # NaN, infinities and numbers of more than 15 digits have no place in a name.
    if not isinstance(value, int | float) or not abs(value) < 1e15:
        return UNKNOWN["metric"]
    return metric_text(value, decimals)


def _model_name(key: str, model_type: str, value: float | None, ext: str) -> str:
    return fill(
        _setting(str, "names", key),
        model_type=check_slug(model_type),
        metric=None if value is None else float(value),  # a tensor or a NumPy number will do
        date=datetime.now(),
        ext=ext,
        decimals=_setting(int, "metric", "decimals"),
    )


def _check_name(name: str) -> str:
    if not is_legal_name(name):
        raise ValueError(f"{name!r} is not a file name that every system takes")
    return name


def _recorded() -> Path | None:
    folder = os.environ.get(RECORDED)
    return Path(folder) if folder and Path(folder).is_dir() else None


def _claim(folder: Path) -> bool:
    """Take an experiment's folder; of several processes that try, one succeeds."""
    try:
        (folder / UNCLAIMED).unlink()
    except FileNotFoundError:
        return False
    return True


def create(folder: Path, name: str, make: Callable[[Path], None]) -> Path:
    """Make what nobody has made yet, by that name or a numbered one; return its path.

    `make` raises FileExistsError if the path that it gets is taken.
    """
    folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        path = folder / numbered(name, number)
        try:
            make(path)
        except FileExistsError:
            number += 1
        else:
            return path


# ---- folders, and who says where they lie


def folder_choices(
    root: Path, stated: Mapping[str, str], environ: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Return for each key of VARIABLES what each source says, the one that counts first.

    `stated` is what conventions.toml says, by key. Raises ValueError if `.env` cannot be read.
    """
    dotenv = read_dotenv(root / ".env")
    return {
        key: {
            source: said[name]
            for source, said, name in (
                ("environment", environ, variable),
                (".env", dotenv, variable),
                ("conventions.toml", stated, key),
            )
            if name in said
        }
        for key, variable in VARIABLES.items()
    }


def folder_path(root: Path, key: str, source: str, value: str) -> Path:
    """Return the absolute path of a folder; a relative value starts at the root.

    Raises ValueError with one line that names the source if no folder can lie there.
    """
    said = f"{source}: {key if source == 'conventions.toml' else VARIABLES[key]}={value!r}"
    if _UNUSABLE.search(value):
        fix = (
            'write it with "/"'
            if "\\" in value
            else "write a plain path, nothing in it is expanded"
        )
        raise ValueError(f"{said} is not a folder; {fix}")
    path = Path(os.path.normpath(root / value))
    try:
        if not path.is_relative_to(root):
            path = path.resolve()
        if not stat.S_ISDIR(path.stat().st_mode):
            raise ValueError(f"{said} is a file; name a folder")
    except FileNotFoundError:
        pass
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links
        raise ValueError(f"{said} cannot be a folder: {error}") from None
    if root.is_relative_to(path):
        raise ValueError(f"{said} holds the whole project; name a folder inside or beside it")
    return path


def read_dotenv(path: Path) -> dict[str, str]:
    """Return the variables that a `.env` file sets, as they stand there.

    Values may be quoted; nothing is expanded; the last of several lines wins; lines that are not
    understood are ignored, and so is a file that does not exist.
    """
    if not path.is_file():
        return {}
    try:
        text = path.read_text("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    lines = (_DOTENV_LINE.fullmatch(line) for line in text.split("\n"))
    values = {line[1]: _dotenv_value(line[2].strip()) for line in lines if line}
    return {name: value for name, value in values.items() if value is not None}


def _dotenv_value(text: str) -> str | None:
    quote = text[:1]
    if quote not in ("'", '"'):
        return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].rstrip()
    value, closing, rest = text[1:].partition(quote)
    well_formed = closing and rest.lstrip()[:1] in ("", "#")
    return value if well_formed else None


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file says; raises ValueError with one line that names the file."""
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}; it holds all names") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not valid TOML: {error}") from None


def _setting(kind: type[Kind], *keys: str) -> Kind:
    value: Any = read_toml(CONVENTIONS)
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, kind) and not isinstance(value, bool):
        return value
    raise ValueError(f"{CONVENTIONS}: {'.'.join(keys)} is missing, or is no {kind.__name__}")


def _folder(key: str) -> tuple[Path, str]:
    stated = {key: _setting(str, "folders", key)}
    source, value = next(iter(folder_choices(PROJECT_ROOT, stated, os.environ)[key].items()))
    return folder_path(PROJECT_ROOT, key, source, value), source


def main() -> int:
    """Print the folders in force and where each was read; return the exit status."""
    lines = [f"project root       {PROJECT_ROOT}"]
    try:
        for key, variable in VARIABLES.items():
            path, source = _folder(key)
            lines.append(f"{variable:<18} {path}  (from {source})")
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(lines).encode(errors="backslashreplace").decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
