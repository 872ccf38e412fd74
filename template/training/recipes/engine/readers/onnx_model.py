"""ONNX models: the fields of the outermost message; the graph, which has the weights, is skipped.

The format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (ModelProto)
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from engine.readers import Broken, keys
from engine.readers.tensorboard import fields
from engine.recognition.evidence import Reading

_GRAPH, _PROPERTY = 7, 14
MAX_FIELD = 1 << 20


def read(path: Path, name: str) -> Reading | None:
    """Return what its metadata says; None if the file holds no graph."""
    with path.open("rb") as file:
        found = list(_outermost(file, path.stat().st_size))
    if not any(number == _GRAPH for number, _ in found):
        return None
    texts = [
        {n: data.decode("utf-8", "replace") for n, _, data in fields(raw)}
        for number, raw in found
        if number == _PROPERTY
    ]
    facts = keys.collect({text.get(1, ""): text.get(2, "") for text in texts}, "own")
    return Reading("ONNX", "model", tuple(facts.measurements), tuple(facts.notes), facts.config)


def _outermost(file: BinaryIO, size: int) -> Iterator[tuple[int, bytes]]:
    while file.tell() < size:
        key = _varint(file)
        kind, length = key & 7, {1: 8, 5: 4}.get(key & 7, 0)
        if kind == 0:
            _varint(file)
        elif kind == 2:
            length = _varint(file)
        elif kind not in (1, 5):
            raise Broken("damaged: no ONNX model")
        if file.tell() + length > size:
            raise Broken("truncated: shorter than it says")
        if key >> 3 == _GRAPH or length > MAX_FIELD:
            file.seek(length, os.SEEK_CUR)
            yield key >> 3, b""
        else:
            yield key >> 3, file.read(length)


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise Broken("truncated: cut off in a number")
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
    raise Broken("damaged: a number that does not end")
