"""Other machines: what Windows allows, newer Pythons, and a cluster that has no uv."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from projects import just_json
from template_fixture import REPOSITORY, commit_all, git, make_files
from trained_project import new_project

# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
ILLEGAL = re.compile(r'[<>:"\\|?*\x00-\x1f]|[ .]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.I)
COMPILE = (
    "import pathlib, sys\nfor p in sys.argv[1:]: compile(pathlib.Path(p).read_bytes(), p, 'exec')"
)


def installed() -> Iterator[str]:
    """Yield an interpreter of each version from 3.11 on that starts: a shim of pyenv may not."""
    for minor in range(11, 15):
        found = [shutil.which(f"python3.{minor}", path=folder) for folder in FOLDERS]
        pyenv = (Path(folder).parent / "versions" for folder in FOLDERS)
        inner = (path for root in pyenv for path in root.glob(f"3.{minor}.*/bin/python"))
        candidates = [*filter(None, found), *map(str, inner)]
        yield from [python for python in candidates if starts(python, f"3.{minor}")][:1]


def starts(python: str, version: str) -> bool:
    """Return whether an interpreter runs, and is of that version."""
    said = subprocess.run([python, "-V"], capture_output=True, text=True, check=False).stdout
    return said.startswith(f"Python {version}.")


FOLDERS = os.environ["PATH"].split(os.pathsep)


def test_every_name_is_legal_on_windows(tmp_path: Path) -> None:
    """No part of a path, here and in a project, is one that Windows refuses or mixes up."""
    listed = git(REPOSITORY, "ls-files", "-z").split("\0") if (REPOSITORY / ".git").exists() else []
    project = new_project(tmp_path)
    made = [path.relative_to(project).as_posix() for path in project.rglob("*")]
    for paths in (listed, made):
        parts = {part for path in paths for part in path.split("/")}
        rendered = {part for part in parts if "{" not in part}  # in the template's own names
        assert {part for part in rendered if ILLEGAL.search(part)} == set()
        assert len({path.casefold() for path in paths}) == len(set(paths))
        assert max(map(len, paths), default=0) < 200  # of 259, with the folder above


@pytest.mark.parametrize("python", list(installed()))
def test_what_ships_compiles(python: str, tmp_path: Path) -> None:
    """Each Python from 3.11 on that is installed compiles every file, without a warning."""
    files = sorted(map(str, (REPOSITORY / "template").rglob("*.py")))
    done = subprocess.run(
        [python, "-W", "error", "-c", COMPILE, *files], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_named_interpreter_needs_no_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With TRAINING_PYTHON and neither uv nor a network, recipes plan, apply and take back."""
    project = new_project(tmp_path)
    make_files(project, {"logs/train_20200101.log": "Epoch 1: val_auc=0.5\n"})
    os.utime(project / "logs/train_20200101.log", (0, 0))
    commit_all(project)
    (tmp_path / "bin").mkdir()
    for name in ("git", "sh", "bash"):
        if found := shutil.which(name):
            (tmp_path / "bin" / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("TRAINING_PYTHON", sys.executable)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert shutil.which("uv") is None
    assert just_json(project, "cleanup", "--apply")["run"]
    assert not (project / "logs/train_20200101.log").exists()
    just_json(project, "undo")
    assert (project / "logs/train_20200101.log").is_file()


DOCS = sorted((REPOSITORY / "docs").glob("*.md"))


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.stem)
def test_the_guides_name_what_exists(path: Path) -> None:
    """Every `just NAME` is a recipe, every link leads to a file, and Python blocks compile."""
    text = path.read_text("utf-8")
    justfiles = (REPOSITORY / "template/training/recipes.just", REPOSITORY / "justfile")
    recipes = "\n".join(justfile.read_text() for justfile in justfiles)
    known = set(re.findall(r"^(\w+)(?: \w+)* \*args:", recipes, re.MULTILINE))
    known |= {"outputs", "itself", "is"}
    code = "\n".join(re.findall(r"^```\w*\n.*?^```|`[^`\n]+`", text, re.MULTILINE | re.DOTALL))
    assert set(re.findall(r"(?:^|[`$ ])just ([a-z]+)\b", code, re.MULTILINE)) <= known
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (path.parent / link).is_file(), link
    for block in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        compile(block, str(path), "exec")
