"""The few ways in which a file is made or moved: nothing is overwritten, nothing half written.

A new file is written as `.<name>.recipe.partial` beside its place, synced, and given its name by a
rename that refuses to replace. Such a name is only ever made here, under the project's lock, so one
that is found was left by a run that crashed. Trainings have partial files, too: of other names.
"""

import contextlib
import errno
import functools
import hashlib
import os
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.errors import UserError

if TYPE_CHECKING:
    import ctypes

BLOCK = 1 << 20  # bytes read at a time
SAMPLE = 4096  # bytes read at each of three places to tell files of one size apart
CACHED = 1 << 18  # bytes of each of two files that fit into a processor's cache
FEW = 32  # files that are synced one by one: nobody waits for what others write

_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
_FOLLOWS = not hasattr(os, "O_NOFOLLOW")
_READ |= getattr(os, "O_NONBLOCK", 0)  # or opening a FIFO would wait for its writer
SHARED = 0o666  # permissions of a new file, of which the user's umask takes what it takes of any
CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
CREATE |= getattr(os, "O_NOFOLLOW", 0)

_WAIT_BEFORE, _WRITE, _WAIT_AFTER = 1, 2, 4  # flags of sync_file_range(2)
_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
FULL = {errno.ENOSPC, errno.EDQUOT}
_LONGEST_NAME = 255  # bytes, on every common file system
PARTIAL = ".recipe.partial"  # how what is only ours to remove ends


CHANGED = "changed since it was planned"

Seen = tuple[int, int]  # size and mtime_ns of a file when it was planned
Name = str | Path  # of many thousands of files: making a Path of each takes longer than reading it


class Changed(Exception):
    """A file is not as it was, so what was read of it is worth nothing."""


class Unreadable(OSError):
    """A file cannot be read: it is another user's, or its disk fails. No writing raises it."""


class Identity(NamedTuple):
    """What tells that a file is still the same and was not written to."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    mode: int  # type and permissions, as in `st_mode`

    @property
    def seen(self) -> Seen:
        """What a plan knows of it."""
        return self.size, self.mtime_ns


def identity(path: Name) -> Identity:
    """The identity of what lies at `path`; a symlink is not followed."""
    return identity_of(os.lstat(path))


def identity_of(status: os.stat_result) -> Identity:
    """The identity that `status` tells."""
    return Identity(
        status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode
    )


def open_seen(path: Name) -> int:
    """A descriptor to read what was just seen to be a file. Raises OSError for a symlink.

    Whatever else took its place meanwhile is not waited for.
    """
    if _FOLLOWS and Path(path).is_symlink():
        raise OSError(errno.ELOOP, "is a symlink", str(path))
    return os.open(path, _READ)


def open_regular(path: Name) -> int:
    """A descriptor to read `path`. Raises OSError for a symlink and anything but a file."""
    descriptor = open_seen(path)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is not a regular file", str(path))
    return descriptor


@contextlib.contextmanager
def reading(path: Name) -> Iterator[int]:
    """Opens `path` as `open_regular` does and closes it at the end.

    Every OSError inside becomes Unreadable, so nothing but reading belongs there.
    """
    try:
        descriptor = open_regular(path)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
    except OSError as problem:
        raise Unreadable(problem.errno, problem.strerror, str(path)) from problem


def blocks(descriptor: int, size: int = BLOCK) -> Iterator[bytes]:
    """What is left to read, `size` bytes at a time."""
    while block := os.read(descriptor, size):
        yield block


def read(descriptor: int, size: int) -> bytes:
    """So many bytes of an open file, or what is left of it: one call may read less."""
    data = os.read(descriptor, size)
    while 0 < len(data) < size and (more := os.read(descriptor, size - len(data))):
        data += more
    return data


def read_stable(path: Name, before: Identity, size: int = BLOCK) -> Iterator[bytes]:
    """The file's content, `size` bytes at a time. Raises Changed if it was not `before` throughout.

    No more is read than was there at first: the end of a file that grows may never come. Here and
    in `read_small` it is for the caller to say which file it was.
    """
    left = before.size
    with reading(path) as descriptor:
        while left and (block := os.read(descriptor, min(left, size))):
            left -= len(block)
            yield block
        after = identity_of(os.fstat(descriptor))
    if left or not before == after == identity(path):
        raise Changed("was written to while it was read")


def read_small(path: Name, seen: Seen, on_open: Callable[[int], None]) -> tuple[bytes, Identity]:
    """The content of a file that fits into memory, and what was read.

    `on_open` is told the descriptor, and may raise. Raises Changed if the file is not as it was
    seen, also after it was read; what `path` names afterwards is not asked.
    """
    try:
        descriptor = open_seen(path)
        try:
            on_open(descriptor)
            data = os.read(descriptor, seen[0])
            after = identity_of(os.fstat(descriptor))
        finally:
            os.close(descriptor)
        if not stat.S_ISREG(after.mode):
            raise OSError(errno.EINVAL, "is not a regular file", str(path))
    except OSError as problem:
        raise Unreadable(problem.errno, problem.strerror, str(path)) from problem
    if len(data) != seen[0] or after.seen != seen:
        raise Changed(CHANGED)
    return data, after


def sample(descriptor: int, size: int) -> bytes:
    """Bytes at the start, the middle and the end of an open file of that size; two may overlap."""
    parts = []
    for start in (0, size // 2, max(0, size - SAMPLE)):
        os.lseek(descriptor, start, os.SEEK_SET)
        parts.append(os.read(descriptor, SAMPLE))
    return b"".join(parts)


def sha256_of(path: Name) -> str:
    """The hexadecimal SHA-256 of the file's content; a symlink is not followed."""
    digest = hashlib.sha256()
    with reading(path) as descriptor:
        for block in blocks(descriptor):
            digest.update(block)
    return digest.hexdigest()


