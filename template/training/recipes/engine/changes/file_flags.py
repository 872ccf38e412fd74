"""Whether a file bears a flag by which its system lets nobody, not even root, take it away."""

import functools
import os
import stat
import sys
from collections.abc import Callable

# Linux: STATX_ATTR_IMMUTABLE and STATX_ATTR_APPEND of statx(2), set by `chattr +i` and `+a`.
_KEEPS = 0x10 | 0x20
# macOS and the BSDs: chflags(2).
_FLAGS = stat.UF_IMMUTABLE | stat.UF_APPEND | stat.SF_IMMUTABLE | stat.SF_APPEND
_AT_FDCWD, _AT_SYMLINK_NOFOLLOW, _AT_EMPTY_PATH = -100, 0x100, 0x1000


def is_protected(place: str | int) -> bool:
    """Return whether a path or an open file can be read, but neither renamed nor removed.

    False where the system does not tell. A symlink is not followed.
    """
    if sys.platform == "linux":
        attributes = _attributes()
        return attributes is not None and bool(attributes(place) & _KEEPS)
    status = os.fstat(place) if isinstance(place, int) else os.lstat(place)
    return bool(getattr(status, "st_flags", 0) & _FLAGS)


@functools.cache
def _attributes() -> Callable[[str | int], int] | None:
    """Return what asks statx(2) for the attributes of a file; 0 where that fails."""
    import ctypes  # who only reads calls nothing of it

    call = getattr(ctypes.CDLL(None), "statx", None)
    if call is None:
        return None
    told = ctypes.create_string_buffer(256)  # struct statx
    found = ctypes.c_uint64.from_buffer(told, 8)  # its attributes

    def attributes(place: str | int) -> int:
        if isinstance(place, int):
            failed = call(place, b"", _AT_EMPTY_PATH, 0, told)
        else:
            failed = call(_AT_FDCWD, os.fsencode(place), _AT_SYMLINK_NOFOLLOW, 0, told)
        return 0 if failed else found.value

    return attributes
