"""Archives: a plain `.tar.gz` in PAX format, beside the manifest that says what must be in it.

The bytes of an archive follow from its manifest and the content of its members, so it is not parsed
but compared with what must be there. Another name, type, order or size, a device, a second member
of one name: all are different bytes, and refused.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import InitVar, dataclass
from pathlib import Path
from types import MappingProxyType

from engine.archives import gzip_members, tar_format
from engine.archives.contents import Contents
from engine.archives.manifest import Damaged, Member, problem_of, problem_of_names
from engine.changes import disk, read_back
from engine.changes.new_files import NewFile, NewFiles
from engine.errors import UserError

_PROOF = object()


@dataclass(frozen=True)
class Verified:
    """Proof that every member in an archive is whole: it was read after it was written."""

    archive: Path
    sha256: str  # of the archive itself
    members: Mapping[str, Member]  # by path
    proof: InitVar[object]

    def __post_init__(self, proof: object) -> None:
        """Lets nobody make one but `verify` and `pack`."""
        if proof is not _PROOF:
            raise TypeError("only verify() and pack() can tell that an archive is whole")


def pack(
    root: Path,
    seen: Mapping[str, disk.Seen],
    dst: Path,
    *,
    on_open: Callable[[int], None] | None = None,
    on_read: Callable[[str, disk.Identity], None] | None = None,
    on_bytes: Callable[[int], None] | None = None,
    on_verified: Callable[[Verified], None] | None = None,
    fast: bool = False,
) -> tuple[Member, ...]:
    """Packs files and symlinks of `root` into the new archive `dst`; returns its members.

    `seen` has what each was when it was planned. Of large files with the same bytes the first is
    packed, and the others refer to it. With `fast` what hardly compresses, as weights do, is stored
    as it is.

    `on_open` is told the descriptor of each file before it is read, and may raise; `on_read` what
    each path was, and `on_bytes` how many more bytes were read. The archive is verified before it
    gets its name, and `on_verified` is called between the two. What a path names after it was read
    is for the caller to ask.

    Raises Changed if a file was written to since or has gone, UserError for what cannot be
    packed, FileExistsError if `dst` is taken, and OSError; then there is no archive.
    """
    if problem := problem_of_names(list(seen)):
        raise UserError(f"{problem}: cannot be packed; leave it out")
    told = (on_open or _ignore, on_read or _ignore, on_bytes or _ignore)
    contents = Contents(root, seen, *told, fast=fast)
    with disk.new_file(dst) as (descriptor, partial):
        with closing(contents.zipped()) as zipped:
            sha256 = read_back.write(partial, descriptor, zipped)
        members = contents.members
        (on_verified or _ignore)(Verified(partial, sha256, _by_path(members), _PROOF))
    return members


def _by_path(members: Iterable[Member]) -> Mapping[str, Member]:
    return MappingProxyType({member.path: member for member in members})


def _ignore(*_: object) -> None:
    pass


def verify(archive: Path, members: Iterable[Member]) -> Verified:
    """Reads the whole archive and returns the proof that it holds exactly `members`, in order.

    Raises Damaged at the first byte that differs, and OSError. Never holds more than a few blocks,
    whatever the archive claims to unpack to.
    """
    expected = tuple(members)
    digest = hashlib.sha256()
    for _ in _contents(archive, expected, digest.update):
        pass
    return Verified(archive, digest.hexdigest(), _by_path(expected), _PROOF)


def extract(
    archive: Path,
    wanted: Mapping[Path, str] | Mapping[str, str],
    members: Iterable[Member],
    on_bytes: Callable[[int], None] | None = None,
) -> None:
    """Makes each key of `wanted`, a path, a new file or symlink: what the member named there is.

    Folders that are missing are made. Nothing has its name before the whole archive is verified.
    Raises Damaged, UserError for a member that is not in the manifest, FileExistsError for a path
    that is taken, and OSError; nothing is there then, except what got its name before one was
    taken. `on_bytes` is told how many more bytes are written.
    """
    expected = tuple(members)
    known = _by_path(expected)
    if unknown := sorted({*wanted.values()} - known.keys()):
        raise UserError(f"{archive}: holds no {unknown[0]!r}; its manifest lists what it holds")
    is_there = disk.looking()
    if taken := [path for path in wanted if is_there(str(path))]:
        raise FileExistsError(f"{taken[0]}: is already there")
    places = defaultdict(list)  # by the member that has the content
    for path, name in wanted.items():
        member = known[name]
        places[member.copy_of or name].append(NewFile(path, member.mode, member.mtime_ns))
    with NewFiles() as new:
        for member, pieces in _contents(archive, expected, _ignore):
            if there := places.get(member.path):
                if member.target is None:
                    new.write(there, pieces)
                else:
                    for link in there:
                        new.link(link.path, member.target, member.mtime_ns)
                (on_bytes or _ignore)(member.size * len(there))


def _contents(
    archive: Path, members: tuple[Member, ...], on_zipped: Callable[[bytes], None]
) -> Iterator[tuple[Member, Iterable[bytes]]]:
    """Each member with its content, which is checked whether or not the caller reads it."""
    if problem := problem_of(members):
        raise Damaged(f"{archive}: {problem}")
    with (
        disk.reading(archive) as descriptor,
        closing(gzip_members.decompressed(descriptor, on_zipped)) as blocks,
    ):
        tape = _Tape(archive, blocks)
        for member in members:
            pieces = tape.content(member)
            yield member, pieces
            for _ in pieces:
                pass
        tape.expect_end()


class _Tape:
    """The decompressed archive, read from front to end and compared with what must be there."""

    def __init__(self, archive: Path, blocks: Iterator[bytes]) -> None:
        self._archive, self._blocks = archive, blocks
        self._block, self._place = b"", 0  # and how much of it was taken
        self._before = 0  # bytes of the blocks before
        self._at = ""  # the member that is read

    def content(self, member: Member) -> Iterable[bytes]:
        """The content of the next member. Raises Damaged, after its last piece if not before."""
        self._at = member.path
        self._expect(tar_format.header(member), "is not the next member")
        if member.sha256 is None or member.copy_of is not None:
            return ()
        end = self._place + member.size
        if end > len(self._block):
            return self._pieces(member)
        data, self._place = self._block[self._place : end], end
        if hashlib.sha256(data).hexdigest() != member.sha256:
            raise self._damaged("its content differs")
        self._expect(tar_format.padding(member), "something follows its content")
        return (data,)

    def _pieces(self, member: Member) -> Iterator[bytes]:
        """Yield the content of a member that other blocks have as well."""
        digest, left = hashlib.sha256(), member.size
        while left and (piece := self._some(left)):
            digest.update(piece)
            left -= len(piece)
            yield piece
        if left or digest.hexdigest() != member.sha256:
            raise self._damaged("its content differs")
        self._expect(tar_format.padding(member), "something follows its content")

    def expect_end(self) -> None:
        """Raise Damaged if anything but the end follows."""
        end = tar_format.end_after(self._before + self._place)
        if self._take(len(end)) != end or self._some(1):
            raise Damaged(f"{self._archive}: does not end where its manifest does")

    def _expect(self, wanted: bytes, otherwise: str) -> None:
        if self._block.startswith(wanted, self._place):
            self._place += len(wanted)
        elif self._take(len(wanted)) != wanted:
            raise self._damaged(otherwise)

    def _damaged(self, what: str) -> Damaged:
        return Damaged(f"{self._archive}: {self._at!r}: {what}")

    def _take(self, size: int) -> bytes:
        """Return `size` bytes, or fewer where the archive ends."""
        data = self._some(size)
        while len(data) < size and (more := self._some(size - len(data))):
            data += more
        return data

    def _some(self, size: int) -> bytes:
        """Return `size` bytes or fewer, none only where the archive ends."""
        if self._place == len(self._block):
            self._before += self._place
            try:
                self._block, self._place = next(self._blocks, b""), 0
            except Damaged as problem:
                raise Damaged(f"{self._archive}: {problem}, from {self._at!r} on") from None
        piece = self._block[self._place : self._place + size]
        self._place += len(piece)
        return piece