def same_bytes(a: Path, b: Path) -> bool:
    """Whether two files hold the same content, compared byte by byte."""
    with reading(a) as first, reading(b) as second:
        if os.fstat(first).st_size != os.fstat(second).st_size:
            return False
        while (block := os.read(first, CACHED)) == os.read(second, CACHED):
            if not block:
                return True
    return False


def looking() -> Callable[[str], bool]:
    """A function that tells whether anything is at a path; for many that may lie in few folders.

    It asks once for a folder that is missing, so it does not see what comes into one later.
    """
    is_missing = functools.cache(lambda folder: not os.path.lexists(folder))

    def is_there(path: str) -> bool:
        folder = path.rpartition("/")[0]
        return not (folder and is_missing(folder)) and os.path.lexists(path)

    return is_there


def existing(path: Path) -> Path:
    """`path`, or the nearest folder above it that exists."""
    while not path.exists():
        path = path.parent
    return path


def may_change(folder: Name) -> bool:
    """Whether this user may make, rename and remove what lies in a folder."""
    return _may(folder, os.W_OK | os.X_OK)


def may_write(file: Name) -> bool:
    """Whether this user may write to a file."""
    return _may(file, os.W_OK)


def _may(path: Name, what: int) -> bool:
    is_told = os.access in os.supports_effective_ids  # else of who called, which is mostly the same
    return os.access(path, what, effective_ids=is_told)


def refuse_unwritable(folder: Path) -> None:
    """Raise UserError if this user may make nothing in a folder, which need not exist yet."""
    place = existing(folder)
    if not may_change(place):
        raise UserError(
            f"{place}: may not be written to, and something is to be made in it; "
            "see to its permissions, or name another folder in .env"
        )


def free_bytes(path: Path) -> int:
    """Bytes that this user can still write where `path` lies or is going to lie."""
    return shutil.disk_usage(existing(path)).free


@functools.cache
def volume(path: Path) -> tuple[int, str]:
    """What must be equal for a rename to work: the device, and on Linux the mount.

    A folder that is mounted a second time (a container's volume) has the device of the first.
    """
    place = existing(path).resolve()
    mount = os.fspath(place)
    while mount and mount not in _mounts():
        mount = mount.rpartition(os.sep)[0]
    return place.stat().st_dev, mount or os.sep


@functools.cache
def _mounts() -> frozenset[str]:
    """The mount points, by proc_pid_mountinfo(5): the fifth field, with spaces as octal escapes."""
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return frozenset()
    return frozenset(
        re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), line.split(" ")[4])
        for line in lines
    )


