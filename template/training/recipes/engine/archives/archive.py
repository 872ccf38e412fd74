"""Archives: a plain `.tar.gz` in PAX format, and the manifest that says what must be in it.

The bytes of an archive follow from its manifest and the content of its members, so it is not parsed
but compared with what must be there. Another name, type, order or size, a device, a second member
of one name: all are different bytes, and refused.
"""

import hashlib
import json
import os
import re
import stat
import struct
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import InitVar, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from engine.changes import disk
from engine.errors import UserError

if TYPE_CHECKING:
    from isal.igzip_lib import IgzipDecompressor

FORMAT = 1  # of the manifest, and of the bytes of the archive
MANIFEST_LIMIT = 256 << 20  # bytes

_WORKERS = 2
_LEVEL = 1  # of ISA-L: as small as `gzip -6` on weights, and many times faster
_RAW_DEFLATE = -15
_SAMPLE, _DENSE = 1 << 16, 0.85  # bytes of a block that are tried, and what is not worth more
_LONGEST_STORED = 0xFFFF
_GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # RFC 1952: deflate, no name, no time, any system
_TAR_BLOCK = 512
_TAR_RECORD = 20 * _TAR_BLOCK
_FIELD_LIMIT = 8**11  # what eleven octal digits hold
_NOT_NAMES = frozenset(("", ".", ".."))
_ZIPPED_CHUNK = 1 << 18  # bytes of an archive read at a time


class Damaged(Exception):
    """An archive or a manifest is not what was written: `archive: member: what`."""


@dataclass(frozen=True)
class Member:
    """A file or symlink in an archive."""

    path: str  # below the project root, with "/"; undecodable bytes as surrogate escapes
    kind: Literal["file", "link"]
    size: int  # bytes; 0 for a link
    mode: int  # permissions, without setuid and setgid
    mtime_ns: int
    sha256: str | None  # of a file
    target: str | None  # of a link


def manifest_of(archive: str) -> str:
    """Where the manifest of an archive lies."""
    return archive.removesuffix(".tar.gz") + ".json"


def checksum_of(archive: str) -> str:
    """Where the checksum of an archive lies."""
    return archive.removesuffix(".tar.gz") + ".sha256"


_PROOF = object()


@dataclass(frozen=True)
class Verified:
    """Proof that an archive was read to its end and every member found whole."""

    archive: Path
    sha256: str  # of the archive itself
    members: Mapping[str, Member]  # by path
    proof: InitVar[object]

    def __post_init__(self, proof: object) -> None:
        """Lets nobody but `verify` make one."""
        if proof is not _PROOF:
            raise TypeError("only verify() can tell that an archive is whole")


def pack(
    root: Path,
    paths: Sequence[str],
    dst: Path,
    *,
    on_bytes: Callable[[int], None] | None = None,
    on_verified: Callable[[Verified], None] | None = None,
    fast: bool = False,
) -> tuple[Member, ...]:
    """Packs files and symlinks of `root` into the new archive `dst`; returns its members.

    With `fast` what hardly compresses, as weights do, is stored as it is.

    The archive is verified before it gets its name, and `on_verified` is called between the two.
    `on_bytes` is told how many more bytes were read. Raises Changed if a file was written to
    meanwhile, UserError for what cannot be packed, FileExistsError if `dst` is taken, and OSError;
    in none of these cases is there an archive.
    """
    if problem := _problem_of(paths):
        raise UserError(f"{problem}: cannot be packed; leave it out")
    with disk.new_file(dst) as (descriptor, partial):
        with ThreadPoolExecutor(_WORKERS) as pool:
            out = _Compressed(descriptor, pool, _fast_gzip_member if fast else _gzip_member)
            members = tuple(_add(out, root, path, on_bytes or _ignore) for path in paths)
            out.write(_end_after(out.size))
            out.finish()
        disk.sync(descriptor)
        (on_verified or _ignore)(verify(partial, members))
    return members


def _ignore(_: object) -> None:
    pass


