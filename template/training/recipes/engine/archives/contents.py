"""Files and symlinks become the members of a tar, each read once and compressed as it is read.

Small files take longer to open than to compress. Where there are very many of them processes share
them; the archive is the same, byte for byte.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from engine import cores, processes
from engine.archives import gzip_members, tar_format
from engine.archives.manifest import Member
from engine.changes import disk
from engine.errors import UserError

ONCE = 1 << 16  # bytes of a file from which on its copies are looked for
MANY = 10_000  # small files that are worth the start of a process
PARCEL = 4 * disk.BLOCK  # bytes of small files that a process is asked for at a time

File = tuple[str, disk.Seen]  # its path below the root, and what it was when it was planned
Facts = tuple[str | None, str | None, int, int, int]  # hash, link target, device, inode, mode
OnOpen = Callable[[int], None]


class _Part(NamedTuple):
    """A part of the archive."""

    zipped: bytes
    size: int  # bytes of tar
    files: Sequence[File] = ()  # those that another process may have read for it,
    facts: Sequence[Facts] = ()  # and what is new of them: pickling all would take longer


class Contents:
    """Reads what the files `seen` are; the arguments are those of `archive.pack`."""

    def __init__(
        self,
        root: Path,
        seen: Mapping[str, disk.Seen],
        on_open: OnOpen,
        on_read: Callable[[str, disk.Identity], None],
        on_bytes: Callable[[int], None],
        *,
        fast: bool,
    ) -> None:
        self._root, self._seen, self._fast = f"{root}/", seen, fast
        self._on_open, self._on_read, self._on_bytes = on_open, on_read, on_bytes
        self._members: dict[str, Member | None] = dict.fromkeys(seen)
        self._alike: dict[tuple[int, bytes], Member] = {}  # the first of each size and sample

    @property
    def members(self) -> tuple[Member, ...]:
        """Return what was packed, in the order of the files."""
        return tuple(member for member in self._members.values() if member)

    def zipped(self) -> Generator[bytes]:
        """Yield the gzip members of the tar."""
        size = 0
        count = cores.worth(sum(map(_is_small, self._seen.items())) // MANY)
        pack_parcel: Callable[[Sequence[File]], _Part]
        pack_parcel = partial(_packed, self._root, self._on_open, self._fast)
        with ExitStack() as at_the_end:
            if count > 1:
                pack_parcel = at_the_end.enter_context(processes.sharing(pack_parcel, count))

            def pack(item: bytes | Sequence[File]) -> _Part:
                if isinstance(item, bytes):
                    return _Part(gzip_members.compress(item, fast=self._fast), len(item))
                return pack_parcel(item)._replace(files=item)

            parts = gzip_members.in_order(pack, self._work(is_shared=count > 1))
            at_the_end.callback(parts.close)
            for part in parts:
                for file, facts in zip(part.files, part.facts, strict=True):
                    self._note(*_known(file, facts))
                size += part.size
                yield part.zipped
        yield gzip_members.compress(tar_format.end_after(size))

    def _work(self, *, is_shared: bool) -> Iterator[bytes | Sequence[File]]:
        """Yield blocks of the tar, and small files of which another process makes such blocks."""
        for files, is_parcel in _divided(self._seen.items()):
            if is_parcel and is_shared:
                yield files
            else:
                yield from gzip_members.blocks(self._pieces(files))

    def _pieces(self, files: Iterable[File]) -> Iterator[bytes]:
        """Yield the bytes of the tar."""
        for path, seen in files:
            if _is_small((path, seen)):
                member, found, tar = _read(self._root, path, seen, self._on_open)
                self._note(member, found)
                yield tar
            else:
                try:
                    yield from self._large(path, seen)
                except disk.Changed as problem:
                    raise disk.Changed(f"{path}: {problem}") from None

    def _note(self, member: Member, found: disk.Identity) -> None:
        self._members[member.path] = member
        self._on_read(member.path, found)
        self._on_bytes(member.size)

    def _large(self, name: str, seen: disk.Seen) -> Iterator[bytes]:
        path = self._root + name
        found = _found(path, seen)
        member = _member(name, found, None)
        with disk.reading(path) as descriptor:
            self._on_open(descriptor)
            sample = found.size, hashlib.sha256(disk.sample(descriptor, found.size)).digest()
        self._on_read(name, found)
        if (first := self._alike.get(sample)) and first.sha256 == self._hash(path, found):
            copy = member._replace(sha256=first.sha256, copy_of=first.path)
            self._members[name] = copy
            yield tar_format.header(copy)
            return
        yield tar_format.header(member)
        digest = hashlib.sha256()
        for block in disk.read_stable(path, found):
            digest.update(block)
            self._on_bytes(len(block))
            yield block
        member = member._replace(sha256=digest.hexdigest())
        self._members[name] = member
        self._alike.setdefault(sample, member)
        yield tar_format.padding(member)

    def _hash(self, path: str, found: disk.Identity) -> str:
        digest = hashlib.sha256()
        for block in disk.read_stable(path, found):
            digest.update(block)
            self._on_bytes(len(block))
        return digest.hexdigest()


def _is_small(file: File) -> bool:
    return file[1][0] < ONCE


def _divided(files: Iterable[File]) -> Iterator[tuple[Sequence[File], bool]]:
    """Yield the files in their order, and whether these are small and many enough for a parcel."""
    held: list[File] = []
    first, size = 0, 0  # of the small ones at the end
    for file in files:
        held.append(file)
        if not _is_small(file):
            first, size = len(held), 0
            continue
        size += file[1][0] + tar_format.BLOCK
        if size >= PARCEL:
            yield held[:first], False
            yield held[first:], True
            held, first, size = [], 0, 0
    yield held, False


def _packed(root: str, on_open: OnOpen, fast: bool, files: Sequence[File]) -> _Part:
    """Return the part of the archive that small files are."""
    facts, pieces = [], []
    for path, seen in files:
        member, found, tar = _read(root, path, seen, on_open)
        facts.append((member.sha256, member.target, found.device, found.inode, found.mode))
        pieces.append(tar)
    zipped = (gzip_members.compress(block, fast=fast) for block in gzip_members.blocks(pieces))
    return _Part(b"".join(zipped), sum(map(len, pieces)), facts=facts)


def _known(file: File, facts: Facts) -> tuple[Member, disk.Identity]:
    """Return what `_read` did, of what is pickled."""
    (path, (size, mtime_ns)), (sha256, target, device, inode, mode) = file, facts
    found = disk.Identity(device, inode, size, mtime_ns, mode)
    return _member(path, found, sha256, target), found


def _read(
    root: str, path: str, seen: disk.Seen, on_open: OnOpen
) -> tuple[Member, disk.Identity, bytes]:
    """Return a small file or a symlink as a member, what it was, and its bytes in the tar."""
    try:
        try:
            data, found = disk.read_small(root + path, seen, on_open)
        except disk.Unreadable as problem:
            found = _found(root + path, seen)
            link = _member(path, found, None, _target(root, path, found, problem))
            return link, found, tar_format.header(link)
    except disk.Changed as problem:
        raise disk.Changed(f"{path}: {problem}") from None
    member = _member(path, found, hashlib.sha256(data).hexdigest())
    return member, found, b"".join((tar_format.header(member), data, tar_format.padding(member)))


def _member(
    path: str, found: disk.Identity, sha256: str | None, target: str | None = None
) -> Member:
    if target is not None:
        return Member(path, "link", 0, 0o777, found.mtime_ns, None, target)
    return Member(path, "file", found.size, found.mode & 0o777, found.mtime_ns, sha256, None)


def _target(root: str, path: str, found: disk.Identity, problem: disk.Unreadable) -> str:
    """Return where a symlink leads that could not be opened. Raises `problem` if it is a file."""
    if stat.S_ISREG(found.mode):
        raise problem
    if not stat.S_ISLNK(found.mode):
        raise UserError(f"{path!r}: is neither a file nor a symlink; leave it out")
    return os.readlink(root + path)  # noqa: PTH115 - Path would rewrite it


def _found(path: str, seen: disk.Seen) -> disk.Identity:
    try:
        found = disk.identity(path)
    except OSError as problem:
        raise disk.Changed(f"cannot be found: {problem.strerror}") from None
    if found.seen != seen:
        raise disk.Changed(disk.CHANGED)
    return found
