"""Find references in Python, parsed: in strings, comments, `Path("a") / "b"`, `os.path.join`.

What the program may write to is left as it is, and so is what stands in an f-string.
"""

import ast
import io
import tokenize
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import accumulate

from engine.changes.rewriting import edited
from engine.checks.source import UNKNOWN, Mention, mentioned, parsed
from engine.relinking.moves import Reference, Span
from engine.relinking.python_written import Writes
from engine.relinking.relink_text import Finder
from engine.relinking.written import WRITTEN, in_text

VARIABLE = "a variable is a part of it"
IN_F_STRING = "stands in an f-string"
UNREADABLE = "the file could not be parsed with it rewritten"
_TOO_DEEP = (RecursionError, MemoryError)  # by the nesting, of the parser itself
UNPARSED = (SyntaxError, ValueError, LookupError, TypeError, *_TOO_DEEP, tokenize.TokenError)
_PATH = ("Path", "pathlib.Path", "PurePath")
_JOIN = ("os.path.join", "path.join", "join")


def find(data: bytes, folder: str, finder: Finder) -> list[Reference]:
    """Return the references in a source file. Raises SyntaxError or ValueError if it is none."""
    if data.startswith(BOM_UTF8):  # columns are counted without it
        shifted = find(data.removeprefix(BOM_UTF8), folder, finder)
        return [replace(r, start=r.start + 3, end=r.end + 3) for r in shifted]
    if (encoding := tokenize.detect_encoding(io.BytesIO(data).readline)[0]) != "utf-8":
        raise ValueError(f"is in {encoding}, not UTF-8")
    tree = parsed(data)
    source = _Source(data, tree, finder.elsewhere)
    joined = [(node, source.joined(node)) for node in _outermost(tree)]
    known = [
        source.unless_written(r, node) for node, p in joined if (r := _refer(p, folder, finder))
    ]
    inside = [(r.start, r.end) for r in known]
    inside += [source.span(part) for node, _ in joined for part in _texts(node)]
    plain = [r for r in finder.find(data, folder) if not _in(inside, r.start)]
    named = mentioned(tree)
    written = {(m.line, m.path) for m in named if m.written}
    references = [
        replace(r, new=None, why=WRITTEN) if (source.line(r.start), r.old) in written else r
        for r in (
            *(source.plain(plain) if plain else ()),
            *known,
            *source.in_f_strings(folder, finder),
            *source.unknown(named, finder),
        )
    ]
    return sorted(_readable(data, references), key=lambda r: r.start)


def written_names(data: bytes, all_names: bool = False) -> frozenset[str]:
    """Return by which names of other modules and configs a source writes, if it can be parsed.

    With `all_names` those count that nothing imports, as they do in a cell of a notebook.
    """
    try:
        return Writes(parsed(data)).names(all_names)
    except UNPARSED:
        return frozenset()


def _readable(data: bytes, references: list[Reference]) -> list[Reference]:
    """Return the references, none of them rewritten if the file would not be Python any more."""
    edits = [(r.start, r.end, r.new) for r in references if r.new is not None]
    try:
        if edits:
            parsed(edited(data, edits))
    except (SyntaxError, ValueError):
        return [r if r.new is None else replace(r, new=None, why=UNREADABLE) for r in references]
    return references


def _refer(found: Reference, folder: str, finder: Finder) -> Reference | None:
    """Return the reference that a joined path is; `found.new` has its form: of {0}, or {1}, {2}."""
    span = (found.start, found.end)
    if UNKNOWN in found.old:
        tail = found.old.rpartition(UNKNOWN)[2].strip("/")
        moved = finder.moves.refer(span, tail, "") if "/" in tail else None
        return moved and Reference(*span, found.old, None, VARIABLE)
    moved = finder.moves.refer(span, found.old.removeprefix("./"), folder)
    if moved is None or moved.new is None:
        return moved
    if found.new is None:
        return Reference(*span, found.old, None, found.why)
    head, _, tail = moved.new.rpartition("/")
    new = found.new.format(*map(_quoted, (moved.new, head or ".", tail)))
    return Reference(*span, found.old, new, moved.why)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _in(spans: list[tuple[int, int]], place: int) -> bool:
    return any(start <= place < end for start, end in spans)


