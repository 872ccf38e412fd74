"""The story that the tutorial and the picture tell: real commands on a realistic mess."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from copier import run_copy

import legacy_tree
from demo import ANSWERS, CHECKOUT, outputs

NOW = "2025-07-26T09:00"
DATED = ("cleanup", "status", "where", "verify", "restore")  # recipes that can be told the time
PAPERS = ("model_weights/production/*.json", "training/results/*.md", "training/results/*.svg")
WIDTH = 92
BLOCK = re.compile(r"<!-- run: (.+?) \((\d+), (\d+)\) -->\n```console\n.*?```\n", re.DOTALL)
RUN = re.compile(r"\d{8}T\d{6}(?=_\w)")  # the time in the name of a run


@dataclass
class Story:
    """The mess, and what lay in it before and after the clean-up."""

    root: Path
    before: tuple[str, ...]
    after: tuple[str, ...] = ()

    def tell(self, text: str) -> str:
        """Return a page with the output of each command that a `run` comment names, run in order.

        The comment says how many lines are shown of the beginning and of the end.
        """
        return BLOCK.sub(lambda block: self._block(block[1], int(block[2]), int(block[3])), text)

    def _block(self, command: str, first: int, last: int) -> str:
        lines = self._run(command)
        if len(lines) > first + last + 1:
            lines = [*lines[:first], "...", *(lines[-last:] if last else [])]
        shown = "\n".join(["```console", f"$ {command}", *lines, "```"])
        return f"<!-- run: {command} ({first}, {last}) -->\n{shown}\n"

    def _run(self, command: str) -> list[str]:
        words = shlex.split(command)
        if words[0] == "just" and words[1] in DATED:
            words += ["--now", NOW]
        done = subprocess.run(
            words,
            cwd=self.root,
            env=_environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{command}: status {done.returncode}\n{done.stdout.decode()}")
        if command == "just cleanup --apply":
            self.after = _listed(self.root)
        text = done.stdout.decode().replace(str(self.root), "/home/me/mess")
        text = RUN.sub("20250726T090000", text.replace(f" --now {NOW}", ""))
        return [line.rstrip() for line in text.strip("\n").splitlines()]


def _environ() -> dict[str, str]:
    """Return an environment in which everybody's commands print the same."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    steady = {"TRAINING_PYTHON": sys.executable, "COLUMNS": str(WIDTH), "PYTHONUTF8": "1"}
    theirs = {name: os.environ[name] for name in ("HOME", "TMPDIR") if name in os.environ}
    return {**theirs, **steady, "PATH": path, "TZ": "UTC", "GIT_CONFIG_GLOBAL": os.devnull}


@contextmanager
def begun() -> Iterator[Story]:
    """Yield the story at its beginning: the mess, with the template copied into it."""
    with TemporaryDirectory() as folder:
        root, template = Path(folder) / "mess", Path(folder) / "copier"
        legacy_tree.build(root)
        legacy_tree.commit(root)
        before = _listed(root)
        ignore = shutil.ignore_patterns("__pycache__", ".*_cache")
        shutil.copytree(CHECKOUT / "template", template / "template", ignore=ignore)
        shutil.copy(CHECKOUT / "copier.yml", template)
        answers = {**ANSWERS, "project_name": root.name}
        run_copy(str(template), root, data=answers, defaults=True, quiet=True)
        yield Story(root, before)


def _listed(root: Path) -> tuple[str, ...]:
    """Return the checkpoints, logs and archives, and what is written of a model, sorted."""
    papers = (path.relative_to(root) for glob in PAPERS for path in root.glob(glob))
    return tuple(sorted(path.as_posix() for path in {*outputs(root), *papers}))
