"""The values in a pickle, without running it.

A pickle is a program; `pickle.load` runs it, and it may do anything. Here its opcodes are
interpreted: globals stay names, calls give inert objects, nothing is imported or called. Only what
checkpoints hold is decoded: plain values, numpy scalars, paths, dates. Tensors stay descriptions.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pickletools import genops
from typing import Any, BinaryIO

from engine.readers import Broken
from engine.readers.bounded import BoundedFile
from engine.readers.made import Made

MAX_OPCODES = 2_000_000
MAX_INTEGER_BITS = 1024
MAX_INTEGER_KEY = 1 << 53  # beyond it, integers can be chosen so that their hashes collide
MAX_MEMO_INDEX = 1 << 32
# A value can be used again and again by its memo, so whatever is copied has to be short.
MAX_NAME, MAX_PATH, MAX_RAW, MAX_DIMENSIONS = 300, 512, 64, 64
_NUMPY = {"f8": "d", "f4": "f", "f2": "e", "b1": "?"} | {
    f"{kind}{2**power}": code
    for kind, codes in (("i", "bhiq"), ("u", "BHIQ"))
    for power, code in enumerate(codes)
}
_DICTS = {"collections.OrderedDict", "collections.defaultdict", "collections.Counter"}
_RECONSTRUCTORS = {"copy_reg._reconstructor", "copyreg._reconstructor", "copyreg.__newobj__"}
_PATHS = {
    f"{module}.{name}"
    for module in ("pathlib", "pathlib._local")
    for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath", "Path")
}


@dataclass(frozen=True, eq=False, slots=True)
class Global:
    """The name of a function or class."""

    name: str


@dataclass(frozen=True, eq=False, slots=True)
class Storage:
    """The bytes behind tensors; `kind` is torch's class, such as `FloatStorage`."""

    kind: str
    key: str
    elements: int


@dataclass(frozen=True, eq=False, slots=True)
class Tensor:
    """A tensor's description; `offset` counts elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]


class _Opaque:
    """Stands for a key or a value that is not worth having, and compares by identity."""

    __slots__ = ()


def load(file: BinaryIO | BoundedFile) -> object:
    """Return the value of the pickle that starts at the file's position.

    `Broken` if it is damaged or takes more than `MAX_OPCODES` steps.
    """
    machine = _Machine()
    try:
        for count, (opcode, argument, _) in enumerate(genops(file)):  # type: ignore[arg-type]
            if count > MAX_OPCODES:
                raise Broken("too complex: too many steps in the pickle")
            machine.step(opcode.name, argument)
        return machine.stack[-1]
    except Broken:
        raise
    except (IndexError, KeyError) as error:
        raise Broken("damaged: the pickle makes no sense") from error
    except (ValueError, TypeError, OverflowError, struct.error) as error:
        raise Broken(f"damaged or truncated: {error}") from error


class _Machine:
    """The stack machine of pickle, with nothing behind it."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stacks under the marks
        self._memo: dict[int, object] = {}

    def step(self, name: str, argument: Any) -> None:
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _LITERALS:
            self.stack.append(_plain(argument))
        else:
            _STEPS[name](self, argument)

    def mark(self, _: object) -> None:
        self._below.append(self.stack)
        self.stack = []

    def take(self) -> list[Any]:
        items, self.stack = self.stack, self._below.pop()
        return items

    def forget(self, _: object) -> None:
        self.take()

    def pop(self, count: int = 1) -> list[Any]:
        if len(self.stack) < count:
            raise IndexError
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def drop(self, _: object) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.take()

    def put(self, index: Any) -> None:
        if not 0 <= index < MAX_MEMO_INDEX:
            raise KeyError
        self._memo[index] = self.stack[-1]

    def memoize(self, _: object) -> None:
        self._memo[len(self._memo)] = self.stack[-1]

    def get(self, index: Any) -> None:
        self.stack.append(self._memo[index])

    def named(self, argument: str) -> None:
        self.stack.append(_global(argument))

    def stack_global(self, _: object) -> None:
        module, name = self.pop(2)
        known = isinstance(module, str) and isinstance(name, str)
        self.stack.append(_global(f"{module[:MAX_NAME]} {name[:MAX_NAME]}" if known else "?"))

    def reduce(self, _: object) -> None:
        function, arguments = self.pop(2)
        self.stack.append(_call(function, arguments))

    def new_with_keywords(self, _: object) -> None:
        function, arguments, _keywords = self.pop(3)
        self.stack.append(_call(function, arguments))

    def instance(self, argument: str) -> None:
        self.stack.append(_call(_global(argument), tuple(self.take())))

    def old_instance(self, _: object) -> None:
        function, *arguments = self.take()
        self.stack.append(_call(function, tuple(arguments)))

    def build(self, _: object) -> None:
        (state,) = self.pop()
        if isinstance(self.stack[-1], Made):
            self.stack[-1].state = state

    def persistent(self, argument: object) -> None:
        identity = self.pop()[0] if argument is None else argument
        self.stack.append(_storage(identity))

    def add(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)

    def set(self, items: list[Any]) -> None:
        target = self.stack[-1]
        entries = target.entries if isinstance(target, Made) else target
        if isinstance(entries, dict):
            entries.update(_pairs(items))


