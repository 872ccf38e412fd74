"""Training curves as an SVG picture, readable on light and dark ground and by screen readers."""

import math
from collections.abc import Mapping, Sequence
from html import escape

from engine.show import safe

Way = Sequence[float]

WIDE, HIGH = 560, 150  # of a panel's drawing
LEFT, TOP, PANEL = 70, 64, 220  # where it begins, and from one panel to the next
HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 660 {height}" role="img" \
aria-labelledby="title desc">
<title id="title">{title}</title>
<desc id="desc">{desc}</desc>
<style>
svg {{ font: 13px system-ui, sans-serif; --page: #fff; --ink: #1f2937; --rule: #d8dee9;
  --a: #2563eb; --b: #b45309; }}
@media (prefers-color-scheme: dark) {{
  svg {{ --page: #161b22; --ink: #dbe2ea; --rule: #3b4350; --a: #79b0ff; --b: #f0b35e; }} }}
rect {{ fill: var(--page); }} text {{ fill: var(--ink); }} path {{ stroke: var(--rule); }}
polyline {{ fill: none; stroke-width: 2; stroke-linejoin: round; }}
.a {{ stroke: var(--a); }} .b {{ stroke: var(--b); stroke-dasharray: 6 3; }}
text.a {{ fill: var(--a); stroke: none; }} text.b {{ fill: var(--b); stroke: none; }}
.end {{ text-anchor: end; }} .head {{ font-weight: 600; }} circle {{ fill: var(--a); }}
</style>
<rect width="100%" height="100%" rx="8"/>
"""


def polyline(values: Way, low: float, high: float, wide: float, height: float) -> str:
    """Return the points of a polyline from left to right, `high` at the top; flat in the middle."""
    span, step = high - low, wide / max(len(values) - 1, 1)
    shares = ((value - low) / span if span else 0.5 for value in values)
    return " ".join(f"{i * step:.4g},{height * (1 - s):.4g}" for i, s in enumerate(shares))


def picture(title: str, ways: Mapping[str, Way], direction: str | None, ends: Way) -> str | None:
    """Return the picture of the first curve, its best point marked, and of the others below it.

    `ends` are the first and the last epoch. None if the first is no curve: it has no two values.
    """
    drawn = {name: way for name, way in ways.items() if _is_curve(way)}
    if list(drawn)[:1] != list(ways)[:1] or not ways:
        return None
    (name, way), *others = drawn.items()
    panels = [{name: way}, dict(others)] if others else [{name: way}]
    desc = "; ".join(f"{n} from {w[0]:.6g} to {w[-1]:.6g}" for n, w in drawn.items())
    height = TOP + PANEL * len(panels) - 32
    head = HEAD.format(height=height, title=_text(title), desc=_text(f"Curves by epoch: {desc}"))
    body = "".join(_panel(panel, number, ends) for number, panel in enumerate(panels))
    shown = f'<text class="head" x="16" y="28">{_text(title)}</text>\n'
    return f"{head}{shown}{body}{_best(way, direction)}</svg>\n"


def _is_curve(way: Way) -> bool:
    return len(way) > 1 and all(math.isfinite(v) and abs(v) < 1e12 for v in way)


def _text(text: str) -> str:
    return escape(safe(text))


def _panel(ways: Mapping[str, Way], number: int, ends: Way) -> str:
    values = [value for way in ways.values() for value in way]
    low, high = min(values), max(values)
    lines = [f'<g transform="translate({LEFT},{TOP + PANEL * number})">']
    for share in (0, 0.5, 1):
        at, value = HIGH * (1 - share), low + (high - low) * share
        lines.append(f'<path d="M0 {at:g}h{WIDE}"/>')
        lines.append(f'<text class="end" x="-8" y="{at + 4:g}">{value:.4g}</text>')
    for index, (name, way) in enumerate(ways.items()):
        style = "ab"[index % 2]
        drawn = polyline(way, low, high, WIDE, HIGH)
        lines.append(f'<polyline class="{style}" points="{drawn}"/>')
        lines.append(f'<text class="{style}" x="{index * 280}" y="-12">{_text(name[:40])}</text>')
    lines.append(f'<text y="{HIGH + 18}">epoch {ends[0]:g}</text>')
    lines.append(f'<text class="end" x="{WIDE}" y="{HIGH + 18}">{ends[1]:g}</text>')
    return "\n".join([*lines, "</g>\n"])


def _best(way: Way, direction: str | None) -> str:
    """Return a mark on the best value of the first panel."""
    if direction is None or min(way) == max(way):
        return ""
    best = max(way) if direction == "max" else min(way)
    x = LEFT + way.index(best) * WIDE / (len(way) - 1)
    return f'<circle cx="{x:.4g}" cy="{TOP if direction == "max" else TOP + HIGH}" r="4"/>\n'
