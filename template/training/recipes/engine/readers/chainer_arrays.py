"""Weights as Chainer writes them: a zip with an array for each parameter, named by its path.

The format: `chainer/serializers/npz.py`; `conv1/W.npy` is a weight, `conv1/W/m.npy` what an
optimizer remembers of it. A trainer's snapshot has the model below `updater/`. No metric is in it.
"""

import re
import zipfile
from pathlib import Path

from engine.readers.bounded import BoundedFile
from engine.recognition.evidence import Reading

MAX_READ = 16 << 20
_WEIGHT = re.compile(r"(?:updater/model:.+|(?!updater/).+)/W\.npy")
_REMEMBERED = re.compile(r"(?!updater/).+/W/[a-z_]+\.npy")


def read(path: Path, name: str) -> Reading | None:
    """Return that this is a model or an optimizer's state; None for arrays of anything else."""
    try:
        with path.open("rb") as file, zipfile.ZipFile(BoundedFile(file, MAX_READ)) as archive:
            members = list(archive.NameToInfo)
    except zipfile.BadZipFile:
        return None
    if any(map(_WEIGHT.fullmatch, members)):
        return Reading("Chainer", "model")
    is_state = any(map(_REMEMBERED.fullmatch, members))
    return Reading("Chainer", "training_state") if is_state else None