def _global(module_and_name: str) -> Global:
    return Global(module_and_name[:MAX_NAME].replace(" ", ".", 1))


def _pairs(items: list[Any]) -> Iterator[tuple[object, object]]:
    for key, value in zip(items[::2], items[1::2], strict=True):
        yield (key if _is_plain_key(key) else _Opaque()), value


def _is_plain_key(key: object) -> bool:
    """Return whether `key` hashes well: nested tuples can take for ever."""
    if isinstance(key, int):
        return abs(key) <= MAX_INTEGER_KEY
    return key is None or isinstance(key, str | float)


def _plain(value: Any) -> object:
    if isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
        return _Opaque()
    return value


def _call(function: object, arguments: object) -> object:
    name = function.name if isinstance(function, Global) else "?"
    given = arguments if isinstance(arguments, tuple) else ()
    try:
        return _decoded(name, given)
    except (ValueError, TypeError, IndexError, AttributeError, struct.error, LookupError):
        return Made(name, given)  # not what its name promises: an object like any other


def _decoded(name: str, given: tuple[Any, ...]) -> object:
    if name in _DICTS:
        return _dict(given)
    if name == "_codecs.encode" and given[1] == "latin1":
        return _raw(given[0])
    if name in ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"):
        return _numpy_scalar(*given)
    if name in _PATHS:
        return _path(given)
    if name == "datetime.datetime":
        return _moment(_raw(given[0]))
    if name.startswith("torch._utils._rebuild_"):
        return given[0] if isinstance(given[0], Tensor) else _tensor(*given[:3])
    if name == "torch._tensor._rebuild_from_type_v2":
        return _decoded(given[0].name, given[2])
    if name in _RECONSTRUCTORS and isinstance(given[0], Global):
        return Made(given[0].name, given)
    return Made(name, given)


def _dict(given: tuple[Any, ...]) -> dict[object, object]:
    if not (given and isinstance(given[0], list)):
        return {}
    pairs = given[0]  # Python 2 gave an OrderedDict its items as one list of pairs
    made = dict(_pairs([part for key, value in pairs for part in (key, value)]))
    pairs.clear()  # it cannot be copied a second time
    return made


def _raw(text: str | bytes) -> bytes:
    """Return the bytes that protocol 2 writes as text."""
    if len(text) > MAX_RAW:
        raise ValueError
    return text.encode("latin1") if isinstance(text, str) else text


def _path(parts: tuple[str, ...]) -> str:
    if len(parts) > MAX_PATH or sum(map(len, parts)) > MAX_PATH:
        raise ValueError
    return "/".join(parts).replace("//", "/")


def _numpy_scalar(dtype: Made, raw: str | bytes) -> object:
    code = dtype.arguments[0]
    if not isinstance(code, str):
        raise TypeError
    order = ">" if isinstance(dtype.state, tuple) and dtype.state[1] == ">" else "<"
    (value,) = struct.unpack(order + _NUMPY[code], _raw(raw))
    return value


def _moment(raw: bytes) -> datetime:
    year, month, day, hour, minute, second, micro = struct.unpack(">HBBBBB3s", raw)
    return datetime(year, month, day, hour, minute, second, int.from_bytes(micro, "big"))


