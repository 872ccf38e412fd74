"""What one line of a training log says: its time, epoch, metrics, checkpoint, settings."""

import math
import re
from datetime import datetime
from pathlib import PurePosixPath
from typing import NamedTuple

from engine.readers import dates
from engine.readers.numbers import PATTERN, parse
from engine.recognition import metrics
from engine.recognition.evidence import Scalar

_LEVEL = re.compile(r"\b(?:DEBUG|INFO|WARN(?:ING)?|ERROR|CRITICAL)\b[\s\]:|-]*")
_EPOCH = re.compile(
    r"(?<![A-Za-z_])epoch(?:\((?:train|val|test)\))?['\"\]]?[\s:#=\[(]*(\d{1,6})(?!\d|,\d{3}|\.\d*[1-9])",
    re.I,
)
# "[ 3/50] train_loss: ... valid_loss: ...", or before the batch: "[3/25][10/391] Loss_D: ...".
_BRACKET = re.compile(
    r"\[[^\W\d]{0,12}\s*(\d{1,6})\s*/\s*\d{1,6}\s*\](?P<batch>\s*\[\s*\d{1,9}/\d{1,9}\s*\])?"
)
# "Epoch: [4][100/391]" while it trains, and "Test: [10/98]" while it is tested.
_TRAINS = re.compile(r"epoch\W{0,3}\[\s*\d+(?:/\d+)?\s*\]\s*\[\s*\d+/\d+\s*\]", re.I)
_TESTS = re.compile(
    r"(?<![a-z])(?:val|valid|validation|eval|dev|test)\W{0,3}\[\s*(\d+)/(\d+)\s*\]", re.I
)
_AVERAGE = re.compile(rf"\s*\(\s*({PATTERN})\s*\)")  # of the batches so far
_OF_BATCH = re.compile(r"batch|iter|step|train|val|eval|dev|test", re.I)
_VALIDATED = re.compile(r"(?<![a-z])(?:val|valid|validation|eval|dev|test)[\w ]*\W{0,3}\d", re.I)
_LOSS = re.compile(
    r"loss(?:[ _]?[a-z]{1,9})?(?:\]|\W){0,4}\d+\.\d|(?<![a-z])(?:train|val)\W{1,3}\d+\.\d", re.I
)
_EPOCH_BEFORE = re.compile(r"(?<!\w)(\d{1,6})epoch results\b")  # ESPnet
# Words that say what the rest of a line is of: "[valid]", "train:", "Val Epoch", "| train |".
_SPLIT = r"(?P<split>train(?:ing)?|val(?:id(?:ation)?)?|eval(?:uation)?|dev|test)"
_LABEL = re.compile(rf"\b{_SPLIT}(?:\]|:| \||(?= epoch\b))", re.I)
_FIRST = re.compile(rf"\W*{_SPLIT} ", re.I)  # as in "Training loss: 0.5, accuracy: 0.9"
_STEP = re.compile(r"(?<![A-Za-z_])(?:global_step|step|iter(?:ation)?)[\s:#=\[(]*(\d{1,9})", re.I)
_NOT_THIS_EPOCH = re.compile(
    r"(?:\b(?:best|at|from|since|in|after|of|until|patience|by|to|max|num|total|last|per|every|warmup|"
    r"before|stop\w*|resum\w*|checkpoint|model|saved)|(?<!^)\()[\s:(_-]*\Z",
    re.I,
)
_NUMBER = re.compile(r"\d|nan|inf")
_VALUE = re.compile(
    # A class stands first: it makes the search skip what cannot begin here.
    r"(?P<by>[\s'\":=](?:(?<=[:=])[:=]*|(?<![:=])\s*(?:[:=]+|(?<!\w)reached\b)|(?<=\s))\s*)"
    rf"(?P<number>{PATTERN}(?:\s?%)?)(?!\w|\.\d)",
    re.I | re.A,
)
_NAME = re.compile(r"[A-Za-z@][\w@./()-]*")
_IMPROVING = ("improved", "decreased", "increased")
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
# Losses of what is trained against, or beside, each other: "[D loss: 0.69] [G loss: 0.7]".
_OF_A_PART = re.compile(
    r"(?<![a-z])(?:d|g|gen|disc|generator|discriminator|actor|critic|policy|value) loss\Z", re.I
)
_SAVED = re.compile(
    r"\bsav(?:ed|ing)\b.*\b(?:model|checkpoint|weights|best|to)\b|"
    r"\b(?:model|checkpoint|weights)\b.{0,40}\bsaved\b",
    re.I,
)
_PATH = re.compile(
    r"['\"](?P<quoted>[^'\"]+\.{0})['\"]|(?P<bare>[^\s'\"=(\[]+\.{0})(?![\w.])".format(
        r"(?:pth?(?:\.tar)?|ckpt|safetensors|h5|hdf5|keras|bin|pkl|joblib|onnx|pdparams)"
    )
)
_NEW_BEST = re.compile(r"\bnew best (?P<name>[\w@/ -]+?)\W*\Z", re.I)
_ENDED = re.compile(
    r"\b(?:(?:training|optimization) (?:complete|finished|done|ended|stopped)|early stopping|"
    r"finished training|"
    r"completed training|final (?:results|evaluation|metrics)|test results)",
    re.I,
)
_NAMED_TRAINING = re.compile(
    r"^\W*(?P<name>[A-Za-z][\w.+-]*(?: [\w.+-]+)?) Training"
    r"(?: (?:for|on) (?P<task>[\w -]+(?:\([\w -]+\))?))?\W*$"
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
    r"(?P<key>(?:\b(?:encoder|head|backbone|decoder|base|initial|peak|max|min)[ _])?"
    r"\b(?:lr|learning[ _]rate)|batch[ _]size|weight[ _]decay|"
    r"dropout|optimi[sz]er|scheduler|pos_weight|seed|patience|(?:num[ _]|max[ _]|\b)epochs|"
    r"momentum)\s*[:=]\s*(?P<value>[\w.+-]+)",
    re.I,
)


