"""Copies of the template, and projects made from it, for the tests of both."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import copier
from copier._main import Worker
from jinja2 import Environment
from plumbum import local

REPOSITORY = Path(__file__).resolve().parents[1]
JUST = shutil.which("just", path=f"{REPOSITORY / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}")

# Whoever runs the tests may sign commits or rename branches; none of it belongs here.
GIT_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", "Tests"), ("EMAIL", "tests@example.invalid"))
    },
}

# Caches and the like, which lie beside the sources when tests have run.
CACHES = shutil.ignore_patterns("__pycache__", ".*_cache")

# Copier compiles the name of each file anew for each copy, which took half of its time.
compiled: dict[tuple[str, ...], Any] = {}
compile_now = Environment.compile


def compile_once(self: Environment, source: Any, *where: Any, **how: Any) -> Any:
    """Compile a source, or take what it was compiled to before by an environment of copier's."""
    if how or not type(self).__module__.startswith("copier."):
        return compile_now(self, source, *where, **how)
    key = (source, *where)
    if key not in compiled:
        compiled[key] = compile_now(self, *key)
    else:
        self.preprocess(*key)  # where copier's `yield` begins anew
    return compiled[key]


Environment.compile = compile_once  # type: ignore[method-assign]

# It also asks git about each file whether the disk keeps modes, which only Windows does not.
if os.name != "nt":
    Worker._sync_git_index_executable_bit = lambda *_: None  # type: ignore[method-assign]


def copy_of_template(folder: Path) -> Path:
    """Copy what copier needs of this repository into a folder without git; return it."""
    shutil.copytree(REPOSITORY / "template", folder / "template", ignore=CACHES)
    shutil.copy(REPOSITORY / "copier.yml", folder)
    return folder


def generate(template: Path, project: Path, ref: Any = None, **answers: Any) -> Path:
    """Copy the template with these answers and no prompt or trust; return the project.

    `ref` is a version of the template, by default the newest.
    """
    with local.env(**GIT_ENVIRONMENT):
        copier.run_copy(
            str(template),
            project,
            data=answers,
            defaults=True,
            quiet=True,
            unsafe=False,
            vcs_ref=ref,
        )
    return project


def update(project: Path, **answers: Any) -> None:
    """Update a project to the newest tag of its template, without trust."""
    with local.env(**GIT_ENVIRONMENT):
        copier.run_update(
            project, data=answers, defaults=True, overwrite=True, quiet=True, unsafe=False
        )


def git(folder: Path, *arguments: str) -> str:
    """Run git under a neutral configuration; return what it prints."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, **GIT_ENVIRONMENT},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def commit_all(folder: Path, tag: str | None = None) -> None:
    """Commit everything that git does not ignore, in a repository that is made if need be."""
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", tag or "a state")
    if tag:
        git(folder, "tag", tag)


def make_files(root: Path, files: dict[str, str]) -> Path:
    """Write text files by their relative paths; return the root."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def read_files(root: Path) -> dict[str, bytes]:
    """Return the bytes of every file below a folder by its relative path, git's own left out."""
    paths = (path for path in root.rglob("*") if path.is_file())
    names = {path.relative_to(root).as_posix(): path for path in paths}
    return {name: path.read_bytes() for name, path in names.items() if not name.startswith(".git/")}
