"""Rules about what says where things lie: conventions.toml, `.env`, the environment, the helper."""

import re
from collections.abc import Iterator
from pathlib import Path

import log_paths
from engine.checks.subject import Subject, Violation
from engine.errors import UserError
from engine.project import disagreements

_BESIDE_RECIPES = Path(__file__).resolve().parents[3] / "log_paths.py"


def of_conventions(error: UserError) -> Violation | None:
    """Return what an error says of conventions.toml; None if it is about something else."""
    place = re.fullmatch(r"(.*conventions\.toml)(?::(\d+))?: (.*)", str(error))
    if not place:
        return None
    name = Path(*Path(place[1]).parts[-2:]).as_posix()
    return Violation(name, int(place[2] or 1), "conventions", place[3])


def folders_agree(subject: Subject) -> Iterator[Violation]:
    """Yield where the environment, `.env` and conventions.toml place a folder differently."""
    for line in disagreements(subject.project.root, subject.conventions):
        variable = line.partition(":")[0]
        path, number = _said_at(subject, variable, in_dotenv=".env says" in line)
        if subject.wants(path):
            yield Violation(path, number, "folder", line)


def _said_at(subject: Subject, variable: str, *, in_dotenv: bool) -> tuple[str, int]:
    if not in_dotenv:
        key = next(key for key, name in log_paths.VARIABLES.items() if name == variable)
        return subject.conventions_path, subject.line_of_key("folders", key)
    lines = (subject.project.root / ".env").read_text("utf-8-sig", "replace").split("\n")
    setting = re.compile(rf"\s*(?:export\s+)?{variable}\s*=")
    return ".env", max((n for n, text in enumerate(lines, 1) if setting.match(text)), default=1)


def helper_is_in_step(subject: Subject) -> Iterator[Violation]:
    """Yield a helper that hides the one which belongs to these recipes and their conventions."""
    path = _shown_helper(subject)
    if Path(log_paths.__file__).resolve() != _BESIDE_RECIPES and subject.wants(path):
        other = f"{log_paths.__file__} comes before it on Python's module path; rename that one"
        yield Violation(path, 1, "helper", other)


def _shown_helper(subject: Subject) -> str:
    """Return where the helper lies, as it is shown."""
    return f"{subject.project.conventions.folders.training}/{_BESIDE_RECIPES.name}"
