"""A picture of two trees, before and after, as an SVG that needs no font and no network."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import PurePosixPath
from typing import Any

LINE, INDENT, LETTER, TOP = 20, 18, 7.2, 84  # pixels
PANEL, GAP = 470, 20
SHOWN = (3, 12)  # siblings of one kind that are named before the rest is counted: before, after
STYLE = """\
svg { color-scheme: light dark; }
.page { fill: #ffffff; } .panel { fill: #f6f8fa; stroke: #d0d7de; } .guide { stroke: #afb8c1; }
text { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #1f2328; }
.title { font-size: 15px; font-weight: bold; } .folder, .more, .note, .paper { fill: #59636e; }
.checkpoint { fill: #b42318; } .log { fill: #8a5a00; } .archive { fill: #0a5cc2; }
.production { fill: #116329; font-weight: bold; }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117; } .panel { fill: #151b23; stroke: #3d444d; } .guide { stroke: #656c76; }
text { fill: #f0f6fc; } .folder, .more, .note, .paper { fill: #9198a1; }
.checkpoint { fill: #ff9492; } .log { fill: #e3b341; } .archive { fill: #79c0ff; }
.production { fill: #7ee787; }
}"""


@dataclass(frozen=True)
class Row:
    """A line of a tree: how deep it stands, what it says, and what that is."""

    depth: int
    text: str
    kind: str


def picture(before: Sequence[str], after: Sequence[str], notes: tuple[str, str]) -> str:
    """Return the picture of two lists of paths, with a sentence below each title."""
    panels = [list(_rows(_tree(p), n)) for p, n in zip((before, after), SHOWN, strict=True)]
    height = TOP + LINE * max(map(len, panels)) + 34
    width = 2 * PANEL + 3 * GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-labelledby="title described">',
        '<title id="title">The same repository before and after just cleanup</title>',
        f'<desc id="described">Before: {escape(notes[0])} After: {escape(notes[1])}</desc>',
        f"<style>\n{STYLE}\n</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
    ]
    for place, rows in enumerate(panels):
        left = GAP + place * (PANEL + GAP)
        parts += _panel(left, height - 2 * GAP, ("before", "after")[place], notes[place])
        parts += [part for number, row in enumerate(rows) for part in _line(left, number, row)]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(left: int, height: int, title: str, note: str) -> Iterator[str]:
    yield f'<rect class="panel" x="{left}" y="{GAP}" width="{PANEL}" height="{height}" rx="8"/>'
    yield f'<text class="title" x="{left + 16}" y="46">{title}</text>'
    yield _text("note", left + 16, 66, note)


def _line(left: int, number: int, row: Row) -> Iterator[str]:
    x, y = left + 16 + row.depth * INDENT, TOP + 16 + number * LINE
    if row.depth:
        yield (
            f'<path class="guide" fill="none" d="M{x - 12} {y - 4 - LINE + 8}V{y - 4}H{x - 4}"/>'
        )
    room = int((left + PANEL - 8 - x) / LETTER)
    yield _text(row.kind, x, y, row.text if len(row.text) <= room else f"{row.text[: room - 1]}…")


def _text(kind: str, x: int, y: int, text: str) -> str:
    """Return a text as wide as it would be in a font of 7.2 pixels a letter, whatever there is."""
    width = f'textLength="{len(text) * LETTER:.0f}" lengthAdjust="spacingAndGlyphs"'
    return f'<text class="{kind}" x="{x}" y="{y}" {width}>{escape(text)}</text>'


def _tree(paths: Sequence[str]) -> dict[str, Any]:
    top: dict[str, Any] = {}
    for path in paths:
        folder = top
        *folders, name = path.split("/")
        for part in folders:
            folder = folder.setdefault(f"{part}/", {})
        folder[name] = _kind(path)
    return top


def _kind(path: str) -> str:
    if "/production/" in path and not path.endswith(".json"):
        return "production"
    if "/pretrained/" in path:
        return "paper"
    kinds = {
        ".gz": "archive",
        ".log": "log",
        ".out": "log",
        ".json": "paper",
        ".md": "paper",
        ".svg": "paper",
    }
    return kinds.get(PurePosixPath(path).suffix, "checkpoint")


def _rows(tree: Mapping[str, Any], limit: int, depth: int = 0) -> Iterator[Row]:
    """Yield the lines of a tree; of many siblings of one kind the first few and their number."""
    for kind, names in _by_kind(tree).items():
        shown = names if len(names) <= limit + 1 else names[:limit]
        for name in shown:
            yield from _entry(name, tree[name], kind, limit, depth)
        if rest := len(names) - len(shown):
            yield Row(depth, f"and {rest} more", "more")


def _entry(name: str, inside: Any, kind: str, limit: int, depth: int) -> Iterator[Row]:
    """Yield a file, or a folder and what is in it; what is alone in a folder shares its line."""
    while isinstance(inside, dict) and len(inside) == 1:
        ((inner, inside),) = inside.items()
        name += inner
    if not isinstance(inside, dict):
        yield Row(depth, name, inside)
        return
    yield Row(depth, name, kind)
    yield from _rows(inside, limit, depth + 1)


def _by_kind(tree: Mapping[str, Any]) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for name, inside in tree.items():
        kinds.setdefault("folder" if isinstance(inside, dict) else inside, []).append(name)
    return kinds
