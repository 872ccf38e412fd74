"""Show the whole story on a realistic mess: copy, plan, apply, before and after, undo."""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from copier import run_copy
from copier.errors import DirtyLocalWarning
from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.tree import Tree

import legacy_tree

CHECKOUT = Path(__file__).resolve().parents[1]
ANSWERS = {
    "project_name": "big-mood-detector",
    "model_types": ["pat_conv_l"],
    "metric_name": "auc",
    "pretrained_weights": ["*_29k_weights.h5"],
}
OUTPUTS = frozenset({".pth", ".pt", ".h5", ".log", ".out", ".gz"})
HEAD, TAIL = 30, 14  # lines of a long plan that are shown

Snapshot = dict[str, tuple[str, int, int]]


def main() -> int:
    """Play the demo; returns 0 if undo gave back every byte."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in this new folder; keep it")
    arguments = parser.parse_args()
    if arguments.keep:
        return play(arguments.keep)
    with tempfile.TemporaryDirectory() as folder:
        return play(Path(folder) / "big-mood-detector")


def play(root: Path) -> int:
    """Play the demo in a new folder."""
    out = Console(highlight=False, width=min(Console().width, 120))
    chapter(out, "A repository after three months of training")
    legacy_tree.build(root)
    before_tree = outputs_tree(root, "before")
    out.print(f"{len(list(outputs(root)))} checkpoints and logs, fourteen of them best_model.pt.")
    chapter(out, "copier copy: the layout, the conventions and the recipes join it")
    warnings.simplefilter("ignore", DirtyLocalWarning)  # uncommitted changes are part of the demo
    run_copy(str(CHECKOUT), root, data=ANSWERS, defaults=True, quiet=True, vcs_ref="HEAD")
    out.print("$ copier copy TEMPLATE .", style="bold cyan")
    original = snapshot(root)
    chapter(out, "just cleanup: what would happen, and why. Nothing is changed")
    just(out, root, "cleanup")
    chapter(out, "just cleanup --apply: do it")
    just(out, root, "cleanup", "--apply")
    both = Table.grid(expand=True, padding=(0, 2))
    both.add_row(before_tree, outputs_tree(root, "after"))
    chapter(out, "Before and after")
    out.print(both)
    chapter(out, "just undo: take it back")
    just(out, root, "undo")
    same = snapshot(root) == original
    verdict = "every byte, mode and time is back" if same else "SOMETHING DIFFERS"
    out.print(f"Compared with the tree before: {verdict}.", style="bold green" if same else "red")
    return 0 if same else 1


def chapter(out: Console, title: str) -> None:
    """Print a heading."""
    out.print()
    out.print(Rule(title, align="left", style="cyan"))


def just(out: Console, root: Path, *words: str) -> None:
    """Run a recipe as a user does and print what it prints, long plans shortened."""
    out.print(f"$ just {' '.join(words)}", style="bold cyan")
    environment = os.environ | {"TRAINING_PYTHON": sys.executable, "COLUMNS": str(out.width)}
    if out.is_terminal:
        environment["FORCE_COLOR"] = "1"
    done = subprocess.run(
        ["just", *words], cwd=root, env=environment, stdout=subprocess.PIPE, check=False
    )
    lines = done.stdout.decode().splitlines()
    if len(lines) > HEAD + TAIL + 1:
        hidden = f"  [... {len(lines) - HEAD - TAIL} lines more ...]"
        lines = [*lines[:HEAD], hidden, *lines[-TAIL:]]
    print("\n".join(line.rstrip() for line in lines), flush=True)
    if done.returncode:
        sys.exit(f"just {' '.join(words)} ended with status {done.returncode}")


def outputs(root: Path) -> Iterator[Path]:
    """Yield the checkpoints, logs and archives, which is what the trees show."""
    for path in sorted(root.rglob("*")):
        inner = path.relative_to(root)
        if path.suffix in OUTPUTS and ".history" not in inner.parts:
            yield inner


def outputs_tree(root: Path, title: str) -> Tree:
    """Return a tree of the outputs, for printing."""
    top = Tree(title, style="bold", guide_style="dim")
    branches = {Path(): top}
    for path in outputs(root):
        for folder in reversed(path.parents):
            if folder not in branches:
                branches[folder] = branches[folder.parent].add(f"{folder.name}/", style="not bold")
        style = {".log": "not bold yellow", ".out": "not bold yellow"}.get(path.suffix, "not bold")
        branches[path.parent].add(path.name, style=style)
    return top


def snapshot(root: Path) -> Snapshot:
    """Return hash, mode and time of everything but the journal, to compare with."""
    found = {}
    for path in root.rglob("*"):
        inner = path.relative_to(root)
        if ".history" not in inner.parts:
            status = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            digest = hashlib.sha256(content).hexdigest()
            found[inner.as_posix()] = (digest, status.st_mode, status.st_mtime_ns)
    return found


if __name__ == "__main__":
    sys.exit(main())
