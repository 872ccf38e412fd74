"""The pages that people read: true to the code, with links that lead somewhere."""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest

import cleanup
import docs_recipes
import docs_story
import status
import write_docs
from engine.archives import remote
from engine.changes import journal
from engine.plans import plan
from log_paths import RECORDED, VARIABLES
from place import Place
from projects import REPOSITORY

PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "template/**/*.md", "template/**/*.md.jinja")
    for path in REPOSITORY.glob(pattern)
)
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+)`")
ROOT = re.compile(r"^([a-z]+)(?: .*)?:", re.MULTILINE)


def page_id(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def text_of(page: str) -> str:
    return (REPOSITORY / page).read_text("utf-8")


def test_what_is_made_from_the_code_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reference tables, transcripts and the picture are what `just docs` would write now."""
    compiled = {name: os.environ[name] for name in ("PYTHONPATH", "SHARED_BYTECODE")}
    everybodys = docs_story._environ()
    monkeypatch.setattr(docs_story, "_environ", lambda: {**everybodys, **compiled})
    stale = [
        page_id(path)
        for path, text in write_docs.contents().items()
        if not path.exists() or path.read_text("utf-8") != text
    ]
    assert not stale, "just docs brings them up to date"


def test_the_picture_needs_nothing_from_elsewhere() -> None:
    """The picture names no font file, script or address, so it looks the same everywhere."""
    picture = text_of(write_docs.PICTURE)
    assert "prefers-color-scheme: dark" in picture
    assert not re.search(
        r"@import|@font-face|url\(|<script|href=|https?://(?!www\.w3\.org/2000/svg)", picture
    )


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """Sphinx makes the site, every reference resolved, and no page asks for another machine."""
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "-q", "-d", str(tmp_path / "cache")]
    done = subprocess.run(
        [*command, str(REPOSITORY / "docs"), str(tmp_path / "site")],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 15
    fetched = re.compile(r"<(?:script|link|img)[^>]*(?:src|href)=\"https?://")
    assert not [page.name for page in pages if fetched.search(page.read_text("utf-8"))]


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_leads_somewhere(page: Path) -> None:
    """A link to a file names one that is there, and its anchor a heading of it."""
    prose = FENCED.sub("", page.read_text("utf-8"))
    for link in LINK.findall(prose):
        target, _, anchor = link.partition("#")
        if "://" in target or "{{" in target:
            continue
        path = (page.parent / target).resolve() if target else page
        assert path.exists() or path.with_name(f"{path.name}.jinja").exists(), link
        if anchor:
            assert anchor in anchors(path), link


@cache
def anchors(path: Path) -> frozenset[str]:
    """Return the anchors of a page's headings, as GitHub and MyST make them."""
    headings = HEADING.findall(FENCED.sub("", path.read_text("utf-8")))
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()).strip() for heading in headings)
    return frozenset(heading.replace(" ", "-") for heading in plain)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_command_can_be_given(page: Path) -> None:
    """Each `just ...` of a page names a recipe that is there, and options that it takes."""
    for command, whole in commands(page.read_text("utf-8")):
        check_command(command, whole)


BEGINNINGS = ("README.md", "docs/tutorial.md", "docs/how_to/start_a_project.md")


@pytest.mark.parametrize("page", [*BEGINNINGS, "docs/how_to/adopt_a_repository.md"])
def test_a_page_to_begin_with_says_how_to_get_just(page: str) -> None:
    """Who has Python and git alone can give each command of it: uv brings no just."""
    assert "pip install uv rust-just" in text_of(page)


def test_a_command_that_cannot_be_given_is_found() -> None:
    """A recipe or an option that is not there does not pass, in a line or in a sentence."""
    for wrong in ("just tidy", "just cleanup --force", "just restore"):
        with pytest.raises(AssertionError):
            check_command(wrong, whole=True)
    check_command("just restore", whole=False)


def commands(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each command of a page, and whether it stands there as a whole, to be typed."""
    for language, block in FENCED.findall(text):
        if language in ("bash", "console", "text", ""):
            for line in block.splitlines():
                found = re.match(r"(?:\$ )?(?:.*&& )?((?:uv run )?just .*)", line)
                if found and (language != "console" or line.startswith("$ ")):
                    yield found[1], True
    for span in SPAN.findall(FENCED.sub("", text)):
        if re.match(r"(?:uv run )?just ", span):
            yield span, False


def check_command(command: str, whole: bool) -> None:
    """Assert that a command can be given; one in a sentence may leave arguments out."""
    words = shlex.split(re.sub(r"[][]|\.\.\.", "", command), comments=True)
    own = words[:2] == ["uv", "run"]
    words = words[words.index("just") + 1 :]
    if words[:1] == ["outputs"]:
        words = words[1:]
    if words[:1] == ["-f"]:
        words = words[2:]
    recipe, *rest = words
    if recipe in ("--list", "RECIPE"):
        return
    if own or recipe not in recipes():
        assert recipe in ROOT.findall(text_of("justfile")), command
        return
    parser = docs_recipes.parser_of(recipe)
    rest = rest[: rest.index("--")] if "--" in rest else rest
    known = parser._option_string_actions
    assert all(word in known for word in rest if word.startswith("--")), command
    if whole and not any(word.isupper() for word in rest):
        parses(parser, rest, command)


def parses(parser: argparse.ArgumentParser, words: list[str], command: str) -> None:
    try:
        parser.parse_args(words)
    except SystemExit:
        raise AssertionError(command) from None


@cache
def recipes() -> frozenset[str]:
    return frozenset(recipe for group in docs_recipes.GROUPS.values() for recipe in group)


def test_the_reader_of_the_example_reads(tmp_path: Path) -> None:
    """The example of how to add a reader is a reader: it runs, and finds the value."""
    code = next(block for _, block in FENCED.findall(text_of("CONTRIBUTING.md")))
    reader: dict[str, Any] = {}
    exec(code, reader)  # the module of the example
    scores = tmp_path / "score.ini"
    scores.write_text("val_auc = 0.91\n")
    (measured,) = reader["read"](scores, "score.ini").measurements
    assert (measured.name, measured.value) == ("val_auc", 0.91)


def test_the_size_of_what_ships_is_told_as_it_is() -> None:
    """The page of decisions says, within a quarter, how many lines a project receives."""
    told = re.search(r"([\d,]+) lines of Python", text_of("docs/explanation/decisions.md"))
    assert told
    lines = sum(
        len(path.read_text("utf-8").splitlines()) for path in docs_recipes.RECIPES.rglob("*.py")
    )
    assert int(told[1].replace(",", "")) == pytest.approx(lines, rel=0.25)


def test_every_recipe_is_in_the_reference() -> None:
    """The groups of the reference hold each script that ships, once."""
    listed = [recipe for group in docs_recipes.GROUPS.values() for recipe in group]
    assert sorted(listed) == sorted(path.stem for path in docs_recipes.RECIPES.glob("*.py"))


@pytest.mark.parametrize(
    "words",
    [
        get_args(journal.Op),
        get_args(plan.Verb),
        list(journal.Record._fields),
        [*VARIABLES.values(), RECORDED, remote.VARIABLE, "TRAINING_PYTHON"],
    ],
    ids=["ops", "verbs", "journal", "variables"],
)
def test_the_formats_are_described_in_full(words: list[str]) -> None:
    """The page of formats names each operation, verb, field and variable that there is."""
    assert not undescribed(words)


def test_what_recipes_write_is_described_in_full(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page of formats names each key of a plan, a model's metadata, a manifest, the status."""
    place = Place(tmp_path / "repository", capsys)
    place.settle()
    planned = place.plan()
    assert place.run(cleanup.main, "--apply")[0] == 0
    papers = [
        json.loads(path.read_text("utf-8"))
        for folder in ("model_weights/production", "training/experiments/archived")
        for path in (place.root / folder).glob("*.json")
    ]
    shown = json.loads(place.run(status.main, "--json")[1])
    assert len(papers) > 1
    inner = [planned["actions"][0], planned["checkpoints"][0], papers[0]["evidence"][0]]
    inner += [paper["members"][0] for paper in papers if "members" in paper]
    for found in (planned, shown, *papers, *inner):
        assert not undescribed(found)


def undescribed(words: Iterable[str]) -> list[str]:
    page = text_of("docs/reference/formats.md")
    return [word for word in words if f"`{word}`" not in page and f'"{word}"' not in page]
