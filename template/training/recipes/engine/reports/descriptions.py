"""What is known of a checkpoint, in plain values for JSON, manifests and documents."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from engine.recognition import identity, metrics
from engine.recognition.attribution import Checkpoint
from engine.recognition.evidence import Measurement, Reading
from engine.recognition.runs import Run


def describe(checkpoint: Checkpoint, role: str) -> dict[str, Any]:
    """Return what is known of a checkpoint and by which evidence; unknown is None."""
    return {
        "path": checkpoint.path,
        "role": role,
        "model_type": checkpoint.model_type,
        "metric": checkpoint.metric,
        "direction": checkpoint.direction,
        "value": checkpoint.value,
        "epoch": checkpoint.epoch,
        "date": checkpoint.date.date().isoformat() if checkpoint.date else None,
        "related": related(checkpoint),
        "format": checkpoint.format,
        "problem": checkpoint.problem,
        "evidence": [evidence._asdict() for evidence in checkpoint.evidence],
    }


def for_papers(
    checkpoint: Checkpoint, role: str, target: str, log: str | None, reason: str, **more: Any
) -> dict[str, Any]:
    """Return what metadata, summary and curve of a model are written from.

    `target` is its place in production, `reason` why it was chosen; `more` are `compared`
    (described checkpoints), `epochs` (rows) and `supersedes`, where there are any.
    """
    return describe(checkpoint, role) | {
        "production": target,
        "name": identity.stem(target),
        "log": log,
        "reason": reason,
        "config": dict(checkpoint.config),
        "facts": dict(checkpoint.facts),
        "compared": [],
        "epochs": [],
        "supersedes": [],
        **more,
    }


def related(checkpoint: Checkpoint) -> list[str]:
    """Return the records of its run, and what else lies in a folder that is one checkpoint.

    What lies in another such folder is that one's.
    """
    run, path = checkpoint.run, checkpoint.path
    if run is None:
        return []
    others = {*run.checkpoints}.difference([path], _above(path))
    records = {record for record in run.records if others.isdisjoint(_above(record))}
    files = _files(run)  # "." and "/" are neighbours, and "0" is behind them
    own = files[bisect_left(files, f"{path}.") : bisect_left(files, f"{path}0")]
    return sorted(records.union(own))


def _above(path: str) -> Iterator[str]:
    return map(str, PurePosixPath(path).parents)


@lru_cache(maxsize=1)
def _files(run: Run) -> tuple[str, ...]:
    return run.files


def epochs(checkpoint: Checkpoint, readings: Mapping[str, Reading]) -> list[dict[str, Any]]:
    """Return the training curve as rows, `{"epoch": 1, "Val AUC": 0.5, ...}`, oldest first.

    It is read where the checkpoint's own value stands, else in the first record that has rows.
    """
    records = checkpoint.run.records if checkpoint.run else ()
    telling = {e.path for e in checkpoint.evidence if e.fact == "metric" and e.used}
    for record in sorted(records, key=lambda r: (r != checkpoint.log, r not in telling)):
        found = [m for m in readings[record].measurements if m.kind == "epoch"]
        if rows := _rows(found, _session(checkpoint, found)):
            return rows
    return []


def _session(checkpoint: Checkpoint, found: list[Measurement]) -> int:
    """Return which of the runs in one log has the checkpoint's value; the last if none has."""
    value = checkpoint.value
    with_value = {
        m.session
        for m in found
        if value is not None and metrics.plausible(m.name) == checkpoint.metric
        if abs(m.value - value) <= 0.5 * 10 ** -(9 if m.digits is None else m.digits)
    }
    return max(with_value or {m.session for m in found}, default=0)


def _rows(found: list[Measurement], session: int) -> list[dict[str, Any]]:
    rows: dict[int, dict[str, Any]] = {}
    for m in found:
        if m.session == session and m.epoch is not None:
            rows.setdefault(m.epoch, {"epoch": m.epoch})[m.name] = m.value
    return [rows[epoch] for epoch in sorted(rows)]