class Value(NamedTuple):
    """A metric and its number on a line."""

    name: str
    value: float
    digits: int | None
    text: str  # the number as written
    context: str  # what stands before it, back to the number before


class Line(NamedTuple):
    """What one line says."""

    number: int
    body: str  # without its time and level
    time: datetime | None

    @property
    def where(self) -> str:
        """Return the place, for evidence."""
        return f"line {self.number}"


def parse_line(number: int, text: str) -> Line:
    """Return the line with the time at its start, if there is one, taken off."""
    start = text[:60]
    for when, has_time, place in dates.find(start) if ":" in start else ():
        if has_time and not re.search(r"[A-Za-z]{3}", _LEVEL.sub("", start[: place.start])):
            rest = text[: place.start].strip(" [") + text[place.stop :]
            return Line(number, _LEVEL.sub("", rest.lstrip(" ]:-|,"), count=1), when)
    return Line(number, _LEVEL.sub("", text, count=1) if _LEVEL.match(text) else text, None)


def epoch_of(body: str) -> int | None:
    """Return the epoch that a line is about; a mention of another epoch is none."""
    for match in _EPOCH.finditer(body):
        if not _NOT_THIS_EPOCH.search(body[: match.start()]):
            return int(match[1])
    before = _EPOCH_BEFORE.search(body)
    return int(before[1]) if before else _bracketed(body)


def may_name_epoch(text: str) -> bool:
    """Return whether a line without the word may be about an epoch, once its time is off."""
    return "[" in text and _BRACKET.search(text) is not None


def _bracketed(body: str) -> int | None:
    """Return the epoch in brackets: before those of a batch, or where validation follows.

    A count that stands alone is one of batches elsewhere: "Test: [10/98] Loss 0.7".
    """
    found = _BRACKET.search(body) if "[" in body else None
    if found is None:
        return None
    is_of_batch = _OF_BATCH.search(body[: found.start()]) or not _VALIDATED.search(
        body, found.end()
    )
    return int(found[1]) if found["batch"] or not is_of_batch else None


def tells_loss(body: str) -> bool:
    """Return whether the line gives a loss, be it one that decides nothing (of a GAN's half)."""
    return _LOSS.search(body) is not None


def epoch_as_said(body: str) -> str | None:
    """Return the words for the epoch and what ends them, if the line has no others of the kind."""
    found = list(_EPOCH.finditer(body))
    if len(found) != 1 or body.lower().count("epoch") != 1 or found[0].end() == len(body):
        return None
    return body[found[0].start() : found[0].end() + 1]


def step_of(body: str) -> int | None:
    """Return the step or iteration that a line is about."""
    match = _STEP.search(body)
    return int(match[1]) if match else None


def best_epoch_of(body: str) -> int | None:
    """Return the epoch in which, by this line, the best was reached."""
    said = re.search(r"\bbest\b", body, re.I)
    if not said:
        return None
    after = _EPOCH.search(body, said.end())
    return int(after[1]) if after else None


