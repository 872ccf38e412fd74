"""What stands around the files in a tar: POSIX.1-2017, pax, "pax Interchange Format".

All of it follows from the members.
"""

from zlib import adler32

from engine.archives.manifest import Member

BLOCK = 512
_RECORD = 20 * BLOCK
_FIELD_LIMIT = 8**11  # what eleven octal digits hold
_NAME_LIMIT = 100  # bytes
_OWNER = b"0000000\0" * 2  # and group: root, without a name
_TAIL = b"ustar\x0000" + bytes(64) + b"0000000\0" * 2 + bytes(167)
# The checksum is taken with spaces in its own place.
_SAME_SUM = sum(_TAIL) + sum(b" " * 8)


def header(member: Member) -> bytes:
    """What stands before a member's content."""
    path, _, size, mode, mtime_ns, _, link, copy_of = member
    name, kind, target = path.encode("utf-8", "surrogateescape"), b"0", b""
    if link is not None:
        kind, target = b"2", link.encode("utf-8", "surrogateescape")
    elif copy_of is not None:  # a hard link for tar, which needs the bytes once
        kind, size, target = b"1", 0, copy_of.encode("utf-8", "surrogateescape")
    seconds = mtime_ns // 10**9  # the manifest has the rest: a record each would cost time
    records = []
    if _is_long_or_foreign(name):
        records.append((b"path", name))
    if _is_long_or_foreign(target):
        records.append((b"linkpath", target))
    if not 0 <= seconds < _FIELD_LIMIT:
        records.append((b"mtime", b"%d" % seconds))
    if size >= _FIELD_LIMIT:
        records.append((b"size", b"%d" % size))
    plain = _ustar(name, kind, size, mode, seconds, target)
    return _extended(records) + plain if records else plain


def padding(member: Member) -> bytes:
    """What stands behind a member's content."""
    return bytes(-member.size % BLOCK) if member.copy_of is None else b""


def end_after(size: int) -> bytes:
    """What ends a tar of that many bytes: two zero blocks, and as many as fill the last record."""
    return bytes(2 * BLOCK + -(size + 2 * BLOCK) % _RECORD)


def _is_long_or_foreign(name: bytes) -> bool:
    return len(name) > _NAME_LIMIT or not name.isascii()


def _extended(records: list[tuple[bytes, bytes]]) -> bytes:
    if not all(_is_utf8(value) for _, value in records):
        records = [(b"hdrcharset", b"BINARY"), *records]
    body = b"".join(_record(key, value) for key, value in records)
    padded = body + bytes(-len(body) % BLOCK)
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
    target = target[:_NAME_LIMIT]
    fields = b"%b%07o\0%b%011o\0%011o\0" % (
        name[:_NAME_LIMIT].ljust(_NAME_LIMIT, b"\0"),
        mode,
        _OWNER,
        size if size < _FIELD_LIMIT else 0,
        seconds if 0 <= seconds < _FIELD_LIMIT else 0,
    )
    total = _sum(fields) + kind[0] + _sum(target) + _SAME_SUM
    return b"%b%06o\0 %b%b%b" % (fields, total, kind, target.ljust(_NAME_LIMIT, b"\0"), _TAIL)


def _sum(data: bytes) -> int:
    """The sum of bytes, as the lower half of an Adler-32 has it if it is less than 65,521."""
    return (adler32(data) & 0xFFFF) - 1
