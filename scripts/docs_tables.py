"""The reference of `conventions.toml` and of the readers, made from what the recipes go by."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import jinja2
import yaml

from engine import conventions, readers

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "template" / "training" / "conventions.toml.jinja"
KINDS: tuple[tuple[object, str], ...] = (
    (conventions.Line, "text"),
    (conventions.Slug, "lower-case name"),
    (conventions.Inside, "path or glob"),
    (conventions.FolderPath, "folder"),
    (conventions.PlainName, "name"),
    (conventions.WeightsName, "name with `{model_type}` and `{ext}`"),
    (conventions.RunName, "name with `{model_type}` and `{date}`"),
    (conventions.TypeName, "name with `{model_type}`"),
    (conventions.DatedName, "name with `{date}`"),
    (conventions.Count, "0 to 36500"),
    (conventions.Copies, "1 to 99"),
)
TABLE = re.compile(r"\[([\w.]+)\](?: # (.*))?")
KEY = re.compile(r"(\w+) = .*?(?: # (.*))?")
CONVENTIONS = """\
# conventions.toml

<!-- Made by scripts/write_docs.py from the template of the file and its schema. -->

`training/conventions.toml` is the only place where names, folders, metrics and rules are written;
recipes and `log_paths.py` read them there. Every key is needed; an unknown key, a wrong type or a
value out of bounds is refused with file, line and fix, and nothing is done. The defaults are those
of a copy in which every question was answered with Enter.
"""
READERS = """\
# What is read

<!-- Made by scripts/write_docs.py from the table of the readers. -->

Each file is asked what it is by its name and its first bytes, and read by the first reader that
takes it. Nothing is unpickled, imported or run. What no reader takes is evidence for nothing.
[How to add one](../how_to/add_a_reader.md).

| files | read as | what is read |
|---|---|---|
"""


def conventions_page() -> str:
    """Return the reference of every key: type, default, meaning."""
    text = _rendered()
    defaults = tomllib.loads(text)
    parts = [CONVENTIONS]
    remark: list[str] = []
    for line in text.splitlines()[4:]:  # what stands above is said in the introduction
        if line.startswith("# "):
            remark.append(line.removeprefix("# "))
        elif table := TABLE.fullmatch(line):
            meaning = ". ".join(filter(None, [table[2], " ".join(remark)]))
            parts += [f"\n## [{table[1]}]\n\n", f"{_sentence(meaning)}\n\n" if meaning else ""]
            parts += _rows(defaults, text, table[1])
            remark = []
        elif line.startswith("format = "):  # the one key that stands in no table
            parts.append(f"\n`{line.replace(' # ', '` ')}.\n")
    return "".join(parts)


def readers_page() -> str:
    """Return the table of the readers in the order in which they are asked, a row for a module."""
    files: dict[str, list[str]] = {}
    kinds: dict[str, list[str]] = {}
    for row in readers.TABLE:
        names = [*row.suffixes, *([row.part] if row.part != "\0" else [])]
        files.setdefault(row.module, []).extend(f"`{name}`" for name in names)
        kinds.setdefault(row.module, []).append(row.format)
    rows = [
        f"| {' '.join(dict.fromkeys(names))} | {', '.join(dict.fromkeys(kinds[module]))} "
        f"| {_says(module)} |\n"
        for module, names in files.items()
    ]
    return "".join([READERS, *rows])


def _says(module: str) -> str:
    doc = import_module(f"engine.readers.{module}").__doc__ or ""
    return " ".join(doc.split("\n\n")[0].split()).replace("|", "\\|")


def _rendered() -> str:
    """Return conventions.toml as the default answers make it."""
    questions = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))
    answers = {
        "project_name": "my-project",
        "model_types": [],
        "metric_direction": "max",
        "pretrained_weights": [],
        **{name: questions[name]["default"] for name in ("metric_name", "archive_after_days")},
    }
    environment = jinja2.Environment()  # noqa: S701 - this is no HTML
    environment.filters["to_json"] = json.dumps
    return environment.from_string(TEMPLATE.read_text("utf-8")).render(answers)


def _rows(defaults: Mapping[str, Any], text: str, table: str) -> Iterator[str]:
    """Yield a Markdown table of the keys of one table of the file."""
    kind: Any = conventions.Conventions
    values: Any = defaults
    for part in table.split("."):
        kind, values = get_type_hints(kind, include_extras=True)[part], values[part]
    if get_origin(kind) is not None or not values:
        return  # a table of the user's own keys
    hints = get_type_hints(kind, include_extras=True)
    meanings = _meanings(text, table)
    yield "| key | type | default | meaning |\n|---|---|---|---|\n"
    for key, meaning in meanings.items():
        shown = json.dumps(values[key])
        yield f"| `{key}` | {_kind(hints[key])} | `{shown}` | {meaning} |\n"


def _meanings(text: str, table: str) -> dict[str, str]:
    _, _, after = text.partition(f"\n[{table}]")
    lines = after.split("\n[")[0].splitlines()[1:]
    found = filter(None, map(KEY.fullmatch, lines))
    return {key[1]: (key[2] or "").replace("|", "\\|") for key in found}


def _kind(hint: Any) -> str:
    named = next((name for kind, name in KINDS if kind == hint), None)
    if named:
        return named
    if get_origin(hint) is tuple:
        return f"list of: {_kind(get_args(hint)[0])}"
    if get_origin(hint) is Literal:
        return " or ".join(f"`{json.dumps(choice)}`" for choice in get_args(hint))
    return {str: "text", int: "whole number"}.get(get_args(hint)[0], "table")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."