class _Compressed:
    """Writes gzip members of one block each, which the pool compresses, in their order."""

    def __init__(
        self, descriptor: int, pool: ThreadPoolExecutor, member: Callable[[bytes], bytes]
    ) -> None:
        self.size = 0  # bytes taken so far
        self._member = member  # makes one of a block
        self._descriptor = descriptor
        self._pool = pool
        self._block = bytearray()
        self._waiting: deque[Future[bytes]] = deque()

    def write(self, data: bytes) -> None:
        self.size += len(data)
        self._block += data
        while len(self._block) >= disk.BLOCK:
            self._submit(bytes(self._block[: disk.BLOCK]))
            del self._block[: disk.BLOCK]

    def finish(self) -> None:
        if self._block:
            self._submit(bytes(self._block))
        while self._waiting:
            self._write_oldest()

    def _submit(self, block: bytes) -> None:
        self._waiting.append(self._pool.submit(self._member, block))
        if len(self._waiting) > 2 * _WORKERS:  # so that memory stays small
            self._write_oldest()

    def _write_oldest(self) -> None:
        disk.write_all(self._descriptor, self._waiting.popleft().result())


def _gzip_member(block: bytes) -> bytes:
    from isal import isal_zlib  # takes 29 ms, which most recipes can spare

    body = isal_zlib.compress(block, _LEVEL, _RAW_DEFLATE)
    return b"".join((_GZIP_HEADER, body, struct.pack("<II", isal_zlib.crc32(block), len(block))))


def _fast_gzip_member(block: bytes) -> bytes:
    from isal import isal_zlib

    sample = block[:_SAMPLE]
    if len(isal_zlib.compress(sample, _LEVEL, _RAW_DEFLATE)) < _DENSE * len(sample):
        return _gzip_member(block)
    trailer = struct.pack("<II", isal_zlib.crc32(block), len(block))
    return b"".join((_GZIP_HEADER, *_stored(block), trailer))


def _stored(block: bytes) -> Iterator[bytes]:
    """Deflate's blocks without compression: RFC 1951, 3.2.4."""
    for start in range(0, len(block), _LONGEST_STORED):
        piece = block[start : start + _LONGEST_STORED]
        is_last = start + len(piece) == len(block)
        yield struct.pack("<BHH", is_last, len(piece), len(piece) ^ 0xFFFF)
        yield piece


def _add(out: _Compressed, root: Path, name: str, on_bytes: Callable[[int], None]) -> Member:
    path = f"{root}/{name}"
    found = disk.identity(path)
    if stat.S_ISLNK(found.mode):
        target = os.readlink(path)  # noqa: PTH115 - Path would rewrite it
        link = Member(name, "link", 0, 0o777, found.mtime_ns, None, target)
        out.write(_header(link))
        return link
    if not stat.S_ISREG(found.mode):
        raise UserError(f"{name!r}: is neither a file nor a symlink; leave it out")
    facts = found.size, found.mode & 0o777, found.mtime_ns
    out.write(_header(Member(name, "file", *facts, None, None)))
    digest = hashlib.sha256()
    for block in disk.read_stable(path, found):
        digest.update(block)
        out.write(block)
        on_bytes(len(block))
    member = Member(name, "file", *facts, digest.hexdigest(), None)
    out.write(_padding(member))
    return member


def _padding(member: Member) -> bytes:
    return bytes(-member.size % _TAR_BLOCK)


def _end_after(size: int) -> bytes:
    """Two zero blocks, and as many as fill the last record."""
    return bytes(2 * _TAR_BLOCK + -(size + 2 * _TAR_BLOCK) % _TAR_RECORD)


