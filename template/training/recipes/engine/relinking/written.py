"""Tell by names, commands and keys whether a program writes to a path; in doubt it does. Pure."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import accumulate
from typing import NamedTuple

WRITTEN = "the program may write there; training/log_paths.py gives a place for it"
LONGEST = 10_000  # characters of a line on each side of a path; in a longer one it is in doubt
TAIL = 500  # characters in which the key or the option stands that a path follows

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_WRITING = re.compile(
    r"save(?!d$)\w*|saving|\w+save|writ(?!ten$)\w*|\w+write|dump\w*|remov\w*|unlink|del|delet\w*"
    r"|erase|rm|rmtree|rmdir|mv|move|moves|moving|renam\w*|replace\w*|export\w*|stor(?:e|es|ing)"
    r"|outputs?|out|out(?:dir|file|path|name|put)\w*|dest\w*|dst|target|append|touch|truncate"
    r"|mkdirs?|makedirs|overwrite|symlink|hardlink|(?:\w+)?(?:logger|handler|recorder)|logdir"
    r"|logfile|dirpath"
)
_LOG = re.compile(r"(?:^|_)logs?_?(?:dir|file|path|folder|name)(?:$|_)", re.IGNORECASE)
_EXACT = {"ModelCheckpoint", "TensorBoard", "TrainingArguments", "basicConfig", "-o", "-O"}

_DESTROYING = {"rm", "rmdir", "mv", "tee", "unlink", "truncate", "shred", "touch", "mkdir", "dd"}
_COPYING = {"cp", "ln", "scp", "rsync"}
_BEFORE_COMMANDS = {
    *("sudo", "env", "time", "nohup", "exec", "then", "do", "else", "python", "python3", "uv"),
    *("run", "poetry", "RUN", "CMD", "accelerate", "launch", "torchrun", "srun"),
}
_REDIRECT = re.compile(r"(?:(?<![-=])>>?\|?\s*|\bof=)[\"']?$")
_OPTION = re.compile(r"(?:^|[\s\"'\[,])(--?[A-Za-z][\w.-]*)[\"']?(?:=|,?\s+)[\"']?$")
_KEY = re.compile(r"([\w.-]+)[\"']?\s*[:?+]?[:=]=?[\s\"'\[({-]*$")
_OPENED = re.compile(r"(?<![\w.-])([\w.-]+)[\"']?\s*[:=]\s*[\[{(]")
_CLOSED = re.compile(r"[\[{(][^\[\]{}()]*[\])}]")
_BORDER = re.compile(r"&&|\|\||[;|`\n]|\$\(|(?<![<>\d])&(?!>)")
_WORD = re.compile(r"[^\s\"',\[\]{}()<>]+")
_INDENTED_KEY = re.compile(r"[\s-]*[\"']?([\w.-]+)[\"']?\s*[:=]")
_SECTION = re.compile(r"\[+([\w.\"' -]+)\]+\s*$")


def words_of(name: str) -> list[str]:
    """Return the words that a name is made of."""
    return [word.lower() for word in _PARTS.findall(name)]


@cache
def says_writing(name: str) -> bool:
    """Return whether the name of a function, an option, a key or a variable speaks of writing."""
    if name in _EXACT or _LOG.search(name.replace("-", "_")):
        return True
    words = words_of(name)
    to_what = len(words) > 1 and words[0] == "to" and "path" not in words
    return to_what or any(_WRITING.fullmatch(word) for word in words)


def in_text(
    data: bytes, start: int, end: int, keyed: bool = False, elsewhere: frozenset[str] = frozenset()
) -> bool:
    """Return whether the path from `start` to `end` of a text is written by what stands around it.

    That is a command, an option or a key; if `keyed`, a key further out as well. A variable that
    gets the path is followed. `elsewhere` are names by which programs write.
    """
    before, after = _line_before(data, start), _line_after(data, end)
    if max(len(before), len(after)) > LONGEST:
        return True
    keys = [*_keys(before), *(_further_out(data, start) if keyed else ())]
    if any(key.strip("-").replace("-", "_") in elsewhere for key in keys):
        return True
    if _around(before, after) or any(map(says_writing, keys)):
        return True
    key = _KEY.search(before[-TAIL:])
    return key is not None and _variable_is_written(key[1], data)


def _line_before(data: bytes, place: int) -> str:
    """Return what stands before a byte on its line, and on those that a backslash joins to it."""
    start = data.rfind(b"\n", 0, place) + 1
    while start and data.endswith((b"\\\n", b"\\\r\n"), 0, start):
        start = data.rfind(b"\n", 0, start - 1) + 1
    return _one_line(data[start:place])


def _line_after(data: bytes, place: int) -> str:
    """Return the same of what stands behind a byte."""
    end = data.find(b"\n", place)
    while end >= 0 and data.endswith((b"\\", b"\\\r"), place, end):
        end = data.find(b"\n", end + 1)
    return _one_line(data[place : len(data) if end < 0 else end])


def _one_line(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\\\r\n", "  ").replace("\\\n", " ")


def _around(before: str, after: str) -> bool:
    named = any(map(says_writing, _keys(before)))
    return named or bool(_REDIRECT.search(before[-TAIL:])) or _by_command(before, after)


def _keys(before: str) -> list[str]:
    """Return the keys and the option that hold what stands after a text."""
    keys = [key[1] for pattern in (_OPTION, _KEY) if (key := pattern.search(before[-TAIL:]))]
    while (shorter := _CLOSED.sub("", before)) != before:
        before = shorter
    return [*keys, *_OPENED.findall(before)]


def _by_command(before: str, after: str) -> bool:
    segment = _BORDER.split(before)[-1]
    words = [word.lstrip("-@%!$") for word in _WORD.findall(segment)]
    names = [word.rpartition("/")[2] for word in words]
    if not _DESTROYING.isdisjoint(names):
        return True
    if not _COPYING.isdisjoint(names):
        following = re.split(r"[<>]|\d>", _BORDER.split(after)[0])[0]
        others = [word for word in _WORD.findall(following) if not word.startswith(("-", ":"))]
        return not others or " -t" in segment
    if _OPTION.search(before[-TAIL:]):
        return False
    commands = [name for name in names if name not in _BEFORE_COMMANDS and name[-1:] not in ":="]
    scripts = [name.rpartition(".")[0] for name in names if name.endswith((".py", ".sh"))]
    return any(map(says_writing, [*commands[:1], *scripts]))


@lru_cache(maxsize=16)
def _variable_is_written(name: str, data: bytes) -> bool:
    called = re.escape(name.encode())
    used = re.compile(rb"\$[({]?" + called + rb"\b[)}]?|\{\{\s*" + called + rb"\s*\}\}")
    return any(
        _around(_line_before(data, use.start()), _line_after(data, use.end()))
        for use in used.finditer(data)
    )


class _Outer(NamedTuple):
    """A line below which others stand by their indentation, or the section in which they do."""

    depth: int
    key: str
    outer: "_Outer | None"


def _further_out(data: bytes, place: int) -> Iterator[str]:
    """Yield the keys below which a path stands by its indentation, and its section in TOML."""
    starts, outline = _outline(data)
    number = bisect_right(starts, place) - 1
    depth = _depth(data[starts[number] : place].decode("utf-8", "replace") or " ")
    line = outline[number]
    while line:
        if line.depth < depth:
            depth = line.depth
            if line.key:
                yield line.key
        line = line.outer


@lru_cache(maxsize=1)
def _outline(data: bytes) -> tuple[list[int], list[_Outer | None]]:
    """Return where each line starts, and of each the nearest line above that may be further out."""
    lines = data.splitlines(keepends=True)
    outline: list[_Outer | None] = []
    outer: _Outer | None = None
    for text in (line.decode("utf-8", "replace").rstrip("\r\n") for line in lines):
        outline.append(outer)
        if section := _SECTION.match(text):
            outer = _Outer(-1, section[1], None)
        elif text.strip():
            depth, key = _depth(text), _INDENTED_KEY.match(text)
            while outer and outer.depth >= depth:
                outer = outer.outer
            outer = _Outer(depth, key[1] if key else "", outer)
    return [0, *accumulate(map(len, lines))][:-1], outline


def _depth(line: str) -> int:
    bare = line.lstrip()
    return len(line) - len(bare) + bare.startswith("-")
