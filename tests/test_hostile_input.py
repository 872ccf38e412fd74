"""What bad input gets: the recipes survive whatever lies in a repository, and lose none of it.

Rows of the same table that are tested where the code lies: the archive reader in test_archive.py,
conventions in test_conventions.py, arguments of recipes in test_new.py and test_restore.py, values
of metrics and ties in test_metrics.py and test_selection.py, the checkpoint reader in
test_readers_torch.py.
"""

import errno
import io
import os
import pickle
import shutil
import socket
import stat
import subprocess
import tarfile
import tempfile
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import archive as archive_recipe
import cleanup
import purge
import undo
from conftest import NOBODY
from conventions_text import CONVENTIONS
from engine.archives import archive
from engine.changes import disk, preflight
from engine.changes.journal import Journal, Record
from engine.changes.steps import Steps
from packed_project import opened
from place import Place
from projects import changed, tree

ROOT = os.geteuid() == 0


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    return Place(tmp_path / "repository", capsys)


# --- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "new\nline.txt",
        "-rf",
        "\x1b[2J\x1b]0;title\x07.txt",
        "not utf-8 \udcff\udcfe",
        "x" * 255,
        "ä" * 127,
        " leading and trailing ",
        "$(touch pwned);`id`|&*?[].txt",
        "c:d.txt",
        "c_d.txt",
    ],
)
def test_a_name_is_kept_byte_for_byte(name: str, place: Place) -> None:
    """It goes through archive and undo as it is, and never reaches the terminal raw."""
    place.write(f"runs/one/{name}", b"x")
    status, said = place.there_and_back()
    assert status == 0
    assert all(c.isprintable() for c in said.replace("\n", ""))


def test_twins_in_case_or_normal_form_stay_two_files(place: Place) -> None:
    """Names that other systems take for one are two here, in the archive as well."""
    for name in ("Best.pt", "best.PT", "ü.txt", unicodedata.normalize("NFD", "ü.txt")):
        place.write(f"runs/one/{name}", name)
    assert place.there_and_back()[0] == 0


def test_a_path_that_is_too_long_is_left_alone(place: Place) -> None:
    """What no path can name in quarantine stays where it is, with its run, and is told."""
    folder = place.root / "runs/one"
    while (left := 4070 - len(os.fsencode(folder))) > 201:  # 4,095 bytes is the longest path
        folder /= "d" * 200
    place.write((folder / ("f" * left)).relative_to(place.root).as_posix(), b"x")
    place.settle()
    status, said = place.run(cleanup.main, "--apply")
    assert (status, "too long" in " ".join(said.split())) == (1, True)
    assert (place.root / "runs/one/last.pt").exists()
    place.run(undo.main)
    assert not place.changed()


@pytest.mark.parametrize("spare", [0, 8, 16])
def test_what_waits_under_the_longest_path_can_be_purged(spare: int, place: Place) -> None:
    """What could be set aside and then not be deleted would hold up all recipes: it is left."""
    waiting = place.root / "training/.history/20250725T120000_cleanup/quarantine"
    folder, longest = Path("runs/one"), 4095 - spare - len(f"{waiting}/")
    while (left := longest - len(f"{folder}/")) > 201:
        folder /= "d" * 200
    place.write(f"{folder}/{'f' * left}", b"x")
    place.settle()
    status = place.run(cleanup.main, "--apply")[0]
    assert status == (1 if spare < 16 else 0)
    assert place.run(purge.main, "--apply")[0] == 0
    assert place.run(undo.main)[0] == 0
    assert not place.changed()


def test_partial_files_of_a_training_are_its_own(place: Place) -> None:
    """They come back beside the file that they were to become, also when both were deleted."""
    place.write("runs/one/.best.pt.partial", "half")
    place.write("runs/one/.last.pt.partial", "half as well")
    assert place.there_and_back()[0] == 0


def test_a_path_beyond_what_the_system_takes_is_left_alone(place: Place) -> None:
    """A folder too deep to be listed: its run is left alone, aloud, and the others are packed."""
    place.weights("runs/two/best.pt", 0.5)
    place.settle()
    folder = os.open(place.root / "runs/one", os.O_RDONLY)
    opened = [folder]
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=opened[-1])
        opened.append(os.open("d" * 200, os.O_RDONLY, dir_fd=opened[-1]))
    try:
        status, said = place.run(cleanup.main, "--apply")
    finally:
        for parent in reversed(opened[:-1]):  # what cleans up after tests cannot reach it either
            os.rmdir("d" * 200, dir_fd=parent)
        for descriptor in opened:
            os.close(descriptor)
    assert (status, "name too long" in " ".join(said.split())) == (1, True)
    assert (place.root / "runs/one/last.pt").exists()
    assert not (place.root / "runs/two").exists()


