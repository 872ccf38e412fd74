"""The options that recipes share. Only this much of the engine is imported for a `--help`."""

import argparse
import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NoReturn


class _Formatter(argparse.HelpFormatter):
    """Fits each paragraph of a description to the terminal."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fill = super()._fill_text
        return "\n\n".join(fill(part, width, indent) for part in text.strip().split("\n\n"))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Exit with status 2 and one line, as all mistakes end; argparse shows its usage first."""
        from engine.show import warn

        warn(f"{self.prog}: error: {message}; {self.prog} --help shows what there is")
        self.exit(2)


def parser(recipe: str, description: str, example: str) -> argparse.ArgumentParser:
    """Return a parser that calls itself what the user typed, with the options that all share."""
    made = _Parser(
        prog=f"just {recipe}",
        description=description,
        epilog=f"example: {example}",
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    made.add_argument("--json", action="store_true", help="print JSON, for programs")
    made.add_argument(
        "--project",
        type=Path,
        metavar="DIR",
        help="another project than the one that this recipe lies in",
    )
    made.add_argument(
        "--conventions",
        type=Path,
        metavar="FILE",
        help="another file than the project's training/conventions.toml",
    )
    return made


def add_all(made: argparse.ArgumentParser) -> None:
    """Add the option that shows every file of a large plan."""
    made.add_argument("--all", action="store_true", help="show each file of a large plan")


def add_apply(made: argparse.ArgumentParser) -> None:
    """Add the options with which a plan is carried out that puts originals into quarantine."""
    add_all(made)
    made.add_argument(
        "--apply", action="store_true", help="carry the plan out (just undo takes it back)"
    )
    made.add_argument(
        "--fast",
        action="store_true",
        help="store what hardly compresses: weights take 8 percent more space, less time",
    )
    made.add_argument(
        "--purge-as-you-go",
        action="store_true",
        help="with --apply, for disks that cannot hold both: free originals archive by archive, "
        "each verified first; deleted-on-request files cannot come back",
    )


def add_now(made: argparse.ArgumentParser, does: str) -> None:
    """Add the option that has a recipe take another time for the present one."""
    made.add_argument(
        "--now", type=moment, metavar="TIME", help=f"{does}, such as 2025-07-25T12:00"
    )


def add_experiment(made: argparse.ArgumentParser) -> None:
    """Add the arguments that `new` and `train` share."""
    add = made.add_argument
    add("model_type", metavar="MODEL_TYPE", help="such as resnet50")
    add("name", nargs="?", metavar="NAME", help="what is tried, such as wide_lr_warmup")
    add("--seed", type=int, metavar="N", help="the seed, noted in config.yaml")
    add("--parent", metavar="EXPERIMENT", help="the experiment that this one goes on from")
    add("--python", metavar="FILE", help="the interpreter that trains, to note its packages")
    add("--dry-run", action="store_true", help="only say what would be made")
    add_now(made, "begin as of this time")


def moment(text: str) -> datetime:
    """Return the time that an argument tells, as a local one: one with a zone is converted."""
    try:
        told = datetime.fromisoformat(text)
        if not 1970 < told.year < 9999:  # local times and ages are to be had on both sides
            raise ValueError
        return told.astimezone().replace(tzinfo=None) if told.tzinfo else told
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 2025-07-25T12:00") from None


def day(text: str) -> date:
    """Return the day that an argument tells."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write 2025-07-25") from None


def days(text: str) -> timedelta:
    """Return the age that an argument tells: 30d, 4w."""
    match = re.fullmatch(r"(\d{1,5})([dw]?)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no age; write 30d or 4w")
    return timedelta(days=min(int(match[1]) * (7 if match[2] == "w" else 1), 36500))


def count(text: str) -> int:
    """Return the number, 0 or more, that an argument tells."""
    if not re.fullmatch(r"\d{1,6}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no count; write 0 or more")
    return int(text)