def _tensor(storage: Storage, offset: int, shape: tuple[int, ...]) -> Tensor:
    if not isinstance(storage, Storage) or len(shape) > MAX_DIMENSIONS:
        raise TypeError
    if not all(type(size) is int and size >= 0 for size in (offset, *shape)):
        raise TypeError
    return Tensor(storage, offset, tuple(shape))


def _storage(identity: object) -> object:
    """Return the storage that torch's persistent id names: (storage, class, key, device, size)."""
    if isinstance(identity, tuple) and len(identity) >= 5 and identity[0] == "storage":
        _, kind, key, _, elements = identity[:5]
        if isinstance(kind, Global) and isinstance(key, str) and type(elements) is int:
            return Storage(kind.name.rpartition(".")[2], key, elements)
    return _Opaque()


def _push(make: Callable[[_Machine], object]) -> Callable[[_Machine, object], None]:
    def step(machine: _Machine, _: object) -> None:
        value = make(machine)  # first: it may well replace the stack
        machine.stack.append(value)

    return step


def _nothing(machine: _Machine, _: object) -> None:
    """Do nothing: an opcode that frames or ends."""


_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = set(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING "
    "UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 "
    "BYTEARRAY8".split()
)
_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP", "READONLY_BUFFER"), _nothing),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    **dict.fromkeys(("EXT1", "EXT2", "EXT4", "NEXT_BUFFER"), _push(lambda machine: _Opaque())),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), _Machine.reduce),
    **dict.fromkeys(("PERSID", "BINPERSID"), _Machine.persistent),
    "MARK": _Machine.mark,
    "POP": _Machine.drop,
    "POP_MARK": _Machine.forget,
    "DUP": _push(lambda machine: machine.stack[-1]),
    "MEMOIZE": _Machine.memoize,
    "EMPTY_LIST": _push(lambda machine: []),
    "EMPTY_TUPLE": _push(lambda machine: ()),
    "EMPTY_DICT": _push(lambda machine: {}),
    "EMPTY_SET": _push(lambda machine: []),
    "LIST": _push(_Machine.take),
    "FROZENSET": _push(_Machine.take),
    "TUPLE": _push(lambda machine: tuple(machine.take())),
    "TUPLE1": _push(lambda machine: tuple(machine.pop(1))),
    "TUPLE2": _push(lambda machine: tuple(machine.pop(2))),
    "TUPLE3": _push(lambda machine: tuple(machine.pop(3))),
    "DICT": _push(lambda machine: dict(_pairs(machine.take()))),
    "APPEND": lambda machine, _: machine.add(machine.pop()),
    "APPENDS": lambda machine, _: machine.add(machine.take()),
    "ADDITEMS": lambda machine, _: machine.add(machine.take()),
    "SETITEM": lambda machine, _: machine.set(machine.pop(2)),
    "SETITEMS": lambda machine, _: machine.set(machine.take()),
    "GLOBAL": _Machine.named,
    "STACK_GLOBAL": _Machine.stack_global,
    "INST": _Machine.instance,
    "OBJ": _Machine.old_instance,
    "NEWOBJ_EX": _Machine.new_with_keywords,
    "BUILD": _Machine.build,
}


MAX_VISITS = 4_000_000


class Walk:
    """Finds the tensors in values; what is shared is visited once in each search."""

    def __init__(self) -> None:
        """Start with a budget for all searches together: shared values can be many."""
        self._left = MAX_VISITS

    def tensors(self, value: object) -> Iterator[Tensor]:
        """Yield the tensors in `value`; `Broken` when there is too much to look through."""
        seen: set[int] = set()
        waiting = [value]
        while waiting:
            value = waiting.pop()
            if isinstance(value, Tensor):
                yield value
            elif isinstance(value, dict | list | tuple | Made) and id(value) not in seen:
                seen.add(id(value))
                children = _children(value)
                self._left -= len(children) + 1
                if self._left < 0:
                    raise Broken("too complex: too many values to look through")
                waiting += children

    def any(self, value: object) -> bool:
        """Return whether there is a tensor in `value`."""
        return next(self.tensors(value), None) is not None


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(reversed(value.values()))
    if isinstance(value, Made):
        return [value.state, value.entries, value.arguments]
    return list(value) if isinstance(value, list | tuple) else []
