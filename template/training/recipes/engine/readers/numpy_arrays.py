"""Networks written with numpy: a zip of `numpy.savez` with `W1` and `b1` for each layer."""

import re
import zipfile
from pathlib import Path

from engine.readers.bounded import BoundedFile
from engine.recognition.evidence import Reading

FORMAT = "arrays (npz)"
MAX_READ = 1 << 20  # of the zip's list of members
FEWEST_LAYERS = 2  # with one pair, it may be anything
_LAYER = re.compile(r"(?:(weights?|w)|biases|bias|b)_?(\w+)\.npy", re.IGNORECASE)


def read(path: Path, name: str) -> Reading | None:
    """Return that this is a model, if several layers have weights and a bias; None for others."""
    try:
        with path.open("rb") as file, zipfile.ZipFile(BoundedFile(file, MAX_READ)) as archive:
            layers = [match for m in archive.NameToInfo if (match := _LAYER.fullmatch(m))]
    except zipfile.BadZipFile:
        return None
    weights, biases = ({m[2] for m in layers if bool(m[1]) is has} for has in (True, False))
    return Reading(FORMAT, "model") if len(weights & biases) >= FEWEST_LAYERS else None
