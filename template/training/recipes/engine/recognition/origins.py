"""Weights that trainings started from: published ones, and those that a config names as such."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from engine.readers import WEIGHTS
from engine.recognition import identity
from engine.recognition.evidence import Reading
from engine.recognition.scan import matches

# Ultralytics' `model: yolov8n.pt`, OpenMMLab's `load_from`, and what people call it themselves.
_KEY = re.compile(
    r"(?:.*\.)?(?:(?:model|weights|load_from|init_from|finetune(?:_from)?)|"
    r"(?:init|base|pretrained?)_?\w*)\Z"
)


def find(readings: Mapping[str, Reading], patterns: tuple[str, ...]) -> frozenset[str]:
    """Return the models that came from elsewhere; `patterns` are the globs by which a user says so.

    A config tells only of a file with a name of its own that no training here is known to have
    written: many a file is called `best.pt`.
    """
    named = {name for reading in readings.values() for name in _named(reading)}
    written = {m.checkpoint for reading in readings.values() for m in reading.measurements}
    names = {n for n in named - written if not identity.starts_generic(identity.stem(n))}
    return frozenset(
        path
        for path, reading in readings.items()
        if reading.role == "model"
        if PurePosixPath(path).name in names
        or identity.is_published(path)
        or matches(path, patterns)
    )


def _named(reading: Reading) -> Iterator[str]:
    for key, value in reading.config.items():
        if isinstance(value, str) and _KEY.match(key.lower()) and value.endswith(WEIGHTS):
            yield PurePosixPath(value.replace("\\", "/")).name