def _header(member: Member) -> bytes:
    """What stands before a member's content: POSIX.1-2017, pax, "pax Interchange Format"."""
    name = member.path.encode("utf-8", "surrogateescape")
    target = (member.target or "").encode("utf-8", "surrogateescape")
    seconds = member.mtime_ns // 10**9  # the manifest has the rest: a record each would cost time
    records = []
    if _is_long_or_foreign(name):
        records.append((b"path", name))
    if _is_long_or_foreign(target):
        records.append((b"linkpath", target))
    if not 0 <= seconds < _FIELD_LIMIT:
        records.append((b"mtime", b"%d" % seconds))
    if member.size >= _FIELD_LIMIT:
        records.append((b"size", b"%d" % member.size))
    kind = b"2" if member.kind == "link" else b"0"
    plain = _ustar(name, kind, member.size, member.mode, seconds, target)
    return _extended(records) + plain if records else plain


def _is_long_or_foreign(name: bytes) -> bool:
    return len(name) > 100 or not name.isascii()


def _extended(records: list[tuple[bytes, bytes]]) -> bytes:
    if not all(_is_utf8(value) for _, value in records):
        records = [(b"hdrcharset", b"BINARY"), *records]
    body = b"".join(_record(key, value) for key, value in records)
    padded = body + bytes(-len(body) % _TAR_BLOCK)
    return _ustar(b"././@PaxHeader", b"x", len(body), 0o644, 0, b"") + padded


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _record(key: bytes, value: bytes) -> bytes:
    """`length key=value`, where the length counts itself."""
    rest = b" %s=%s\n" % (key, value)
    size = len(rest) + len(str(len(rest)))
    return b"%d%s" % (len(rest) + len(str(size)), rest)


def _ustar(name: bytes, kind: bytes, size: int, mode: int, seconds: int, target: bytes) -> bytes:
    block = struct.pack(
        "100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x",
        name[:100],
        b"%07o" % mode,
        b"0000000",  # owner and group: root, without a name
        b"0000000",
        b"%011o" % (size if size < _FIELD_LIMIT else 0),
        b"%011o" % (seconds if 0 <= seconds < _FIELD_LIMIT else 0),
        b" " * 8,
        kind,
        target[:100],
        b"ustar\x0000",
        b"",
        b"",
        b"0000000",
        b"0000000",
        b"",
    )
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def verify(archive: Path, members: Iterable[Member]) -> Verified:
    """Reads the whole archive and returns the proof that it holds exactly `members`, in order.

    Raises Damaged at the first byte that differs, and OSError. Never holds more than a few blocks,
    whatever the archive claims to unpack to.
    """
    expected = tuple(members)
    digest = hashlib.sha256()
    for _ in _contents(archive, expected, digest.update):
        pass
    by_path = {member.path: member for member in expected}
    return Verified(archive, digest.hexdigest(), MappingProxyType(by_path), _PROOF)


def extract(
    archive: Path,
    wanted: Mapping[str, Path],
    members: Iterable[Member],
    on_bytes: Callable[[int], None] | None = None,
) -> None:
    """Makes each member that is a key of `wanted` a new file or symlink at the path given there.

    The whole archive is verified before the first write; the folders must exist. Raises Damaged,
    UserError for a member that is not in the manifest, FileExistsError for a path that is taken,
    and OSError; members restored before the error stay. `on_bytes` is told how many more are there.
    """
    expected = tuple(members)
    known = verify(archive, expected).members
    if unknown := sorted(wanted.keys() - known.keys()):
        raise UserError(f"{archive}: holds no {unknown[0]!r}; its manifest lists what it holds")
    if taken := [path for path in wanted.values() if os.path.lexists(path)]:
        raise FileExistsError(f"{taken[0]}: is already there")
    with disk.NewFiles() as new:
        for member, pieces in _contents(archive, expected, _ignore):
            if path := wanted.get(member.path):
                if member.target is None:
                    new.write(path, pieces, member.mode, member.mtime_ns)
                else:
                    new.link(path, member.target, member.mtime_ns)
                (on_bytes or _ignore)(member.size)


