"""What is packed comes back byte for byte, and what is not whole is refused."""

import errno
import gzip
import hashlib
import io
import json
import os
import random
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine
from engine.archives import archive, contents, manifest, tar_format
from engine.archives import gzip_members as parts
from engine.archives.archive import extract, verify
from engine.archives.manifest import (
    Damaged,
    Member,
    checksum_line,
    manifest_bytes,
    read_manifest,
)
from engine.changes import disk
from engine.errors import UserError

GZIP_START = b"\x1f\x8b\x08\4\0\0\0\0\0\xff\x08\0IG\4\0"  # the size of the member follows
RECIPES = Path(engine.__file__).parents[1]
HOSTILE_NAMES = [
    "-rf",
    "a b/$(x);'\"",
    "new\nline\t\x1b[31m",
    "caf\u00e9",  # NFC
    "cafe\u0301",  # NFD
    "raw_\udcff\udcfe.pt",  # bytes that are not UTF-8
    "n" * 255,
    "/".join(["d" * 60] * 5) + "/deep",
    "back\\slash",
]


def make(root: Path, files: dict[str, bytes]) -> list[str]:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, ns=(0, 1_700_000_000_123_456_789))
    return list(files)


def pack(root: Path, names: list[str], path: Path, **how: Any) -> tuple[Member, ...]:
    """Pack what there is now."""
    return archive.pack(root, {name: seen(root / name) for name in names}, path, **how)


def seen(path: Path) -> disk.Seen:
    """What a plan knows of a file, be it there or not."""
    try:
        return disk.identity(path).seen
    except (OSError, ValueError):
        return 0, 0


def gzip_members(data: bytes) -> bytes:
    """As the packer frames it: so that a test gets past the frame to what is inside."""
    out = b""
    for start in range(0, len(data), disk.BLOCK):
        block = data[start : start + disk.BLOCK]
        packer = zlib.compressobj(wbits=-15)
        body = packer.compress(block) + packer.flush()
        out += GZIP_START + struct.pack("<I", len(body) + 28) + body
        out += struct.pack("<II", zlib.crc32(block), len(block))
    return out


@pytest.fixture
def small(tmp_path: Path) -> tuple[Path, tuple[Member, ...]]:
    """An archive of two files and a symlink."""
    root = tmp_path / "project"
    names = make(root, {"a.pt": b"weights" * 9, "b/c.log": b"epoch 1\n"})
    (root / "link").symlink_to("a.pt")
    path = tmp_path / "small.tar.gz"
    return path, pack(root, [*names, "link"], path)


