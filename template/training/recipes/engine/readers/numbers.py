"""Numbers as they are written, and what a metric's value is when it is not a number at all."""

import math
import re

PATTERN = (
    r"(?:[-+]?\d+,\d+(?!\d|[.,]\d)"  # a decimal comma: reported, but as no number
    r"|[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?)\b)"
)
_NUMBER = re.compile(PATTERN + r"\Z", re.IGNORECASE | re.ASCII)
LONGEST = 40


def parse(text: str) -> tuple[float, int | None] | None:
    """Return the value of `text` and its decimals as written (`9.1e-1`: 0.91, 2).

    A decimal comma gives NaN: whether `0,95` is one number or two is not for us to say. A percent
    sign is said by its writer, so `91.2%` is 0.912. None if `text` is no number.
    """
    text = text.strip()
    if text.isdigit() and text.isascii() and len(text) <= LONGEST:
        return float(text), 0  # an epoch or a step, of which tables have very many
    number = text.removesuffix("%").rstrip()
    if len(text) > LONGEST or not _NUMBER.match(number):
        return None
    if "," in number:
        return math.nan, None
    shift = 2 if text.endswith("%") else 0
    mantissa, _, exponent = number.lower().partition("e")
    if not math.isfinite(float(number)):
        return float(number), None
    decimals = len(mantissa.partition(".")[2]) - int(exponent or 0) + shift
    value = float(f"{mantissa}e{int(exponent or 0) - shift}")
    return value, max(0, decimals)


def metric_value(value: object) -> tuple[float, int | None] | None:
    """Return the number that a metric's key holds, with its decimals; None if it is no scalar.

    What is a scalar but no number (null, true, "n/a") is NaN: it was there, and is not comparable.
    """
    if value is None or isinstance(value, bool):
        return math.nan, None
    if isinstance(value, str):
        return parse(value) or (math.nan, None)
    if isinstance(value, int | float):
        try:
            return float(value), None
        except OverflowError:
            return math.inf, None
    return None