def _contents(
    archive: Path, members: tuple[Member, ...], on_chunk: Callable[[bytes], None]
) -> Iterator[tuple[Member, Iterator[bytes]]]:
    """Each member with its content, which is checked whether or not the caller reads it."""
    if problem := _problem_of([member.path for member in members]):
        raise Damaged(f"{archive}: {problem}")
    with (
        disk.reading(archive) as descriptor,
        closing(_ahead(_told(disk.blocks(descriptor, _ZIPPED_CHUNK), on_chunk))) as zipped,
        closing(_ahead(_inflated(archive, zipped))) as plain,
    ):
        tape = _Tape(archive, plain)
        for member in members:
            tape.expect(_header(member), member, "is not the next member")
            pieces = tape.content(member)
            yield member, pieces
            for _ in pieces:
                pass
        tape.expect_end()


def _told(chunks: Iterator[bytes], on_chunk: Callable[[bytes], None]) -> Iterator[bytes]:
    for chunk in chunks:
        on_chunk(chunk)
        yield chunk


def _ahead(items: Iterator[bytes]) -> Generator[bytes]:
    """The same items, each made by a thread while the one before is used."""
    with ThreadPoolExecutor(1) as pool:
        item = pool.submit(next, items, None)
        while (ready := item.result()) is not None:
            item = pool.submit(next, items, None)
            yield ready


def _inflated(archive: Path, zipped: Iterator[bytes]) -> Iterator[bytes]:
    """What the gzip members hold, a block at a time; their CRC and size are enforced."""
    from isal.igzip_lib import DECOMP_GZIP, IgzipDecompressor

    decoder: IgzipDecompressor | None = None
    left, held = b"", 0
    for chunk in zipped:
        left += chunk
        while decoder or len(left) >= len(_GZIP_HEADER):
            if not decoder:
                if not left.startswith(_GZIP_HEADER):
                    raise Damaged(f"{archive}: something follows that is not part of it")
                decoder, held = IgzipDecompressor(DECOMP_GZIP), 0
            piece, left = _decompressed(archive, decoder, left), b""
            held += len(piece)
            yield piece
            if decoder.eof:
                if not held:  # it would go unnoticed
                    raise Damaged(f"{archive}: something empty was added to it")
                left, decoder = decoder.unused_data, None
            elif decoder.needs_input:
                break
    if decoder or left:
        raise Damaged(f"{archive}: is cut off")


def _decompressed(archive: Path, decoder: "IgzipDecompressor", data: bytes) -> bytes:
    from isal.igzip_lib import IsalError

    try:
        return decoder.decompress(data, disk.BLOCK)
    except IsalError as problem:  # type: ignore[misc]  # its stub says it were no class
        raise Damaged(f"{archive}: cannot be decompressed ({problem})") from None


class _Tape:
    """The decompressed archive, read from front to end and compared with what must be there."""

    def __init__(self, archive: Path, plain: Iterator[bytes]) -> None:
        self._archive = archive
        self._plain = plain
        self._piece = memoryview(b"")
        self._size = 0  # bytes read
        self._at = ""  # the member that is read

    def _take(self, size: int) -> Iterator[bytes]:
        """`size` bytes in pieces, or fewer where the archive ends."""
        while size:
            while not self._piece:
                try:
                    fresh = next(self._plain, None)
                except Damaged as problem:
                    raise Damaged(f"{problem}, at {self._at!r}") from None
                if fresh is None:
                    return
                self._piece = memoryview(fresh)
            piece, self._piece = self._piece[:size], self._piece[size:]
            self._size += len(piece)
            size -= len(piece)
            yield bytes(piece)

    def expect(self, wanted: bytes, member: Member, otherwise: str) -> None:
        self._at = member.path
        if b"".join(self._take(len(wanted))) != wanted:
            raise Damaged(f"{self._archive}: {member.path!r}: {otherwise}")

    def content(self, member: Member) -> Iterator[bytes]:
        if member.kind == "file":
            digest = hashlib.sha256()
            for piece in self._take(member.size):
                digest.update(piece)
                yield piece
            if digest.hexdigest() != member.sha256:
                raise Damaged(f"{self._archive}: {member.path!r}: its content differs")
            self.expect(_padding(member), member, "something follows its content")

    def expect_end(self) -> None:
        end = _end_after(self._size)
        if b"".join(self._take(len(end) + 1)) != end:
            raise Damaged(f"{self._archive}: does not end where its manifest does")


