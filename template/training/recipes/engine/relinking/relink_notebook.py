"""Find references in the cells of a Jupyter notebook: sources alone, outputs are what was seen."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from copy import copy
from dataclasses import replace

from engine.relinking import relink_python, relink_text
from engine.relinking.moves import Reference, Span
from engine.relinking.relink_text import Finder

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]')
_MAGIC = re.compile(rb"^[ \t]*[%!?](?=.)", re.MULTILINE)


def find(data: bytes, folder: str, finder: Finder) -> list[Reference]:
    """Return the references; each with `new` stands for a line of a cell, as JSON.

    Raises ValueError, LookupError or TypeError if it is no notebook.
    """
    read = json.loads(data)["cells"]
    if not all(isinstance(cell, dict) for cell in read):
        raise ValueError("its cells are none of a notebook")
    kinds = {i: cell.get("cell_type") for i, cell in enumerate(read)}
    cells: dict[int, list[Span]] = defaultdict(list)
    for keys, span in _strings(data):
        match keys:
            case ("cells", int(number), "source", *_):
                cells[number].append(span)
    finder = copy(finder)
    finder.elsewhere |= written_names(data)
    return [
        reference
        for number, spans in cells.items()
        for reference in _in_cell(data, spans, folder, finder, kinds[number] == "code")
    ]


def written_names(data: bytes) -> frozenset[str]:
    """Return by which names of other cells, modules and configs the cells of a notebook write."""
    names = set[str]()
    for cell in json.loads(data)["cells"]:
        if cell.get("cell_type") == "code":
            source = "".join(cell.get("source", "")).encode()
            names |= relink_python.written_names(_masked(source), all_names=True)
    return frozenset(names)


def _masked(source: bytes) -> bytes:
    return _MAGIC.sub(lambda magic: magic[0][:-1] + b"#", source)


def _in_cell(
    data: bytes, spans: list[Span], folder: str, finder: Finder, is_code: bool
) -> Iterator[Reference]:
    lines = [json.loads(data[start:end]).encode() for start, end in spans]
    references = _references(b"".join(lines), folder, finder, is_code)
    before = 0
    for line, span in zip(lines, spans, strict=True):
        after = before + len(line)
        here = [r for r in references if before <= r.start < after]
        new, shown = line, []
        for found in reversed(here):
            if found.new is None or found.end > after:
                yield replace(found, start=span[0], end=span[1], new=None)
                continue
            place = slice(found.start - before, found.end - before)
            new = new[: place.start] + found.new.encode() + new[place.stop :]
            shown.append(found)
        if shown:
            literal = json.dumps(new.decode(), ensure_ascii=data[slice(*span)].isascii())
            why = "; ".join(found.why for found in reversed(shown))
            yield Reference(*span, shown[-1].old, literal, why)
        before = after


def _references(source: bytes, folder: str, finder: Finder, is_code: bool) -> list[Reference]:
    if not is_code:
        return relink_text.find(source, folder, finder)
    try:
        return relink_python.find(_masked(source), folder, finder)
    except (SyntaxError, ValueError):
        return relink_text.find(source, folder, finder, ".sh")


def _strings(data: bytes) -> Iterator[tuple[tuple[str | int, ...], Span]]:
    """Yield the keys and the place of each string that is a value in valid JSON."""
    path: list[str | int] = []
    key: str | None = None
    for token in _TOKEN.finditer(data):
        match token[0]:
            case b"{":
                path.append("")
            case b"[":
                path.append(0)
            case b"}" | b"]":
                path.pop()
            case b"," if path and isinstance(path[-1], int):
                path[-1] += 1
            case b",":
                path[-1] = ""
            case b":":
                path[-1] = key or ""
            case text if path and path[-1] == "":
                key = json.loads(text)
            case _:
                yield tuple(path), token.span()
