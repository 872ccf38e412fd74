"""`training/conventions.toml` as a value: the types are its schema, anything else is refused."""

import re
import reprlib
import tomllib
from collections.abc import Callable, Mapping
from itertools import permutations
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from engine.errors import UserError
from engine.names import template_fields
from log_paths import is_legal_name, is_slug

MAX_BYTES = 1 << 20
_IN_EXPERIMENT = {f"experiment_{part}" for part in ("log", "checkpoints", "config", "record")}

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_MARK = re.compile(r"<{7} |={7}\r?$|>{7} ")  # as git leaves them
_ABROAD = re.compile(r"^~|^[A-Za-z]:|\\")


# ---- checks: what is wrong with a value; what to write instead. None if nothing is wrong.


def _line(text: str) -> str | None:
    odd = _CONTROL.search(text) or not text.strip()
    return "is empty or holds control characters; write one plain line" if odd else None


def _slug(text: str) -> str | None:
    return None if is_slug(text) else "is not a slug; use a-z, 0-9 and _ only, at most 64 of them"


def _inside(text: str) -> str | None:
    odd = _CONTROL.search(text) or _ABROAD.search(text) or {"", ".", ".."} & {*text.split("/")}
    return 'is not a path inside the project; write it like "folder/name"' if odd else None


def _folder(text: str) -> str | None:
    parts = text.split("/")
    odd = not all(map(is_legal_name, parts)) or ".git" in map(str.lower, parts)
    return "is not a folder that every system takes; write a plain name" if odd else None


def _plain_name(text: str) -> str | None:
    odd = not is_legal_name(text) or re.search(r"[][{}]", text)
    return "is not a plain name; write one without fields and folders" if odd else None


def _between(low: int, high: int) -> Callable[[int], str | None]:
    def check(number: int) -> str | None:
        return None if low <= number <= high else f"is out of range; write {low} to {high}"

    return check


def _template(*needed: str) -> Callable[[str], str | None]:
    def check(text: str) -> str | None:
        try:
            lacking = [field for field in needed if field not in template_fields(text)]
        except ValueError as error:
            return f"is not a name template: {error}; mend it"
        return f"lacks {{{lacking[0]}}}; add it" if lacking else None

    return check


Line = Annotated[str, _line]
Slug = Annotated[str, _slug]
Inside = Annotated[str, _inside]  # a path or a glob
FolderPath = Annotated[str, _inside, _folder]
PlainName = Annotated[str, _plain_name]
WeightsName = Annotated[str, _template("model_type", "ext")]
RunName = Annotated[str, _template("model_type", "date")]
TypeName = Annotated[str, _template("model_type")]
DatedName = Annotated[str, _template("date")]
Count = Annotated[int, _between(0, 36500)]  # no more days than calendar arithmetic bears
Copies = Annotated[int, _between(1, 99)]  # none would be a deletion
Direction = Literal["max", "min"]


# ---- the schema


class ProjectTable(NamedTuple):
    """What the project is called, and the model types that names may begin with."""

    name: Line
    model_types: tuple[Slug, ...]
    renamed: Mapping[Slug, Slug]


class InTraining(NamedTuple):
    """Folders relative to the training folder."""

    archived: FolderPath
    logs: FolderPath
    results: FolderPath


class FolderTable(NamedTuple):
    """Folders relative to the project root, before the environment and `.env` are asked."""

    training: FolderPath
    active: FolderPath
    production: FolderPath
    pretrained: FolderPath
    guides: FolderPath
    history: FolderPath
    in_training: InTraining


class NameTable(NamedTuple):
    """Templates of names; `engine.names` builds and parses them."""

    model: WeightsName
    production: WeightsName
    training_log: RunName
    canonical_log: TypeName
    summary: TypeName
    experiment: RunName
    experiment_log: PlainName
    experiment_checkpoints: PlainName
    experiment_config: PlainName
    experiment_record: PlainName
    old_logs: DatedName
    cleanup_report: DatedName


class MetricOfType(NamedTuple):
    """The metric of one model type."""

    name: Line
    direction: Direction


