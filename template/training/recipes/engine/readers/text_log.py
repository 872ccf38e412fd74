"""Training logs, as people write them: recognised by what they say, read once, line by line."""

import math
import re
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count, groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from engine.readers import log_lines, log_tables
from engine.readers.log_lines import Line, Value
from engine.recognition import metrics
from engine.recognition.evidence import Measurement, MeasurementKind, Noted, Reading, Scalar

CHUNK = 1 << 18  # characters that are read
TOGETHER = 1 << 12  # and bytes that are looked at at once
LONGEST_LINE = 1 << 16
READ_OF_LINE = 2000  # bytes: no statement about an epoch is longer
MAX_KEPT = 100_000  # measurements of one log
MAX_SESSIONS = 1000
BLOCK = 40  # lines after "Epoch 3" that may tell of it
GIVE_UP = 1_000_000  # lines without an epoch among them; or, of those that might matter,
GIVE_UP_RELEVANT = 50_000
MAX_SHAPES = 1000
ENOUGH = 2  # lines that tell of a loss in the course of a training make a log
PREAMBLE_FAMILIES = 5  # kinds of words that make a log without an epoch one of a training

_ANSI = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


def _any_of(words: str) -> re.Pattern[str]:
    """Return the pattern of these words, put together by first letters: it is twice as fast."""
    groups = groupby(sorted(words.split("|")), itemgetter(0))
    rests = ((first, [re.escape(word[1:]) for word in alike]) for first, alike in groups)
    return re.compile("|".join(f"[{first}](?:{'|'.join(rest)})" for first, rest in rests))


_RELEVANT = _any_of(
    "epoch|train|val|test|model|step|iter|sav|best|final|early stop|param|total|device|gpu|cuda|"
    "optim|adam|sgd|lr|learning|batch|weight|frozen|finetun|fine-tun|sched|criterion|patience|"
    "dropout|seed|checkpoint|.pt|.ckpt|f1|r2|corr|"
    + "|".join(word for word in metrics.WORDS if len(word) > 2)
)
# Where no epoch is known, lines without these words tell no more than settings, once.
_OF_EPOCHS = _any_of("epoch|best|final|sav|val|test|dev|holdout|training|model|param")
_WITH_DIGITS = (b"f1", b"F1", b"r2", b"R2")  # what is relevant, too, and seen on the line alone
_FAMILIES = tuple(
    re.compile(words)
    for words in (
        r"\bdevice\b|\bcuda\b|\bgpu\b",
        r"\boptimi[sz]er\b|\badamw?\b|\bsgd\b",
        r"\blearning[ _]rate\b|\blr\b",
        r"\b(?:model|trainable|total) param|\bparameters:",
        r"\btrain\w*\b.{0,40}\bval\w*\b.*\d|\b(?:train|val)\w*[ _](?:samples|size|set)\b",
        r"\bpos_weight\b|\bclass (?:balance|weights?|imbalance)\b",
        r"\bpretrained\b|\bfrozen\b|\bfine-?tun",
        r"\bbatch[ _]size\b",
        r"\b(?:num_|max_)?epochs\b",
        r"\bscheduler\b|\bcriterion\b|\bloss function\b|\bpatience\b|\bearly[ _]stop",
    )
)
_OF_TRAINING = {1, 2, 5, 7, 8, 9}  # one of these at least: other programs have a device, too
_PROSE = re.compile(r"[a-z)]\. [A-Z][a-z]* [a-z]")  # a line on which a second sentence begins
_OTHER_PROGRAM = re.compile(r"=+ test session starts =+|^\S+::test_")


def read(path: Path, name: str) -> Reading | None:
    """Return what a training log says; None if the text is no training log.

    Measurements of one epoch are those that stand last in it: progress bars repeat themselves.
    The config is that of the last of the runs that were appended to the file.
    """
    log = _Log()
    for lines in _lines(path):
        log.recent.append(lines)
        if log.is_hopeless(lines.first):
            return None
        if log.all_repeat(lines):
            continue
        for (number, line), shape in zip(lines.numbered(), lines.shapes, strict=True):
            if log.repeats(number, line, shape):
                continue
            if log.is_row(number, line):
                continue
            lower = _text(line).lower()
            if "test" in lower and _OTHER_PROGRAM.search(lower):
                return None
            if _RELEVANT.search(lower):
                log.read(number, line, shape)
            else:
                log.pass_over(shape)
    log.catch_up()
    log.close_session()
    if not log.is_training():
        return None
    reading = log.reading()
    is_log = _SETTINGS.fullmatch(name.lower()) is None
    return reading if is_log else replace(reading, format="settings and results", role="results")


