"""HDF5 weights, as Keras writes them: recognised, and checked for their length; no more.

Plain HDF5 holds data of any kind. It is a model only if its name, or its place, says so.

The superblock: https://docs.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
"""

import re
from pathlib import Path

from engine.readers import Broken
from engine.recognition.evidence import Reading

MARKERS = (b"keras_version", b"layer_names", b"model_weights", b"_layer_checkpoint_dependencies")
DATA = (b"PYTABLES_FORMAT_VERSION", b"encoding-type", b"anndata", b"pandas_type", b"Loompy")
NAMED = re.compile(r"weights?(?![a-z])|ckpt|checkpoint|(?<![a-z])model(?![a-z])", re.IGNORECASE)
PLACES = frozenset(
    "checkpoint checkpoints ckpt ckpts weights model_weights pretrained models saved_models".split()
)
SEARCHED = 64 << 10
END_OF_FILE = {0: 40, 1: 44, 2: 28, 3: 28}  # version of the superblock: where the address stands
OFFSET_SIZE = {0: 13, 1: 13, 2: 9, 3: 9}  # and where it says how many bytes an address has


def read(path: Path, name: str) -> Reading | None:
    """Return a model of unknown metric, or data; `Broken` if the file is shorter than it says."""
    with path.open("rb") as file:
        start = file.read(SEARCHED)
    version = start[8] if len(start) > 8 else 255
    at = END_OF_FILE.get(version)
    if at is None or len(start) < at + 8:
        raise Broken("damaged or truncated: no superblock")
    end = int.from_bytes(start[at : at + 8], "little")
    if start[OFFSET_SIZE[version]] == 8 and end > path.stat().st_size:
        raise Broken("truncated: shorter than its superblock says")
    if any(marker in start for marker in MARKERS):
        return Reading("HDF5 (Keras)", "model")
    placed = path.parent.name.lower() in PLACES and not any(marker in start for marker in DATA)
    return Reading("HDF5", "model" if placed or NAMED.search(name) else "data")
