"""Weights in the safetensors format: 8 bytes of length, a JSON header, the tensors.

The format: https://huggingface.co/docs/safetensors/index#format
"""

import json
import math
from pathlib import Path
from typing import Any

from engine.readers import Broken, keys
from engine.readers.pickle_values import MAX_DIMENSIONS
from engine.recognition.evidence import Noted, Reading

MAX_HEADER = 32 << 20


def read(path: Path, name: str) -> Reading | None:
    """Return what `__metadata__` says, and the number of parameters."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        size = path.stat().st_size
        if length > MAX_HEADER:
            raise Broken("too complex: the header is larger than that of any model")
        if 8 + length > size:
            raise Broken("truncated: the header is not all there")
        header: Any = json.loads(file.read(length))
    if not isinstance(header, dict):
        raise Broken("damaged: the header is no JSON object")
    metadata = header.pop("__metadata__", {})
    if 8 + length + max((_end(tensor) for tensor in header.values()), default=0) > size:
        raise Broken("truncated: the tensors are not all there")
    facts = keys.collect(metadata if isinstance(metadata, dict) else {}, "own")
    count = sum(math.prod(tensor["shape"]) for tensor in header.values())
    counted = Noted("parameters", str(count), "shapes in the header")
    return Reading(
        "safetensors", "model", tuple(facts.measurements), (*facts.notes, counted), facts.config
    )


def _end(tensor: Any) -> int:
    """Return where the tensor's bytes end; `Broken` if its description is no description."""
    try:
        (_, end), shape = tensor["data_offsets"], tensor["shape"]
    except (TypeError, KeyError, ValueError) as error:
        raise Broken("damaged: a tensor without shape and offsets") from error
    if len(shape) > MAX_DIMENSIONS or not all(
        type(number) is int and 0 <= number < 1 << 63 for number in (end, *shape)
    ):
        raise Broken("damaged: a tensor whose shape or offset is no number")
    return int(end)
