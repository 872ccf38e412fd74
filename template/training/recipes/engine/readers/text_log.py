"""Training logs, as people write them: recognised by what they say, read once, line by line."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path, PurePosixPath

from engine import metrics
from engine.evidence import Measurement, MeasurementKind, Noted, Reading, Scalar
from engine.readers import dates
from engine.readers.numbers import PATTERN, parse

CHUNK = 1 << 16
LONGEST_LINE = 1 << 16
READ_OF_LINE = 2000  # characters: no statement about an epoch is longer
MAX_KEPT = 100_000  # measurements of one log
MAX_SESSIONS = 1000
BLOCK = 40  # lines after "Epoch 3" that may tell of it
PREAMBLE_FAMILIES = 5  # kinds of words that make a log without an epoch one of a training

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_RELEVANT = re.compile(
    r"\d|epoch|train|model|device|optim|loss|weight|sav|pretrained|scheduler|patience",
    re.IGNORECASE,
)
_FAMILIES = tuple(
    re.compile(words, re.I)
    for words in (
        r"\b(?:using |)device\b|\bcuda\b|\bgpu\b",
        r"\boptimi[sz]er\b|\badamw?\b|\bsgd\b",
        r"\blearning[ _]rate\b|\blr\b",
        r"\b(?:model|trainable|total) param|\bparameters:",
        r"\btrain\w*\b.{0,40}\bval\w*\b.*\d|\b(?:train|val)\w*[ _](?:samples|size|set)\b",
        r"\bpos_weight\b|\bclass (?:balance|weights?|imbalance)\b",
        r"\bpretrained\b|\bfrozen\b|\bfine-?tun",
        r"\bbatch[ _]size\b",
        r"\b(?:num_|max_)?epochs\b",
        r"\bscheduler\b|\bcriterion\b|\bloss function\b|\bpatience\b|\bearly[ _]stopping\b",
    )
)
_TRAINING_ONLY = (1, 2, 5, 7, 8, 9)  # at least one of these: device and data others have as well
_OTHER_PROGRAM = re.compile(r"=+ test session starts =+|^\S+::test_|\"(?:GET|POST) /\S* HTTP/")


def read(path: Path, name: str) -> Reading | None:
    """Return what a training log says; None if the text is no training log.

    Measurements of one epoch are those that stand last in it (progress bars repeat themselves).
    """
    log = _Log()
    for number, line in enumerate(_lines(path), start=1):
        if line and _RELEVANT.search(line):
            if _OTHER_PROGRAM.search(line):
                log.foreign += 1
            log.take(number, line)
    return log.reading() if log.is_training() else None


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines, also those that a progress bar overwrites, cut to `READ_OF_LINE`."""
    with path.open("rb") as file:
        start = file.read(2)
        encoding = "utf-16" if start in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        file.seek(0)
        rest = ""
        while chunk := file.read(CHUNK):
            *whole, rest = (rest + decoder.decode(chunk)).replace("\r", "\n").split("\n")
            rest = rest[:LONGEST_LINE]
            for line in whole:
                yield _ANSI.sub("", line[:READ_OF_LINE]) if "\x1b" in line else line[:READ_OF_LINE]
        yield rest[:READ_OF_LINE]


@dataclass
class _Session:
    """One of the runs that were appended to the file."""

    banners: set[str] = field(default_factory=set)
    epoch: int | None = None
    epoch_line: int = -BLOCK  # where the current epoch was last mentioned
    ended: bool = False
    started: tuple[datetime, int] | None = None
    finished: tuple[datetime, int] | None = None
    config: dict[str, Scalar] = field(default_factory=dict)
    facts: dict[str, tuple[str, int]] = field(default_factory=dict)


