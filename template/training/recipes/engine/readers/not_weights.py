"""Files that are named like weights and are something else: said, so that none is taken for one."""

import re
from pathlib import Path

from engine.readers import HEAD
from engine.recognition.evidence import Reading

ALWAYS = (".pt", ".pth", ".ckpt", ".tar", ".safetensors", ".h5", ".hdf5")  # else it is not known
LFS = b"version https://git-lfs.github.com/spec/"
_BINARY = re.compile(rb"[\0-\x08\x0e-\x1f]")


def read(path: Path, name: str) -> Reading | None:
    """Return why this is no checkpoint; None for content that may well be some other format."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    problem = _problem(head, name.lower().endswith(ALWAYS))
    return Reading("no checkpoint", "unreadable", problem=problem) if problem else None


def _problem(head: bytes, expected: bool) -> str | None:
    start = head.lstrip()[:200].lower()
    if not head:
        return "empty file" if expected else None
    if head.startswith(LFS):
        return "git-lfs pointer, content not here"
    if start.startswith((b"<!doctype html", b"<html")):
        return "HTML page"
    if not expected or head[:2] in (b"PK", b"\x80\2"):
        return None  # a zip, or a pickle, of something else
    if head.count(b"\n") > 1 and not _BINARY.search(head):
        return None  # a text: Portuguese words end in .pt, lists of folders for Python in .pth
    if not head.strip(b"\0"):
        return "nothing but zero bytes"
    return "not a checkpoint of a known format"
