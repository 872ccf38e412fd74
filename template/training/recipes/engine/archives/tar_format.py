"""What stands around the files in a tar: POSIX.1-2017, pax, "pax Interchange Format".

All of it follows from the members.
"""

from engine.archives.manifest import Member

_BLOCK = 512
_RECORD = 20 * _BLOCK
_FIELD_LIMIT = 8**11  # what eleven octal digits hold
_NAME_LIMIT = 100  # bytes
_OWNER = b"0000000\0" * 2  # and group: root, without a name
_TAIL = b"ustar\x0000" + bytes(64) + b"0000000\0" * 2 + bytes(167)
# The checksum is taken with spaces in its own place.
_SAME_SUM = sum(_OWNER) + sum(_TAIL) + sum(b" " * 8)


def header(member: Member) -> bytes:
    """What stands before a member's content."""
    name = member.path.encode("utf-8", "surrogateescape")
    kind, size, target = b"0", member.size, b""
    if member.target is not None:
        kind, target = b"2", member.target.encode("utf-8", "surrogateescape")
    elif member.copy_of is not None:  # a hard link for tar, which needs the bytes once
        kind, size, target = b"1", 0, member.copy_of.encode("utf-8", "surrogateescape")
    seconds = member.mtime_ns // 10**9  # the manifest has the rest: a record each would cost time
    records = []
    if _is_long_or_foreign(name):
        records.append((b"path", name))
    if _is_long_or_foreign(target):
        records.append((b"linkpath", target))
    if not 0 <= seconds < _FIELD_LIMIT:
        records.append((b"mtime", b"%d" % seconds))
    if size >= _FIELD_LIMIT:
        records.append((b"size", b"%d" % size))
    plain = _ustar(name, kind, size, member.mode, seconds, target)
    return _extended(records) + plain if records else plain


def padding(member: Member) -> bytes:
    """What stands behind a member's content."""
    return bytes(-member.size % _BLOCK) if member.copy_of is None else b""


def end_after(size: int) -> bytes:
    """What ends a tar of that many bytes: two zero blocks, and as many as fill the last record."""
    return bytes(2 * _BLOCK + -(size + 2 * _BLOCK) % _RECORD)


def _is_long_or_foreign(name: bytes) -> bool:
    return len(name) > _NAME_LIMIT or not name.isascii()


def _extended(records: list[tuple[bytes, bytes]]) -> bytes:
    if not all(_is_utf8(value) for _, value in records):
        records = [(b"hdrcharset", b"BINARY"), *records]
    body = b"".join(_record(key, value) for key, value in records)
    padded = body + bytes(-len(body) % _BLOCK)
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
    name, target = name[:_NAME_LIMIT], target[:_NAME_LIMIT]
    size = size if size < _FIELD_LIMIT else 0
    numbers = b"%011o\0%011o\0" % (size, seconds if 0 <= seconds < _FIELD_LIMIT else 0)
    total = sum(name) + sum(b"%07o" % mode) + sum(numbers) + kind[0] + sum(target) + _SAME_SUM
    return b"%b%07o\0%b%b%06o\0 %b%b%b" % (
        name.ljust(_NAME_LIMIT, b"\0"),
        mode,
        _OWNER,
        numbers,
        total,
        kind,
        target.ljust(_NAME_LIMIT, b"\0"),
        _TAIL,
    )
