"""Tell by names, commands and keys whether a program writes to a path; in doubt it does. Pure."""

import re
from collections.abc import Iterator
from functools import cache

WRITTEN = "the program may write there; training/log_paths.py gives a place for it"

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
_OPENED = re.compile(r"([\w.-]+)[\"']?\s*[:=]\s*[\[{(]")
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
    text, rest = data[:start].decode("utf-8", "replace"), data[end:].decode("utf-8", "replace")
    before, after = _line_before(text), _line_after(rest)
    keys = [*_keys(before), *(_further_out(text) if keyed else ())]
    if any(key.strip("-").replace("-", "_") in elsewhere for key in keys):
        return True
    if _around(before, after) or any(map(says_writing, keys)):
        return True
    key = _KEY.search(before)
    return key is not None and _variable_is_written(key[1], data.decode("utf-8", "replace"))


def _line_before(text: str) -> str:
    return text.replace("\\\r\n", "  ").replace("\\\n", " ").rpartition("\n")[2]


def _line_after(text: str) -> str:
    return text.replace("\\\r\n", "  ").replace("\\\n", " ").partition("\n")[0]


def _around(before: str, after: str) -> bool:
    named = any(map(says_writing, _keys(before)))
    return named or bool(_REDIRECT.search(before)) or _by_command(before, after)


def _keys(before: str) -> list[str]:
    """Return the keys and the option that hold what stands after a text."""
    keys = [key[1] for pattern in (_OPTION, _KEY) if (key := pattern.search(before))]
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
    if _OPTION.search(before):
        return False
    commands = [name for name in names if name not in _BEFORE_COMMANDS and name[-1:] not in ":="]
    scripts = [name.rpartition(".")[0] for name in names if name.endswith((".py", ".sh"))]
    return any(map(says_writing, [*commands[:1], *scripts]))


def _variable_is_written(name: str, text: str) -> bool:
    used = re.compile(
        r"\$[({]?" + re.escape(name) + r"\b[)}]?|\{\{\s*" + re.escape(name) + r"\s*\}\}"
    )
    return any(
        _around(_line_before(text[: use.start()]), _line_after(text[use.end() :]))
        for use in used.finditer(text)
    )


def _further_out(text: str) -> Iterator[str]:
    """Yield the keys below which a path stands by its indentation, and its section in TOML."""
    *lines, line = text.splitlines() if text[-1:] not in ("\n", "") else [*text.splitlines(), ""]
    depth = _depth(line or " ")
    for above in reversed(lines):
        if section := _SECTION.match(above):
            yield section[1]
            return
        if above.strip() and _depth(above) < depth:
            depth = _depth(above)
            if key := _INDENTED_KEY.match(above):
                yield key[1]


def _depth(line: str) -> int:
    bare = line.lstrip()
    return len(line) - len(bare) + bare.startswith("-")