def assignments(body: str) -> list[Value]:
    """Return each metric on a line; a target, a gap or a learning rate is none.

    What a line tells of a batch is of training; of a test, the last line has the average.
    """
    lower = body.lower()
    improved = any(word in lower for word in _IMPROVING) and _IMPROVED.search(body)
    if improved and metrics.canonical(improved["name"]):
        return _assigned(improved["name"], improved["number"], "")
    trains, tests = _TRAINS.search(body), _TESTS.search(body)
    if tests and int(tests[1]) < int(tests[2]) - 1:
        return []
    found: list[Value] = []
    start, section = 0, "train " if trains else ""
    for match in _VALUE.finditer(body) if _NUMBER.search(lower) else ():
        before, number = body[start : match.start()], match["number"]
        average = _AVERAGE.match(body, match.end()) if trains or tests else None
        number, start = (average[1], average.end()) if average else (number, match.end())
        for said in _LABEL.finditer(before):
            section = _section(said)
        if not match["by"].strip() and not re.search(r"[.%]", number):
            continue  # "recall 10"
        if name := _metric_at_end(before):
            if metrics.split(name) not in (None, metrics.split(section)):
                is_first = not found and before.strip().startswith(name)
                label = _FIRST.match(name) if is_first else None
                section = f"{label['split']} " if label else ""
            name = name if metrics.split(name) else section + name
            found += _assigned(name, number, before)
    return found


def _section(label: re.Match[str] | None) -> str:
    """Return what a name without a split gets behind a label; "test" may mean validation: none."""
    said = label["split"] if label else ""
    return "" if metrics.split(said) == "test" else f"{said} ".lstrip()


def _assigned(name: str, number: str, context: str) -> list[Value]:
    read = parse(number)
    return [Value(name, read[0], read[1], number, context)] if read else []


def _metric_at_end(before: str) -> str | None:
    """Return the longest run of words that ends `before` and names a metric.

    Or else the last word if it tells of a split, as someone's own `val_my_score` does.
    """
    before = before.rstrip(" '\"")
    end = before[-120:]
    words = list(_NAME.finditer(end))[-5:]
    if not words or words[-1].end() != len(end):
        return None
    names = [end[word.start() :] for word in words]
    known = next((name for name in names if metrics.canonical(name)), None)
    own = names[-1] if metrics.split(names[-1]) and metrics.plausible(names[-1]) else None
    found = known or own
    is_other = _REFUSED.search(before) or _OF_A_PART.search(before)
    return None if found is None or is_other else found


def checkpoint_in(body: str) -> str | None:
    """Return the name of the checkpoint file whose path is on the line."""
    match = _PATH.search(body)
    if not match:
        return None
    text = match["quoted"] or match["bare"]
    return PurePosixPath(text.replace("\\", "/")).name


def is_saved(body: str) -> bool:
    """Return whether the line says that a checkpoint was saved."""
    lower = body.lower()
    names_file = ("saved " in lower or "saving " in lower) and checkpoint_in(body) is not None
    return names_file or ("sav" in lower and _SAVED.search(body) is not None)


def best_by(body: str) -> str | None:
    """Return the metric of which a line without figures says that there is a new best."""
    found = _NEW_BEST.search(body)
    return found["name"] if found and metrics.canonical(found["name"]) else None


def is_end(body: str) -> bool:
    """Return whether the line says that the training is over."""
    return _ENDED.search(body) is not None


def start_of(body: str) -> dict[str, str] | None:
    """Return the model type and task that the first line of a run names; None for other lines."""
    match = _MODEL_IS.match(body) or _NAMED_TRAINING.match(body) or _TRAINING_NAMED.match(body)
    if not match or not _is_name(match):
        return {} if _STARTED.match(body) else None
    task = match.groupdict().get("task")
    return {"model_type": match["name"]} | ({"task": task.strip()} if task else {})


def _is_name(match: re.Match[str]) -> bool:
    if any(_NOT_A_NAME.match(word) for word in match["name"].split()):
        return False
    return match.re is _MODEL_IS or bool(re.search(r"[\d_-]|[A-Z].*[A-Z]", match["name"]))


def parameters_of(body: str, *, is_list: bool) -> str | None:
    """Return the count of parameters; `is_list` says that a heading "parameters" stands above."""
    counted = _PARAMETERS.search(body) or (_TOTAL.match(body) if is_list else None)
    return re.sub(r"[,_]", "", counted["count"]) if counted else None


def settings_of(body: str) -> dict[str, Scalar]:
    """Return the hyper-parameters on a line."""
    found = _SETTING.finditer(body) if "=" in body or ":" in body else ()
    return {re.sub(r"\s+", "_", m["key"].strip().lower()): _setting(m["value"]) for m in found}


def _setting(text: str) -> Scalar:
    text = text.rstrip(".")
    number = parse(text)
    if number is None or math.isnan(number[0]):
        return text
    return int(text) if re.fullmatch(r"[-+]?\d{1,18}", text) else number[0]