# Written once, at the start or the end of a training, and no log of it.
_SETTINGS = re.compile(r"(?:(?:train(?:ing)?_)?(?:config|args|options?|params)|hparams)\.txt")


class _Lines(NamedTuple):
    """Some dozens of lines that follow each other."""

    first: int  # the number of the first
    raw: bytes  # UTF-8, without the last newline
    shapes: list[bytes]  # each line without its digits

    def numbered(self) -> Iterator[tuple[int, bytes]]:
        """Return the number and the text of each line."""
        return zip(count(self.first), self.raw.split(b"\n"))


def _text(line: bytes) -> str:
    return line[:READ_OF_LINE].decode(errors="replace")


def _lines(path: Path) -> Iterator[_Lines]:
    """Yield the lines of a file, also those that a progress bar overwrites."""
    first = 1
    for text in _whole_lines(path):
        start = 0
        while start <= len(text):
            end = text.find(b"\n", start + TOGETHER)
            end = len(text) if end < 0 else end
            raw = text[start:end]
            shapes = raw.translate(None, b"0123456789").split(b"\n")
            yield _Lines(first, raw, shapes)
            first += len(shapes)
            start = end + 1


def _whole_lines(path: Path) -> Iterator[bytes]:
    """Yield the text in UTF-8, many lines at a time, without the newline behind them."""
    with path.open("rb") as file:
        encoding = "utf-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    with path.open(encoding=encoding, errors="replace") as text:
        rest = b""
        while chunk := text.read(CHUNK).encode():
            whole, end, rest = (rest + chunk).rpartition(b"\n")
            rest = rest[:LONGEST_LINE]
            if end:
                yield _ANSI.sub(b"", whole) if b"\x1b" in whole else whole
        yield _ANSI.sub(b"", rest)


@dataclass
class _Session:
    """One of the runs that were appended to the file."""

    begins: int = 1  # line
    banners: set[str] = field(default_factory=set)
    epoch: int | None = None
    epoch_line: int = 0  # where the current epoch was last mentioned
    ended: bool = False
    started: tuple[datetime, str] | None = None
    finished: tuple[datetime, str] | None = None
    config: dict[str, Scalar] = field(default_factory=dict)
    facts: dict[str, tuple[str, str]] = field(default_factory=dict)

    def tells_of_epoch(self, number: int) -> bool:
        """Return whether what a line says without naming an epoch is said of the current one."""
        return self.epoch is not None and not self.ended and number - self.epoch_line <= BLOCK


