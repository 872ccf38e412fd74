"""Rows of which much is the same, or follows from the first value of each: told once for all.

What is alike stands by name: a value as it is, and of a text that ends in the first value of its
row a list of what stands before that. Inside of a mapping it is so, too.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Row = Sequence[Any]  # it begins with a text that is its own


def without_alike(
    names: Sequence[str], rows: Sequence[Row]
) -> tuple[dict[str, object], Iterator[Row]]:
    """Return what is alike of some rows, and each row without that.

    `names` are those of all values but the first.
    """
    if not rows:
        return {}, iter(())
    firsts, *columns = zip(*rows, strict=True)
    alike: dict[str, object] = {}
    rest = [firsts]
    for name, column in zip(names, columns, strict=True):
        pattern = _pattern(column[0], firsts[0])
        if _column(pattern, firsts) == [*column]:
            alike[name] = pattern
        else:
            rest.append(column)
    return alike, zip(*rest, strict=True)


def with_alike(
    names: Sequence[str], alike: Mapping[str, object], rows: Sequence[Row]
) -> Iterator[Row]:
    """Yield the rows that `without_alike` was given. Raises ValueError if these are none such."""
    if not rows:
        return
    firsts, *rest = zip(*rows, strict=True)
    own = iter(rest)
    columns = [_column(alike[n], firsts) if n in alike else next(own, ()) for n in names]
    yield from zip(firsts, *columns, strict=True)


def _pattern(value: object, first: str) -> object:
    if isinstance(value, Mapping):
        return {name: _pattern(each, first) for name, each in value.items()}
    if isinstance(value, str) and value.endswith(first):
        return [value.removesuffix(first)]
    return value


def _column(pattern: object, firsts: Sequence[str]) -> list[Any]:
    """Return what the pattern is in each row."""
    if isinstance(pattern, dict):
        columns = [_column(each, firsts) for each in pattern.values()]
        return [dict(zip(pattern, values, strict=True)) for values in zip(*columns, strict=True)]
    if isinstance(pattern, list):
        (before,) = pattern
        return [before + first for first in firsts]
    return [pattern] * len(firsts)
