"""Gzip in members of one block each, which threads compress and decompress side by side.

Such a file is plain gzip (RFC 1952). The header of each member says how long it is, in the subfield
`IG` of the libraries mgzip and pgzip, so that the next one is found without decompressing.
"""

import struct
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from engine import cores
from engine.archives.manifest import Damaged
from engine.changes import disk

if TYPE_CHECKING:
    from concurrent.futures import Future

_LEVEL = 1  # of ISA-L: as small as `gzip -6` on weights, and many times faster
_RAW_DEFLATE = -15
_SAMPLE, _DENSE = 1 << 16, 0.85  # bytes of a block that are tried, and what is not worth more
_LONGEST_STORED = 0xFFFF
# Deflate with an extra field of 8 bytes, of no time, from any system; the size is to follow.
_HEADER = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x08\0IG\x04\0"
_SIZE = struct.Struct("<I")
_TRAILER = struct.Struct("<II")
_AROUND = len(_HEADER) + _SIZE.size + _TRAILER.size
_LONGEST = 2 * disk.BLOCK  # bytes of a member: what does not compress grows by a little

Item = TypeVar("Item")
Made = TypeVar("Made")


def compress(block: bytes, *, fast: bool = False) -> bytes:
    """Return the gzip member of a block; with `fast` what is dense is only stored.

    Raises Damaged if it does not decompress to what it was made of.
    """
    member = _stored_if_dense(block) if fast else _deflated(block)
    if _inflated(member) != block:
        raise Damaged("a part of it does not decompress to what was packed")
    return member


def decompressed(descriptor: int, on_member: Callable[[bytes], None]) -> Generator[bytes]:
    """Yield what the members of an open file hold, of each at once; CRC and size are enforced.

    `on_member` is told the bytes of each member in their order. Raises Damaged.
    """
    yield from in_order(_inflated, _members(descriptor, on_member))


def in_order(work: Callable[[Item], Made], items: Iterable[Item]) -> Generator[Made]:
    """Yield what threads make of each item, in their order."""
    from concurrent.futures import ThreadPoolExecutor  # with logging, which plans can spare

    waiting: deque[Future[Made]] = deque()
    workers = cores.worth()
    with ThreadPoolExecutor(workers) as pool:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > 2 * workers:  # a few, so that memory stays small
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in blocks, each of as many pieces as fit: a large one is not copied.

    No piece is longer than `disk.BLOCK`.
    """
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        if size + len(piece) > disk.BLOCK and held:
            yield b"".join(held)
            held, size = [], 0
        held.append(piece)
        size += len(piece)
    if size:
        yield b"".join(held)


def _deflated(block: bytes) -> bytes:
    from isal import isal_zlib  # takes 29 ms, which most recipes can spare

    return _member(block, isal_zlib.compress(block, _LEVEL, _RAW_DEFLATE))


def _stored_if_dense(block: bytes) -> bytes:
    from isal import isal_zlib

    sample = block[:_SAMPLE]
    if len(isal_zlib.compress(sample, _LEVEL, _RAW_DEFLATE)) < _DENSE * len(sample):
        return _deflated(block)
    return _member(block, *_stored(block))


def _stored(block: bytes) -> Iterator[bytes | memoryview]:
    """Deflate's blocks without compression: RFC 1951, 3.2.4."""
    for start in range(0, len(block), _LONGEST_STORED):
        piece = memoryview(block)[start : start + _LONGEST_STORED]
        is_last = start + len(piece) == len(block)
        yield struct.pack("<BHH", is_last, len(piece), len(piece) ^ 0xFFFF)
        yield piece


def _member(block: bytes, *body: bytes | memoryview) -> bytes:
    from isal import isal_zlib

    size = _AROUND + sum(map(len, body))
    trailer = _TRAILER.pack(isal_zlib.crc32(block), len(block))
    return b"".join((_HEADER, _SIZE.pack(size), *body, trailer))


def _members(descriptor: int, on_member: Callable[[bytes], None]) -> Iterator[bytes]:
    while start := disk.read(descriptor, len(_HEADER) + _SIZE.size):
        if not start.startswith(_HEADER) or len(start) < len(_HEADER) + _SIZE.size:
            raise Damaged("something is there that is not part of it")
        (size,) = _SIZE.unpack(start[len(_HEADER) :])
        if not _AROUND < size <= _LONGEST:
            raise Damaged("a part of it has a size that it cannot have")
        member = start + disk.read(descriptor, size - len(start))
        if len(member) < size:
            raise Damaged("is cut off")
        on_member(member)
        yield member


def _inflated(member: bytes) -> bytes:
    from isal.igzip_lib import DECOMP_GZIP, IgzipDecompressor, IsalError

    decoder = IgzipDecompressor(DECOMP_GZIP)
    try:
        block: bytes = decoder.decompress(member, disk.BLOCK + 1)  # whatever it unpacks to
    except IsalError as problem:  # type: ignore[misc]  # its stub says it were no class
        raise Damaged(f"cannot be decompressed ({problem})") from None
    if not decoder.eof or decoder.unused_data or not block:
        raise Damaged("a part of it holds more or less than it must")
    return block