class MetricTable(NamedTuple):
    """The metric that models are compared by, and how many decimals a name gives it."""

    name: Line
    direction: Direction
    decimals: Annotated[int, _between(0, 9)]
    by_model_type: Mapping[Slug, MetricOfType]

    def of(self, model_type: str | None) -> "MetricTable | MetricOfType":
        """Return the rule for a model type: its own, or that of all."""
        return self.by_model_type.get(model_type or "", self)


class PretrainedTable(NamedTuple):
    """Globs of weights that come from elsewhere."""

    patterns: tuple[Inside, ...]


class ProductionTable(NamedTuple):
    """Checkpoints that win their group whatever the numbers say, and what tells groups apart."""

    pick: tuple[Inside, ...]
    group_by: tuple[Slug, ...]


class ScanTable(NamedTuple):
    """What the scan leaves alone."""

    leave_alone: tuple[Inside, ...]
    in_use_minutes: Count


class ArchiveTable(NamedTuple):
    """Retention, in days, numbers of experiments and GB of free disk; 0 turns a rule off."""

    after_days: Count
    keep_best: Count
    keep_last: Count
    keep: tuple[Line, ...]
    min_free_gb: Count
    purge_after_days: Count
    min_copies: Copies


class Conventions(NamedTuple):
    """All that conventions.toml says, checked."""

    format: Literal[1]
    project: ProjectTable
    folders: FolderTable
    names: NameTable
    metric: MetricTable
    pretrained: PretrainedTable
    production: ProductionTable
    scan: ScanTable
    archive: ArchiveTable


def located(folders: FolderTable, moved: Mapping[str, str]) -> dict[str, str]:
    """Return where each folder lies, those below the training folder included.

    `moved` holds the folders that lie elsewhere than conventions.toml says.
    """
    places = {**folders._asdict(), **moved}
    inner = places.pop("in_training")._asdict()
    return places | {key: f"{places['training']}/{path}" for key, path in inner.items()}


def overlap(places: Mapping[str, str]) -> tuple[str, str] | None:
    """Return two folders of which the first is or lies in the second; only training may hold any.

    Names that differ in case alone are one folder on many systems.
    """
    paths = {key: PurePosixPath(path.casefold()) for key, path in places.items()}
    for inner, outer in permutations(paths, 2):
        if outer != "training" and paths[inner].is_relative_to(paths[outer]):
            return inner, outer
    return None


# ---- reading


class _ConventionError(Exception):
    """What is wrong, and the key (or, in broken TOML, the line) where it is."""

    def __init__(self, text: str, at: tuple[str, ...] = (), line: int | None = None) -> None:
        super().__init__(text)
        self.at = at
        self.line = line


def load(path: Path) -> Conventions:
    """Read and check a conventions.toml.

    Raises UserError, `FILE:LINE: what is wrong; fix`, for all that is not in the schema above.
    """
    text = _read(path)
    try:
        conventions: Conventions = _table(_parse(text), Conventions, ())
        _check_whole(conventions)
    except _ConventionError as fault:
        line = fault.line or line_of(text, fault.at)
        raise UserError(f"{path}:{line}: {fault}") from None
    return conventions


def _read(path: Path) -> str:
    if not path.is_file():
        raise UserError(
            f"{path}: no such file; `git checkout` it, or have `copier recopy` write it anew"
        )
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise UserError(f"{path}:1: larger than 1 MiB; it can hardly be a conventions.toml")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; mend that first") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: not UTF-8; save the file in that encoding") from None


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise _ConventionError("nested too deeply; write flat tables") from None
    except ValueError as error:
        message, _, place = str(error).partition(" (at ")
        digits = re.match(r"line (\d+)", place)
        line = int(digits[1]) if digits else text.count("\n") + 1
        if _MARK.match(text.split("\n")[line - 1]):
            told = "a conflict mark of an update; keep what is right, delete the marks"
            raise _ConventionError(told, line=line) from None
        twice = message.startswith(("Cannot", "Duplicate"))
        fix = "written twice; remove one" if twice else "correct the line"
        raise _ConventionError(f"not valid TOML: {message}; {fix}", line=line) from None


