"""Very many small files are packed by several processes, as one would pack them."""

import os
import random
from pathlib import Path

import pytest

from engine import cores
from engine.archives import archive, contents
from engine.changes import disk
from test_archive import make, pack, seen

DRAW = random.Random(3)
DENSE = bytes(value % 200 for value in range(256))  # a translation: little can be gained
SIZES = (0, 1, 511, 512, 513, 3000, 70_000)


def _look(descriptor: int) -> None:
    """Take it that a file may be packed, as another process can be told to."""


@pytest.fixture
def names(tmp_path: Path) -> list[str]:
    """Small files with large ones, copies of these and links among them."""
    files = {
        f"{n % 7}/{'deep/' * (n % 30)}{n}": DRAW.randbytes(n % 3000).translate(DENSE)
        for n in range(300)
    }
    files |= {f"dense/{n}": DRAW.randbytes(30_000).translate(DENSE) for n in range(6)}
    files |= {f"3/large_{n}": bytes(contents.ONCE + n % 2) for n in range(4)}
    files |= {f"caf\u00e9_\udcff/{n}": b"x" * size for n, size in enumerate(SIZES)}
    found = make(tmp_path, files)
    for number in range(5):
        (tmp_path / f"link_{number}").symlink_to(f"./{number}//")
        found.insert(number * 40, f"link_{number}")
    return found


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have two processes share the reading."""
    monkeypatch.setattr(cores, "usable", lambda: 2)
    monkeypatch.setattr(contents, "MANY", 5)


@pytest.fixture(autouse=True)
def parcels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have parcels of a few files."""
    monkeypatch.setattr(contents, "PARCEL", 20_000)


def test_processes_make_the_archive_that_one_makes(
    names: list[str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Byte for byte, with the same members; what was read is told of each file."""
    told = []
    made = []
    for number in range(2):
        read: dict[str, disk.Identity] = {}
        counted: list[int] = []
        path = tmp_path / f"{number}.tar.gz"
        members = pack(
            tmp_path,
            names,
            path,
            on_open=_look,
            on_read=read.__setitem__,
            on_bytes=counted.append,
        )
        told.append((members, read, sum(counted)))
        made.append(path.read_bytes())
        archive.verify(path, members)
        request.getfixturevalue("shared")
    assert told[0] == told[1]
    assert made[0] == made[1]
    assert [member.path for member in told[0][0]] == names
    assert told[0][1] == {name: disk.identity(tmp_path / name) for name in names}


@pytest.mark.usefixtures("shared")
def test_parcels_are_read_elsewhere(
    names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what lies between them is read by the recipe itself."""
    real, here = contents._read, list[str]()

    def noted(root: str, name: str, *rest: object) -> object:
        here.append(name)
        return real(root, name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(contents, "_read", noted)
    pack(tmp_path, names, tmp_path / "x.tar.gz", on_open=_look)
    assert 0 < len(here) < len(names) / 2


@pytest.mark.usefixtures("shared")
def test_a_process_stores_what_is_dense_if_it_is_to_be_fast(
    names: list[str], tmp_path: Path
) -> None:
    """Such an archive is larger, and as whole."""
    sizes = []
    for fast in (False, True):
        path = tmp_path / f"{fast}.tar.gz"
        archive.verify(path, pack(tmp_path, names, path, on_open=_look, fast=fast))
        sizes.append(path.stat().st_size)
    assert sizes[0] < sizes[1]


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("change", ["grew", "went", "folder", "fifo"])
def test_what_changed_is_named_by_whoever_read_it(
    change: str, names: list[str], tmp_path: Path
) -> None:
    """The same error as of one process, and no archive."""
    planned = {name: seen(tmp_path / name) for name in names}
    victim = tmp_path / names[100]
    if change == "grew":
        with victim.open("ab") as file:
            file.write(b"x")
    else:
        victim.unlink()
    if change == "folder":
        victim.mkdir()
    elif change == "fifo":
        os.mkfifo(victim)
    with pytest.raises(disk.Changed, match=f"^{names[100]}: ") as shared:
        archive.pack(tmp_path, planned, tmp_path / "x.tar.gz", on_open=_look)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cores, "usable", lambda: 1)
        with pytest.raises(disk.Changed) as alone:
            archive.pack(tmp_path, planned, tmp_path / "x.tar.gz")
    assert str(shared.value) == str(alone.value)
    assert not list(tmp_path.glob("*tar.gz*"))


def test_blocks_end_where_parcels_do(names: list[str], tmp_path: Path) -> None:
    """Or the archive would depend on how many processes there are."""
    planned = {name: seen(tmp_path / name) for name in names}
    divided = list(contents._divided(planned.items()))
    assert [name for files, _ in divided for name, _ in files] == names
    assert sum(is_parcel for _, is_parcel in divided) > 5
    for files, is_parcel in divided:
        size = sum(before[0] + 512 for _, before in files)
        assert not is_parcel or contents.PARCEL <= size < contents.PARCEL + contents.ONCE + 512
        assert not is_parcel or all(before[0] < contents.ONCE for _, before in files)