class _Log:
    """What was read so far."""

    def __init__(self) -> None:
        self.sessions = [_Session()]
        self.foreign = 0
        self._kept: list[Measurement] = []
        self._of_epoch: dict[tuple[int, int | None, int | None, str], Measurement] = {}
        self._families: set[int] = set()
        self._after_saved = -1  # the line after a "saved" line, where its path may stand
        self._after_parameters = -1

    @property
    def session(self) -> _Session:
        return self.sessions[-1]

    def take(self, number: int, line: str) -> None:
        """Read one line."""
        time, body = log_lines.without_time(line)
        self._look_for_start(body)
        if time:
            self.session.started = self.session.started or (time, number)
            self.session.finished = (time, number)
        self._take_preamble(number, body)
        epoch = log_lines.epoch_of(body)
        if epoch is not None:
            self._enter(epoch, number)
        if _ENDED.search(body):
            self.session.ended = True
        found = log_lines.assignments(body)
        if _SAVED.search(body):
            self._take_saved(number, body, found, time)
        elif number == self._after_saved and not found and (path := log_lines.checkpoint_in(body)):
            self._name_saved(path)
        else:
            self._take_measured(number, body, found, time, epoch)

    # --- runs -----------------------------------------------------------------------------------

    def _look_for_start(self, body: str) -> None:
        named = log_lines.model_named(body)
        if not named and not _STARTED.match(body):
            return
        banner = body.strip()[:200]
        if self.session.epoch is not None or banner in self.session.banners:
            self._begin()
        self.session.banners.add(banner)
        for fact, value in named.items():
            self.session.facts.setdefault(fact, (value, 0))

    def _begin(self) -> None:
        if len(self.sessions) < MAX_SESSIONS:
            self.sessions.append(_Session())

    def _enter(self, epoch: int, number: int) -> None:
        before = self.session.epoch
        if before is not None and (epoch < before or (epoch == before and self.session.ended)):
            self._begin()
        self.session.epoch, self.session.epoch_line = epoch, number
        self.session.ended = False

    # --- metrics --------------------------------------------------------------------------------

    def _take_measured(
        self,
        number: int,
        body: str,
        found: list[tuple[str, float, int | None, str]],
        time: datetime | None,
        said_epoch: int | None,
    ) -> None:
        step = _int(_STEP, body)
        for name, value, digits, said in found:
            kind = self._kind(name, body, number, said_epoch, step)
            if kind is None:
                continue
            epoch = self.session.epoch if kind == "epoch" else None
            if kind == "best":
                epoch = _int(_EPOCH, body) if said_epoch is None else said_epoch
            if said_epoch is None and step is not None and not self._in_block(number):
                epoch = None
            where = f"line {number}" + (f" ({said})" if value != value else "")
            self._keep(
                Measurement(name, value, where, kind, epoch, step, None, time, self._index, digits)
            )

    def _kind(
        self, name: str, body: str, number: int, said_epoch: int | None, step: int | None
    ) -> MeasurementKind | None:
        """Return what a metric on a line is said of; None if that cannot be told."""
        if re.search(r"\bbest\b", body, re.I):
            return "best"
        if re.search(r"\bfinal\b", body, re.I):
            return "final"
        if said_epoch is not None or self._in_block(number):
            return "epoch"
        if step is not None and metrics.split(name) in ("val", "test"):
            return "epoch"
        return "final" if self.session.epoch is not None and self.session.ended else None

    def _in_block(self, number: int) -> bool:
        session = self.session
        near = number - session.epoch_line <= BLOCK
        return session.epoch is not None and near and not session.ended

    @property
    def _index(self) -> int:
        return len(self.sessions) - 1

    def _keep(self, measurement: Measurement) -> None:
        m = measurement
        if m.kind == "epoch":
            step = None if m.epoch is not None else m.step
            key = (m.session, m.epoch, step, m.name)
            if key in self._of_epoch or len(self._of_epoch) < MAX_KEPT:
                self._of_epoch[key] = m
        elif len(self._kept) < MAX_KEPT:
            self._kept.append(m)

    def _take_saved(
        self,
        number: int,
        body: str,
        found: list[tuple[str, float, int | None, str]],
        time: datetime | None,
    ) -> None:
        path = log_lines.checkpoint_in(body)
        epoch = self.session.epoch
        saved = [
            Measurement(n, v, f"line {number}", "saved", epoch, None, path, time, self._index, d)
            for n, v, d, _ in found
        ]
        if not saved and path and epoch is not None and self._in_block(number):
            saved = [
                replace(m, kind="saved", where=f"line {number}", checkpoint=path, time=time)
                for (session, of, _, name), m in list(self._of_epoch.items())[-BLOCK:]
                if session == self._index and of == epoch and metrics.split(name) != "train"
            ]
        for measurement in saved:
            self._keep(measurement)
        self._after_saved = number + 1 if not path else -1

    def _name_saved(self, path: str) -> None:
        """Give the path on this line to what the line before said was saved."""
        last = self._kept[-1].where if self._kept else ""
        for index in range(len(self._kept) - 1, -1, -1):
            if self._kept[index].where != last or self._kept[index].kind != "saved":
                break
            self._kept[index] = replace(self._kept[index], checkpoint=path)

    # --- what comes before the first epoch ------------------------------------------------------

    def _take_preamble(self, number: int, body: str) -> None:
        if self.session.epoch is not None:
            return
        self._families |= {i for i, words in enumerate(_FAMILIES) if words.search(body)}
        for match in _SETTING.finditer(body):
            key = re.sub(r"\s+", "_", match["key"].strip().lower())
            self.session.config.setdefault(key, _setting(match["value"]))
        after = number <= self._after_parameters
        counted = _PARAMETERS.search(body) or (_TOTAL.match(body) if after else None)
        if counted:
            count = re.sub(r"[,_]", "", counted["count"])
            self.session.facts.setdefault("parameters", (count, number))
        if re.search(r"\bparameters\b", body, re.I):
            self._after_parameters = number + 3

    # --- the end --------------------------------------------------------------------------------

    def is_training(self) -> bool:
        """Return whether all this is a training log."""
        if self.foreign > 0:
            return False
        if any(m.kind == "epoch" for m in self._of_epoch.values()):
            return True
        said = len(self._families)
        if any(session.epoch is not None for session in self.sessions) or self._kept:
            return said >= PREAMBLE_FAMILIES - 2 and bool(self._families & {*_TRAINING_ONLY})
        return said >= PREAMBLE_FAMILIES and bool(self._families & {*_TRAINING_ONLY})

    def reading(self) -> Reading:
        """Return it; the config is that of the last run."""
        measured = sorted([*self._of_epoch.values(), *self._kept], key=_line_of)
        notes = [note for i, session in enumerate(self.sessions) for note in _notes(i, session)]
        return Reading("training log", "log", tuple(measured), tuple(notes), self.session.config)


def _line_of(measurement: Measurement) -> int:
    return int(measurement.where.split()[1])


def _notes(index: int, session: _Session) -> Iterator[Noted]:
    for fact, (value, number) in session.facts.items():
        yield Noted(fact, value, f"line {number}", index)
    for fact, moment in (("started", session.started), ("finished", session.finished)):
        if moment:
            yield Noted(fact, moment[0].isoformat(), f"line {moment[1]}", index)