def rename_no_replace(src: Name, dst: Name) -> None:
    """Gives `src` the name `dst`, and syncs nothing.

    Raises FileExistsError if anything is at `dst`, and OSError with EXDEV across file systems.
    """
    try:
        _rename_exclusively(src, dst)
    except OSError as problem:
        if problem.errno not in _UNSUPPORTED:
            raise
        _rename_if_free(Path(src), Path(dst))


def _rename_exclusively(src: Name, dst: Name) -> None:
    """The system's own no-replace rename; ENOSYS where there is none."""
    if sys.platform == "win32":
        Path(src).rename(dst)  # refuses to replace there
        return
    call = _system_rename()
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(src))
    old, new = os.fsencode(src), os.fsencode(dst)
    args = (old, new, 4) if sys.platform == "darwin" else (-100, old, -100, new, 1)
    if call(*args) != 0:
        code = _system_errno()
        raise OSError(code, os.strerror(code), str(src), None, str(dst))


@functools.cache
def _system_rename() -> Callable[..., int] | None:
    name = {"linux": "renameat2", "darwin": "renamex_np"}.get(sys.platform)
    call: Callable[..., int] | None = getattr(_system(), name, None) if name else None
    return call


@functools.cache
def _system() -> "ctypes.CDLL":
    import ctypes  # who only reads calls nothing of it

    return ctypes.CDLL(None, use_errno=True)


def _system_errno() -> int:
    import ctypes

    return ctypes.get_errno()


def _rename_if_free(src: Path, dst: Path) -> None:
    """For file systems without a no-replace rename: a hard link, which never replaces."""
    if not stat.S_ISDIR(src.lstat().st_mode):
        try:
            os.link(src, dst, follow_symlinks=False)
        except OSError as problem:
            if problem.errno not in _UNSUPPORTED | {errno.EPERM, errno.EMLINK}:
                raise
        else:
            src.unlink()
            return
    # A folder, or no hard links there. Renaming a folder never replaces one that holds something.
    if os.path.lexists(dst):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(src), None, str(dst))
    src.rename(dst)


def sync_file(path: Name) -> None:
    """Forces a file's content to the disk."""
    if sys.platform == "win32":
        try:
            descriptor = os.open(path, os.O_RDWR)  # Windows syncs only what may be written
        except PermissionError:  # a read-only file, which nobody has just written to
            return
    else:
        descriptor = open_regular(path)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def sync(descriptor: int) -> None:
    """Forces an open file to the disk. After an OSError nothing is certain: give up."""
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)  # fsync stops at the drive's cache there
    else:
        os.fsync(descriptor)


def start_sync(descriptor: int, start: int, size: int) -> None:
    """Lets Linux begin to write a part of an open file to the disk; returns at once."""
    _sync_range(descriptor, start, size, _WRITE)


def sync_part(descriptor: int, start: int, size: int) -> None:
    """Forces a part of an open file to the disk. That it is found there later only `sync` does."""
    if not _sync_range(descriptor, start, size, _WAIT_BEFORE | _WRITE | _WAIT_AFTER):
        sync(descriptor)


def _sync_range(descriptor: int, start: int, size: int, flags: int) -> bool:
    """Call sync_file_range(2) of Linux; returns whether there is one for this file."""
    call = getattr(_system(), "sync_file_range", None) if sys.platform == "linux" else None
    if call is None:
        return False
    import ctypes

    if call(descriptor, ctypes.c_int64(start), ctypes.c_int64(size), flags) == 0:
        return True
    code = _system_errno()
    if code in _UNSUPPORTED | {errno.ESPIPE}:
        return False
    raise OSError(code, os.strerror(code))


def sync_files(paths: Sequence[Name]) -> None:
    """Forces the content of files to the disk."""
    _sync_each(paths, sync_file)


def sync_folders(paths: Sequence[Name]) -> None:
    """Forces the names in folders to the disk."""
    _sync_each(paths, sync_folder)


def _sync_each(paths: Sequence[Name], sync_one: Callable[[Name], None]) -> None:
    """Syncs one by one, or many of them by Linux's one call for a whole file system."""
    call = getattr(_system(), "syncfs", None) if sys.platform == "linux" else None
    if call is None or len(paths) < FEW:
        for path in paths:
            sync_one(path)
        return
    for path in {os.stat(path).st_dev: path for path in paths}.values():  # noqa: PTH116
        descriptor = os.open(path, _READ)
        try:
            if call(descriptor) != 0:
                raise OSError(_system_errno(), "could not be synced", str(path))
        finally:
            os.close(descriptor)


