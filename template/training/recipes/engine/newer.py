"""Where the template of a project is, which version of it is the newest, and what that changes."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from engine.errors import UserError

SHORT = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/"}  # copier's abbreviations
_HEADING = re.compile(r"## v?(\d[\w.+-]*)")


@dataclass(frozen=True)
class Origin:
    """What the answers file tells: which file it is, the template's address, and the version."""

    answers_file: str  # relative to the project's root
    address: str
    version: str


@dataclass(frozen=True)
class Newer:
    """The newest version, None if the project has it, and the lines of the changelog since."""

    version: str | None
    changes: tuple[str, ...] = ()


def origin(root: Path) -> Origin:
    """Return where a project came from. Raises UserError if copier cannot tell any more."""
    for path in sorted(root.glob(".copier-answers*.yml")):
        try:
            answers = yaml.safe_load(path.read_text("utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise UserError(f"{path.name}: cannot be read: {str(error).splitlines()[0]}") from None
        if isinstance(answers, dict) and "starters_for" in answers:  # ours, and no other template's
            if "_commit" not in answers:
                raise UserError(
                    f"{path.name}: the template was no git repository; copy it again with "
                    "copier recopy, from one that is"
                )
            return Origin(path.name, str(answers["_src_path"]), str(answers["_commit"]))
    raise UserError("no .copier-answers.yml of this template is here; copy the template again")


def look(root: Path, origin: Origin) -> Newer:
    """Return what is newer. Raises UserError if the template cannot be reached."""
    if not shutil.which("git"):
        raise UserError("git is not here, and updates need it: install git")
    address = _whole(root, origin)
    command = ["check-update", "--output-format", "json", "--answers-file", origin.answers_file]
    try:
        found = json.loads(_output([*copier(), *command], root, f"{address}: "))
        if not found["update_available"]:
            return Newer(None)
        version = str(found["latest_version"])
    except (ValueError, KeyError) as error:
        raise UserError(f"{address}: copier check-update gave no answer: {error}") from None
    changelog = _changelog(address, version)
    return Newer(version, tuple(_since(changelog, origin.version.removeprefix("v"))))


def _whole(root: Path, origin: Origin) -> str:
    """Return the template's address; a path, which starts at the root, whole. Raises UserError."""
    if ":" in origin.address:  # a URL, an abbreviation of one, or a drive of Windows
        return origin.address
    place = root / Path(origin.address).expanduser()
    if not place.is_dir():
        raise UserError(
            f"{origin.answers_file}: _src_path {origin.address}: there is no such folder, as seen "
            "from this project; write the template's whole path, or its URL, there and commit"
        )
    return str(place.resolve())


def conflicts(root: Path) -> list[str]:
    """Return the files in which an update left conflict marks, or which git has two versions of."""
    command = ["git", "-c", "core.quotePath=false", "diff", "--name-only", "--diff-filter=U"]
    return _output([*command, "--relative"], root, "").splitlines()


def copier() -> list[str]:
    """Return the command that runs copier. Raises UserError if there is none."""
    if found := shutil.which("copier"):
        return [found]
    if found := shutil.which("uvx"):
        return [found, "copier"]
    raise UserError("copier is not here: pip install copier, or uv tool install copier")


def refuse_dirty(root: Path) -> None:
    """Raise UserError if something is not committed: the update could not be told from it.

    So it is where git keeps nothing at all.
    """
    inside = ["git", "rev-parse", "--is-inside-work-tree"]
    if subprocess.run(inside, cwd=root, capture_output=True, check=False).returncode:
        raise UserError(
            f"{root}: is in no git repository, which updates need; git init, commit, then update"
        )
    if changed := _output(["git", "status", "--porcelain"], root, "").splitlines():
        raise UserError(f"{changed[0][3:]}: is not committed; commit or stash, then update")


def _changelog(address: str, version: str) -> str:
    """Return the changelog of a version; nothing if it has none. Raises UserError."""
    for short, url in SHORT.items():
        if address.startswith(short):
            address = f"{url}{address.removeprefix(short)}.git"
    tag = version if version.startswith("v") else f"v{version}"
    with tempfile.TemporaryDirectory() as folder:
        clone = [
            "git",
            "clone",
            "--quiet",
            "--no-checkout",
            "--",
            address.removeprefix("git+"),
            ".",
        ]
        _output(clone, Path(folder), f"{address}: ")
        for name in (tag, version):
            shown = subprocess.run(
                ["git", "show", f"{name}:CHANGELOG.md"],
                cwd=folder,
                capture_output=True,
                check=False,
            )
            if shown.returncode == 0:
                return shown.stdout.decode("utf-8", "replace")
    return ""


def _since(changelog: str, version: str) -> Iterator[str]:
    """Yield the lines of all versions above that of the project: the newest comes first."""
    inside = False
    for line in changelog.splitlines():
        if heading := _HEADING.match(line):
            inside = True
            if heading[1] == version:
                return
        if inside:
            yield line


def _output(command: list[str], folder: Path, what: str) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    if done.returncode and not done.stdout.strip():
        told = next((line for line in lines if "fatal:" in line), lines[-1] if lines else "failed")
        raise UserError(f"{what}{told.strip()}; is there a network? Nothing was changed")
    return done.stdout
