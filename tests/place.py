"""A repository with one run in it, and the recipes at work on it, in this process."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cleanup
import purge
import undo
from conventions_text import CONVENTIONS
from engine.errors import UserError
from projects import changed, tree
from torch_writer import Tensor, save

OLD = 1_752_000_000_000_000_000  # July 2025, in nanoseconds

Answer = tuple[int, str]


class Place:
    """A repository with one run in it, and the recipes at work on it."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self.capsys = root, capsys
        self.write("training/conventions.toml", CONVENTIONS)
        self.weights("runs/one/best.pt", 0.7)
        self.weights("runs/one/last.pt", 0.6)

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def weights(self, name: str, auc: float) -> Path:
        path = self.write(name, b"")
        save(path, {"val_auc": auc, "model": {"w": Tensor((64,), seed=int(auc * 100))}})
        return path

    def settle(self) -> "Place":
        """Make everything so old that nothing is in use, and remember it as it is."""
        for path in sorted(self.root.rglob("*"), reverse=True):
            os.utime(path, ns=(OLD, OLD), follow_symlinks=False)
        self.before = self.tree()
        return self

    def changed(self) -> set[str]:
        """Return what is not as it was when all was settled."""
        return changed(self.before, self.tree())

    def tree(self) -> Any:
        return tree(self.root)

    def run(self, main: Callable[[list[str]], int], *words: str) -> Answer:
        conventions = self.root / "training/conventions.toml"
        options = ["--project", str(self.root), "--conventions", str(conventions)]
        try:
            status = main([*words, *options])
        except UserError as error:
            return 2, str(error)
        said = self.capsys.readouterr()
        return status, said.out + said.err

    def plan(self, *words: str) -> dict[str, Any]:
        answer = json.loads(self.run(cleanup.main, "--json", *words)[1])
        assert isinstance(answer, dict)
        return answer

    def there_and_back(self) -> Answer:
        """Clean up, purge and undo; all must be as it was. Returns what the clean-up said."""
        self.settle()
        answer = self.run(cleanup.main, "--apply")
        self.run(purge.main, "--apply")
        self.run(undo.main)
        assert not self.changed()
        return answer
