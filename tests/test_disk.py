"""The primitives replace nothing, lose nothing and leave nothing half written."""

import errno
import os
import random
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.changes import disk
from engine.changes.new_files import NewFile, NewFiles, discard_partial
from engine.errors import UserError

WAYS = ["exclusive rename", "hard link", "plain rename"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way to rename that some file system leaves as the only one."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EINVAL, "not here")

    if request.param != "exclusive rename":
        monkeypatch.setattr(disk, "_rename_exclusively", refuse)
    if request.param == "plain rename":
        monkeypatch.setattr(os, "link", refuse)
    return str(request.param)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_rename_moves_files_folders_and_links(way: str, tmp_path: Path) -> None:
    """What is renamed keeps its bytes, and a symlink stays the symlink that it was."""
    (tmp_path / "file").write_bytes(b"weights")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/inside").write_bytes(b"more")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("file", "folder", "link"):
        disk.rename_no_replace(tmp_path / name, tmp_path / f"new_{name}")
    assert names(tmp_path) == ["new_file", "new_folder", "new_link"]
    assert (tmp_path / "new_file").read_bytes() == b"weights"
    assert (tmp_path / "new_folder/inside").read_bytes() == b"more"
    assert str((tmp_path / "new_link").readlink()) == "nowhere"


@pytest.mark.parametrize("taken", ["file", "folder", "dangling link"])
@pytest.mark.parametrize("moved", ["file", "folder"])
def test_rename_never_replaces(way: str, moved: str, taken: str, tmp_path: Path) -> None:
    """Whatever has the new name keeps it, and what was to be moved stays where it is."""
    src, dst = tmp_path / "src", tmp_path / "dst"
    src.write_bytes(b"src") if moved == "file" else src.mkdir()
    if taken == "file":
        dst.write_bytes(b"dst")
    elif taken == "folder":
        dst.mkdir()
    else:
        dst.symlink_to("nowhere")
    before = disk.identity(src), disk.identity(dst)
    with pytest.raises(FileExistsError):
        disk.rename_no_replace(src, dst)
    assert (disk.identity(src), disk.identity(dst)) == before


def test_rename_tells_a_missing_source(way: str, tmp_path: Path) -> None:
    """A file that is not there is not renamed quietly."""
    with pytest.raises(FileNotFoundError):
        disk.rename_no_replace(tmp_path / "none", tmp_path / "new")


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system")
def test_rename_passes_on_that_the_file_system_differs(tmp_path: Path) -> None:
    """The caller learns by EXDEV that it has to copy."""
    (tmp_path / "file").write_bytes(b"")
    elsewhere = Path("/dev/shm") / f"copier_training_outputs_{os.getpid()}"
    with pytest.raises(OSError) as problem:
        disk.rename_no_replace(tmp_path / "file", elsewhere)
    assert problem.value.errno == errno.EXDEV


def test_write_new_writes_all_and_leaves_no_partial(tmp_path: Path) -> None:
    """The file holds the data, and nothing else is in the folder."""
    data = random.Random(1).randbytes(3_000_000)
    disk.write_new(tmp_path / "plan.json", data)
    assert (tmp_path / "plan.json").read_bytes() == data
    assert names(tmp_path) == ["plan.json"]


def test_write_new_goes_on_after_short_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that takes only some bytes is followed by another."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
    disk.write_new(tmp_path / "file", b"0123456789" * 5)
    assert (tmp_path / "file").read_bytes() == b"0123456789" * 5


def test_write_new_keeps_what_is_there(tmp_path: Path) -> None:
    """A name that is taken, be it by a dangling symlink, is refused before anything is written."""
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("file", "link"):
        with pytest.raises(FileExistsError):
            disk.write_new(tmp_path / name, b"theirs")
    assert (tmp_path / "file").read_bytes() == b"mine"
    assert names(tmp_path) == ["file", "link"]


def test_write_new_replaces_the_partial_of_a_crashed_run(tmp_path: Path) -> None:
    """What a crashed run left half written is in nobody's way, and a symlink is not written to."""
    (tmp_path / "bystander").write_bytes(b"untouched")
    disk.partial_of(tmp_path / "a").write_bytes(b"hal")
    disk.partial_of(tmp_path / "b").symlink_to("bystander")
    for name in ("a", "b"):
        disk.write_new(tmp_path / name, b"half")
        assert (tmp_path / name).read_bytes() == b"half"
    assert (tmp_path / "bystander").read_bytes() == b"untouched"
    assert names(tmp_path) == ["a", "b", "bystander"]


@pytest.mark.parametrize("failing", ["write", "fsync"])
def test_a_failed_write_leaves_nothing(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk is full or a sync fails, the error is told and no file appears."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="full"):
        disk.write_new(tmp_path / "file", b"data")
    assert names(tmp_path) == []


def test_a_name_of_255_bytes_can_be_written(tmp_path: Path) -> None:
    """The partial of a file whose name is as long as can be gets a shorter name."""
    name = "ä" * 127 + "x"
    disk.write_new(tmp_path / name, b"data")
    assert names(tmp_path) == [name]


def test_the_data_is_synced_before_the_name_and_the_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order that outlives a power cut: content, rename, folder."""
    done: list[str] = []
    fsync, rename = os.fsync, disk.rename_no_replace

    def spy_fsync(descriptor: int) -> None:
        done.append("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")
        fsync(descriptor)

    def spy_rename(src: Path, dst: Path) -> None:
        done.append("rename")
        rename(src, dst)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(disk, "rename_no_replace", spy_rename)
    disk.write_new(tmp_path / "file", b"data")
    assert done == ["sync file", "rename", "sync folder"]


def test_a_read_only_file_on_windows_is_not_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What may be written to is synced alone there, and nobody has just written to this one."""
    (tmp_path / "a").write_bytes(b"a")
    asked: list[Path] = []
    synced: list[int] = []

    def refuse(path: Path, flags: int) -> int:
        asked.append(path)
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(sys, "platform", "win32")
        patched.setattr(os, "open", refuse)
        patched.setattr(os, "fsync", synced.append)
        disk.sync_files([tmp_path / "a"])
    assert (asked, synced) == ([tmp_path / "a"], [])


def test_make_folders_returns_what_it_made(tmp_path: Path) -> None:
    """Folders that were there are not among those that undo would remove."""
    (tmp_path / "a").mkdir()
    made = disk.make_folders(tmp_path / "a/b/c", tmp_path)
    assert made == [tmp_path / "a/b", tmp_path / "a/b/c"]
    assert disk.make_folders(tmp_path / "a/b/c", tmp_path) == []


def test_make_folders_syncs_each_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of each new folder is on the disk before the next is made."""
    synced: list[Path] = []
    monkeypatch.setattr(disk, "sync_folder", synced.append)
    disk.make_folders(tmp_path / "a/b", tmp_path)
    assert synced == [tmp_path, tmp_path / "a"]


@pytest.mark.parametrize("obstacle", ["link", "file"])
def test_make_folders_refuses_to_go_through_a_link(obstacle: str, tmp_path: Path) -> None:
    """A symlink to a folder elsewhere is not written through, nor is a file replaced."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match=f"{obstacle}: is not a folder"):
        disk.make_folders(tmp_path / obstacle / "new", tmp_path)
    assert names(tmp_path / "elsewhere") == []


def test_copy_new_keeps_content_permissions_and_time(tmp_path: Path) -> None:
    """A copy is the file again, but for setuid, and its hash is returned."""
    src = tmp_path / "src"
    src.write_bytes(random.Random(2).randbytes(100_001))
    src.chmod(0o4640)
    os.utime(src, ns=(1, 1_700_000_000_123_456_789))
    assert disk.copy_new(src, tmp_path / "dst", chunk=4096) == disk.sha256_of(src)
    assert disk.same_bytes(src, tmp_path / "dst")
    copy = (tmp_path / "dst").stat()
    assert (copy.st_mode & 0o7777, copy.st_mtime_ns) == (0o640, 1_700_000_000_123_456_789)
    assert names(tmp_path) == ["dst", "src"]


def test_copy_new_notices_a_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is written to while it is copied is not copied."""
    src = tmp_path / "src"
    src.write_bytes(b"x" * 10)
    write = os.write

    def append(descriptor: int, data: bytes) -> int:
        with src.open("ab") as file:
            file.write(b"y")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", append)
    with pytest.raises(disk.Changed, match="src"):
        disk.copy_new(src, tmp_path / "dst", chunk=4)
    assert names(tmp_path) == ["src"]


def test_copy_new_reads_the_copy_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that is not what was read gets no name."""
    (tmp_path / "src").write_bytes(b"weights")
    monkeypatch.setattr(disk, "sha256_of", lambda _: "0" * 64)
    with pytest.raises(OSError, match="differs"):
        disk.copy_new(tmp_path / "src", tmp_path / "dst")
    assert names(tmp_path) == ["src"]


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """A symlink is not followed, and a FIFO does not make the reader wait."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo"):
        with pytest.raises(OSError):
            disk.sha256_of(tmp_path / name)


def test_same_bytes_compares_to_the_last_byte(tmp_path: Path) -> None:
    """One byte of difference, or one byte more, is a difference."""
    data = random.Random(3).randbytes(disk.BLOCK + 1)
    for name, content in {"a": data, "b": data, "c": data[:-1] + b"?", "d": data[:-1]}.items():
        (tmp_path / name).write_bytes(content)
    same = [disk.same_bytes(tmp_path / "a", tmp_path / name) for name in "bcd"]
    assert same == [True, False, False]


def test_identity_changes_with_content_and_not_with_the_name(tmp_path: Path) -> None:
    """A renamed file is the same, and one that was written to is not."""
    path = tmp_path / "file"
    path.write_bytes(b"1")
    os.utime(path, ns=(1, 1))
    before = disk.identity(path)
    moved = path.rename(tmp_path / "moved")
    assert disk.identity(moved) == before
    moved.write_bytes(b"2")
    assert disk.identity(moved) != before


def test_free_bytes_of_a_folder_to_come(tmp_path: Path) -> None:
    """Space can be asked for where nothing lies yet."""
    assert disk.free_bytes(tmp_path / "not/yet") > 0


def test_new_files_keep_what_is_there(tmp_path: Path) -> None:
    """A symlink is made with its target as given, and neither it nor a file replaces anything."""
    with NewFiles() as new:
        new.link(tmp_path / "link", "./a//b/", 10**18)
        new.write([NewFile(tmp_path / "file", 0o4640, 10**18)], [b"we", b"ights"])
    assert os.readlink(tmp_path / "link") == "./a//b/"  # noqa: PTH115 - exact
    assert (tmp_path / "file").read_bytes() == b"weights"
    assert disk.identity(tmp_path / "file").mtime_ns == 10**18
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
    with pytest.raises(FileExistsError), NewFiles() as new:
        new.link(tmp_path / "link", "other", 0)
    with pytest.raises(FileExistsError), NewFiles() as new:
        new.write([NewFile(tmp_path / "file", 0o600, 0)], [b"other"])
    assert names(tmp_path) == ["file", "link"]
    assert (tmp_path / "file").read_bytes() == b"weights"


def test_a_new_file_that_cannot_be_opened_again_is_synced_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read-only file on Windows, or one that its owner cannot read, is not left for later."""
    synced: list[int] = []
    monkeypatch.setattr(disk, "sync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    with NewFiles() as new:
        new.write([NewFile(tmp_path / "file", 0o444, 0)], [b"weights"])
        assert synced == [disk.partial_of(tmp_path / "file").stat().st_ino]


def test_new_files_without_names_go_when_something_fails(tmp_path: Path) -> None:
    """Of a batch that could not be written nothing stays."""
    with pytest.raises(RuntimeError), NewFiles() as new:
        new.write([NewFile(tmp_path / "a", 0o600, 0)], [b"1"])
        new.link(tmp_path / "b", "a", 0)
        raise RuntimeError
    assert names(tmp_path) == []


@pytest.mark.parametrize("number", [3, disk.FEW])
def test_many_new_files_are_synced_before_they_get_their_names(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file has its name before its content is on the disk, be it one by one or all at once."""
    seen: list[list[str]] = []
    real, sync_each = disk.rename_no_replace, disk._sync_each

    def sync(paths: list[disk.Name], sync_one: Callable[[disk.Name], None]) -> None:
        seen.append(sorted(Path(path).name for path in paths))
        sync_each(paths, sync_one)

    def rename(src: disk.Name, dst: disk.Name) -> None:
        assert Path(src).name in [*seen[0], *seen[1]]
        real(src, dst)

    monkeypatch.setattr(disk, "_sync_each", sync)
    monkeypatch.setattr(disk, "rename_no_replace", rename)
    with NewFiles() as new:
        for name in range(number):
            new.write([NewFile(tmp_path / f"{name}", 0o600, 0)], [b"x"])
            new.write([NewFile(tmp_path / f"new/{name}", 0o600, 0)], [b"x"])
    assert len(seen[0]) == 2 * number
    assert seen[1:] == [[".new.recipe.partial"], [tmp_path.name]]


def test_a_file_system_that_cannot_be_synced_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one call that syncs many files fails as aloud as that for each of them."""
    failing = SimpleNamespace(syncfs=lambda _: -1)
    monkeypatch.setattr(disk, "_system", lambda: failing)
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(OSError, match="could not be synced"):
        disk.sync_folders([tmp_path] * disk.FEW)


def test_a_missing_folder_gets_its_name_with_all_that_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One rename for the outermost folder; one that was there before gets its files one by one."""
    real, renamed = disk.rename_no_replace, []

    def rename(src: disk.Name, dst: disk.Name) -> None:
        renamed.append(Path(dst).name)
        real(src, dst)

    monkeypatch.setattr(disk, "rename_no_replace", rename)
    with NewFiles() as new:
        for path in ("there", "new/a/1", "new/a/2", "new/b/1", "new/3"):
            new.write([NewFile(tmp_path / path, 0o640, 10**18)], [path.encode()])
        new.link(tmp_path / "new/link", "a/1", 0)
        assert not (tmp_path / "new").exists()
    assert sorted(renamed) == ["new", "there"]
    assert names(tmp_path) == ["new", "there"]
    assert names(tmp_path / "new") == ["3", "a", "b", "link"]
    assert (tmp_path / "new/link").read_bytes() == b"new/a/1"
    assert stat.S_IMODE((tmp_path / "new/b/1").stat().st_mode) == 0o640


def test_a_folder_that_came_meanwhile_is_kept_and_nothing_else_comes(tmp_path: Path) -> None:
    """What someone else made in the place of a missing folder is not replaced."""
    with pytest.raises(FileExistsError), NewFiles() as new:
        new.write([NewFile(tmp_path / "new/deep/1", 0o600, 0)], [b"ours"])
        (tmp_path / "new").mkdir()
        (tmp_path / "new/mine").write_bytes(b"mine")
    assert names(tmp_path) == ["new"]
    assert names(tmp_path / "new") == ["mine"]


def test_missing_folders_go_when_something_fails(tmp_path: Path) -> None:
    """Neither the folder nor its partial one stays."""
    with pytest.raises(RuntimeError), NewFiles() as new:
        new.write([NewFile(tmp_path / "new/deep/1", 0o600, 0)], [b"1"])
        raise RuntimeError
    assert names(tmp_path) == []


def test_two_new_files_of_one_name_are_refused(tmp_path: Path) -> None:
    """As of two that differ in case, where that makes no difference."""
    with pytest.raises(FileExistsError), NewFiles() as new:
        for content in (b"1", b"2"):
            new.write([NewFile(tmp_path / "new/file", 0o600, 0)], [content])
    assert names(tmp_path) == []


def test_what_a_crash_left_of_new_files_is_discarded(tmp_path: Path) -> None:
    """Partial files and folders of these paths go; what else is there stays, also behind a link."""
    for path in (
        ".file.recipe.partial",
        ".new.recipe.partial/1",
        ".new.recipe.partial/deep/2",
        "is/.new.recipe.partial/3",
        "is/.new.recipe.partial/mine",
        "other/4",
        ".unasked.recipe.partial",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    (tmp_path / ".linked.recipe.partial").symlink_to("other")
    paths = ("file", "new/1", "new/deep/2", "new/gone/5", "is/new/3", "linked/4", "neither/6")
    discard_partial(f"{tmp_path}/{path}" for path in paths)
    assert names(tmp_path) == [".linked.recipe.partial", ".unasked.recipe.partial", "is", "other"]
    assert names(tmp_path / "is/.new.recipe.partial") == ["mine"]
    assert names(tmp_path / "other") == ["4"]


@pytest.mark.parametrize("name", ["/", "/dev", "/dev/shm", "/proc", "/usr/bin", "."])
def test_a_volume_is_told_by_the_innermost_mount(name: str) -> None:
    """The root itself is on the volume of what lies in it, unless that is mounted."""
    place = disk.existing(Path(name)).resolve()
    inside = [mount for mount in disk._mounts() if place.is_relative_to(mount)]
    assert disk.volume(Path(name)) == (place.stat().st_dev, max(inside, key=len, default=os.sep))
