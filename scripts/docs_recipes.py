"""The reference of the recipes, made from their own parsers, and their table in the README."""

import argparse
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn
from unittest import mock

RECIPES = Path(__file__).resolve().parents[1] / "template" / "training" / "recipes"
GROUPS = {
    "Put in order": ("cleanup", "undo", "resume", "purge"),
    "Every day": ("new", "train", "promote", "status", "check"),
    "Archive": ("archive", "schedule", "restore", "verify", "where", "push", "pull"),
    "Keep current": ("relink", "update"),
}
COMMAND = re.compile(r"(just [^;]+)")
OPTION = re.compile(r"(?<![`\w-])(--[a-z][a-z-]*)")
SHARED = ("help", "json", "project", "conventions")
INTRODUCTION = """\
# Recipes

<!-- Made by scripts/write_docs.py from the parsers of the recipes. -->

`just RECIPE` runs `training/recipes/RECIPE.py`; `python training/recipes/RECIPE.py` takes the same
options. Paths that you type are seen from the folder you stand in.

All of them take:

"""


class _Parser(Exception):
    """Carries a recipe's parser out of its `main`."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__()
        self.parser = parser


def parser_of(recipe: str) -> argparse.ArgumentParser:
    """Return the parser of a recipe, as it is when its `main` would parse."""

    def caught(parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        raise _Parser(parser)

    sys.path.insert(0, str(RECIPES.parent))  # for log_paths
    script = runpy.run_path(str(RECIPES / f"{recipe}.py"))
    try:
        with mock.patch.object(argparse.ArgumentParser, "parse_args", caught):
            script["main"]([])
    except _Parser as found:
        return found.parser
    raise AssertionError(f"{recipe}: parses nothing")


def page() -> str:
    """Return the reference page of all recipes."""
    any_parser = parser_of("undo")
    parts = [INTRODUCTION, _table(a for a in any_parser._actions if a.dest in SHARED)]
    for group, recipes in GROUPS.items():
        parts.append(f"\n## {group}\n")
        parts += [_section(recipe) for recipe in recipes]
    return "".join(parts)


def summary_table() -> str:
    """Return the table of all recipes for the README."""
    lines = ["| recipe | what it does |", "|---|---|"]
    for group, recipes in GROUPS.items():
        lines.append(f"| **{group.lower()}** | |")
        for recipe in recipes:
            parser = parser_of(recipe)
            what = _first_paragraph(parser)
            lines.append(f"| [`{_call(recipe, parser)}`]({_link(recipe)}) | {what} |")
    return "\n".join(lines) + "\n"


def _link(recipe: str) -> str:
    return f"docs/reference/recipes.md#just-{recipe}"


def _call(recipe: str, parser: argparse.ArgumentParser) -> str:
    """Return `just RECIPE` with its arguments and the option that makes it act."""
    positional = [a for a in _own(parser) if not a.option_strings]
    words = ["just", recipe, *filter(None, map(_argument, positional))]
    known = parser._option_string_actions
    words += ["[--fix [--apply]]" if "--fix" in known else "[--apply]"] * ("--apply" in known)
    words += ["--", "COMMAND"] if recipe == "train" else []
    return " ".join(words)


def _argument(action: argparse.Action) -> str:
    name = str(action.metavar or action.dest.upper())
    dots = "..." if action.nargs in ("*", "+") else ""
    return f"[{name}{dots}]" if action.nargs in ("?", "*") else f"{name}{dots}"


def _section(recipe: str) -> str:
    parser = parser_of(recipe)
    description = " ".join((parser.description or "").split("\n\n"))
    example = COMMAND.sub(r"`\1`", (parser.epilog or "").removeprefix("example: "))
    own = list(_own(parser))
    return "".join(
        (
            f"\n### just {recipe}\n\n",
            f"{_escaped(' '.join(description.split()))}\n\n",
            f"`{_call(recipe, parser)}`\n\n",
            f"{_table(own)}\n" if own else "",
            f"Example: {example}\n",
        )
    )


def _own(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments, then the options, that not every recipe has."""
    own = [action for action in parser._actions if action.dest not in SHARED]
    yield from sorted(own, key=lambda action: bool(action.option_strings))


def _table(actions: Iterator[argparse.Action] | list[argparse.Action]) -> str:
    rows = [f"| `{_spelled(action)}` | {_escaped(action.help or '')} |\n" for action in actions]
    return "".join(["| argument | meaning |\n", "|---|---|\n", *rows])


def _spelled(action: argparse.Action) -> str:
    if not action.option_strings:
        return _argument(action)
    value = action.metavar or (action.choices and "{" + ",".join(action.choices) + "}") or ""
    value = f"[{value}]" if action.nargs == "?" else value
    return " ".join((", ".join(action.option_strings), *filter(None, [str(value)]))).replace(
        "|", "\\|"
    )


def _first_paragraph(parser: argparse.ArgumentParser) -> str:
    return _escaped(" ".join((parser.description or "").split("\n\n")[0].split()))


def _escaped(text: str) -> str:
    """Return text as Markdown for a table's cell, options in it as code."""
    parts = text.replace("|", "\\|").split("`")
    parts[::2] = [OPTION.sub(r"`\1`", part.replace("<", "&lt;")) for part in parts[::2]]
    return "`".join(parts)
