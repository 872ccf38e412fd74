"""A store of archives that rclone reaches; every transfer, retry and comparison is rclone's.

Names go to rclone by standard input, so that none of them can be taken for an option or a pattern.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import RemoteError, UserError
from engine.project import Project
from log_paths import read_dotenv

VARIABLE = "ARCHIVE_REMOTE"
SAID_LIMIT = 300  # characters of what rclone says of a failure

# What the environment may have set otherwise (RCLONE_SIZE_ONLY=1) and what nobody can answer.
_FLAGS = "--ask-password=false --dry-run=false --size-only=false --log-level=ERROR --use-json-log"
# How long a store may be silent, unless the user says otherwise: rclone waits for 5 minutes.
_PATIENCE = {"RCLONE_TIMEOUT": "1m", "RCLONE_CONTIMEOUT": "20s"}
_NO_FOLDER = 3  # https://rclone.org/docs/#exit-code: directory not found
_DIFFERENT = {"+": "is not there", "*": "is another file there", "!": "cannot be read there"}
_REMOTE = re.compile(r":?[^-,:/\\][^,:/\\]*[,:]")  # "name:", ":backend:", ":backend,option=...:"
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


@dataclass(frozen=True)
class Remote:
    """One store: `spec` is what rclone is given, and may hold a password, so it is never shown."""

    spec: str = field(repr=False)
    shown: str
    is_folder: bool = False

    def sizes(self) -> dict[str, int]:
        """Return the size of each file there, in bytes. Raises RemoteError."""
        return {entry["Path"]: entry["Size"] for entry in self._listing()}

    def send(self, folder: Path, names: Collection[str]) -> str | None:
        """Copy files there, replacing nothing; return what failed first, in one line."""
        return self._copy(names, str(folder), self.spec)

    def fetch(self, names: Collection[str], folder: Path) -> str | None:
        """Copy files from there into a local folder; return what failed first, in one line."""
        return self._copy(names, self.spec, str(folder))

    def differences(self, folder: Path, names: Collection[str]) -> dict[str, str]:
        """Return for each file of a local folder that is not there byte for byte, why.

        Compared by rclone: by hashes, and by reading it back from a store that knows none.
        Raises RemoteError.
        """
        if not names:
            return {}
        back = [] if self.is_folder or self._knows_hashes(names) else ["--download"]
        how = ("check", "--one-way", "--combined=-", *back)
        done = self._run(how, str(folder), self.spec, names=names)
        found = {line[2:]: line[:1] for line in done.stdout.split("\n")}
        if done.returncode and not found.keys() & set(names):
            raise RemoteError(self._problem(done))
        marks = {name: found.get(name) for name in names}
        return {
            name: f"{_DIFFERENT.get(mark or '', 'was not compared')} ({self.shown})"
            for name, mark in marks.items()
            if mark != "="
        }

    def _knows_hashes(self, names: Collection[str]) -> bool:
        return all(entry.get("Hashes") for entry in self._listing("--hash", names=names))

    def _listing(self, *words: str, names: Collection[str] | None = None) -> list[dict[str, Any]]:
        listed = ("lsjson", "--files-only", "--no-modtime", "--no-mimetype", *words)
        done = self._run(listed, self.spec, names=names)
        if done.returncode == _NO_FOLDER:
            return []  # nothing was ever sent
        if done.returncode:
            raise RemoteError(self._problem(done))
        return list(json.loads(done.stdout))

    def _copy(self, names: Collection[str], src: str, dst: str) -> str | None:
        how = ("copy", "--immutable", "--checksum", "--no-traverse", "--ignore-existing=false")
        done = self._run(how, src, dst, names=names, progress=True)
        return self._problem(done) if done.returncode else None

    def _run(
        self,
        words: Sequence[str],
        *places: str,
        names: Collection[str] | None,
        progress: bool = False,
    ) -> "subprocess.CompletedProcess[str]":
        seen = progress and sys.stderr.isatty()
        listed = () if names is None else ("--files-from-raw=-",)
        shown = ("--progress",) if seen else ()
        return subprocess.run(
            [program(), *words, *listed, *shown, *_FLAGS.split(), "--", *places],
            input="".join(f"{name}\n" for name in names or ()),
            stdout=sys.stderr.fileno() if seen else subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
            encoding="utf-8",
            errors="surrogateescape",
            env={**_PATIENCE, **os.environ},
        )

    def _problem(self, done: "subprocess.CompletedProcess[str]") -> str:
        """Return the first error that rclone told, in one line and without what is secret."""
        said = next(_errors(done.stderr), f"rclone ended with status {done.returncode}")
        text = " ".join(said.replace(self.spec, self.shown).split())
        return f"{self.shown}: {text[:SAID_LIMIT]}"


def _errors(text: str) -> Iterator[str]:
    """Yield what rclone logged, without its dates; errors before the end of an attempt."""
    plain = []
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            plain.append(re.sub(r"^[\d/]+ [\d:]+ ", "", line))
        else:
            name = f"{entry['object']}: " if entry.get("object") else ""
            yield f"{name}{entry.get('msg')}"
    if plain:  # what ends it is told without JSON, on several lines
        yield " ".join(plain)


def program() -> str:
    """Return where rclone is. Raises UserError."""
    found = shutil.which("rclone")
    if found is None:
        raise UserError(
            "rclone is missing: apt install rclone, brew install rclone, or see "
            "https://rclone.org/install"
        )
    return found


def is_set(project: Project, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the environment or `.env` names a store."""
    return bool(_said(project, environ).strip(" ;"))


