"""The paths that stand in Python source, and which of them it writes to. Pure; nothing is run."""

import ast
import posixpath
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Literal

LONGEST = 1000  # characters of a text that may be a path
UNKNOWN = "*"  # what only a run knows

Written = Literal["checkpoint", "log"]
# Calls that write to a file: the position of its name among the arguments, its keyword, what it is.
WRITERS: dict[str, tuple[int, str, Written]] = {
    "torch.save": (1, "f", "checkpoint"),
    "safetensors.torch.save_file": (1, "filename", "checkpoint"),
    "logging.FileHandler": (0, "filename", "log"),
    "logging.handlers.RotatingFileHandler": (0, "filename", "log"),
    "logging.handlers.TimedRotatingFileHandler": (0, "filename", "log"),
    "logging.handlers.WatchedFileHandler": (0, "filename", "log"),
    "logging.basicConfig": (99, "filename", "log"),
}
_JOINING = {"pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath", "os.path.join"}
_SAME = {"str", "os.fspath", "os.path.abspath", "os.path.normpath"}
_SAME_METHODS = {"resolve", "absolute", "as_posix"}
_PERCENT = re.compile(r"%[-#0 +.\d]*[a-zA-Z]")
_BRACES = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True)
class Mention:
    """A path in a source file, as it is written, with `*` for what only a run knows."""

    line: int
    path: str
    written: Written | None  # what the program writes there


def mentions(source: bytes) -> tuple[Mention, ...]:
    """Return the paths, and texts that might be paths, in the order in which they stand there.

    Names that are bound once are followed. Raises SyntaxError, ValueError, RecursionError or
    MemoryError for what Python cannot read either.
    """
    return mentioned(parsed(source))


def mentioned(tree: ast.AST) -> tuple[Mention, ...]:
    """Return the same of a source that is parsed."""
    return tuple(_Module(tree).mentions(tree))


def parsed(source: bytes) -> ast.Module:
    """Return the tree of a source; raises what `mentions` does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the source, about which nobody asked
        return ast.parse(source)


class _Module:
    """What names mean in a file: of imports in full, of values where they are bound just once."""

    def __init__(self, tree: ast.AST) -> None:
        self._imported: dict[str, str] = {}
        self._values: dict[str, ast.expr] = {}
        self._texts: dict[str, str] = {}
        bound: Counter[str] = Counter()
        for node in ast.walk(tree):
            match node:
                case ast.Import(names=aliases):
                    self._imported |= {a.asname: a.name for a in aliases if a.asname}
                case ast.ImportFrom(module=str(module), names=aliases, level=0):
                    self._imported |= {a.asname or a.name: f"{module}.{a.name}" for a in aliases}
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self._values[name] = value
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    self._values[name] = value
                case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                    bound[name] += 1
        self._values = {name: value for name, value in self._values.items() if bound[name] == 1}

    def mentions(self, node: ast.AST) -> Iterator[Mention]:
        argument, written = self._written(node)
        if argument is not None:
            yield Mention(argument.lineno, self._text(argument), written)
        for child in self._inner(node):
            if child is not argument:
                yield from self.mentions(child)
        if isinstance(node, ast.expr) and self._parts(node) is not None:
            text = self._text(node)
            if _is_known(text):
                yield Mention(node.lineno, text, None)

    def _written(self, node: ast.AST) -> tuple[ast.expr | None, Written | None]:
        """Return the argument that names the file which a call writes, if that is known."""
        if isinstance(node, ast.Call) and (writer := WRITERS.get(self._dotted(node.func))):
            position, keyword, written = writer
            named = [k.value for k in node.keywords if k.arg == keyword]
            for argument in [*node.args[position : position + 1], *named]:
                if _is_known(self._text(argument)):
                    return argument, written
        return None, None

    def _inner(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield the nodes below which paths of their own may stand."""
        parts = self._parts(node) if isinstance(node, ast.expr) else None
        if isinstance(node, ast.expr) and parts is not None:
            if not _is_known(self._text(node)):  # "a.pt" in `folder / "a.pt"` is not the root's
                yield from (p for n, p in enumerate(parts) if not (n and _is_text(p)))
        elif isinstance(node, ast.Call):
            yield from (node.func, *node.args, *(keyword.value for keyword in node.keywords))
        else:
            yield from ast.iter_child_nodes(node)

    def _parts(self, node: ast.expr) -> list[ast.expr] | None:
        """Return what a path or a text is put together from; None if the node is neither."""
        match node:
            case ast.Constant(value=str()):
                return []
            case ast.BinOp(left=left, op=ast.Div() | ast.Add() | ast.Mod(), right=right):
                return [left, right]
            case ast.JoinedStr(values=values):
                return [v.value if isinstance(v, ast.FormattedValue) else v for v in values]
            case ast.Call(func=function, args=arguments):
                if self._dotted(function) in _JOINING | _SAME:
                    return arguments
                if isinstance(function, ast.Attribute) and function.attr in (
                    "joinpath",
                    "format",
                    *_SAME_METHODS,
                ):
                    return [function.value, *arguments]
        return None

    def _text(self, node: ast.expr) -> str:
        text = self._put_together(node)
        return text if len(text) <= LONGEST else UNKNOWN

    def _put_together(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.Name(id=name):
                return self._value(name)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return _joined([self._text(left), self._text(right)])
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._text(left) + self._text(right)
            case ast.BinOp(left=left, op=ast.Mod()):
                return _PERCENT.sub(UNKNOWN, self._text(left))
            case ast.JoinedStr(values=values):
                return "".join(map(self._text, values))
            case ast.FormattedValue(value=value):
                return self._text(value)
            case ast.Call():
                return self._called(node)
        return UNKNOWN

    def _called(self, node: ast.Call) -> str:
        name, texts = self._dotted(node.func), [self._text(argument) for argument in node.args]
        if name in _JOINING:
            return _joined(texts)
        if name in _SAME and len(texts) == 1:
            return texts[0]
        if isinstance(node.func, ast.Attribute):
            if node.func.attr == "joinpath":
                return _joined([self._text(node.func.value), *texts])
            if node.func.attr == "format":
                return _BRACES.sub(UNKNOWN, self._text(node.func.value))
            if node.func.attr in _SAME_METHODS:
                return self._text(node.func.value)
        return UNKNOWN

    def _value(self, name: str) -> str:
        if name not in self._texts:
            self._texts[name] = UNKNOWN  # until it is known: a value may name itself
            value = self._values.get(name)
            self._texts[name] = self._text(value) if value else UNKNOWN
        return self._texts[name]

    def _dotted(self, node: ast.expr) -> str:
        """Return the full name of what is called; empty if it has none."""
        match node:
            case ast.Name(id=name):
                return self._imported.get(name, name)
            case ast.Attribute(value=value, attr=attribute):
                before = self._dotted(value)
                return f"{before}.{attribute}" if before else ""
        return ""


def _joined(texts: list[str]) -> str:
    return reduce(posixpath.join, texts) if texts else "."


def _is_known(text: str) -> bool:
    return bool(text) and not text.startswith(UNKNOWN) and "\n" not in text and "://" not in text


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
