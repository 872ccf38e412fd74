"""`just archive --auto`: free what waited long enough, pack, say only what was done or failed."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TextIO

from engine import show
from engine.changes import disk, history, purge
from engine.changes.history import PastRun
from engine.changes.lock import Held, project_lock
from engine.command_line import DONE, FAILED
from engine.errors import UserError
from engine.plans.plan import Plan
from engine.project import Project

LOG = "archive_auto.log"
LOG_LIMIT = 1 << 20  # bytes; when there are more, the older half goes


def run(
    project: Project,
    make_plan: Callable[[], Plan],
    now: datetime,
    *,
    purge_as_you_go: bool,
    as_json: bool,
) -> int:
    """Purge, then archive; return the exit status.

    What cannot be done is a failure, but that another recipe is at work is none: the next time
    will do.
    """
    told = _Told(project, now, as_json)
    try:
        _purge(project, now, told)
        _pack(project, make_plan(), told, purge_as_you_go)
    except Held as other:
        told.log(f"nothing was done: {other}")
    except UserError as problem:
        told.failed(str(problem))
    except BaseException as problem:
        told.log(f"stopped: {problem or type(problem).__name__}")
        raise
    return told.sum_up()


def _purge(project: Project, now: datetime, told: "_Told") -> None:
    """Free the quarantine of old runs first: the archives may need the space."""
    home = project.root / project.folders.history
    if not home.is_dir():  # the first run makes it, and notes what was there before
        return
    with project_lock(home):
        history.refuse_unfinished(project)
        for past in _overdue(project, now):
            result = purge.purge(project, past)
            if result.files:
                told.done(f"{past.id}: {result.files:,} files, {show.size(result.bytes)} freed")
            for path, why in result.kept.items():
                told.failed(f"{path}: stays in the quarantine of {past.id}: {why}")


def _overdue(project: Project, now: datetime) -> Iterator[PastRun]:
    days = project.conventions.archive.purge_after_days
    for past in history.past_runs(project):
        if days and not past.undone and purge.waiting(past):
            began = datetime.strptime(past.id.partition("_")[0], "%Y%m%dT%H%M%S")
            if now.astimezone(UTC) - began.replace(tzinfo=UTC) >= timedelta(days=days):
                yield past


def _pack(project: Project, plan: Plan, told: "_Told", purge_as_you_go: bool) -> None:
    if not plan.changes:
        told.log("nothing to pack")
        return
    from engine.changes.apply import apply  # who only plans need not wait for it

    with show.progress("packing", plan.totals()["pack"]["bytes"]) as on_bytes:
        outcome = apply(project, plan, datetime.now(UTC), on_bytes, purge_as_you_go)
    for path, why in outcome.left.items():
        told.failed(f"left alone: {path}: {why}")
    packed = [action for action in plan.changes if action.src not in outcome.left]
    for target, rule in {action.dst: action.reason for action in packed}.items():
        told.log(f"packed into {target}: {rule}")
    if packed:
        size = show.size(sum(action.bytes for action in packed))
        told.done(f"{outcome.run}: {len(packed):,} files, {size} packed; just undo takes it back")


class _Told:
    """What is said, on the screen and in a log of its own; the exit status follows from it."""

    def __init__(self, project: Project, now: datetime, as_json: bool) -> None:
        self.root, self.now, self.as_json = project.root, now, as_json
        self.path = project.root / project.folders.history / LOG
        self.successes: list[str] = []
        self.failures: list[str] = []

    def done(self, line: str) -> None:
        self.successes.append(line)
        self.log(line)
        if not self.as_json and not self._is_log(sys.stdout):
            show.say(line)

    def failed(self, line: str) -> None:
        self.failures.append(line)
        self.log(line)
        if not self._is_log(sys.stderr):
            show.warn(line)

    def sum_up(self) -> int:
        """Print what was done and failed for programs, if anything was; return the exit status."""
        if self.as_json and (self.successes or self.failures):
            show.say("archive --auto", True, done=self.successes, failed=self.failures)
        return FAILED if self.failures else DONE

    def log(self, line: str) -> None:
        with contextlib.suppress(OSError):  # a full disk must not keep a purge from freeing it
            disk.make_folders(self.path.parent, self.root)
            with self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(f"{self.now:%Y-%m-%d %H:%M:%S} {show.safe(line)}\n")
            self._shorten()

    def _shorten(self) -> None:
        """Drop the older half in place: a schedule may have the file open to append to it."""
        if self.path.stat().st_size > LOG_LIMIT:
            kept = self.path.read_bytes()[-LOG_LIMIT // 2 :].partition(b"\n")[2]
            self.path.write_bytes(kept)

    def _is_log(self, stream: TextIO) -> bool:
        """Return whether a schedule sends a stream to the very log, where the line stands then."""
        with contextlib.suppress(OSError, ValueError):
            return os.path.samestat(os.fstat(stream.fileno()), self.path.stat())
        return False
