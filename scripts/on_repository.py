"""Run a shipped recipe on any repository before the template is copied into it: plans only."""

import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

from copier import run_copy
from copier.errors import DirtyLocalWarning

CHECKOUT = Path(__file__).resolve().parents[1]
TRAINING = Path("training")
HELP = {"-h", "--help"}


def main(argv: Sequence[str]) -> int:
    """Run `RECIPE REPO [OPTION...]`; returns the recipe's exit status, 2 for a wrong call."""
    recipe, *words = argv
    script = CHECKOUT / "template" / TRAINING / "recipes" / f"{recipe}.py"
    if HELP.intersection(words):
        print(f"Here a repository comes first: uv run just {recipe} REPO [option...]\n", flush=True)
        return subprocess.run([sys.executable, str(script), "--help"], check=False).returncode
    if not words or words[0].startswith("-"):
        return refuse(f"which repository? for example: uv run just {recipe} ../my-project")
    repository, *options = words
    root = Path(repository).resolve()
    if not root.is_dir():
        return refuse(f"{repository}: is no folder")
    if "--apply" in options:
        return refuse(
            f"{repository}: copy the template into it first (uv run just scaffold {repository}), "
            f"then run just {recipe} --apply there"
        )
    with tempfile.TemporaryDirectory() as folder:
        conventions = root / TRAINING / "conventions.toml"
        if not conventions.exists():
            conventions = default_conventions(Path(folder))
        command = [sys.executable, str(script), "--project", str(root)]
        return subprocess.run(
            [*command, "--conventions", str(conventions), *options], check=False
        ).returncode


def default_conventions(folder: Path) -> Path:
    """Return the conventions that a copy with default answers would bring."""
    warnings.simplefilter("ignore", DirtyLocalWarning)  # a maintainer's uncommitted changes count
    run_copy(str(CHECKOUT), folder, defaults=True, quiet=True, vcs_ref="HEAD")
    return folder / TRAINING / "conventions.toml"


def refuse(why: str) -> int:
    """Say why in one line; returns the exit status of a wrong call."""
    print(why, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
