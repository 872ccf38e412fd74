"""Projects to try the recipes on, as a user does: copied by copier, run by just."""

import contextlib
import hashlib
import json
import os
import runpy
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import engine.project
import legacy_tree
from template_fixture import GIT_ENVIRONMENT, JUST, REPOSITORY, copy_of_template, generate

LEGACY_ANSWERS = {
    "project_name": "big-mood-detector",
    "model_types": ["pat_conv_l"],
    "pretrained_weights": ["*_29k_weights.h5"],
}
RECIPES = "training/recipes.just"

Tree = dict[str, tuple[str, int, int]]


def legacy_project(folder: Path) -> Path:
    """Build the legacy repository in a folder and copy the template into it; return its root."""
    root = folder / "big-mood-detector"
    legacy_tree.build(root)
    return generate(copy_of_template(folder / "copier"), root, **LEGACY_ANSWERS)


def twin(project: Path, folder: Path) -> Path:
    """Return a copy of a project with the same times."""
    return Path(shutil.copytree(project, folder / project.name, symlinks=True))


def just(
    project: Path, *words: str, status: int = 0, cwd: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a recipe as a user does and check its exit status; return what it printed."""
    done = subprocess.run(
        [JUST or "just", "-f", str(project / RECIPES), *words],
        cwd=cwd or project,
        env=_environment(environ),
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done


def just_json(project: Path, *words: str, status: int = 0) -> dict[str, Any]:
    """Run a recipe with --json; return what it printed."""
    answer = json.loads(just(project, *words, "--json", status=status).stdout)
    assert isinstance(answer, dict)
    return answer


def recipe(
    project: Path, name: str, *words: str, status: int = 0, cwd: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a recipe's script as `just` does, but in this process, which is ten times as fast.

    The script is the project's own; the engine that it imports is the one of this repository.
    """
    script = str(project / f"training/recipes/{name}.py")
    terminated = signal.getsignal(signal.SIGTERM)
    ended = None
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as out,
        tempfile.TemporaryFile("w+", encoding="utf-8") as err,
    ):
        with (
            contextlib.chdir(cwd or project),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            patch.dict(os.environ, _environment(environ), clear=True),
            patch.object(sys, "argv", [script, *words]),
            patch.object(sys, "path", sys.path.copy()),
            patch.object(engine.project, "_TRAINING", (project / "training").resolve()),
        ):
            try:
                runpy.run_path(script, run_name="__main__")
            except SystemExit as end:
                ended = end.code
            finally:
                signal.signal(signal.SIGTERM, terminated)
        out.seek(0)
        err.seek(0)
        done = subprocess.CompletedProcess(
            [script, *words], int(ended or 0), out.read(), err.read()
        )
    assert done.returncode == status, done.stdout + done.stderr
    return done


def recipe_json(project: Path, name: str, *words: str, status: int = 0) -> dict[str, Any]:
    """Run a recipe with --json in this process; return what it printed."""
    answer = json.loads(recipe(project, name, *words, "--json", status=status).stdout)
    assert isinstance(answer, dict)
    return answer


def tree(root: Path, without: tuple[str, ...] = ("training/.history",)) -> Tree:
    """Return content hash (or link target), mode and time of everything below a folder."""
    found = {}
    for where, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = f"{where}{os.sep}{name}"
            inner = path[len(f"{root}{os.sep}") :].replace(os.sep, "/")
            if not any(inner == skip or inner.startswith(f"{skip}/") for skip in without):
                status = os.lstat(path)
                found[inner] = (_content(path, status.st_mode), status.st_mode, status.st_mtime_ns)
    return found


def contents(root: Path) -> set[str]:
    """Return the hashes of all files below a folder."""
    files = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def changed(before: Mapping[str, object], after: Mapping[str, object]) -> set[str]:
    """Return the paths whose entries differ, for a readable failure."""
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a recipe, in which no folder of whoever runs the tests is named."""
    kept = {k: v for k, v in os.environ.items() if k != "COLUMNS" and not k.endswith("_DIR")}
    return {**kept, **GIT_ENVIRONMENT, "TRAINING_PYTHON": sys.executable, **more}


def _content(path: str, mode: int) -> str:
    if stat.S_ISLNK(mode):
        return f"-> {os.readlink(path)}"  # noqa: PTH115 - undecodable targets too
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() if stat.S_ISREG(mode) else "folder"


__all__ = [
    "LEGACY_ANSWERS",
    "REPOSITORY",
    "changed",
    "contents",
    "just",
    "just_json",
    "legacy_project",
    "recipe",
    "recipe_json",
    "tree",
    "twin",
]
