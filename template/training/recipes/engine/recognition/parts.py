"""Of which part of the data the figures in a file are, as the file's name says."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from engine.recognition import identity, metrics
from engine.recognition.evidence import Reading


def told_by_names(readings: Mapping[str, Reading]) -> dict[str, Reading]:
    """Return the readings; what says no split in `val_metrics.csv` is of validation.

    It is of training only beside the like of another part: a lone `training_log.csv` may tell
    of both. What is called an evaluation may be one of either.
    """
    parts = {p: part for p, r in readings.items() if r.role == "results" and (part := _part(p))}
    alike: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for path, part in parts.items():
        alike[_rest(path)].add(part)
    told = dict(readings)
    for path, part in parts.items():
        if part != "train" or len(alike[_rest(path)]) > 1:
            told[path] = _of_part(readings[path], part)
    return told


def _part(path: str) -> metrics.Split | None:
    """Return the part of the data that a file's name says, if it says one."""
    words = identity.PARTS_OF_DATA.intersection(identity.tokens(identity.stem(path)))
    said = {metrics.split(word) for word in words}
    return said.pop() if len(said) == 1 else None


def _rest(path: str) -> tuple[str, ...]:
    """Return the file's folder and the words of its name but for the part of the data."""
    words = identity.tokens(PurePosixPath(path).name)
    rest = (word for word in words if word not in identity.PARTS_OF_DATA)
    return (str(PurePosixPath(path).parent), *rest)


def _of_part(reading: Reading, part: str) -> Reading:
    return replace(
        reading,
        measurements=tuple(
            m if metrics.split(m.name) else m._replace(name=f"{part}_{m.name}")
            for m in reading.measurements
        ),
    )