def sync_folder(path: Name) -> None:
    """Forces the names in a folder to the disk; Windows has no such call."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as problem:
        if problem.errno != errno.EINVAL:  # a file system that does not sync folders
            raise
    finally:
        os.close(descriptor)


def make_folders(path: Path, stop: Path) -> list[Path]:
    """Makes `path` and its missing parents up to `stop`, which exists; returns those it made.

    Raises UserError if something between `stop` and `path` is a symlink or no folder.
    """
    parts = path.relative_to(stop).parts
    return make_each(stop.joinpath(*parts[:depth]) for depth in range(1, len(parts) + 1))


def make_each(folders: Iterable[Path]) -> list[Path]:
    """Makes those of the folders that are missing, in that order; returns those it made.

    Raises UserError if one is a symlink or no folder.
    """
    made = []
    for folder in folders:
        if not os.path.lexists(folder):
            folder.mkdir()
            made.append(folder)
        elif not stat.S_ISDIR(folder.lstat().st_mode):
            raise UserError(f"{folder}: is not a folder; move it out of the way")
    sync_folders(list(dict.fromkeys(folder.parent for folder in made)))
    return made


@contextlib.contextmanager
def new_file(path: Path, mode: int = SHARED) -> Iterator[tuple[int, Path]]:
    """A descriptor and the partial file behind it, which is synced and becomes `path` at the end.

    Raises FileExistsError if `path` is taken. On any error the partial file is removed.
    """
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    partial = partial_of(path)
    if os.path.lexists(partial):
        partial.unlink()
    descriptor = os.open(partial, CREATE, mode)
    try:
        try:
            yield descriptor, partial
            sync(descriptor)
        finally:
            os.close(descriptor)
        rename_no_replace(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            partial.unlink()
        raise
    sync_folder(path.parent)


def partial_of(path: Path) -> Path:
    """Where `path` is written before it is whole."""
    return path.with_name(partial_name(path.name))


def partial_name(name: str) -> str:
    """What a file of that name is called before it is whole."""
    partial = f".{name}{PARTIAL}"
    if len(os.fsencode(partial)) > _LONGEST_NAME:
        return f".{hashlib.sha256(os.fsencode(name)).hexdigest()}{PARTIAL}"
    return partial


def write_all(descriptor: int, data: bytes) -> None:
    """Writes all of `data`: one call may write less than it was given."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_new(path: Path, data: bytes, mode: int = SHARED) -> None:
    """Makes a file that holds `data`, synced. Raises FileExistsError if `path` is taken."""
    with new_file(path, mode) as (descriptor, _):
        write_all(descriptor, data)


def stamp(descriptor: int, path: Name, mode: int, mtime_ns: int) -> None:
    """Gives an open file its permissions, without setuid and setgid, and its time."""
    if os.chmod in os.supports_fd:
        os.fchmod(descriptor, mode & 0o777)
    else:
        os.chmod(path, mode & 0o777)  # noqa: PTH101 - for each of many files
    os.utime(descriptor if os.utime in os.supports_fd else path, ns=(mtime_ns, mtime_ns))


def copy_new(src: Path, dst: Path, *, chunk: int = BLOCK) -> str:
    """Copies a file, `chunk` bytes at a time, with permissions and time; returns its SHA-256.

    The copy is read again before it gets its name. Raises Changed if `src` was written to
    meanwhile, FileExistsError if `dst` is taken, and OSError.
    """
    before = identity(src)
    digest = hashlib.sha256()
    with new_file(dst, 0o600) as (descriptor, partial):
        try:
            for block in read_stable(src, before, chunk):
                digest.update(block)
                write_all(descriptor, block)
        except Changed as problem:
            raise Changed(f"{src}: {problem}") from None
        stamp(descriptor, partial, before.mode, before.mtime_ns)
        sync(descriptor)
        if sha256_of(partial) != digest.hexdigest():
            raise OSError(errno.EIO, "the copy differs from what was read", str(partial))
    return digest.hexdigest()
