"""Write checkpoints that `torch.load` opens, without torch: for fixtures and tests.

Both formats of `torch.save` (pytorch.org/docs/stable/notes/serialization.html): a stored zip with
`data.pkl` and one record for each storage, and the older sequence of pickles.
"""

import io
import math
import pickle
import random
import struct
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

STORAGES = {  # dtype: torch's storage class, bytes of an element
    "float64": ("DoubleStorage", 8),
    "float32": ("FloatStorage", 4),
    "float16": ("HalfStorage", 2),
    "bfloat16": ("BFloat16Storage", 2),
    "int64": ("LongStorage", 8),
    "int32": ("IntStorage", 4),
    "int16": ("ShortStorage", 2),
    "int8": ("CharStorage", 1),
    "uint8": ("ByteStorage", 1),
    "bool": ("BoolStorage", 1),
}
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
ALIGNMENT = 64  # torch maps records into memory
LOCAL_HEADER = 30  # bytes of a zip member's header, without its name
RANDOM_CHUNK = 1 << 20


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor: its bytes are `data`, or drawn from `seed` (default: its position in the file)."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    data: bytes | None = None
    seed: int | None = None


@dataclass(frozen=True)
class NumpyScalar:
    """Stands in for `numpy.float64(value)` and its like; `dtype` is `f8`, `f4`, `i8`, ..."""

    value: float
    dtype: str = "f8"


@dataclass(frozen=True)
class Global:
    """The name of something importable, written without importing it."""

    module: str
    name: str

    def __call__(self) -> None:
        """Only there because pickle wants something callable; it is never called."""


@dataclass(frozen=True, eq=False)
class _Storage:
    key: str
    dtype: str
    elements: int
    data: bytes


_PurePickler: Any = pickle._Pickler  # its `save_global` can be replaced, unlike that of the C one


class _Pickler(_PurePickler):  # type: ignore[misc]  # the typeshed knows little of it
    def __init__(self, file: BinaryIO, *, legacy: bool) -> None:
        super().__init__(file, protocol=2)
        self.storages: list[_Storage] = []
        self._legacy = legacy

    def persistent_id(self, obj: object) -> tuple[object, ...] | None:
        if not isinstance(obj, _Storage):
            return None
        kind = Global("torch", STORAGES[obj.dtype][0])
        named = ("storage", kind, obj.key, "cpu", obj.elements)
        return (*named, None) if self._legacy else named

    def reducer_override(self, obj: object) -> Any:
        if isinstance(obj, Global):
            return obj.name
        if isinstance(obj, Tensor):
            return Global("torch._utils", "_rebuild_tensor_v2"), self._tensor_arguments(obj)
        if isinstance(obj, NumpyScalar):
            return _numpy_scalar(obj)
        return NotImplemented

    def save_global(self, obj: object, name: str | None = None) -> None:
        if isinstance(obj, Global):
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
            self.memoize(obj)
        else:
            super().save_global(obj, name)

    def _tensor_arguments(self, tensor: Tensor) -> tuple[object, ...]:
        elements = math.prod(tensor.shape)
        key = len(self.storages)
        data = _bytes_of(tensor, elements * STORAGES[tensor.dtype][1], key)
        storage = _Storage(str(key), tensor.dtype, elements, data)
        self.storages.append(storage)
        strides = tuple(math.prod(tensor.shape[i + 1 :]) for i in range(len(tensor.shape)))
        hooks: OrderedDict[str, object] = OrderedDict()
        return storage, 0, tensor.shape, strides, False, hooks


@dataclass(frozen=True)
class _Dtype:
    code: str

    def __reduce__(self) -> tuple[object, ...]:
        order = "|" if self.code.endswith("1") else "<"
        state = (3, order, None, None, None, -1, -1, 0)
        return Global("numpy", "dtype"), (self.code, False, True), state


def _numpy_scalar(scalar: NumpyScalar) -> tuple[object, ...]:
    code = {"f8": "d", "f4": "f", "f2": "e", "i8": "q", "i4": "i", "b1": "?"}[scalar.dtype]
    raw = struct.pack("<" + code, scalar.value)
    return Global("numpy._core.multiarray", "scalar"), (_Dtype(scalar.dtype), raw)


def _bytes_of(tensor: Tensor, size: int, position: int) -> bytes:
    if tensor.data is None:
        source = random.Random(position if tensor.seed is None else tensor.seed)
        chunks = (min(RANDOM_CHUNK, size - at) for at in range(0, size, RANDOM_CHUNK))
        return b"".join(source.randbytes(chunk) for chunk in chunks)
    if len(tensor.data) != size:
        raise ValueError(
            f"{tensor.shape} {tensor.dtype} needs {size} bytes, not {len(tensor.data)}"
        )
    return tensor.data


def save(path: Path, obj: object, *, legacy: bool = False) -> None:
    """Write `obj` to `path` as `torch.save` would; the same bytes for the same `obj`.

    `obj` may nest whatever pickle takes, and `Tensor`, `NumpyScalar`, `Global`.
    """
    pickled = io.BytesIO()
    pickler = _Pickler(pickled, legacy=legacy)
    pickler.dump(obj)
    write = _write_legacy if legacy else _write_zip
    write(path, pickled.getvalue(), pickler.storages)


def _write_zip(path: Path, pickled: bytes, storages: list[_Storage]) -> None:
    records = {"data.pkl": pickled, "byteorder": b"little"}
    records |= {f"data/{storage.key}": storage.data for storage in storages}
    records |= {"version": b"3\n"}
    with path.open("wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in records.items():
            member = zipfile.ZipInfo(f"archive/{name}")
            member.extra = _padding(file.tell(), len(member.filename))
            archive.writestr(member, data)


def _padding(offset: int, name_length: int) -> bytes:
    """Return the extra field, at least its own 4 bytes, that aligns the data after the header."""
    start = offset + LOCAL_HEADER + name_length + 4
    size = -start % ALIGNMENT
    return struct.pack("<2sH", b"FB", size) + b"Z" * size


def _write_legacy(path: Path, pickled: bytes, storages: list[_Storage]) -> None:
    sizes = {"short": 2, "int": 4, "long": 4}
    system = {"protocol_version": LEGACY_PROTOCOL, "little_endian": True, "type_sizes": sizes}
    head = [pickle.dumps(value, 2) for value in (LEGACY_MAGIC, LEGACY_PROTOCOL, system)]
    keys = pickle.dumps([storage.key for storage in storages], 2)
    data = [struct.pack("<q", storage.elements) + storage.data for storage in storages]
    path.write_bytes(b"".join([*head, pickled, keys, *data]))
