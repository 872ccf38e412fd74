"""The interpreter that trains, which is not the one that runs the recipes, and its packages."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from engine.errors import UserError

SECONDS = 60  # a large environment on a network disk is slow to list

# What these start runs in an environment that they choose themselves.
LAUNCHERS = frozenset(
    "uv uvx poetry pdm pipenv hatch rye pixi conda mamba micromamba docker podman apptainer "
    "singularity ssh sbatch".split()
)
_PYTHON = re.compile(r"python[\d.]*(?:\.exe)?")
_SHEBANG = re.compile(rb"#!\s*(\S*/python[\d.]*)\s")
_LISTING = """
import json, platform
from importlib import metadata
found = {}
for each in metadata.distributions():
    found.setdefault(each.metadata["Name"], each.version)
pins = sorted("%s==%s" % pair for pair in found.items() if all(pair))
print(json.dumps({"python": platform.python_version(), "packages": pins}))
"""


def own_environment() -> Path | None:
    """Return the environment that uv made for the recipes; None if uv does not run this one."""
    prefix = Path(sys.prefix)
    return prefix if prefix.parent.name.startswith("environments-v") else None


def users_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment as it was before uv put the recipes' own interpreter in front."""
    own = own_environment()
    if own is None:
        return dict(environ)
    cache = own.parent.parent
    kept = {name: value for name, value in environ.items() if name != "VIRTUAL_ENV"}
    places = environ.get("PATH", "").split(os.pathsep)
    path = [place for place in places if not Path(place).is_relative_to(cache)]
    active = (Path(place).parent for place in path if place)
    if found := next((each for each in active if (each / "pyvenv.cfg").is_file()), None):
        kept["VIRTUAL_ENV"] = str(found)
        # Activating it put it first; a shim, such as pyenv's for uv, may have put itself before it.
        path.sort(key=lambda place: Path(place).parent != found)
    return kept | {"PATH": os.pathsep.join(path)}


def training_python(
    named: str | None, command: Sequence[str], environ: Mapping[str, str]
) -> str | None:
    """Return the path of the interpreter that trains: the named one, the command's, or `python`.

    None if there is none, or if only the command's launcher knows. Raises UserError if the named
    one does not exist.
    """
    path = environ.get("PATH")
    if named:
        if not (found := shutil.which(named, path=path)):
            raise UserError(f"--python {named}: is no program; name an interpreter")
        return found
    first = PurePath(command[0]).name if command else ""
    if first in LAUNCHERS:
        return None
    program = shutil.which(command[0], path=path) if command else None
    if program and not _PYTHON.fullmatch(first):
        program = _of_script(Path(program))
    return program or shutil.which("python", path=path) or shutil.which("python3", path=path)


def installed(python: str | None, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return `python`, its version, and `packages`, as `name==version`; None where unknown."""
    unknown = {"python": None, "packages": None}
    if python is None:
        return unknown
    try:
        done = subprocess.run(
            [python, "-c", _LISTING],
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=True,
        )
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return unknown
    return found


def _of_script(program: Path) -> str | None:
    """Return the interpreter that a script such as `torchrun` names in its first line."""
    try:
        with program.open("rb") as file:
            named = _SHEBANG.match(file.readline(1000))
    except OSError:
        return None
    return shutil.which(os.fsdecode(named[1])) if named else None
