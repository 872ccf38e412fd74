"""What identifies a model in production: a file's hash, or that of all the files in its folder."""

import hashlib
from pathlib import Path

from engine.changes import disk


def fingerprint(path: Path) -> tuple[str, int]:
    """Return the SHA-256 and the size of a file. Raises OSError.

    Of a folder it is that of the listing which `find * -type f | LC_ALL=C sort | xargs sha256sum`
    prints in it, and the bytes of all files.
    """
    if not path.is_dir():
        return disk.sha256_of(path), path.stat().st_size
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
    named = sorted((name.encode("utf-8", "surrogateescape"), file) for name, file in files.items())
    lines = (disk.sha256_of(file).encode() + b"  " + name + b"\n" for name, file in named)
    size = sum(file.stat().st_size for _, file in named)
    return hashlib.sha256(b"".join(lines)).hexdigest(), size