def manifest_bytes(members: Iterable[Member], about: Mapping[str, object]) -> bytes:
    """The manifest as JSON: the format, then `about` as given, then one member a line.

    The same arguments give the same bytes. Raises ValueError for NaN, infinity, and an `about` that
    has a key `format` or `members`.
    """
    if about.keys() & {"format", "members"}:
        raise ValueError("the manifest itself writes `format` and `members`")
    head = _json({"format": FORMAT, **about}, indent=1).removesuffix("\n}")
    lines = ",\n".join("  " + _json(_described(member)) for member in members)
    return f'{head},\n "members": [\n{lines}\n ]\n}}\n'.encode()


def _described(member: Member) -> dict[str, object]:
    return vars(member) | {"mode": f"{member.mode:04o}"}


def _json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, allow_nan=False, indent=indent)


def read_manifest(path: Path) -> tuple[tuple[Member, ...], dict[str, Any]]:
    """The members and the `about` of a manifest. Raises Damaged, and OSError."""
    with disk.reading(path) as descriptor:
        if os.fstat(descriptor).st_size > MANIFEST_LIMIT:
            raise Damaged(f"{path}: is larger than a manifest may be")
        text = b"".join(disk.blocks(descriptor))
    try:
        about = json.loads(text, object_pairs_hook=_without_twins, parse_constant=_refuse)
        if about.pop("format") != FORMAT:
            raise ValueError("is of another format; a newer version may read it")
        members = tuple(map(_member, about.pop("members")))
        if problem := _problem_of([member.path for member in members]):
            raise ValueError(problem)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
        raise Damaged(f"{path}: is no manifest ({problem})") from None
    return members, about


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key stands there twice")
    return dict(pairs)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _member(entry: dict[str, Any]) -> Member:
    mode = entry["mode"]
    if not (isinstance(mode, str) and re.fullmatch("0[0-7]{3}", mode)):
        raise ValueError(f"mode {mode!r}")
    member = Member(**(entry | {"mode": int(mode, 8)}))
    if not _is_sound(member):
        raise ValueError(f"member {member.path!r}")
    return member


def _is_sound(member: Member) -> bool:
    if type(member.path) is not str or type(member.size) is not int or member.size < 0:
        return False
    if type(member.mtime_ns) is not int or max(member.size, abs(member.mtime_ns)) >= 2**63:
        return False
    if member.kind == "file":
        digest = member.sha256
        is_hash = type(digest) is str and re.fullmatch("[0-9a-f]{64}", digest) is not None
        return is_hash and member.target is None
    is_target = type(member.target) is str and _is_text(member.target) and member.target != ""
    return member.kind == "link" and is_target and member.size == 0 and member.sha256 is None


def _is_text(name: str) -> bool:
    """Whether the system can have such a name or link target."""
    try:
        return b"\0" not in name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False


def _problem_of(paths: Sequence[str]) -> str | None:
    """Why these cannot be the names in one archive, if they cannot."""
    seen, folders = set(paths), {""}
    if len(seen) != len(paths):
        return "a name stands there twice"
    for path in paths:
        if not _NOT_NAMES.isdisjoint(path.split("/")) or not _is_text(path):
            return f"{path!r} is no path below the project root"
        folder = path.rpartition("/")[0]
        while folder not in folders:
            if folder in seen:
                return f"{path!r} lies below another member"
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    return None


def checksum_line(sha256: str, file_name: str) -> bytes:
    """The line that `sha256sum -c` and `shasum -c` read in the folder of that file."""
    name = os.fsencode(file_name)
    plain = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    mark = b"" if plain == name else b"\\"
    return b"%s%s  %s\n" % (mark, sha256.encode(), plain)