def unpacked(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def test_what_is_packed_comes_back(tmp_path: Path) -> None:
    """Content, permissions, time to the nanosecond and link targets are as they were."""
    root, back = tmp_path / "project", tmp_path / "back"
    back.mkdir()
    data = random.Random(1)
    files = {"empty": b"", "one": b"1", "block": bytes(512), "big": data.randbytes(3_000_001)}
    names = make(root, files)
    (root / "one").chmod(0o4750)
    (root / "dangling").symlink_to("./no//where/")
    (root / "loop").symlink_to("loop")
    names += ["dangling", "loop"]
    members = pack(root, names, tmp_path / "x.tar.gz")
    extract(tmp_path / "x.tar.gz", {back / f"new_{name}": name for name in names}, members)
    for name, content in files.items():
        assert (back / f"new_{name}").read_bytes() == content
        assert (back / f"new_{name}").stat().st_mtime_ns == 1_700_000_000_123_456_789
    assert (back / "new_one").stat().st_mode & 0o7777 == 0o750
    assert os.readlink(back / "new_dangling") == "./no//where/"  # noqa: PTH115 - exact
    assert os.readlink(back / "new_loop") == "loop"  # noqa: PTH115
    assert len(list(back.iterdir())) == len(names)


def test_members_say_what_was_packed(small: tuple[Path, tuple[Member, ...]]) -> None:
    """The members are the manifest: names in the order given, sizes, hashes and link targets."""
    _, (a, c, link) = small
    assert (a.path, a.kind, a.size, a.target) == ("a.pt", "file", 63, None)
    assert a.sha256 == hashlib.sha256(b"weights" * 9).hexdigest()
    assert c.path == "b/c.log"
    assert (link.path, link.kind, link.size, link.target) == ("link", "link", 0, "a.pt")


def test_other_programs_read_it(tmp_path: Path) -> None:
    """GNU tar, gzip and Python unpack the same files, whatever their names hold."""
    root, out = tmp_path / "project", tmp_path / "out"
    out.mkdir()
    names = make(root, {name: name.encode("utf-8", "replace") for name in HOSTILE_NAMES})
    (root / "link").symlink_to("t\u00e4rget" * 20)
    path = tmp_path / "x.tar.gz"
    pack(root, [*names, "link"], path)
    subprocess.run(["gzip", "-t", path], check=True)
    listed = subprocess.run(["tar", "xzf", path, "-C", out], check=True, capture_output=True)
    assert listed.stdout == b""
    with tarfile.open(path) as tar:
        assert tar.getnames() == [*names, "link"]
    for name in names:
        assert (out / name).read_bytes() == (root / name).read_bytes()
        assert int((out / name).stat().st_mtime) == 1_700_000_000
    assert (out / "link").readlink() == (root / "link").readlink()


def test_the_same_files_give_the_same_archive(tmp_path: Path) -> None:
    """No clock, user or host gets into an archive."""
    names = make(tmp_path, {"a": random.Random(2).randbytes(2_500_000), "b": b""})
    for number in "12":
        pack(tmp_path, names, tmp_path / f"{number}.tar.gz")
    assert disk.same_bytes(tmp_path / "1.tar.gz", tmp_path / "2.tar.gz")


def test_the_format_does_not_drift() -> None:
    """Archives of years ago are compared with these bytes; a change needs a new FORMAT."""
    members = [
        Member("a.pt", "file", 5, 0o644, 1_700_000_000_000_000_000, "0" * 64, None),
        Member("\u00e4" * 70, "file", 8**11, 0o600, -1, "0" * 64, None),
        Member("l\udcff", "link", 0, 0o777, 1, None, "t" * 101),
    ]
    headers = b"".join(tar_format.header(member) for member in members)
    digest = hashlib.sha256(headers).hexdigest()
    assert digest == "b5b0c73503cf32bfffa393191c044203fc052e41a4ee105c740678271e9795cc"


@given(
    name=st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1),
    size=st.integers(0, 2**63 - 1),
    seconds=st.integers(-(2**40), 2**40),
    target=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
)
@settings(max_examples=60, deadline=None)
def test_headers_say_the_same_to_tarfile(name: str, size: int, seconds: int, target: str) -> None:
    """Any name, size, time and target is read back by the standard library."""
    file = Member(name, "file", size, 0o640, seconds * 10**9, "0" * 64, None)
    link = Member(name, "link", 0, 0o777, seconds * 10**9, None, target or "t")
    with tarfile.open(fileobj=io.BytesIO(tar_format.header(file))) as tar:
        first = tar.firstmember  # type: ignore[attr-defined]
    assert (first.name, first.size, first.mode) == (name.rstrip("/"), size, 0o640)
    assert first.mtime == seconds
    with tarfile.open(fileobj=io.BytesIO(tar_format.header(link) + bytes(1024))) as tar:
        (info,) = tar.getmembers()
    assert info.issym()
    assert info.linkname == link.target


def test_each_flipped_byte_is_refused(small: tuple[Path, tuple[Member, ...]]) -> None:
    """A wrong byte anywhere is noticed, or unpacks to the same, and then the checksum tells.

    In deflate (RFC 1951) a match among equal bytes may point to another distance.
    """
    path, members = small
    whole = path.read_bytes()
    checksum = verify(path, members).sha256
    unnoticed = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            assert verify(path, members).sha256 != checksum
            unnoticed += 1
        except Damaged:
            pass
    assert unnoticed <= 2


def test_each_truncation_is_refused(small: tuple[Path, tuple[Member, ...]]) -> None:
    """An archive that is cut off anywhere is noticed, also where gzip and tar would not."""
    path, members = small
    whole, plain = path.read_bytes(), unpacked(path)
    cuts = [whole[:size] for size in range(len(whole))]
    cuts += [gzip_members(plain[:size]) for size in range(0, len(plain), 512)]
    for cut in cuts:
        path.write_bytes(cut)
        with pytest.raises(Damaged):
            verify(path, members)


