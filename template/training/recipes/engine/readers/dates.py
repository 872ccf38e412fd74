"""Dates and times as people and programs write them into names, logs and keys."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE | re.ASCII)
    for pattern in (
        # 2025-07-25, 2025/07/25 10:44:38.042, 2025-07-25T10:44:38, 2025-07-25_10-44-38
        r"(?<!\d)(?P<Y>\d{4})(?P<sep>[-/.])(?P<m>\d\d)(?P=sep)(?P<d>\d\d)"
        r"(?:[T _-]{1,3}(?P<H>\d\d)[:.h-]?(?P<M>\d\d)(?:[:.m-]?(?P<S>\d\d))?"
        r"(?:[.,](?P<f>\d{1,6}))?)?(?!\d)",
        # 20250725, 20250725_104438, 20250725T104438
        r"(?<![0-9a-f])(?P<Y>\d{4})(?P<m>\d\d)(?P<d>\d\d)"
        r"(?:[_T-]?(?P<H>\d\d)(?P<M>\d\d)(?P<S>\d\d)?)?(?![0-9a-z])",
        # 2025_7_25_10_44_38
        r"(?<![0-9a-z])(?P<Y>\d{4})_(?P<m>\d{1,2})_(?P<d>\d{1,2})"
        r"(?:_(?P<H>\d{1,2})_(?P<M>\d{1,2})_(?P<S>\d{1,2}))?(?![0-9a-z])",
        # Fri Jul 25 10:44:38 2025, Fri Jul 25 10:44:38 UTC 2025
        r"\b(?:mon|tue|wed|thu|fri|sat|sun) (?P<b>[a-z]{3}) +(?P<d>\d{1,2}) "
        r"(?P<H>\d\d):(?P<M>\d\d):(?P<S>\d\d) (?:[a-z]{2,5} )?(?P<Y>\d{4})\b",
        # 07/25/2025 10:44:38, month first: the format of the Hugging Face examples
        r"(?<!\d)(?P<m>\d\d)/(?P<d>\d\d)/(?P<Y>\d{4}) (?P<H>\d\d):(?P<M>\d\d):(?P<S>\d\d)",
    )
)
_YEAR = re.compile(r"\d{4}", re.ASCII)  # is in all of them
_YEARS = range(1990, 2100)  # outside of these it is some other number


def find(text: str) -> Iterator[tuple[datetime, bool, slice]]:
    """Yield each date in `text`, in the order of the patterns: when, if a time is given, where.

    Impossible dates are passed over. The zone, if any, is dropped: times are as written.
    """
    taken: list[slice] = []
    for pattern in _PATTERNS if _YEAR.search(text) else ():
        for match in pattern.finditer(text):
            when = _moment(match.groupdict())
            place = slice(match.start(), match.end())
            if when and not any(place.start < t.stop and t.start < place.stop for t in taken):
                taken.append(place)
                yield when, match["H"] is not None, place


def _moment(part: dict[str, str | None]) -> datetime | None:
    name = (part.get("b") or "").lower()
    month = _MONTHS.index(name) + 1 if name in _MONTHS else int(part.get("m") or 0)
    year, day, hour, minute, second = (int(part[unit] or 0) for unit in "YdHMS")
    micro = int((part.get("f") or "0").ljust(6, "0"))
    try:
        when = datetime(year, month, day, hour, minute, second, micro)
    except ValueError:
        return None
    return when if when.year in _YEARS else None


def of_value(value: object) -> str | None:
    """Return the date that `value` is, a text or seconds since 1970 (then in UTC), in ISO form."""
    if isinstance(value, str) and len(value) <= 100:
        found = next(find(value), None)
        return iso(found[0], found[1]) if found else None
    if isinstance(value, int | float) and not isinstance(value, bool) and 1e9 <= value < 4e9:
        return datetime.fromtimestamp(int(value), UTC).replace(tzinfo=None).isoformat()
    return None


def iso(when: datetime, has_time: bool) -> str:
    """Return `when` in ISO form, without the time where none was given."""
    return when.isoformat() if has_time else when.date().isoformat()