# --- what is not a plain file -----------------------------------------------------------------


def test_links_are_stored_and_never_followed(place: Place, tmp_path: Path) -> None:
    """Dangling, circular, leading out or to a folder: each comes back as the link that it was."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"theirs")
    targets = {
        "dangling": "nowhere",
        "loop": "loop",
        "out": "../../../outside/precious",
        "folder": str(outside),
    }
    for name, target in targets.items():
        (place.root / "runs/one" / name).symlink_to(target)
    assert place.there_and_back()[0] == 0
    assert (outside / "precious").read_bytes() == b"theirs"


def test_a_folder_that_became_a_link_is_left_alone(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Someone put a run on another disk after it was planned: nothing is taken from there."""
    place.weights("runs/two/best.pt", 0.5)
    place.settle()
    real, there = preflight.refuse_conflicts, tmp_path / "disk"

    def refuse_conflicts(*arguments: Any) -> None:
        (place.root / "runs/one").rename(there)
        (place.root / "runs/one").symlink_to(there)
        real(*arguments)

    monkeypatch.setattr(preflight, "refuse_conflicts", refuse_conflicts)
    before = tree(place.root / "runs/one")
    status, said = place.run(cleanup.main, "--apply")
    assert (status, "is behind a link by now" in " ".join(said.split())) == (1, True)
    assert not changed(before, tree(there))
    assert not (place.root / "runs/two").exists()


