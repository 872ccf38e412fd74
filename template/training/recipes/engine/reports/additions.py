"""What a person added to a summary, carried byte for byte into one that is written anew."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable

BEGIN, END = "<!-- yours", "<!-- end of yours -->"
MARKED = re.compile(f"{BEGIN}.*?{END}", re.DOTALL)
OPENS = re.compile(rf" {{0,3}}(```+|~~~+|{BEGIN})")  # where a heading is none until it is closed
CARD = re.compile(r"\A---\r?\n(.*?^|)---\r?\n", re.DOTALL | re.MULTILINE)
ENTRY = re.compile(r"^((?:#.*\n)*([\w-]+):.*\n(?:(?![\w-]+:|#).*\n)*)", re.MULTILINE)


def carried(old: str, new: str, keep: Collection[str] = ()) -> str:
    """Return `new` with what was added to `old`: text between marks, sections, entries of its card.

    Each stays behind what it stood behind. The sections `keep` stay as they were as well. Raises
    ValueError if a mark or a block of code is not closed.
    """
    (old_card, old_body), (new_card, new_body) = map(_split, (old, new))
    before = _sections(old_body)
    kept = set(keep) & dict(before).keys()
    generated = {heading: text for heading, text in _sections(new_body) if heading not in kept}
    marked: dict[str, list[str]] = {}
    behind: dict[str, list[str]] = defaultdict(list)
    for heading, text in before:
        if heading in generated and heading not in marked:
            marked[heading] = MARKED.findall(text)
        else:
            behind[next(reversed(marked))].append(text)
    parts = (
        part
        for heading, text in generated.items()
        for part in (_with_marked(text, marked.get(heading)), *behind[heading])
    )
    card = "".join((new_card | {k: v for k, v in old_card.items() if k not in new_card}).values())
    return f"---\n{card}---\n{_joined(parts)}"


def _split(text: str) -> tuple[dict[str, str], str]:
    """Return the entries of the card by their keys, and what follows the card."""
    card = CARD.match(text)
    if card is None:
        return {}, text
    return {key: entry for entry, key in ENTRY.findall(card[1])}, text[card.end() :]


def _sections(text: str) -> list[tuple[str, str]]:
    """Return heading and text of the parts that a heading begins; the first is before them all."""
    found: list[tuple[str, list[str]]] = [("", [])]
    closing = ""
    for line in text.splitlines(keepends=True):
        opened = OPENS.match(line)
        if not closing and line.startswith("## "):
            found.append((line[3:].strip(), []))
        found[-1][1].append(line)
        if closing:
            closing = "" if closing in line else closing
        elif opened and END not in line:
            closing = END if opened[1] == BEGIN else opened[1]
    sections = [(heading, "".join(lines)) for heading, lines in found]
    if closing or any(part.count(BEGIN) != len(MARKED.findall(part)) for _, part in sections):
        raise ValueError(f"no `{closing or END}` closes what was opened; close it")
    return sections


def _with_marked(text: str, kept: list[str] | None) -> str:
    if not kept:
        return text
    joined = "\n\n".join(kept)
    if MARKED.search(text):
        return MARKED.sub(lambda _: joined, text, count=1)
    return f"{text.rstrip()}\n\n{joined}\n"


def _joined(parts: Iterable[str]) -> str:
    """Return the parts with an empty line between any two."""
    text = ""
    for part in parts:
        while text and not re.search(r"\n\r?\n\Z", text):
            text += "\n"
        text += part
    return text