@pytest.mark.parametrize(
    "extra",
    [b"x", b"\0", bytes(10240), gzip_members(b"x"), gzip_members(bytes(512)), b"\x1f\x8b\x08"],
)
def test_trailing_data_is_refused(extra: bytes, small: tuple[Path, tuple[Member, ...]]) -> None:
    """Nothing may follow, be it rubbish, zeros or another gzip member."""
    path, members = small
    path.write_bytes(path.read_bytes() + extra)
    with pytest.raises(Damaged):
        verify(path, members)


def test_an_added_empty_gzip_member_is_refused(small: tuple[Path, tuple[Member, ...]]) -> None:
    """Not even a member that unpacks to nothing may follow."""
    path, members = small
    empty = (
        b"\x1f\x8b\x08\4\0\0\0\0\0\xff\x08\0IG\4\0" + struct.pack("<I", 30) + b"\x03\0" + bytes(8)
    )
    path.write_bytes(path.read_bytes() + empty)
    with pytest.raises(Damaged, match="more or less than it must"):
        verify(path, members)


def test_each_changed_tar_byte_is_refused(small: tuple[Path, tuple[Member, ...]]) -> None:
    """A change that has a right CRC, as made on purpose, is noticed too."""
    path, members = small
    plain = unpacked(path)
    for place in [*range(0, 600, 3), *range(600, len(plain), 97)]:
        path.write_bytes(
            gzip_members(plain[:place] + bytes([plain[place] ^ 1]) + plain[place + 1 :])
        )
        with pytest.raises(Damaged):
            verify(path, members)


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "entries",
    [
        [entry("../outside")],
        [entry("/etc/outside")],
        [entry("a.pt"), entry("a.pt")],
        [entry("a.pt", tarfile.SYMTYPE, ".."), entry("a.pt/b")],
        [entry("a.pt", tarfile.SYMTYPE, "/etc/passwd")],
        [entry("a.pt", tarfile.LNKTYPE, "b")],
        [entry("a.pt", tarfile.CHRTYPE)],
        [entry("a.pt", tarfile.BLKTYPE)],
        [entry("a.pt", tarfile.FIFOTYPE)],
        [entry("a.pt", tarfile.DIRTYPE)],
        [entry("a.pt"), entry("b.pt")],
        [],
    ],
)
def test_hostile_archives_are_refused_before_the_first_write(
    entries: list[tarfile.TarInfo], tmp_path: Path
) -> None:
    """Whatever differs from the manifest leaves the disk as it was."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info in entries:
            tar.addfile(info)
    path, out = tmp_path / "x.tar.gz", tmp_path / "out"
    out.mkdir()
    path.write_bytes(gzip_members(raw.getvalue()))
    empty = hashlib.sha256(b"").hexdigest()
    members = [Member("a.pt", "file", 0, 0o644, 0, empty, None)]
    with pytest.raises(Damaged):
        extract(path, {out / "a.pt": "a.pt"}, members)
    assert list(out.iterdir()) == []


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """What is larger than the manifest says is refused after the first blocks."""
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip_members(bytes(disk.BLOCK)) * 4000)
    member = Member("a", "file", 5, 0o644, 0, "0" * 64, None)
    with pytest.raises(Damaged):
        verify(path, [member])


@pytest.mark.parametrize(
    "change",
    [
        lambda m: (m[1], m[0], m[2]),
        lambda m: m[:2],
        lambda m: (*m, m[0]._replace(path="more")),
        lambda m: (m[0]._replace(sha256="0" * 64), *m[1:]),
        lambda m: (m[0]._replace(size=62), *m[1:]),
        lambda m: (m[0]._replace(mode=0o777), *m[1:]),
        lambda m: (*m[:2], m[2]._replace(target="b")),
        lambda m: (m[0], m[0], m[2]),
    ],
)
def test_the_manifest_must_agree(
    change: Callable[[tuple[Member, ...]], tuple[Member, ...]],
    small: tuple[Path, tuple[Member, ...]],
) -> None:
    """Order, number, hash, size, mode and target are compared."""
    path, members = small
    with pytest.raises(Damaged):
        verify(path, change(members))


def test_only_verify_gives_proof(small: tuple[Path, tuple[Member, ...]]) -> None:
    """Nobody can claim an archive whole without having read it."""
    path, members = small
    proof = verify(path, members)
    assert proof.sha256 == disk.sha256_of(path)
    assert list(proof.members) == ["a.pt", "b/c.log", "link"]
    with pytest.raises(TypeError):
        archive.Verified(path, proof.sha256, proof.members, object())
    with pytest.raises((TypeError, ValueError)):
        replace(proof, sha256="0" * 64)  # type: ignore[call-arg]


# A small one that is swapped is told in quarantine: test_whole_folders.
@pytest.mark.parametrize(
    ("change", "size"),
    [
        *product(("grow", "rewrite", "cut"), (10, contents.ONCE, disk.BLOCK + 1)),
        *product(("swap",), (contents.ONCE, disk.BLOCK + 1)),
    ],
)
def test_a_file_that_changes_is_not_packed(
    change: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that grows without end, is cut, rewritten or swapped gets into no archive."""
    path = tmp_path / "a"
    make(tmp_path, {"a": b"x" * size})
    read = os.read

    def read_then_change(descriptor: int, length: int) -> bytes:
        data = read(descriptor, length)
        if change == "grow":
            with path.open("ab") as file:
                file.write(b"more")
        elif change == "rewrite":
            path.write_bytes(b"y" * size)
        elif change == "cut":
            os.truncate(path, 3)
        else:
            path.rename(tmp_path / "moved")
            make(tmp_path, {"a": b"x" * size})
        return data

    monkeypatch.setattr(os, "read", read_then_change)
    with pytest.raises(disk.Changed, match="a"):
        pack(tmp_path, ["a"], tmp_path / "x.tar.gz")
    assert not [path for path in tmp_path.iterdir() if "tar" in path.name]


