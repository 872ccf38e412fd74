"""Writing a file and reading it back: what is returned is the hash of what the disk gives back."""

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.changes import disk, read_back

PIECES = [b"one", b"", b"second", b"x" * 9, b"end"]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part is five bytes or more, so that these are several."""
    monkeypatch.setattr(read_back, "PART", 5)
    monkeypatch.setattr(read_back, "MOST", 8)


@pytest.fixture
def new(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    path = tmp_path / "file"
    descriptor = os.open(path, disk.CREATE)
    yield path, descriptor
    os.close(descriptor)


@pytest.mark.parametrize("pieces", [PIECES, [], [b"a"], [b"12345"] * 100])
def test_a_file_holds_the_pieces_and_their_hash_is_returned(
    pieces: list[bytes], new: tuple[Path, int]
) -> None:
    """Whatever their sizes."""
    sha256 = read_back.write(*new, pieces)
    assert new[0].read_bytes() == b"".join(pieces)
    assert sha256 == hashlib.sha256(b"".join(pieces)).hexdigest()


def test_each_byte_is_on_the_disk_before_it_is_read(
    new: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part is read when the next one is on its way to the disk, and the last one at the end."""
    happened: list[object] = []
    for name in ("write_all", "start_sync", "sync_part", "sync", "read"):

        def noted(*given: object, name: str = name, real: object = getattr(disk, name)) -> object:
            happened.append((name, *(size for size in given[1:] if isinstance(size, int))))
            return real(*given)  # type: ignore[operator]

        monkeypatch.setattr(disk, name, noted)
    read_back.write(*new, [b"12345678", b"abcdefghi"])
    assert happened == [
        ("write_all",),
        ("start_sync", 0, 8),
        ("write_all",),
        ("start_sync", 8, 9),
        ("sync_part", 0, 8),
        ("read", 8),
        ("sync",),
        ("read", 9),
    ]


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ESPIPE, None])
def test_a_part_is_synced_where_linux_cannot_sync_parts(
    code: int | None, new: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole file is, where the call is missing or refused."""
    refusing = SimpleNamespace(sync_file_range=lambda *_: -1)
    monkeypatch.setattr(disk, "_system", lambda: refusing if code else SimpleNamespace())
    monkeypatch.setattr(disk, "_system_errno", lambda: code)
    synced: list[int] = []
    monkeypatch.setattr(disk, "sync", synced.append)
    disk.sync_part(new[1], 0, 5)
    assert synced == [new[1]]


def test_a_part_that_cannot_be_written_to_the_disk_is_told(
    new: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of the disk ends it: nothing is read back then."""
    monkeypatch.setattr(disk, "_system", lambda: SimpleNamespace(sync_file_range=lambda *_: -1))
    monkeypatch.setattr(disk, "_system_errno", lambda: errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        read_back.write(*new, PIECES)


@pytest.mark.parametrize("place", range(21))
def test_a_byte_that_the_disk_changed_is_found(
    place: int, new: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any part."""

    changed: list[int] = []

    def change(descriptor: int, start: int = 0, size: int = 100) -> None:
        if start <= place < start + size and not changed:
            byte = os.pread(descriptor, 1, place)
            changed.append(os.pwrite(descriptor, bytes([byte[0] ^ 1]), place))

    monkeypatch.setattr(disk, "sync_part", change)
    monkeypatch.setattr(disk, "sync", change)
    with pytest.raises(OSError, match="differs from what was written"):
        read_back.write(*new, PIECES)
    assert changed


def test_what_nobody_wrote_is_found(new: tuple[Path, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is longer than what was written is not what was written."""
    monkeypatch.setattr(disk, "sync", lambda descriptor: os.pwrite(descriptor, b"more", 100))
    with pytest.raises(OSError, match="holds more than was written"):
        read_back.write(*new, [b"x" * 100])


def test_a_full_disk_is_told_though_another_thread_meets_it(
    new: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is raised where the pieces come from."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(disk, "write_all", full)
    with pytest.raises(OSError, match="full"):
        read_back.write(*new, [b"12345678"] * 100)