def _strings(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the texts; what is inside an f-string is a part of it."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.JoinedStr() | ast.Constant(value=str()):
                yield child
            case _:
                yield from _strings(child)


def _outermost(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the expressions that join parts to a path, and nothing that is a part of another.

    What is inside an f-string is none: before Python 3.12 nobody knows where it stands.
    """
    for child in ast.iter_child_nodes(node) if not isinstance(node, ast.JoinedStr) else ():
        parts = _parts(child) if isinstance(child, ast.expr) else None
        if parts and isinstance(child, ast.expr):
            yield child
            for part in parts:
                yield from _outermost(part)
        else:
            yield from _outermost(child)


def _texts(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the parts of a joined path that are texts."""
    yield from (part for part in _parts(node) or () if _text(part) != UNKNOWN)


def _parts(node: ast.expr) -> list[ast.expr] | None:
    """Return what a path is joined from, from left to right; None if the node joins nothing."""
    match node:
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _flat([left, right])
        case ast.Call(func=function, args=[_, *_] as arguments, keywords=[]):
            name = ast.unparse(function)
            if name in _JOIN or name in _PATH:
                return _flat(arguments)
            if isinstance(function, ast.Attribute) and function.attr == "joinpath":
                return _flat([function.value, *arguments])
    return None


def _flat(nodes: Iterable[ast.expr]) -> list[ast.expr]:
    return [part for node in nodes for part in _parts(node) or [node]]


def _text(part: ast.expr) -> str:
    return part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else UNKNOWN


class _Source:
    """Bytes and tree of a source file, and where its nodes lie in it."""

    def __init__(self, data: bytes, tree: ast.AST, elsewhere: frozenset[str]) -> None:
        self.data = data
        self._tree = tree
        self._elsewhere = elsewhere
        self._lines = [0, *accumulate(map(len, data.splitlines(keepends=True)))]

    def span(self, node: ast.expr) -> tuple[int, int]:
        """Return from where to where a node reaches; its columns are bytes."""
        last = node.end_lineno or node.lineno
        end = self._lines[last - 1] + (node.end_col_offset or 0)
        return self._lines[node.lineno - 1] + node.col_offset, end

    def line(self, place: int) -> int:
        """Return the line on which a byte stands, from 1."""
        return self.data.count(b"\n", 0, place) + 1

    @cached_property
    def _writes(self) -> Writes:
        """Where the source writes; few sources name anything for which that has to be known."""
        return Writes(self._tree, self._elsewhere)

    def unless_written(self, reference: Reference, node: ast.expr) -> Reference:
        """Return a reference, not to be rewritten if the program may write there."""
        if reference.new is not None and self._writes.to(node):
            return replace(reference, new=None, why=WRITTEN)
        return reference

    def plain(self, found: Iterable[Reference]) -> Iterator[Reference]:
        """Yield the references that stand in texts and comments."""
        texts: list[tuple[Span, ast.expr | None]] = [(span, None) for span in self.comments()]
        texts += [(self.span(node), node) for node in _strings(self._tree)]
        for reference in found:
            for span, node in texts:
                if span[0] <= reference.start < span[1]:
                    yield self._in_text(reference, span, node)

    def _in_text(self, reference: Reference, span: Span, node: ast.expr | None) -> Reference:
        if reference.new is None:
            return reference
        if node:
            reference = self.unless_written(reference, node)
        start, end = reference.start - span[0], reference.end - span[0]
        if reference.new and in_text(self.data[slice(*span)], start, end):
            return replace(reference, new=None, why=WRITTEN)
        if reference.new and isinstance(node, ast.JoinedStr):
            return replace(reference, new=None, why=f"{IN_F_STRING}; {reference.why}")
        return reference

    def comments(self) -> Iterator[tuple[int, int]]:
        """Yield where comments are."""
        for token in tokenize.tokenize(io.BytesIO(self.data).readline):
            if token.type == tokenize.COMMENT:
                before = len(token.line[: token.start[1]].encode())
                start = self._lines[token.start[0] - 1] + before
                yield start, start + len(token.string.encode())

    def joined(self, node: ast.expr) -> Reference:
        """Return a path that is joined, and how it is written anew."""
        texts = [_text(part) for part in _parts(node) or []]
        old = "/".join(text.rstrip("/") for text in texts)
        form = _form(node)
        why = "" if form else "is joined in a way that is not rewritten"
        return Reference(*self.span(node), old, form, why)

    def in_f_strings(self, folder: str, finder: Finder) -> Iterator[Reference]:
        """Yield the paths that are joined inside f-strings, where nothing is rewritten."""
        for text in (node for node in ast.walk(self._tree) if isinstance(node, ast.JoinedStr)):
            for value in text.values:
                for node in _outermost(value):
                    is_joined = len(_parts(node) or ()) > 1  # or it is found as a text
                    if is_joined and (found := _refer(self.joined(node), folder, finder)):
                        start, end = self.span(text)
                        why = f"{IN_F_STRING}; {found.why}"
                        yield replace(found, start=start, end=end, new=None, why=why)

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


def _form(node: ast.expr) -> str | None:
    """Return how a path is joined: of a whole, {0}, or of a folder and a name, {1} and {2}."""
    calls = [n for n in ast.walk(node) if isinstance(n, ast.Call)]
    names = [name for call in calls if (name := ast.unparse(call.func)) in (*_JOIN, *_PATH)]
    if not names:
        return None
    if isinstance(node, ast.Call) and (name := ast.unparse(node.func)) in _JOIN:
        return f"{name}({{1}}, {{2}})"
    paths = [name for name in names if name in _PATH]
    if not paths:
        return None
    return f"{paths[0]}({{0}})" if isinstance(node, ast.Call) else f"{paths[0]}({{1}}) / {{2}}"