@pytest.mark.parametrize("when", ["planned", "packed"])
def test_nothing_is_taken_out_of_a_folder_behind_a_link(
    when: str, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a file nor an empty folder: not if the link comes while the run is packed either."""
    (place.root / "runs/one/empty").mkdir()
    place.settle()
    there = tmp_path / "disk"

    def put_there() -> None:
        (place.root / "runs").rename(there)
        (place.root / "runs").symlink_to(there)

    def linked(module: Any, name: str, is_first: bool) -> None:
        real = getattr(module, name)

        def call(*arguments: Any, **more: Any) -> Any:
            if is_first:
                put_there()
            answer = real(*arguments, **more)
            if not is_first:
                put_there()
            return answer

        monkeypatch.setattr(module, name, call)

    (place.root / "runs/one/best.pt").rename(place.root / "best.pt")
    place.settle()
    before = tree(place.root / "runs")
    if when == "planned":
        linked(preflight, "refuse_conflicts", is_first=True)
    else:
        linked(archive, "pack", is_first=False)
    status, said = place.run(cleanup.main, "--apply")
    assert (status, "behind a link by now" in " ".join(said.split())) == (1, True)
    assert not changed(before, tree(there))


def test_two_files_that_only_look_like_one_are_both_kept(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file system numbers no files, equal size, time and mode make none of them a copy."""
    place.write("a", "one")
    place.write("b", "two")
    place.settle()
    was = disk.identity(place.root / "a")
    monkeypatch.setattr(disk, "identity", lambda _: was)
    home = place.root / "training/.history/20250725T120000_cleanup"
    home.mkdir(parents=True)
    steps = Steps(opened(place.root), home, Journal(home / "journal.jsonl"))
    with pytest.raises(FileExistsError, match="keeping both"):
        steps.move("move", [Record("move", "a", "intent", "a", "b")])
    assert [(place.root / name).read_text() for name in "ab"] == ["one", "two"]


def test_a_destination_behind_a_link_is_refused(place: Place, tmp_path: Path) -> None:
    """Nothing is written through a link that lies where a folder is needed."""
    (tmp_path / "elsewhere").mkdir()
    (place.root / "model_weights").symlink_to(tmp_path / "elsewhere")
    place.settle()
    status, said = place.run(cleanup.main, "--apply")
    assert (status, "model_weights: is a link" in said) == (2, True)
    assert said.endswith("put a folder there, or name one on another disk in .env")
    assert place.changed() <= {"training"}  # the lock lies in a new folder there


def test_hard_links_are_one_file(place: Place) -> None:
    """Two names of one file are not copies that free anything, and both come back."""
    os.link(place.root / "runs/one/best.pt", place.root / "runs/one/again.pt")
    place.settle()
    assert not [action for action in place.plan()["actions"] if action["verb"] == "drop"]
    assert place.there_and_back()[0] == 0


def test_a_sparse_file_needs_the_space_that_it_claims(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its holes count when the space is reckoned; without that space nothing is begun."""
    with (place.root / "runs/one/sparse.bin").open("wb") as file:
        file.truncate(50 << 20)
    place.settle()
    monkeypatch.setattr(disk, "free_bytes", lambda _: 20 << 20)
    status, said = place.run(cleanup.main, "--apply")
    assert (status, "needed" in said) == (2, True)
    assert not place.changed()
    monkeypatch.undo()
    assert place.there_and_back()[0] == 0


def test_special_files_are_never_opened(place: Place) -> None:
    """A FIFO, which would block a reader, and a socket stay where they are."""
    os.mkfifo(place.root / "runs/one/pipe.pt")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(place.root / "runs/one")  # the name of a socket may be 108 bytes long
        server.bind("socket.log")
        os.chdir(here)
        place.settle()
        status, said = place.run(cleanup.main)
        assert (status, "pipe.pt: is no file" in said) == (0, True)
        assert place.run(cleanup.main, "--apply")[0] == 0
        for name in ("pipe.pt", "socket.log"):
            assert not stat.S_ISREG((place.root / "runs/one" / name).lstat().st_mode)


def test_empty_files_are_no_copies_of_each_other(place: Place) -> None:
    """They have no bytes to be equal."""
    for name in ("runs/one/empty.pt", "runs/one/void.pt", "runs/two/empty.pt"):
        place.write(name, b"")
    place.settle()
    assert not [action for action in place.plan()["actions"] if action["verb"] == "drop"]
    assert place.there_and_back()[0] == 0


# --- what cannot be read, or changes ------------------------------------------------------------


@pytest.mark.parametrize("name", ["secret.bin", "epoch_9.pt", "secret.log", "folder/x.pt"])
def test_an_unreadable_file_leaves_its_run_alone(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its run stays whole, the others are packed, and the exit status says so."""
    with tempfile.TemporaryDirectory() as home:
        Place(Path(home) / "first", capsys).there_and_back()  # nothing is left to be imported
        place = Place(Path(home) / "repository", capsys)
        place.weights("runs/two/best.pt", 0.5)
        content = place.weights("runs/two/last.pt", 0.3).read_bytes()
        secret = place.write(f"runs/one/{name}", content)
        secret = secret.parent if "/" in name else secret
        mode = secret.stat().st_mode
        place.settle()
        Path(home).chmod(0o755)
        for path in (place.root, *place.root.rglob("*")):
            os.chown(path, *((NOBODY, NOBODY) if ROOT else (-1, -1)))
        secret.chmod(0)
        os.seteuid(NOBODY if ROOT else os.geteuid())  # root may read everything
        try:
            status, said = place.run(cleanup.main, "--apply")
        finally:
            os.seteuid(os.getuid())
            secret.chmod(mode)
        assert (status, name.split("/")[0] in said) == (1, True)
        assert (place.root / "runs/one/last.pt").exists()
        assert not (place.root / "runs/two").exists()
        assert place.run(undo.main)[0] == 0
        assert not place.changed()


@pytest.mark.skipif(not ROOT, reason="only root can make a file another user's")
@pytest.mark.parametrize("sticky", ["runs/one", "runs"])
def test_what_a_sticky_folder_holds_is_left_alone(
    sticky: str, open_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another user's file there, with its run, or folder, which is empty then; the rest is done."""
    Place(open_folder / "first", capsys).there_and_back()  # nothing is left to be imported
    place = Place(open_folder / "repository", capsys)
    place.weights("runs/two/best.pt", 0.5)
    place.write("runs/notes.md", "mine")
    place.settle()
    theirs = {path: (place.root / path) for path in ("runs", "runs/one", sticky)}.values()
    for path in (place.root, *place.root.rglob("*")):
        if path not in theirs and "one" not in path.parts:
            os.chown(path, NOBODY, NOBODY)
    for folder in theirs:
        folder.chmod(0o1777 if folder == place.root / sticky else 0o777)
    place.before = place.tree()
    os.seteuid(NOBODY)
    try:
        status, said = place.run(cleanup.main, "--apply")
    finally:
        os.seteuid(0)
    assert (status, "lets only owners take something away" in " ".join(said.split())) == (1, True)
    assert (place.root / "runs/one/last.pt").exists() is (sticky == "runs/one")
    assert (place.root / "runs/one").exists()
    assert not (place.root / "runs/two").exists()
    assert place.run(undo.main)[0] == 0
    assert not place.changed()


@pytest.mark.parametrize("flag", ["i", "a"])
@pytest.mark.parametrize("name", ["best.pt", "last.pt", "."])
def test_what_a_flag_protects_is_left_alone(name: str, flag: str, place: Place) -> None:
    """Not even root may rename it: it stays with its run, the rest is done, and undo works."""
    place.weights("runs/two/best.pt", 0.5)
    place.settle()
    chattr = shutil.which("chattr") or "chattr"
    protected = place.root / "runs/one" / name
    try:
        subprocess.run([chattr, f"+{flag}", protected], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no such flags for this user, system or file system")
    try:
        status, said = place.run(cleanup.main, "--apply")
        assert (status, "left alone: runs/one" in said) == (1, True)
        assert protected.exists()
        assert not (place.root / "runs/two").exists()
        assert place.run(undo.main)[0] == 0
    finally:
        subprocess.run([chattr, f"-{flag}", protected], check=True)
    assert not place.changed()


@pytest.mark.parametrize("problem", [disk.Unreadable(errno.EIO, "bad"), disk.Changed("last.pt")])
def test_a_failing_read_leaves_its_run_alone(
    problem: Exception, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad sector or a writer, met while packing: that run is not packed, the others are."""
    place.weights("runs/two/best.pt", 0.5)
    place.settle()
    real = disk.read_small

    def read(path: disk.Name, *how: Any) -> Any:
        if Path(path).match("runs/one/last.pt"):
            raise problem
        return real(path, *how)

    monkeypatch.setattr(disk, "read_small", read)
    status, said = place.run(cleanup.main, "--apply")
    assert (status, "runs/one/last.pt" in said) == (1, True)
    assert (place.root / "runs/one/last.pt").exists()
    assert not (place.root / "runs/two").exists()


def test_a_writer_that_is_caught_in_quarantine_gets_its_run_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written after packing is in no archive: the archive is given up, nothing is lost."""
    place.settle()
    real = Steps.quarantine

    def quarantine(self: Steps, records: Sequence[Record]) -> None:
        real(self, records)
        for record in records:
            if record.id.endswith("last.pt"):
                with (self.root / str(record.dst)).open("ab") as file:
                    file.write(b"more")

    monkeypatch.setattr(Steps, "quarantine", quarantine)
    status, said = place.run(cleanup.main, "--apply")
    assert (status, "written to while it was packed" in " ".join(said.split())) == (1, True)
    assert (place.root / "runs/one/last.pt").read_bytes().endswith(b"more")
    assert not list(place.root.rglob("*.tar.gz"))


def test_setuid_is_dropped_aloud_and_times_come_back(place: Place) -> None:
    """What is rebuilt from an archive has its mode and odd times, but no setuid; that is told."""
    path = place.write("runs/one/tool", b"x")
    place.settle()
    path.chmod(0o4755)
    os.utime(path, ns=(1, -1_000_000_001))
    place.run(cleanup.main, "--apply")
    assert "without setuid" in place.run(purge.main, "--apply")[1]
    assert "without setuid" in place.run(undo.main)[1]
    status = path.lstat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o755, -1_000_000_001)
    assert place.changed() == {"runs/one/tool"}


# --- content ------------------------------------------------------------------------------------


class _Exploit:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def test_nothing_is_executed_by_reading_it(place: Place, tmp_path: Path) -> None:
    """Pickles, YAML tags and object arrays are looked at, never loaded."""
    marker = tmp_path / "pwned"
    place.write("runs/one/evil.pkl", pickle.dumps(_Exploit(marker)))
    place.write("runs/one/evil.pt", pickle.dumps(_Exploit(marker), protocol=2))
    code = f"!!python/object/apply:os.mkdir ['{marker}']"
    place.write("runs/one/config.yaml", f"a: {code}\nval_auc: 0.9\n")
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n"
    array = b"\x93NUMPY\x01\x00v\x00" + header + pickle.dumps(_Exploit(marker))
    place.write("runs/one/evil.npy", array)
    assert place.there_and_back()[0] == 0
    assert not marker.exists()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 123\n"


@pytest.mark.parametrize(
    "content", [b"", b"<!DOCTYPE html><p>404", POINTER, b"PK\x03\x04 cut", b"\x80\x02 no end"]
)
def test_a_broken_checkpoint_is_never_best(content: bytes, place: Place) -> None:
    """Truncated, empty, a web page or a pointer: its name may claim what it likes."""
    place.write("runs/one/model_auc_0.9999.pt", content)
    place.settle()
    best = [c["path"] for c in place.plan()["checkpoints"] if c["role"] == "production"]
    assert best == ["runs/one/best.pt"]
    place.there_and_back()


# --- archives -----------------------------------------------------------------------------------


def _hostile_tar(path: Path) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name in ("../../escaped", "/absolute", "runs/one/last.pt", "runs/one/last.pt"):
            info = tarfile.TarInfo(name)
            info.size = 4
            tar.addfile(info, io.BytesIO(b"evil"))


def _bit_flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _bomb(path: Path) -> None:
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo("runs/one/last.pt")
        info.size = 100 << 20
        tar.addfile(info, _Zeros(info.size))


class _Zeros(io.RawIOBase):
    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1) -> bytes:
        size = min(size, self.left) if size >= 0 else self.left
        self.left -= size
        return bytes(size)


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 100)


def _corrupt_manifest(path: Path) -> None:
    manifest = path.with_name(path.name.replace(".tar.gz", ".json"))
    manifest.write_text(manifest.read_text().replace("runs/one/last.pt", "../../escaped"))


SPOILERS = [_hostile_tar, _bit_flip, _bomb, _cut, _corrupt_manifest]


@pytest.mark.parametrize("spoil", SPOILERS)
def test_undo_refuses_an_archive_that_is_not_as_packed(
    spoil: Callable[[Path], None], place: Place, tmp_path: Path
) -> None:
    """It says which, and changes nothing at all; with the whole archive it goes on."""
    place.settle()
    place.run(cleanup.main, "--apply")
    place.run(purge.main, "--apply")
    (archive,) = (place.root / "training/experiments/archived").glob("*.tar.gz")
    shutil.copytree(archive.parent, tmp_path / "backup")
    spoil(archive)
    spoiled = place.tree()
    status, said = place.run(undo.main)
    assert (status, archive.name.removesuffix(".tar.gz") in said) == (2, True)
    assert not changed(spoiled, place.tree())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "repository"]
    shutil.copytree(tmp_path / "backup", archive.parent, dirs_exist_ok=True)
    assert place.run(undo.main)[0] == 0
    assert not place.changed()


@pytest.mark.parametrize("spoil", SPOILERS)
def test_purge_deletes_nothing_without_a_whole_archive(
    spoil: Callable[[Path], None], place: Place
) -> None:
    """No proof, no delete; the originals still come back."""
    place.settle()
    place.run(cleanup.main, "--apply")
    (archive,) = (place.root / "training/experiments/archived").glob("*.tar.gz")
    spoil(archive)
    status, said = place.run(purge.main, "--apply")
    assert (status, "stays in quarantine" in said) == (1, True)
    place.run(undo.main)
    assert not place.changed().difference(
        path for path in place.tree() if path.startswith("training/experiments")
    ), "what was packed is back"


# --- arguments and settings -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../../x", "$(x)", "a;rm -rf ~", "x" * 5000, "", "\n", "\udcff"])
@pytest.mark.parametrize("main", [undo.main, purge.main, archive_recipe.main])
def test_an_argument_that_names_nothing_is_refused(
    main: Callable[[list[str]], int], name: str, place: Place
) -> None:
    """It is compared with what there is, and put together with no path or command."""
    place.settle()
    assert place.run(main, name)[0] == 2
    assert not place.changed()


@pytest.mark.parametrize(
    "text", [None, "", "format = 99\n", "= = =", "format = 1\n" * 2, CONVENTIONS + "\n[wat]\n"]
)
def test_wrong_conventions_change_nothing(text: str | None, place: Place) -> None:
    """A settings file that is missing, of another format, broken or unknown: one line, exit 2."""
    conventions = place.root / "training/conventions.toml"
    conventions.unlink() if text is None else conventions.write_text(text)
    place.settle()
    status, said = place.run(cleanup.main, "--apply")
    assert (status, "conventions.toml" in said, "\n" in said) == (2, True, False)
    assert not place.changed()
