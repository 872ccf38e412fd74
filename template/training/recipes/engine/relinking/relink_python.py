"""Find references in Python, parsed: in strings, comments, `Path("a") / "b"`, `os.path.join`."""

import ast
import io
import tokenize
import warnings
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import accumulate

from engine.checks.source import UNKNOWN, Mention, mentions
from engine.relinking.moves import Reference
from engine.relinking.relink_text import Finder

WRITTEN = "the program writes there; training/log_paths.py gives a place for it"
VARIABLE = "a variable is a part of it"
_PATH = ("Path", "pathlib.Path", "PurePath")
_JOIN = ("os.path.join", "path.join", "join")


def find(data: bytes, folder: str, finder: Finder) -> list[Reference]:
    """Return the references in a source file. Raises SyntaxError or ValueError if it is none."""
    if data.startswith(BOM_UTF8):  # columns are counted without it
        shifted = find(data.removeprefix(BOM_UTF8), folder, finder)
        return [replace(r, start=r.start + 3, end=r.end + 3) for r in shifted]
    if (encoding := tokenize.detect_encoding(io.BytesIO(data).readline)[0]) != "utf-8":
        raise ValueError(f"is in {encoding}, not UTF-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the source, about which nobody asked
        tree = ast.parse(data)
    source = _Source(data)
    joined = [found for node in _outermost(tree) if (found := source.joined(node))]
    inside = [(reference.start, reference.end) for reference in joined]
    texts = [*source.comments(), *(source.span(node) for node in _strings(tree))]
    plain = [
        reference
        for reference in finder.find(data, folder)
        if _in(texts, reference.start) and not _in(inside, reference.start)
    ]
    known = [r for found in joined if (r := _refer(found, folder, finder))]
    named = mentions(data)
    written = {(m.line, m.path) for m in named if m.written}
    references = [
        replace(r, new=None, why=WRITTEN) if (source.line(r.start), r.old) in written else r
        for r in (*plain, *known, *source.unknown(named, finder))
    ]
    return sorted(references, key=lambda r: r.start)


def _refer(found: Reference, folder: str, finder: Finder) -> Reference | None:
    """Return the reference that a joined path is; `found.new` has {0} and {1} for its two parts."""
    span = (found.start, found.end)
    if UNKNOWN in found.old:
        tail = found.old.rpartition(UNKNOWN)[2].strip("/")
        moved = finder.moves.refer(span, tail, "") if "/" in tail else None
        return moved and Reference(*span, found.old, None, VARIABLE)
    moved = finder.moves.refer(span, found.old.removeprefix("./"), folder)
    if moved is None or moved.new is None:
        return moved
    head, _, tail = moved.new.rpartition("/")
    new = (found.new or "").format(_quoted(head or "."), _quoted(tail))
    return Reference(*span, found.old, new, moved.why)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _in(spans: list[tuple[int, int]], place: int) -> bool:
    return any(start <= place < end for start, end in spans)


def _strings(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        match node:
            case ast.JoinedStr() | ast.Constant(value=str()):
                yield node


def _outermost(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the expressions that join parts to a path, and nothing that is a part of another."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr) and _parts(child):
            yield child
        else:
            yield from _outermost(child)


def _parts(node: ast.expr) -> list[ast.expr] | None:
    """Return what a path is joined from, from left to right; None if the node joins nothing."""
    match node:
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return [*(_parts(left) or [left]), right]
        case ast.Call(func=function, args=[_, *_] as arguments, keywords=[]):
            name = ast.unparse(function)
            if name in _JOIN or name in _PATH:
                return list(arguments)
            if isinstance(function, ast.Attribute) and function.attr == "joinpath":
                return [*(_parts(function.value) or [function.value]), *arguments]
    return None


def _text(part: ast.expr) -> str:
    match part:
        case ast.Constant(value=str(text)):
            return text
        case ast.Call(func=function, args=[ast.Constant(value=str(text))], keywords=[]):
            return text if ast.unparse(function) in _PATH else UNKNOWN
    return UNKNOWN


class _Source:
    """Bytes of a source file, and where its nodes lie in it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._lines = [0, *accumulate(map(len, data.splitlines(keepends=True)))]

    def span(self, node: ast.expr) -> tuple[int, int]:
        """Return from where to where a node reaches; its columns are bytes."""
        last = node.end_lineno or node.lineno
        end = self._lines[last - 1] + (node.end_col_offset or 0)
        return self._lines[node.lineno - 1] + node.col_offset, end

    def line(self, place: int) -> int:
        """Return the line on which a byte stands, from 1."""
        return self.data.count(b"\n", 0, place) + 1

    def comments(self) -> Iterator[tuple[int, int]]:
        """Yield where comments are."""
        for token in tokenize.tokenize(io.BytesIO(self.data).readline):
            if token.type == tokenize.COMMENT:
                before = len(token.line[: token.start[1]].encode())
                start = self._lines[token.start[0] - 1] + before
                yield start, start + len(token.string.encode())

    def joined(self, node: ast.expr) -> Reference | None:
        """Return a path that is joined, and how it is written anew; None for a single text."""
        parts = _parts(node) or []
        texts = [_text(part) for part in parts]
        old = "/".join(text.rstrip("/") for text in texts)
        return Reference(*self.span(node), old, self._form(node), "")

    def unknown(self, named: Iterable[Mention], finder: Finder) -> Iterator[Reference]:
        """Yield the texts with a variable in them that can mean what has moved."""
        known = {**finder.moves.places, **finder.moves.elsewhere}
        for mention in named:
            before, variable, _ = mention.path.partition(UNKNOWN)
            if not variable or "/" not in before:
                continue
            if any(fnmatchcase(path, mention.path) for path in known):
                start = self._lines[mention.line - 1]
                yield Reference(start, start, mention.path, None, VARIABLE)

    def _form(self, node: ast.expr) -> str:
        first = node
        while isinstance(first, ast.BinOp):
            first = first.left
        name = "Path"
        if isinstance(first, ast.Call):
            name = ast.unparse(first.func)
        if name in _JOIN:
            return f"{name}({{0}}, {{1}})"
        return f"{name.removesuffix('.joinpath').partition('(')[0]}({{0}}) / {{1}}"