def _table(value: object, kind: type, at: tuple[str, ...]) -> Any:
    table = _expect(value, dict, at)
    hints = get_type_hints(kind, include_extras=True)
    for key in (key for key in table if key not in hints):
        import difflib  # a mistake may wait for it

        close = difflib.get_close_matches(key, hints, 1)
        fix = f"did you mean {close[0]!r}?" if close else "remove it"
        raise _ConventionError(f"{_dotted((*at, key))} is an unknown key; {fix}", (*at, key))
    for key in (key for key in hints if key not in table):
        raise _ConventionError(f"{_dotted((*at, key))} is missing; add it", at)
    return kind(**{key: _value(table[key], hint, (*at, key)) for key, hint in hints.items()})


def _value(value: object, hint: Any, at: tuple[str, ...]) -> Any:
    kind, arguments = get_origin(hint), get_args(hint)
    if isinstance(hint, type):  # one of the tables above
        return _table(value, hint, at)
    if kind is Annotated:
        return _checked(_expect(value, arguments[0], at), arguments[1:], at)
    if kind is tuple:
        items = enumerate(_expect(value, list, at))
        return tuple(_value(item, arguments[0], (*at, str(n))) for n, item in items)
    if kind is Literal:
        return _checked(_expect(value, type(arguments[0]), at), [_one_of(*arguments)], at)
    table = _expect(value, dict, at)
    keys = [_value(key, arguments[0], (*at, key)) for key in table]
    return {key: _value(table[key], arguments[1], (*at, key)) for key in keys}


def _expect(value: Any, kind: type, at: tuple[str, ...]) -> Any:
    wanted = {str: "a text", int: "a whole number", list: "a list", dict: "a table"}[kind]
    if type(value) is not kind:  # True is an int by inheritance only
        raise _ConventionError(f"{_dotted(at)} is {reprlib.repr(value)}; write {wanted}", at)
    return value


def _checked(value: Any, checks: Any, at: tuple[str, ...]) -> Any:
    for check in checks:
        if problem := check(value):
            raise _ConventionError(f"{_dotted(at)} = {reprlib.repr(value)} {problem}", at)
    return value


def _one_of(*choices: object) -> Callable[[object], str | None]:
    def check(value: object) -> str | None:
        return None if value in choices else f"is unknown; write {' or '.join(map(repr, choices))}"

    return check


def _check_whole(conventions: Conventions) -> None:
    if pair := overlap(located(conventions.folders, {})):
        inner, outer = pair
        nested = inner in InTraining._fields
        at = ("folders", "in_training", inner) if nested else ("folders", inner)
        raise _ConventionError(f"{_dotted(at)} is or lies in the folder {outer}; name another", at)
    names = conventions.names._asdict()
    if len({names[key] for key in _IN_EXPERIMENT}) < len(_IN_EXPERIMENT):
        at = ("names", "experiment_log")
        raise _ConventionError("two things in an experiment folder have one name; rename one", at)


def _dotted(at: tuple[str, ...]) -> str:
    return ".".join(key if re.fullmatch(r"[\w-]+", key) else reprlib.repr(key) for key in at)


# ---- line numbers, which tomllib does not give

_WORD = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
_KEYS = rf"{_WORD}(?:[ \t]*\.[ \t]*{_WORD})*"
_HEADER = re.compile(rf"\s*\[\[?\s*({_KEYS})\s*\]\]?\s*(?:#.*)?")
_ENTRY = re.compile(rf"\s*({_KEYS})\s*=.*")


def line_of(text: str, at: tuple[str, ...]) -> int:
    """Return the line, from 1, of a key, or of the nearest table around it that has one."""
    lines = _key_lines(text)
    return next((lines[at[:n]] for n in range(len(at), 0, -1) if at[:n] in lines), 1)


def _key_lines(text: str) -> dict[tuple[str, ...], int]:
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.fullmatch(line):
            table = _split(header[1])
            lines.setdefault(table, number)
        elif entry := _ENTRY.fullmatch(line):
            lines.setdefault((*table, *_split(entry[1])), number)
    return lines


def _split(dotted: str) -> tuple[str, ...]:
    return tuple(word.strip("\"'") for word in re.findall(_WORD, dotted))