LARGE = random.Random(5).randbytes(3 * contents.ONCE)


@pytest.fixture
def copies(tmp_path: Path) -> tuple[Path, tuple[Member, ...]]:
    """An archive of a checkpoint, two copies of it, and one that differs where nobody samples."""
    other = bytearray(LARGE)
    other[contents.ONCE] ^= 1
    files = {"best.pt": LARGE, "last.pt": LARGE, "b/last.pt": LARGE, "other.pt": bytes(other)}
    names = make(tmp_path / "project", files)
    (tmp_path / "project/last.pt").chmod(0o600)
    os.utime(tmp_path / "project/b/last.pt", ns=(7, 7))
    path = tmp_path / "copies.tar.gz"
    return path, pack(tmp_path / "project", names, path)


def test_equal_files_are_packed_once(copies: tuple[Path, tuple[Member, ...]]) -> None:
    """A large file of the same bytes refers to the first; its manifest has all that is its own."""
    path, members = copies
    assert [member.copy_of for member in members] == [None, "best.pt", "best.pt", None]
    assert [member.size for member in members] == [len(LARGE)] * 4
    assert members[0].sha256 == members[2].sha256 == hashlib.sha256(LARGE).hexdigest()
    assert members[3].sha256 != members[0].sha256
    assert path.stat().st_size < 2.1 * len(LARGE)


def test_progress_counts_the_bytes_of_copies(tmp_path: Path) -> None:
    """Each file is read once, be it a copy or not."""
    names = make(tmp_path, {"a": LARGE, "b": LARGE})
    told: list[int] = []
    pack(tmp_path, names, tmp_path / "x.tar.gz", on_bytes=told.append)
    assert sum(told) == 2 * len(LARGE)


@pytest.mark.parametrize(
    "wanted", [["best.pt", "last.pt", "b/last.pt", "other.pt"], ["b/last.pt"], ["last.pt"]]
)
def test_copies_come_back_as_files_of_their_own(
    wanted: list[str], copies: tuple[Path, tuple[Member, ...]], tmp_path: Path
) -> None:
    """With bytes, permissions and time of their own, also without the one they refer to."""
    path, members = copies
    places = {tmp_path / f"back_{number}": name for number, name in enumerate(wanted)}
    told: list[int] = []
    extract(path, places, members, told.append)
    for place, name in places.items():
        original = tmp_path / "project" / name
        assert place.read_bytes() == original.read_bytes()
        assert place.stat().st_mode == original.stat().st_mode
        assert place.stat().st_mtime_ns == original.stat().st_mtime_ns
    assert len({place.stat().st_ino for place in places}) == len(wanted)
    assert sum(told) == len(wanted) * len(LARGE)


