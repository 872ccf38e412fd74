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
_AT_FDCWD, _AT_SYMLINK_NOFOLLOW = -100, 0x100


def is_protected(path: str) -> bool:
    """Return whether a file or folder can be read, but neither renamed nor removed.

    False where the system does not tell. A symlink is not followed.
    """
    if sys.platform == "linux":
        attributes = _attributes()
        return attributes is not None and bool(attributes(path) & _KEEPS)
    return bool(getattr(os.lstat(path), "st_flags", 0) & _FLAGS)


@functools.cache
def _attributes() -> Callable[[str], int] | None:
    """Return what asks statx(2) for the attributes of a file; 0 where that fails."""
    import ctypes  # who only reads calls nothing of it

    call = getattr(ctypes.CDLL(None), "statx", None)
    if call is None:
        return None
    told = ctypes.create_string_buffer(256)  # struct statx; its attributes are bytes 8 to 15

    def attributes(path: str) -> int:
        failed = call(_AT_FDCWD, os.fsencode(path), _AT_SYMLINK_NOFOLLOW, 0, told)
        return 0 if failed else int.from_bytes(told.raw[8:16], sys.byteorder)

    return attributes
