"""The manifest of an archive: what is in it, as JSON beside it, and the names that may be there."""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Any, Literal, NamedTuple

from engine.changes import disk

FORMAT = 1  # of the manifest, and of the bytes of the archive
MANIFEST_LIMIT = 256 << 20  # bytes

_is_mode, _is_hash = re.compile("0[0-7]{3}").fullmatch, re.compile("[0-9a-f]{64}").fullmatch
_NOT_NAMES = frozenset(("", ".", ".."))


class Damaged(Exception):
    """An archive or a manifest is not what was written: `archive: member: what`."""


class Member(NamedTuple):
    """A file or symlink in an archive."""

    path: str  # below the project root, with "/"; undecodable bytes as surrogate escapes
    kind: Literal["file", "link"]
    size: int  # bytes; 0 for a link
    mode: int  # permissions, without setuid and setgid
    mtime_ns: int
    sha256: str | None  # of a file
    target: str | None  # of a link
    copy_of: str | None = None  # a file before it, of the same bytes, which are there once


def manifest_of(archive: str) -> str:
    """Where the manifest of an archive lies."""
    return archive.removesuffix(".tar.gz") + ".json"


def checksum_of(archive: str) -> str:
    """Where the checksum of an archive lies."""
    return archive.removesuffix(".tar.gz") + ".sha256"


def checksum_line(sha256: str, file_name: str) -> bytes:
    """The line that `sha256sum -c` and `shasum -c` read in the folder of that file."""
    name = os.fsencode(file_name)
    plain = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    mark = b"" if plain == name else b"\\"
    return b"%s%s  %s\n" % (mark, sha256.encode(), plain)


def manifest_bytes(members: Iterable[Member], about: Mapping[str, object]) -> bytes:
    """The manifest as JSON: the format, then `about` as given, then one member a line.

    The same arguments give the same bytes. Raises ValueError for NaN, infinity, and an `about` that
    has a key `format` or `members`.
    """
    if about.keys() & {"format", "members"}:
        raise ValueError("the manifest itself writes `format` and `members`")
    head = json.dumps({"format": FORMAT, **about}, allow_nan=False, indent=1).removesuffix("\n}")
    lines = ",\n".join(map(_line, members))
    return f'{head},\n "members": [\n{lines}\n ]\n}}\n'.encode()


def _line(member: Member) -> str:
    """One member as JSON; written out, since there may be many of them."""
    path, kind, size, mode, mtime_ns, sha256, target, copy_of = member
    hash_ = "null" if sha256 is None else f'"{sha256}"'
    link = "null" if target is None else quoted(target)
    copy = "" if copy_of is None else f', "copy_of": {quoted(copy_of)}'
    return (
        f'  {{"path": {quoted(path)}, "kind": "{kind}", "size": {size}, "mode": "{mode:04o}", '
        f'"mtime_ns": {mtime_ns}, "sha256": {hash_}, "target": {link}{copy}}}'
    )


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
        if problem := problem_of(members):
            raise ValueError(problem)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
        raise Damaged(f"{path}: is no manifest ({problem})") from None
    return members, about


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _member(entry: dict[str, Any]) -> Member:
    mode = entry["mode"]
    if not (isinstance(mode, str) and _is_mode(mode)):
        raise ValueError(f"mode {mode!r}")
    entry["mode"] = int(mode, 8)
    member = Member(**entry)
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
        is_hash = type(digest) is str and _is_hash(digest) is not None
        return is_hash and member.target is None
    is_target = type(member.target) is str and _is_text(member.target) and member.target != ""
    is_alone = member.sha256 is None and member.copy_of is None
    return member.kind == "link" and is_target and member.size == 0 and is_alone


def _is_text(name: str) -> bool:
    """Whether the system can have such a name or link target."""
    if name.isascii():
        return "\0" not in name
    try:
        return b"\0" not in name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False


def problem_of(members: Sequence[Member]) -> str | None:
    """Why these cannot be the members of one archive, if they cannot."""
    if problem := problem_of_names([member.path for member in members]):
        return problem
    before: dict[str, Member] = {}
    for member in members:
        if member.copy_of is not None:
            original = before.get(member.copy_of)
            if original is None or original[2:6:3] != member[2:6:3] or original.copy_of is not None:
                return f"{member.path!r} is no copy of {member.copy_of!r}"
        before[member.path] = member
    return None


def problem_of_names(paths: Sequence[str]) -> str | None:
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
