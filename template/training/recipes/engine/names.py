"""Names by convention: build them, read them back, and make slugs of other people's names."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from log_paths import (
    FORMATS,
    SLUG,
    TEXTS,
    UNKNOWN,
    Part,
    Value,
    fill,
    is_slug,
    template_parts,
)

# The same code that names files during training.
build = fill

# What a date or time format is made of: digits alone, so that a name can be read back.
_DIRECTIVES = {
    "date": {"%Y": "[1-9][0-9]{3}", "%m": "[0-9]{2}", "%d": "[0-9]{2}"},
    "time": {"%H": "[0-9]{2}", "%M": "[0-9]{2}", "%S": "[0-9]{2}"},
}

# The `_2` that a later file of one name carries before its extensions.
_NUMBERED = re.compile(r"(.+)_(?:[2-9]|[1-9][0-9]{1,2})((?:\.[A-Za-z][A-Za-z0-9]*)*)")

# Templates are tried with these: everything known, and as little as there may be.
_MOMENT = datetime(2025, 7, 25, 10, 44, 38)
_SAMPLES: tuple[dict[str, Value], ...] = (
    {
        "model_type": "a_v1",
        "experiment_name": "b_2",
        "date": _MOMENT,
        "time": _MOMENT,
        "metric": 12.3457,
        "ext": "pth",
    },
    {"model_type": "a_v1", "experiment_name": "", "ext": "", **dict.fromkeys(UNKNOWN)},
)


def slugify(text: str) -> str:
    """Return the slug that comes nearest to a text; empty if no letter or digit is in it."""
    plain = unicodedata.normalize("NFKD", text).casefold().encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:64].rstrip("_")
    return slug if not slug or is_slug(slug) else f"{slug}_"


def parse(
    template: str, name: str, *, model_types: Iterable[str] = (), decimals: int | None = None
) -> dict[str, str] | None:
    """Return the fields of a name that follows a template, or None if it does not.

    Dates come as `20250725` or `undated`, times as `104438` or `unknown`, metrics as `0.5929` or
    `unknown`, and what is left out is empty. Where `a_b_c` may be split in several ways, the
    longest of `model_types` that fits is the model type, or else all of it. Any number of decimals
    will do unless `decimals` is given. The `_2` of a later file of the same name is skipped.
    """
    stripped = _NUMBERED.fullmatch(name)
    for candidate in (name, stripped[1] + stripped[2]) if stripped else (name,):
        for model_type in (*sorted(model_types, key=len, reverse=True), None):
            match = _pattern(template, model_type, decimals).fullmatch(candidate)
            fields = _fields(template, match.groupdict()) if match else None
            if fields is not None:
                return fields
    return None


@lru_cache(maxsize=256)
def template_fields(template: str) -> frozenset[str]:
    """Return the fields of a name template.

    Raises ValueError, one line, if it is malformed, or if what it builds is no legal file name or
    could not be read back.
    """
    fields = frozenset(part.field for part in _parts(template) if part.field)
    vocabulary = ("a_v1",) if "experiment_name" in fields else ()
    for values in _SAMPLES:
        expected = {field: build(f"x{{{field}}}", decimals=4, **values)[1:] for field in fields}
        if (
            parse(template, build(template, decimals=4, **values), model_types=vocabulary)
            != expected
        ):
            raise ValueError(f"{template!r} builds names whose parts cannot be told apart")
    return fields


@lru_cache(maxsize=256)
def _parts(template: str) -> tuple[Part, ...]:
    return tuple(template_parts(template))


@lru_cache(maxsize=256)
def _pattern(template: str, model_type: str | None, decimals: int | None) -> re.Pattern[str]:
    parts = _parts(template)
    repeated = len({part.field for part in parts if part.field}) < sum(
        bool(part.field) for part in parts
    )
    if repeated:
        raise ValueError(f"{template!r} has the same field twice")
    return re.compile("".join(_part_pattern(part, model_type, decimals) for part in parts))


def _part_pattern(part: Part, model_type: str | None, decimals: int | None) -> str:
    if not part.field:
        return re.escape(part.before)
    value = _value_pattern(part, decimals)
    if part.field == "model_type" and model_type:
        value = re.escape(model_type)
    pattern = f"{re.escape(part.before)}(?P<{part.field}>{value}){re.escape(part.after)}"
    return f"(?:{pattern})?" if part.optional else pattern


def _value_pattern(part: Part, decimals: int | None) -> str:
    if part.field in TEXTS:
        return TEXTS[part.field]
    if part.field == "metric":
        return f"{_number_pattern(decimals)}|{UNKNOWN['metric']}"
    known = _DIRECTIVES[part.field]
    pieces = re.split("(%.)", part.format or FORMATS[part.field])
    if sorted(pieces[1::2]) != sorted(known):
        raise ValueError(f"the format of {{{part.field}}} needs {' '.join(known)}, once each")
    return (
        "".join(known.get(piece) or re.escape(piece) for piece in pieces)
        + f"|{UNKNOWN[part.field]}"
    )


def _number_pattern(decimals: int | None) -> str:
    """Return what a metric looks like with any decimals, or as `metric_text` writes it."""
    if decimals is None:
        return r"-?[0-9]+(?:\.[0-9]+)?"
    usual = rf"\.[0-9]{{{decimals}}}" if decimals else ""
    return rf"-?(?:[0-9]+{usual}|0\.0{{{decimals}}}[0-9]+)"


def _fields(template: str, groups: dict[str, str | None]) -> dict[str, str] | None:
    fields = {field: text or UNKNOWN.get(field, "") for field, text in groups.items()}
    for part in _parts(template):
        if part.field in FORMATS:
            try:
                fields[part.field] = _plain_digits(part.field, fields[part.field], part.format)
            except ValueError:  # the 31st of February
                return None
    slugs = (fields[field] for field in fields if TEXTS.get(field) == SLUG and fields[field])
    return fields if all(map(is_slug, slugs)) else None


@lru_cache(maxsize=4096)
def _plain_digits(field: str, text: str, form: str) -> str:
    if text == UNKNOWN[field]:
        return text
    return datetime.strptime(text, form or FORMATS[field]).strftime(FORMATS[field])