def remotes(project: Project, environ: Mapping[str, str] = os.environ) -> tuple[Remote, ...]:
    """Return the stores that the environment or else `.env` names, separated by ";".

    Raises UserError if there is none, and for one that cannot be used.
    """
    said = [part.strip() for part in _said(project, environ).split(";")]
    found = tuple(dict.fromkeys(_remote(project, part) for part in said if part))
    if not found:
        raise UserError(
            f'{VARIABLE} is not set: write it into .env, as "s3:bucket/folder" for a remote of '
            '`rclone config`, or a folder like "../archives" to try it'
        )
    return found


def _said(project: Project, environ: Mapping[str, str]) -> str:
    try:
        dotenv = read_dotenv(project.root / ".env")
    except ValueError as error:
        raise UserError(str(error)) from None
    return environ.get(VARIABLE, dotenv.get(VARIABLE, ""))


def _remote(project: Project, text: str) -> Remote:
    if not text.isprintable() or text.startswith(("-", "~")):
        raise UserError(f"{VARIABLE}: {text!r} is no remote of rclone and no plain folder")
    if _REMOTE.match(text) and not _DRIVE.match(text):
        name, _, options = text.partition(",")  # options may be passwords
        return Remote(text, f"{name}:..." if options and ":" not in name[1:] else text)
    folder = Path(os.path.normpath(project.root / text)).resolve()
    archived = (project.root / project.folders.archived).resolve()
    for ours in (project.root.resolve(), archived):
        if folder.is_relative_to(ours) or ours.is_relative_to(folder):
            raise UserError(
                f"{VARIABLE}: {text} lies in the project, or the project in it: what deletes one "
                "deletes both; name a folder beside it"
            )
    return Remote(str(folder), str(folder), is_folder=True)


def listable(names: Sequence[str]) -> None:
    """Raise UserError for a file name that cannot stand in a list of rclone."""
    for name in names:
        if not name.isprintable() or name != name.strip():
            raise UserError(f"{name!r}: is no name that rclone can be given; rename the archive")


def unproven(project: Project, paths: Collection[Path]) -> dict[Path, str]:
    """Return for each local file that is not at enough stores byte for byte, why.

    Raises UserError and RemoteError.
    """
    enough = project.conventions.archive.min_copies
    copies: Counter[Path] = Counter()
    why: dict[Path, str] = {}
    places = defaultdict(list)
    for path in paths:
        places[path.parent].append(path)
    for remote in remotes(project):
        for folder, there in places.items():
            different = remote.differences(folder, [path.name for path in there])
            copies.update(path for path in there if path.name not in different)
            why |= {path: different[path.name] for path in there if path.name in different}
    return {
        path: f"archive.min_copies asks for {enough} elsewhere, there are {copies[path]}: "
        f"{why.get(path, 'name more stores')}"
        for path in paths
        if copies[path] < enough
    }
