"""What one line of a training log says: its time, epoch, metrics, checkpoint, settings."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from engine import metrics
from engine.evidence import Scalar
from engine.readers import dates
from engine.readers.numbers import PATTERN, parse

_LEVEL = re.compile(r"\b(?:DEBUG|INFO|WARN(?:ING)?|ERROR|CRITICAL)\b[\s\]:|-]*")
_EPOCH = re.compile(r"(?<![A-Za-z_])epoch['\"\]]?[\s:#=\[(]*(\d{1,6})(?![\d,]|\.\d*[1-9])", re.I)
_STEP = re.compile(r"(?<![A-Za-z_])(?:global_step|step|iter(?:ation)?)[\s:#=\[(]*(\d{1,9})", re.I)
_NOT_THIS_EPOCH = re.compile(
    r"(?:best|at|from|since|in|after|of|until|patience|by|to|max|num|total|last|per|every|warmup|"
    r"before|early stopping|resum\w*|(?<!^)\()[\s:(_-]*\Z",
    re.I,
)
_VALUE = re.compile(
    rf"(?P<by>['\"]?\s*[:=]+\s*|\s+)(?P<number>{PATTERN}\s?%?)(?![\w.])", re.I | re.A
)
_NAME = re.compile(r"[A-Za-z@][\w@./()-]*")
_IMPROVED = re.compile(
    rf"(?P<name>[\w@/-]+(?: [\w@/-]+)?) (?:has )?(?:improved|decreased|increased)[^\d+-]*"
    rf"{PATTERN}\s*(?:to|-+>|=>|→)\s*(?P<number>{PATTERN})",
    re.I | re.A,
)
# Numbers beside these words are wishes and yardsticks, not what this training reached.
_REFUSED = re.compile(
    r"\b(?:targets?|goal|gap|baseline|paper(?:'s)?|published|reported|expected|required|threshold|"
    r"previous|prior|sota|delta|improvement|literature|reference|vs)\b",
    re.I,
)
_SAVED = re.compile(
    r"\bsav(?:ed|ing)\b.*\b(?:model|checkpoint|weights|best|to)\b|"
    r"\b(?:model|checkpoint|weights)\b.{0,40}\bsaved\b",
    re.I,
)
_PATH = re.compile(
    r"['\"](?P<quoted>[^'\"]+\.{0})['\"]|(?P<bare>[^\s'\"=(\[]+\.{0})(?![\w.])".format(
        r"(?:pth?(?:\.tar)?|ckpt|safetensors|h5|hdf5|keras|bin|pkl|joblib|onnx)"
    )
)
_ENDED = re.compile(
    r"\b(?:training (?:complete|finished|done|ended|stopped)|early stopping|finished training|"
    r"completed training|final (?:results|evaluation|metrics)|test results)",
    re.I,
)
_NAMED_TRAINING = re.compile(
    r"^\W*(?P<name>[A-Za-z][\w.+-]*(?: [\w.+-]+)?) Training(?: (?:for|on) (?P<task>[\w() -]+?))?\W*$"
)
_TRAINING_NAMED = re.compile(
    r"^\W*Training (?:model |a |the )?['\"]?(?P<name>[A-Za-z][\w.+-]*)(?: (?:for|on|with) .*)?\W*$"
)
_MODEL_IS = re.compile(
    r"^\W*model(?:[ _](?:type|name))?\s*[:=]\s*['\"]?(?P<name>[\w.+-]+)\W*$", re.I
)
_STARTED = re.compile(
    r"^\W*(?:start(?:ing|ed)? (?:the |model )?training|training start(?:ed|ing))", re.I
)
_NOT_A_NAME = re.compile(
    r"(?i:(?:start|begin|resum|initiali[sz]|distributed|mixed|precision|pre|model|the|this|end|"
    r"test|val|data|set|loop|time|loss|complete|finish|done|stop|script|run|epoch|config|with|"
    r"from|on|for|samples?|arguments|parameters|results|summary|phase|stage|steps?|device)\w*)\Z"
)
_PARAMETERS = re.compile(
    r"\b(?:total|trainable|model|number of)?[ _]?(?:trainable )?param(?:eter)?s?\s*[:=]\s*"
    r"(?P<count>\d[\d,_]*)\b(?!\.)",
    re.I,
)
_TOTAL = re.compile(r"^\W*total\s*[:=]\s*(?P<count>\d[\d,_]*)\W*$", re.I)
_SETTING = re.compile(
    r"(?P<key>(?:\b[a-z]+ )?\blr|(?:\b[a-z]+ )?learning[ _]rate|batch[ _]size|weight[ _]decay|"
    r"dropout|optimi[sz]er|scheduler|pos_weight|seed|patience|(?:num[ _]|max[ _]|\b)epochs|momentum)"
    r"\s*[:=]\s*(?P<value>[\w.+-]+)",
    re.I,
)


def without_time(line: str) -> tuple[datetime | None, str]:
    """Return the time at the start of a line, and what the line says."""
    for when, has_time, place in dates.find(line[:80]):
        if has_time and not re.search(r"[A-Za-z]{3}", line[: place.start].replace("INFO", "")):
            rest = line[: place.start].strip(" [") + line[place.stop :]
            return when, _LEVEL.sub("", rest.lstrip(" ]:-|,"), count=1)
    return None, _LEVEL.sub("", line, count=1) if _LEVEL.match(line) else line


def epoch_of(body: str) -> int | None:
    """Return the epoch that a line is about; a mention of another epoch is none."""
    for match in _EPOCH.finditer(body):
        if not _NOT_THIS_EPOCH.search(body[: match.start()]):
            return int(match[1])
    return None


def _int(pattern: re.Pattern[str], text: str) -> int | None:
    match = pattern.search(text)
    return int(match[1]) if match else None


def assignments(body: str) -> list[tuple[str, float, int | None, str]]:
    """Return each metric on a line: name, value, decimals, the number as written."""
    improved = _IMPROVED.search(body)
    if improved and metrics.canonical(improved["name"]):
        return _assigned(improved["name"], improved["number"])
    found, start = [], 0
    for match in _VALUE.finditer(body):
        before = body[start : match.start()]
        start = match.end()
        if name := _metric_at_end(before, by_space=not match["by"].strip()):
            found += _assigned(name, match["number"])
    return found


def _assigned(name: str, number: str) -> list[tuple[str, float, int | None, str]]:
    read = parse(number)
    return [(name, read[0], read[1], number)] if read else []


def _metric_at_end(before: str, *, by_space: bool) -> str | None:
    """Return the longest run of words that ends `before` and names a metric."""
    if _REFUSED.search(before):
        return None
    before = before.rstrip(" '\"")
    words = [m for m in list(_NAME.finditer(before))[-5:]]
    if not words or words[-1].end() != len(before):
        return None
    for word in words:
        name = before[word.start() :]
        if metrics.canonical(name):
            return name
    return None


def checkpoint_in(body: str) -> str | None:
    match = _PATH.search(body)
    if not match:
        return None
    text = match["quoted"] or match["bare"]
    return PurePosixPath(text.replace("\\", "/")).name


def model_named(body: str) -> dict[str, str]:
    match = _MODEL_IS.match(body) or _NAMED_TRAINING.match(body) or _TRAINING_NAMED.match(body)
    if not match or any(_NOT_A_NAME.match(word) for word in match["name"].split()):
        return {}
    if match.re is not _MODEL_IS and not re.search(r"[\d_-]|[A-Z].*[A-Z]", match["name"]):
        return {}
    task = match.groupdict().get("task")
    return {"model_type": match["name"]} | ({"task": task.strip()} if task else {})


def _setting(text: str) -> Scalar:
    text = text.rstrip(".")
    number = parse(text)
    if number is None or number[0] != number[0]:
        return text
    return int(text) if re.fullmatch(r"[-+]?\d{1,18}", text) else number[0]
