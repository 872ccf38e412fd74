"""Find whole paths in text of any kind: shell, YAML, TOML, JSON, Markdown, Docker, make."""

import os
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

from engine.relinking.moves import Moves, Reference
from engine.relinking.written import WRITTEN, in_text

KEYED = {".yaml", ".yml", ".json", ".toml", ".ini", ".cfg"}  # a key holds what is below it
_BEFORE = rb"(?<![\w./\\~*\x80-\xff-])"  # or it would be the end of a longer path
_AFTER = rb"(?![\w/*{$\x80-\xff-]|\.\w)"
_VARIABLE = rb"(?:\$\w+|\$\{[^{}\s]+\}|\$\([^()\n]+\)|\{[^{}\s]+\}|%\w+%)/(?:[\w.-]+/)*?"
_NEAR = re.compile(_BEFORE + rb"(?:\.\.?/)+[^\s\"'`()<>\[\]{},;|&=:*$]+")
_LINK = re.compile(rb"\]\(<?([^)#\s<>]+)")


def find(data: bytes, folder: str, finder: "Finder", suffix: str = ".md") -> list[Reference]:
    """Return the references in a text; what a command, a key or an option writes is left."""
    return [
        replace(r, new=None, why=WRITTEN)
        if r.new is not None and in_text(data, r.start, r.end, suffix in KEYED, finder.elsewhere)
        else r
        for r in finder.find(data, folder, links=suffix == ".md")
    ]


class Finder:
    """Finds references to what has moved; the patterns are made once for a project.

    `elsewhere` are names, of keys or in modules, by which some program of the project writes.
    """

    def __init__(self, moves: Moves, elsewhere: frozenset[str] = frozenset()) -> None:
        self.moves = moves
        self.elsewhere = elsewhere

    def find(self, data: bytes, folder: str, links: bool = False) -> list[Reference]:
        """Return the references in a text of `folder`, in their order; `links` are Markdown's."""
        found: dict[int, Reference] = {}
        for reference in self._all(data, folder, links):
            found.setdefault(reference.start, reference)
        return sorted(found.values(), key=lambda reference: reference.start)

    def _all(self, data: bytes, folder: str, links: bool) -> Iterator[Reference]:
        for match in _LINK.finditer(data) if links else ():
            if reference := self._refer(match, 1, folder, beside=True):
                yield reference
        for match in self._whole.finditer(data):
            if reference := self._refer(match, 0, folder):
                yield reference
        for match in _NEAR.finditer(data):
            if reference := self._refer(match, 0, folder, beside=True):
                yield reference
        for match in self._after_variable.finditer(data):
            text = os.fsdecode(match[0])
            yield Reference(*match.span(), text, None, "a variable stands before it")

    def _refer(
        self, match: re.Match[bytes], group: int, folder: str, beside: bool = False
    ) -> Reference | None:
        text = os.fsdecode(match[group])
        bare = text.rstrip(".,")
        start = match.start(group)
        span = (start, start + len(os.fsencode(bare)))
        return self.moves.refer(span, bare, folder, beside)

    @cached_property
    def paths(self) -> bytes:
        """Return a pattern of all paths, grouped by their first part, which makes it fast."""
        by_first: dict[str, list[str]] = defaultdict(list)
        for path in {**self.moves.places, **self.moves.elsewhere}:
            first, _, rest = path.partition("/")
            if rest or posixpath.splitext(first)[1]:  # any other single word is hardly a path
                by_first[first].append(rest)
        groups = (
            re.escape(os.fsencode(first)) + b"(?:" + b"|".join(map(_rest, _longest(rests))) + b")"
            for first, rests in by_first.items()
        )
        return b"(?:" + b"|".join(groups) + b")" if by_first else b"(?!)"

    @cached_property
    def _whole(self) -> re.Pattern[bytes]:
        root = re.escape(os.fsencode(self.moves.root))
        return re.compile(_BEFORE + rb"(?:\./|" + root + rb"/)?" + self.paths + _AFTER)

    @cached_property
    def _after_variable(self) -> re.Pattern[bytes]:
        return re.compile(_VARIABLE + self.paths + _AFTER)


def _longest(rests: list[str]) -> list[str]:
    return sorted(rests, key=lambda rest: (-len(rest), rest))


def _rest(rest: str) -> bytes:
    return b"/" + re.escape(os.fsencode(rest)) + b"/?" if rest else b""