def test_other_programs_unpack_copies(
    copies: tuple[Path, tuple[Member, ...]], tmp_path: Path
) -> None:
    """GNU tar and Python find each name with its bytes."""
    path, members = copies
    for number, command in enumerate((["tar", "xzf"], [sys.executable, "-m", "tarfile", "-e"])):
        out = tmp_path / str(number)
        out.mkdir()
        subprocess.run([*command, path], cwd=out, check=True)
        for member in members:
            assert disk.sha256_of(out / member.path) == member.sha256


def test_a_manifest_keeps_what_is_a_copy(
    copies: tuple[Path, tuple[Member, ...]], tmp_path: Path
) -> None:
    """It comes back from JSON; one that refers to nothing, or to other bytes, is refused."""
    path, members = copies
    place = tmp_path / "m.json"
    place.write_bytes(manifest_bytes(members, {}))
    assert read_manifest(place)[0] == members
    wrong = [
        members[1]._replace(copy_of="gone.pt"),
        members[1]._replace(copy_of="last.pt"),
        members[1]._replace(copy_of="b/last.pt"),
        members[1]._replace(sha256="0" * 64),
        members[1]._replace(size=1),
    ]
    for member in wrong:
        changed = (members[0], member, *members[2:])
        place.write_bytes(manifest_bytes(changed, {}))
        with pytest.raises(Damaged, match="is no copy of"):
            read_manifest(place)
        with pytest.raises(Damaged):
            verify(path, changed)
    for changed in ((members[0]._replace(copy_of="x"), *members[1:]), members[1:]):
        with pytest.raises(Damaged):
            verify(path, changed)


def test_other_programs_decompress_side_by_side(copies: tuple[Path, tuple[Member, ...]]) -> None:
    """Each member of the gzip says where the next begins."""
    data, place, plain = copies[0].read_bytes(), 0, b""
    while place < len(data):
        (size,) = struct.unpack("<I", data[place + 16 : place + 20])
        plain += gzip.decompress(data[place : place + size])
        place += size
    assert plain == gzip.decompress(data)


def test_progress_adds_up(tmp_path: Path) -> None:
    """The bytes told are the bytes read, each once."""
    names = make(tmp_path, {"a": bytes(disk.BLOCK + 5), "b": b"123"})
    told: list[int] = []
    pack(tmp_path, names, tmp_path / "x.tar.gz", on_bytes=told.append)
    assert sum(told) == disk.BLOCK + 8


@pytest.mark.parametrize("name", ["../x", "/etc/hostname", "a/../x", "", "a//b", "./a", "a\0b"])
def test_names_outside_the_project_are_not_packed(name: str, tmp_path: Path) -> None:
    """Only what lies below the root goes into an archive."""
    with pytest.raises(UserError):
        pack(tmp_path, [name], tmp_path / "x.tar.gz")
    assert list(tmp_path.iterdir()) == []


def test_special_files_are_not_packed(tmp_path: Path) -> None:
    """A FIFO is refused, and its writer is not waited for."""
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UserError, match="fifo"):
        pack(tmp_path, ["fifo"], tmp_path / "x.tar.gz")


@pytest.mark.parametrize("size", [10, contents.ONCE])
def test_what_is_refused_when_it_is_open_is_not_packed(size: int, tmp_path: Path) -> None:
    """Nothing of it was read by then, and the error names the file."""
    names = make(tmp_path, {"a": b"x" * size})
    told: list[int] = []

    def refuse(descriptor: int) -> None:
        assert os.fstat(descriptor).st_size == size
        raise disk.Changed("is kept")

    with pytest.raises(disk.Changed, match=r"^a: is kept$"):
        pack(tmp_path, names, tmp_path / "x.tar.gz", on_open=refuse, on_bytes=told.append)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert not told


@pytest.mark.parametrize("name", ["a", "link"])
@pytest.mark.parametrize("size", [10, contents.ONCE])
def test_what_is_not_as_it_was_planned_is_not_packed(size: int, name: str, tmp_path: Path) -> None:
    """One byte less, another time, or gone: the error names the path."""
    make(tmp_path, {"a": b"x" * size})
    (tmp_path / "link").symlink_to("a")
    as_planned = seen(tmp_path / name)
    for other in ((as_planned[0] - 1, as_planned[1]), (as_planned[0], as_planned[1] - 1)):
        with pytest.raises(disk.Changed, match=f"^{name}: changed since it was planned$"):
            archive.pack(tmp_path, {name: other}, tmp_path / "x.tar.gz")
    (tmp_path / name).unlink()
    with pytest.raises(disk.Changed, match=f"^{name}: cannot be found"):
        archive.pack(tmp_path, {name: as_planned}, tmp_path / "x.tar.gz")


