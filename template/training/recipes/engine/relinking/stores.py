"""Find what trackers' stores and archives' manifests say of paths that have moved: by file and key.

They are never rewritten. MLflow's layouts: `mlflow/store/tracking/file_store.py`, and
`mlflow/store/tracking/dbmodels/models.py` for its database.
"""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from engine.recognition.scan import Inventory
from engine.relinking.relink_text import Finder

LIMIT = 4 << 20  # bytes of a file, and of a value in a database
TEXTS = {".yaml", ".yml", ".json"}
VALUES = {"params", "tags"}  # folders of MLflow with a file for each value, named as its key
DATABASE = "mlflow.db"
KEY = re.compile(rb'[\s"\',{-]*([\w./ -]+?)["\']?\s*[:=]')


def mentions(root: Path, inventory: Inventory, finder: Finder) -> Iterator[str]:
    """Yield a line for each value that names what has moved: its file, its key, and the path."""
    if not finder.moves.places:
        return
    path = re.compile(rb"(?<![\w.~-])" + finder.paths + rb"(?![\w/-]|\.\w)")
    for store, why in sorted(inventory.closed.items()):
        files = sorted((root / store).rglob("*")) if why == "a tracker's" else ()
        for file in files:
            named = file.suffix in TEXTS or file.parent.name in VALUES
            if named and not file.is_symlink() and file.is_file() and file.stat().st_size <= LIMIT:
                found = _in_text(file.read_bytes(), path, file.name)
                yield from _told(file.relative_to(root).as_posix(), found)
    for entry in inventory.entries.values():
        if entry.path.rpartition("/")[2] == DATABASE and entry.kind == "file":
            yield from _told(entry.path, _in_database(root / entry.path, path))


def _told(where: str, found: Iterator[tuple[str, bytes]]) -> Iterator[str]:
    for key, named in dict.fromkeys(found):
        yield f"{where}: {key} names {os.fsdecode(named)}; it is the tracker's, and stays"


def _in_text(data: bytes, path: re.Pattern[bytes], name: str) -> Iterator[tuple[str, bytes]]:
    """Yield the key of each line with a path; the name of the file if the line has none."""
    for line in data.splitlines():
        if match := path.search(line):
            key = KEY.match(line[: match.start()])
            yield (key[1].decode("utf-8", "replace").strip() if key else name), match[0]


def _in_database(file: Path, path: re.Pattern[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield table, column and row of each path; nothing is locked, and no journal is made."""
    where = f"file:{quote(str(file))}?mode=ro&immutable=1"
    with suppress(sqlite3.Error, ValueError), closing(sqlite3.connect(where, uri=True)) as db:
        db.text_factory = bytes
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
            name = f'"{table.decode().replace(chr(34), chr(34) * 2)}"'
            rows = db.execute(f"SELECT * FROM {name}")  # noqa: S608 - its own name, quoted
            for number, row in enumerate(rows, 1):
                for (column, *_), value in zip(rows.description, row, strict=True):
                    is_text = isinstance(value, bytes) and len(value) <= LIMIT
                    if is_text and (match := path.search(value)):
                        yield f"{table.decode()}.{column} in row {number}", match[0]