class _Log:
    """What was read so far."""

    def __init__(self) -> None:
        self.recent: deque[_Lines] = deque(maxlen=BLOCK)
        self._sessions = [_Session()]
        self._kept: list[Measurement] = []
        self._of_epoch: dict[tuple[object, ...], Measurement] = {}
        self._families: set[int] = set()
        self._shapes: dict[bytes, bytes | None] = {}  # of lines of this epoch: what they call it
        self._passed_over: set[bytes] = set()  # shapes of lines that tell nothing
        self._waiting: dict[bytes, tuple[int, bytes]] = {}  # the last line of each shape
        self._taken = 0
        self._lossy: set[tuple[int | None, int | None]] = set()  # epochs and steps of losses
        # What was saved before a line told of its validation, by session and epoch.
        self._early: dict[tuple[int, int | None], set[str | None]] = defaultdict(set)
        # What a line calls the best that names no file or figure: kept once an epoch follows such a
        # line, for at the end it may be a word about all of the training.
        self._unsure: tuple[str, list[Measurement]] = ("", [])
        self._calls_best: set[str] = set()  # such lines that an epoch followed
        self._path_may_follow = 0  # the line on which the path of what was saved may stand
        self._listed_parameters = 0  # the last line of what may be a list of parameters
        self._table: log_tables.Head | None = None
        self._row = 0  # the epoch of its last row

    def repeats(self, number: int, line: bytes, shape: bytes) -> bool:
        """Return whether the line is one of those that come by the million, told at a glance.

        It tells nothing, or what a line of this epoch told with other numbers: the last counts.
        """
        if shape in self._passed_over:
            return not any(word in line for word in _WITH_DIGITS)
        said = self._shapes.get(shape)
        if said is None or said not in line or number == self._path_may_follow:
            return False
        self._put_off(number, line, shape, names_epoch=bool(said))
        return True

    def all_repeat(self, lines: _Lines) -> bool:
        """Return whether all the lines do.

        What a line calls its epoch stands in it once, so that it is enough to count.
        """
        kinds = set(lines.shapes)
        told = kinds - self._passed_over
        if len(told) < len(kinds) and any(word in lines.raw for word in _WITH_DIGITS):
            return False
        if not told <= self._shapes.keys() or lines.first <= self._path_may_follow:
            return False
        for said in {self._shapes[shape] for shape in told}:
            alike = sum(lines.shapes.count(s) for s in told if self._shapes[s] == said)
            if said is None or (said and lines.raw.count(said) != alike):
                return False
        last = dict(zip(lines.shapes, lines.numbered(), strict=True))
        for shape in told:
            self._put_off(*last[shape], shape, names_epoch=bool(self._shapes[shape]))
        return True

    def _put_off(self, number: int, line: bytes, shape: bytes, *, names_epoch: bool) -> None:
        self._waiting[shape] = (number, line)
        if names_epoch:
            self._session.epoch_line = max(number, self._session.epoch_line)

    def is_row(self, number: int, line: bytes) -> bool:
        """Return whether the line is a row of the table whose head was read last, and read it.

        No row goes back: each training prints a head of its own.
        """
        if self._table is None:
            return False
        parsed = log_lines.parse_line(number, _text(line))
        epoch, found = self._table.row(parsed.body) or (-1, [])
        if epoch < self._row:
            return False
        self._row = epoch
        self.catch_up()
        self._enter(epoch, parsed, is_header=True)
        for value in found:
            self._take_measured(parsed, value, epoch)
        return True

    def pass_over(self, shape: bytes) -> None:
        """Note that lines of this shape tell nothing."""
        if len(self._passed_over) < MAX_SHAPES and len(shape) <= READ_OF_LINE:
            self._passed_over.add(shape)

    def read(self, number: int, line: bytes, shape: bytes) -> None:
        """Read a line, later if it only repeats one of this epoch with other numbers."""
        text = _text(line)
        lower = text.lower()
        is_named, in_brackets = "epoch" in lower, log_lines.may_name_epoch(text)
        epoch = log_lines.epoch_of(text) if is_named else None
        if in_brackets and not is_named:
            epoch = log_lines.epoch_of(log_lines.parse_line(number, text).body)
        may_repeat = "best" not in lower and "sav" not in lower
        is_known = shape in self._shapes and number != self._path_may_follow
        if is_known and may_repeat and epoch in (None, self._session.epoch):
            self._put_off(number, line, shape, names_epoch=epoch is not None)
            return
        self.catch_up()
        self.take(log_lines.parse_line(number, text))
        current = self._session.epoch
        if current is None:
            may_repeat = not _OF_EPOCHS.search(lower)
        if len(self._shapes) == MAX_SHAPES or len(shape) > READ_OF_LINE:
            return
        if may_repeat and epoch in (None, current):
            said = log_lines.epoch_as_said(text) if is_named or in_brackets else ""
            self._shapes[shape] = None if said is None else said.encode()

    def catch_up(self) -> None:
        """Read the lines that were put off."""
        for number, line in sorted(self._waiting.values()):
            self.take(log_lines.parse_line(number, _text(line)))
        self._waiting.clear()

    @property
    def _session(self) -> _Session:
        return self._sessions[-1]

    @property
    def _index(self) -> int:
        return len(self._sessions) - 1

    def take(self, line: Line) -> None:
        """Read one line."""
        self._taken += 1
        self._look_for_start(line)
        found = log_lines.assignments(line.body)
        epoch = log_lines.epoch_of(line.body)
        if epoch is not None:
            self._enter(epoch, line, is_header=bool(found) or "/" in line.body)
        elif "epoch" in line.body.lower() and (table := log_tables.head(line.body)):
            self._table, self._row = table, 0
        step = log_lines.step_of(line.body)
        is_moment = (epoch, step) != (None, None) and len(self._lossy) < ENOUGH
        if is_moment and log_lines.tells_loss(line.body):
            self._lossy.add((epoch, step))
        if line.time and self._session.started is None:
            self._session.started = (line.time, line.where)
        if self._session.epoch is None:
            self._take_preamble(line)
        elif log_lines.is_end(line.body):
            self._session.ended = True
        if judge := log_lines.best_by(line.body):
            self._session.facts.setdefault("monitor", (judge, line.where))
        self._take_metrics(line, found, epoch)

    def _take_metrics(self, line: Line, found: list[Value], epoch: int | None) -> None:
        if log_lines.is_saved(line.body):
            self._take_saved(line, found, log_lines.checkpoint_in(line.body))
        elif found:
            for value in found:
                self._take_measured(line, value, epoch)
        elif line.number == self._path_may_follow and (path := log_lines.checkpoint_in(line.body)):
            self._name_saved(path)

    # --- the runs in the file -------------------------------------------------------------------

    def _look_for_start(self, line: Line) -> None:
        named = log_lines.start_of(line.body)
        if named is None:
            return
        banner = line.body.strip()[:200]
        if self._session.epoch is not None or banner in self._session.banners:
            self._begin(line)
        self._session.banners.add(banner)
        for fact, value in named.items():
            self._session.facts.setdefault(fact, (value, line.where))

    def _begin(self, line: Line) -> None:
        self.close_session(before=line.number)
        if len(self._sessions) < MAX_SESSIONS:
            self._sessions.append(_Session(line.number))
        self._shapes.clear()
        self._unsure = ("", [])

    def close_session(self, before: float = math.inf) -> None:
        """Note when the current run was last heard of, on a line above the line `before`."""
        above = (
            (number, text)
            for lines in reversed(self.recent)
            for number, text in reversed([*lines.numbered()])
            if self._session.begins <= number < before
        )
        for number, text in islice(above, BLOCK):
            line = log_lines.parse_line(number, _text(text))
            if line.time:
                self._session.finished = (line.time, line.where)
                return

    def _enter(self, epoch: int, line: Line, *, is_header: bool) -> None:
        before = self._session.epoch
        if before is not None and epoch < before and epoch > 1 and not is_header:
            return  # a mention in passing
        if before is not None and (epoch < before or (epoch == before and self._session.ended)):
            self._begin(line)
        if epoch != self._session.epoch:
            self._shapes.clear()
            self._take_unsure()
        self._session.epoch = epoch
        self._session.epoch_line = max(line.number, self._session.epoch_line)
        self._session.ended = False

    # --- metrics --------------------------------------------------------------------------------

    def _take_measured(self, line: Line, value: Value, said_epoch: int | None) -> None:
        step = log_lines.step_of(line.body)
        kind = self._kind(line, value, said_epoch, step)
        if kind is None:
            return
        epoch = self._session.epoch if self._session.tells_of_epoch(line.number) else None
        if kind == "best":
            epoch = self._best_epoch(line, epoch)
        where = line.where if math.isfinite(value.value) else f"{line.where} ({value.text})"
        self._keep(
            Measurement(
                value.name,
                value.value,
                where,
                kind,
                None if kind == "final" else epoch,
                step,
                time=line.time,
                session=self._index,
                digits=value.digits,
            )
        )

    def _best_epoch(self, line: Line, current: int | None) -> int | None:
        said = log_lines.best_epoch_of(line.body)
        is_new = re.search(r"\bnew best\b", line.body, re.IGNORECASE)
        return current if said is None and is_new else said

    def _kind(
        self, line: Line, value: Value, said_epoch: int | None, step: int | None
    ) -> MeasurementKind | None:
        """Return what a metric on a line is said of; None if that cannot be told."""
        before = value.context if said_epoch is not None else line.body.partition(value.text)[0]
        if re.search(r"(?<![a-z])best(?![a-z])", before, re.IGNORECASE):
            return "best"
        if re.search(r"(?<![a-z])final(?![a-z])", before, re.IGNORECASE):
            return "final"
        if said_epoch is not None or self._session.tells_of_epoch(line.number):
            return "epoch"
        if step is not None and metrics.split(value.name) in ("val", "test"):
            return "epoch"
        return "final" if self._session.epoch is not None and self._session.ended else None

    def _keep(self, m: Measurement) -> None:
        if m.kind == "epoch":
            key = (m.session, m.epoch, m.step if m.epoch is None else None, m.name)
            if key in self._of_epoch or len(self._of_epoch) < MAX_KEPT:
                self._of_epoch[key] = m
        elif len(self._kept) < MAX_KEPT:
            self._kept.append(m)

    def _take_saved(self, line: Line, found: list[Value], path: str | None) -> None:
        epoch = self._session.epoch
        saved = [
            Measurement(
                v.name,
                v.value,
                line.where,
                "saved",
                epoch,
                None,
                path,
                line.time,
                self._index,
                v.digits,
            )
            for v in found
        ]
        is_best = re.search(r"(?<![a-z])best(?![a-z])", line.body, re.IGNORECASE)
        if (path or is_best) and not saved and self._session.tells_of_epoch(line.number):
            told = [
                m._replace(kind="saved", where=line.where, checkpoint=path, time=line.time)
                for m in list(self._of_epoch.values())[-BLOCK:]
                if (m.session, m.epoch) == (self._index, epoch) and metrics.split(m.name) != "train"
            ]
            if not any(metrics.split(m.name) == "val" for m in told):
                self._early[self._index, epoch].add(path)
            self._unsure = (line.body, told)
            if path or line.body in self._calls_best:
                saved, self._unsure = told, ("", [])
        for measurement in saved:
            self._keep(measurement)
        self._path_may_follow = line.number + 1 if saved and not path else 0

    def _take_unsure(self) -> None:
        said, measurements = self._unsure
        self._calls_best.add(said)
        for measurement in measurements:
            self._keep(measurement)
        self._unsure = ("", [])

    def _name_saved(self, path: str) -> None:
        """Give the path on this line to what the line before said was saved."""
        where = self._kept[-1].where
        for index, measurement in enumerate(
            self._kept[-BLOCK:], start=max(0, len(self._kept) - BLOCK)
        ):
            if measurement.where == where and measurement.kind == "saved":
                self._kept[index] = measurement._replace(checkpoint=path)

    # --- what comes before the first epoch ------------------------------------------------------

    def _take_preamble(self, line: Line) -> None:
        if _PROSE.search(line.body):
            return
        lower = line.body.lower()
        unmet = (i for i in range(len(_FAMILIES)) if i not in self._families)
        self._families |= {i for i in unmet if _FAMILIES[i].search(lower)}
        self._session.config = log_lines.settings_of(line.body) | self._session.config
        is_list = line.number <= self._listed_parameters
        if count := log_lines.parameters_of(line.body, is_list=is_list):
            self._session.facts.setdefault("parameters", (count, line.where))
        if "parameters" in lower:
            self._listed_parameters = line.number + 3

    # --- the end --------------------------------------------------------------------------------

    def is_hopeless(self, number: int) -> bool:
        """Return whether so much was read without an epoch that there will be none."""
        is_long = number > GIVE_UP or self._taken > GIVE_UP_RELEVANT
        return is_long and not self._of_epoch

    def is_training(self) -> bool:
        """Return whether all this is a training log: it tells of epochs, or of how it began.

        Or, more than once, of the loss of an epoch or a step, or of what was saved at a validation.
        """
        validated = (m for m in self._kept if m.kind == "saved" and metrics.split(m.name) == "val")
        if self._of_epoch or len({m.where for m in validated}) > 1 or len(self._lossy) == ENOUGH:
            return True
        has_signs = bool(self._kept) or any(s.epoch is not None for s in self._sessions)
        needed = PREAMBLE_FAMILIES - 2 if has_signs else PREAMBLE_FAMILIES
        tells = has_signs or any(s.config or s.facts for s in self._sessions)  # and no advice
        return tells and len(self._families) >= needed and bool(self._families & _OF_TRAINING)

    def _told_late(self) -> Iterator[Measurement]:
        """Yield what the validation gave that a line tells after the one at which was saved.

        Keras writes so: its callbacks are called before the last state of the progress bar.
        """
        for m in self._of_epoch.values() if self._early else ():
            if metrics.split(m.name) == "val":
                for path in sorted(self._early.get((m.session, m.epoch), ()), key=str):
                    yield m._replace(kind="saved", checkpoint=path)

    def reading(self) -> Reading:
        """Return what was read, in the order of the lines."""
        measured = sorted([*self._of_epoch.values(), *self._kept, *self._told_late()], key=_line_of)
        notes = [note for i, session in enumerate(self._sessions) for note in _notes(i, session)]
        return Reading("training log", "log", tuple(measured), tuple(notes), self._session.config)


def _line_of(measurement: Measurement) -> int:
    return int(measurement.where.split()[1])


def _notes(index: int, session: _Session) -> Iterator[Noted]:
    for fact, (value, where) in session.facts.items():
        yield Noted(fact, value, where, index)
    for fact, moment in (("started", session.started), ("finished", session.finished)):
        if moment:
            yield Noted(fact, moment[0].isoformat(), moment[1], index)