@pytest.mark.parametrize("size", [0, 1, 0xFFFF, 0x10000, disk.BLOCK, disk.BLOCK + 70_000])
def test_fast_stores_what_does_not_compress(size: int, tmp_path: Path) -> None:
    """Others unpack it, it is verified as any other, and what compresses is compressed still."""
    data = {"dense": random.Random(1).randbytes(size), "log": b"epoch 1\n" * 400_000}
    names = make(tmp_path, data)
    members = pack(tmp_path, names, tmp_path / "x.tar.gz", fast=True)
    packed = (tmp_path / "x.tar.gz").stat().st_size
    assert size < packed < size + disk.BLOCK + 100_000
    extract(tmp_path / "x.tar.gz", {tmp_path / "back": "dense"}, members)
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "xzf", tmp_path / "x.tar.gz", "-C", tmp_path / "out"], check=True)
    for path in (tmp_path / "back", tmp_path / "out/dense"):
        assert path.read_bytes() == (tmp_path / "dense").read_bytes()


def test_hard_links_are_packed_as_files(tmp_path: Path) -> None:
    """Each name has its bytes, so that each can be restored alone."""
    make(tmp_path, {"a": b"weights"})
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    members = pack(tmp_path, ["a", "b"], tmp_path / "x.tar.gz")
    extract(tmp_path / "x.tar.gz", {tmp_path / "back": "b"}, members)
    assert (tmp_path / "back").read_bytes() == b"weights"


def test_nothing_is_replaced(small: tuple[Path, tuple[Member, ...]], tmp_path: Path) -> None:
    """Neither packing nor restoring touches what is there, and the latter checks all first."""
    path, members = small
    whole = path.read_bytes()
    with pytest.raises(FileExistsError):
        pack(tmp_path / "project", ["a.pt"], path)
    assert path.read_bytes() == whole
    make(tmp_path, {"taken": b"mine"})
    with pytest.raises(FileExistsError, match="taken"):
        extract(path, {tmp_path / "new": "a.pt", tmp_path / "taken": "b/c.log"}, members)
    assert (tmp_path / "taken").read_bytes() == b"mine"
    assert not (tmp_path / "new").exists()


def test_the_whole_archive_is_read_before_the_first_write(
    small: tuple[Path, tuple[Member, ...]], tmp_path: Path
) -> None:
    """Damage behind the wanted member keeps it from being restored."""
    path, members = small
    damaged = (*members[:2], members[2]._replace(target="b"))
    with pytest.raises(Damaged, match="link"):
        extract(path, {tmp_path / "new": "a.pt"}, damaged)
    assert not (tmp_path / "new").exists()


def test_an_archive_is_verified_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the disk does not give back as written is no archive."""
    names = make(tmp_path, {"a": b"weights"})
    write_all = disk.write_all
    monkeypatch.setattr(disk, "write_all", lambda fd, data: write_all(fd, data[:-1] + b"?"))
    with pytest.raises(OSError, match="differs from what was written"):
        pack(tmp_path, names, tmp_path / "x.tar.gz")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_changed_on_the_disk_is_no_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte is read from the file again after it was synced."""
    names = make(tmp_path, {"a": b"weights" * 10})
    whole = tmp_path / "whole.tar.gz"
    pack(tmp_path, names, whole)

    def sync_badly(place: int, descriptor: int) -> None:
        (byte,) = os.pread(descriptor, 1, place)
        os.pwrite(descriptor, bytes([byte ^ 1]), place)

    for place in range(whole.stat().st_size):
        monkeypatch.setattr(disk, "sync", partial(sync_badly, place))
        with pytest.raises(OSError, match="differs from what was written"):
            pack(tmp_path, names, tmp_path / "x.tar.gz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "whole.tar.gz"]


@given(st.lists(st.integers(0, 10)))
def test_a_block_is_as_many_pieces_as_fit(sizes: list[int]) -> None:
    """Nothing is lost between pieces, and a piece that is a block of its own is not copied."""
    pieces = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "BLOCK", 10)
        blocks = list(parts.blocks(pieces))
    assert b"".join(blocks) == b"".join(pieces)
    assert all(0 < len(block) <= 10 for block in blocks)
    for block, following in pairwise(blocks):
        first = len(following) - len(following.lstrip(following[:1]))
        assert len(block) + first > 10
    if 0 not in sizes:
        assert all(any(piece is block for block in blocks) for piece in pieces if len(piece) == 10)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit cores")
@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (3, 3), (64, 8)])
def test_a_thread_for_each_core_that_may_be_used(
    cores: int, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive is the same, byte for byte, and few blocks are in work."""
    names = make(tmp_path, {str(number): os.urandom(700_000) for number in range(30)})
    pack(tmp_path, names, tmp_path / "before.tar.gz")
    real, all_at_once = parts._deflated, threading.Barrier(threads)
    first, working = iter(range(threads)), set[int]()

    def noted(block: bytes) -> bytes:
        if threading.current_thread() is not threading.main_thread():  # which makes the end
            working.add(threading.get_ident())
            if next(first, None) is not None:
                all_at_once.wait(timeout=60)
        return real(block)

    monkeypatch.setattr(parts, "_deflated", noted)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(cores))
    members = pack(tmp_path, names, tmp_path / "x.tar.gz")
    assert len(working) == threads
    assert (tmp_path / "x.tar.gz").read_bytes() == (tmp_path / "before.tar.gz").read_bytes()
    verify(tmp_path / "x.tar.gz", members)


@pytest.mark.parametrize("fast", [False, True])
def test_what_was_compressed_wrongly_is_no_archive(
    fast: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gzip that is sound holds other bytes than were packed: found before it is written."""
    names = make(tmp_path, {"a": os.urandom(1 << 17)})
    for compress in ("_deflated", "_stored_if_dense"):
        real = getattr(parts, compress)
        monkeypatch.setattr(parts, compress, lambda block, real=real: real(block[:-1] + b"?"))
    with pytest.raises(Damaged, match="does not decompress to what was packed"):
        pack(tmp_path, names, tmp_path / "x.tar.gz", fast=fast)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_unknown_member_is_a_mistake(
    small: tuple[Path, tuple[Member, ...]], tmp_path: Path
) -> None:
    """Asking for what is not in the archive is told before anything is written."""
    path, members = small
    with pytest.raises(UserError, match="holds no 'zzz'"):
        extract(path, {tmp_path / "new": "zzz"}, members)


@pytest.mark.parametrize("fails", ["write", "fsync"])
def test_a_failed_pack_leaves_nothing(
    fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full or failing disk is told, and no part of an archive stays."""

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "bad disk")

    names = make(tmp_path, {"a": b"weights"})
    monkeypatch.setattr(os, fails, fail)
    with pytest.raises(OSError, match="bad disk"):
        pack(tmp_path, names, tmp_path / "x.tar.gz")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_memory_stays_small(tmp_path: Path) -> None:
    """A large file takes less than 100 MB, also when compressing is slower than reading."""
    with (tmp_path / "big").open("wb") as file:
        file.truncate(200 << 20)
    code = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from engine.archives import archive, gzip_members
fast = gzip_members._deflated
gzip_members._deflated = lambda block: (time.sleep(0.01), fast(block))[1]
root = Path(sys.argv[2])
status = (root / "big").stat()
seen = {"big": (status.st_size, status.st_mtime_ns)}
members = archive.pack(root, seen, root / "x.tar.gz")
archive.extract(root / "x.tar.gz", {root / "back": "big"}, members)
print(*(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    command = [sys.executable, "-c", code, str(RECIPES), str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(run.stdout) < 100 * 1024


def test_a_manifest_comes_back(small: tuple[Path, tuple[Member, ...]], tmp_path: Path) -> None:
    """Members and what is said about the run survive, names that are not UTF-8 as well."""
    _, members = small
    members += (members[0]._replace(path="raw_\udcff\n"),)
    about = {"created": "2025-07-25T10:44:38", "run": {"auc": 0.5929, "name": "caf\u00e9"}}
    data = manifest_bytes(members, about)
    assert data == manifest_bytes(members, about)
    assert list(json.loads(data)) == ["format", "created", "run", "members"]
    (tmp_path / "m.json").write_bytes(data)
    assert read_manifest(tmp_path / "m.json") == (members, about)


def test_an_empty_manifest_comes_back(tmp_path: Path) -> None:
    """No members and nothing said is a manifest too."""
    (tmp_path / "m.json").write_bytes(manifest_bytes([], {}))
    assert read_manifest(tmp_path / "m.json") == ((), {})


FILE = {
    "path": "a",
    "kind": "file",
    "size": 1,
    "mode": "0644",
    "mtime_ns": 0,
    "sha256": "0" * 64,
    "target": None,
}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "<html>",
        "[" * 100_000,
        '{"format": 2, "members": []}',
        '{"format": 1}',
        '{"format": 1, "members": 3}',
        '{"format": 1, "members": [3]}',
        '{"format": 1, "members": [], "members": []}',
        '{"format": 1, "members": [], "auc": NaN}',
        '{"format": 1, "members": [], "auc": ' + "9" * 5000 + "}",
    ],
)
def test_what_is_no_manifest_is_refused(text: str, tmp_path: Path) -> None:
    """Malformed, foreign and hostile files are Damaged, never another error."""
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(Damaged, match=r"m\.json"):
        read_manifest(tmp_path / "m.json")


@pytest.mark.parametrize(
    "change",
    [
        {"path": "../a"},
        {"path": "/a"},
        {"path": "a\0"},
        {"path": ""},
        {"path": 3},
        {"path": "\ud800"},
        {"kind": "device"},
        {"kind": []},
        {"size": -1},
        {"size": True},
        {"size": 1.0},
        {"size": 2**63},
        {"mtime_ns": 2**70},
        {"mtime_ns": "0"},
        {"mode": "04755"},
        {"mode": 420},
        {"sha256": "0"},
        {"sha256": None},
        {"target": "x"},
        {"kind": "link", "size": 0, "sha256": None, "target": None},
        {"kind": "link", "size": 0, "sha256": None, "target": ""},
        {"kind": "link", "size": 9, "sha256": None, "target": "x"},
        {"surprise": 1},
    ],
)
def test_a_wrong_member_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    """Each field has its type and range; nothing unknown is accepted."""
    entries = [FILE | change]
    (tmp_path / "m.json").write_text(json.dumps({"format": 1, "members": entries}))
    with pytest.raises(Damaged):
        read_manifest(tmp_path / "m.json")


@pytest.mark.parametrize("paths", [["a", "a"], ["a", "a/b"], ["a/b/c", "a/b"]])
def test_members_may_not_collide(paths: list[str], tmp_path: Path) -> None:
    """No name twice, and nothing below a file or link."""
    entries = [FILE | {"path": path} for path in paths]
    (tmp_path / "m.json").write_text(json.dumps({"format": 1, "members": entries}))
    with pytest.raises(Damaged):
        read_manifest(tmp_path / "m.json")


def test_a_manifest_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size is looked at before its content."""
    monkeypatch.setattr(manifest, "MANIFEST_LIMIT", 10)
    (tmp_path / "m.json").write_bytes(manifest_bytes([], {}))
    with pytest.raises(Damaged, match="larger"):
        read_manifest(tmp_path / "m.json")


@pytest.mark.parametrize("name", ["plain.tar.gz", "with space", "new\nline", "back\\slash", "-c"])
def test_sha256sum_reads_the_checksum(name: str, tmp_path: Path) -> None:
    """`sha256sum -c` finds the file intact, whatever it is called."""
    (tmp_path / name).write_bytes(b"weights")
    line = checksum_line(disk.sha256_of(tmp_path / name), name)
    (tmp_path / "sums.sha256").write_bytes(line)
    subprocess.run(
        ["sha256sum", "-c", "sums.sha256"], cwd=tmp_path, check=True, capture_output=True
    )


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", GZIP_START]))
def test_arbitrary_bytes_are_refused(data: bytes, start: bytes) -> None:
    """Neither as an archive nor as a manifest do they raise anything but Damaged."""
    member = Member("a", "file", 5, 0o644, 0, "0" * 64, None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(start + data)
        with pytest.raises(Damaged):
            verify(path, [member])
        with pytest.raises(Damaged):
            read_manifest(path)
