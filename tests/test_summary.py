"""A results summary that is written anew keeps what a person added; its curve is a picture."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from huggingface_hub import ModelCard
from hypothesis import example, given
from hypothesis import strategies as st

import promote as script
from engine.errors import UserError
from engine.plans.destinations import curve_beside
from engine.reports.additions import carried
from engine.reports.picture import picture
from projects import changed, just, recipe, tree
from trained_project import ACTIVE, new_project, train

FIRST, SECOND = "2025-07-25_net_first", "2025-08-01_net_second"
NOW = ("--now", "2025-08-02T12:00:00")
SUMMARY = "training/results/net_v0.5929_summary.md"
METADATA = "model_weights/production/net_v0.5929.json"
PACKAGES = "python: 3.11.7\npackages:\n- numpy==1.26.4\n- torch==2.3.0+cpu\n- my pkg @ file:///x\n"
MARKS = "<!-- yours: x\n<!-- end of yours -->"
NEW = f"---\na: 1\n---\n# T\n\nlead\n\n## Notes\n\n{MARKS}\n\n## Data\n\nd\n"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project with a model in production."""
    made = new_project(tmp_path)
    train(made, FIRST, [0.51, 0.5929, 0.55], config=PACKAGES)
    run(made, FIRST)
    return made


def run(project: Path, *words: str) -> int:
    conventions = project / "training/conventions.toml"
    of = ("--project", str(project), "--conventions", str(conventions))
    return script.main([*words, *NOW, *of])


def edit(path: Path, *replacements: tuple[str, str]) -> None:
    text = path.read_bytes().decode()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_bytes(text.encode())


# --- written anew ---------------------------------------------------------------------------------


def test_what_a_person_added_outlives_a_rewrite(project: Path) -> None:
    """Text between marks, own sections and entries of the card, to the byte; the rest is anew."""
    mine = "## My ablation\r\n\r\n| a | b |\r\n\n```\n## no heading\n```\n\n"
    marked = "<!-- yours -->Ünïcode \\ `x`\t\n## inside\n<!-- end of yours -->"
    edit(
        project / SUMMARY,
        ("## Data\n", f"{mine}## Data\n\n{marked}\n"),
        ("What the model is meant for", "It is for sleep.\n\nWhat the model is meant for"),
        ("model-index:", "license: mit\ntags:\n- sleep\nmodel-index:"),
        ("0.5929", "0.9999"),
    )
    edit(project / METADATA, ('"dataset": null', '"dataset": "NHANES"'))
    run(project, "net_v0.5929", "--again")
    text = (project / SUMMARY).read_bytes().decode()
    assert mine in text
    assert marked in text
    assert "It is for sleep." in text
    assert "| dataset | NHANES |" in text
    assert "0.9999" not in text
    assert text.index("## Training parameters") < text.index("## My ablation")
    assert text.index("## My ablation") < text.index("## Data") < text.index(marked)
    card: Any = ModelCard(text).data
    assert (card.license, card.tags) == ("mit", ["sleep"])
    assert card.eval_results[0].dataset_name == "NHANES"


def test_a_rewrite_of_what_is_current_changes_nothing(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that the summary was written from is still known; so there is nothing to do."""
    before = tree(project, without=())
    capsys.readouterr()
    assert run(project, f"{ACTIVE}/{FIRST}", "--again") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "Nothing to do."
    assert changed(before, tree(project, without=())) == set()


def test_undo_takes_a_rewrite_back(project: Path) -> None:
    """Byte for byte, and a curve that was missing goes again."""
    (project / curve_beside(SUMMARY)).unlink()
    edit(project / SUMMARY, ("## Evidence", "## Proof"))
    before = tree(project)
    just(project, "promote", "net_v0.5929", "--again", *NOW)
    assert (project / curve_beside(SUMMARY)).is_file()
    assert "## Evidence" in (project / SUMMARY).read_text()
    just(project, "undo")
    assert tree(project) == before


def test_a_missing_summary_is_written_whole(project: Path) -> None:
    """By `just check --fix`, from metadata and log; where metadata is missing, from the log."""
    whole = (project / SUMMARY).read_text()
    (project / SUMMARY).unlink()
    recipe(project, "check", "--fix", "--apply", *NOW)
    assert (project / SUMMARY).read_text() == whole
    for path in (SUMMARY, METADATA, curve_beside(SUMMARY)):
        (project / path).unlink()
    recipe(project, "check", "--fix", "--apply", *NOW)
    assert "| 2 | 0.5 | 0.5929 |" in (project / SUMMARY).read_text()
    assert (project / curve_beside(SUMMARY)).is_file()


def test_without_its_log_the_epochs_stay(project: Path) -> None:
    """What cannot be known anew is kept as it was."""
    next((project / "training/logs").glob("*.log")).unlink()
    old = (project / SUMMARY).read_text()
    edit(project / SUMMARY, ("sha256", "SHA"))
    run(project, "net_v0.5929", "--again")
    said = re.sub(r"^- log: .*$|curve in .*$", "", old, flags=re.MULTILINE)
    new = (project / SUMMARY).read_text()
    assert re.sub(r"^- log: .*$|curve in .*$", "", new, flags=re.MULTILINE) == said


@pytest.mark.parametrize(
    ("words", "broken", "said"),
    [
        (["net_v0.59"], {}, "did you mean net_v0.5929"),
        (["net_v0.5929"], {SUMMARY: ("<!-- end of yours -->", "")}, "close it"),
        (["net_v0.5929"], {METADATA: ('"path"', '"pfad"')}, "is not as recipes write it"),
    ],
)
def test_what_cannot_be_rewritten_is_refused(
    project: Path, words: list[str], broken: Mapping[str, tuple[str, str]], said: str
) -> None:
    """In one line that names the file and the fix; nothing is changed."""
    for path, replacement in broken.items():
        edit(project / path, replacement)
    before = tree(project, without=())
    with pytest.raises(UserError) as refused:
        run(project, *words, "--again")
    assert said in str(refused.value)
    assert tree(project, without=()) == before


BITS = st.sampled_from(
    [
        "## Mine\n",
        "## Data\n",
        "text\n",
        "```\n",
        "<!-- yours -->\n",
        "<!-- end of yours -->\n",
        "\n",
    ]
)


@given(st.lists(BITS, max_size=12).map("".join))
@example("```\n<!-- yours -->\n```\n## Mine\n<!-- end of yours -->\n")  # opened in a code block
def test_nothing_between_marks_is_ever_lost(added: str) -> None:
    """Wherever it stands; and carrying over twice is carrying over once."""
    old = NEW.replace("lead\n", f"lead\n{added}")
    try:
        new = carried(old, NEW)
    except ValueError:
        return
    for kept in re.findall(r"<!-- yours.*?<!-- end of yours -->", old, re.DOTALL):
        assert kept in new
    assert carried(new, NEW) == new


# --- the curve ------------------------------------------------------------------------------------


def test_the_curve_is_a_picture_beside_the_summary(project: Path) -> None:
    """The card links it; it says what it shows; the best epoch is marked."""
    name = curve_beside(SUMMARY).rpartition("/")[2]
    assert f"]({name})" in (project / SUMMARY).read_text()
    drawn = ElementTree.parse(project / curve_beside(SUMMARY)).getroot()
    assert drawn.attrib["role"] == "img"
    texts = {e.attrib.get("id"): e.text for e in drawn if e.tag in (f"{SVG}title", f"{SVG}desc")}
    assert texts["title"] == "net_v0.5929"
    assert "from 0.51 to 0.55" in str(texts["desc"])
    assert drawn.attrib["aria-labelledby"].split() == ["title", "desc"]
    (mark,) = drawn.iter(f"{SVG}circle")
    assert (mark.attrib["cx"], mark.attrib["cy"]) == ("350", "64")


def test_a_clone_has_the_curve(project: Path) -> None:
    """Git takes the picture with the summary that links it."""
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    command = ["git", "check-ignore", "-q", curve_beside(SUMMARY)]
    assert subprocess.run(command, cwd=project, check=False).returncode == 1


def test_the_curve_of_a_superseded_model_stays_with_its_summary(project: Path) -> None:
    """And undo takes the curve of its successor back."""
    before = tree(project)
    train(project, SECOND, [0.4, 0.61])
    run(project, SECOND)
    assert (project / curve_beside(SUMMARY)).is_file()
    assert (project / curve_beside(SUMMARY.replace("0.5929", "0.6100"))).is_file()
    recipe(project, "undo")
    shutil.rmtree(project / ACTIVE / SECOND)
    assert changed(before, tree(project)) == {ACTIVE}  # its time


def test_the_curve_follows_the_name_of_its_summary(project: Path) -> None:
    """When the conventions change it: the file, and the link in the card."""
    conventions = project / "training/conventions.toml"
    edit(conventions, ('"{model_type}_v{metric}_summary.md"', '"{model_type}-{metric}-notes.md"'))
    recipe(project, "cleanup", "--apply", *NOW)
    results = project / "training/results"
    assert (results / "net-0.5929-notes.svg").is_file()
    assert not (project / curve_beside(SUMMARY)).exists()
    assert "](net-0.5929-notes.svg)" in (results / "net-0.5929-notes.md").read_text()


@pytest.mark.parametrize("name", ["<script>&\"'", "a\x1b[31m\u202e]]>", "--"])
def test_any_name_makes_a_picture(name: str) -> None:
    """It is XML, and a name is text in it."""
    drawn = str(picture(name, {name: [1.0, 2.0], "loss": [2.0, 1.0]}, "max", [1, 2]))
    root = ElementTree.fromstring(drawn)
    assert not list(root.iter(f"{SVG}script"))
    assert drawn.isascii() or drawn.replace("\n", "").isprintable()
    assert len(list(root.iter(f"{SVG}polyline"))) == 2


@pytest.mark.parametrize("way", [[], [0.5], [0.5, 1e13]])
def test_what_is_no_curve_is_not_drawn(way: list[float]) -> None:
    """A point, nothing, or numbers that no chart can hold; losses alone are no picture either."""
    assert picture("x", {"auc": way, "loss": [1.0, 2.0]}, "max", [1, 2]) is None


def test_the_commands_to_reproduce_install_what_was_installed(project: Path) -> None:
    """With the pinned packages that the run noted; what is no pin is left out."""
    block = (project / SUMMARY).read_text().split("```sh\n")[1].split("```")[0]
    assert block == (
        "uv venv --python 3.11.7\n"
        "uv pip install --requirements - <<PACKAGES\nnumpy==1.26.4\ntorch==2.3.0+cpu\nPACKAGES\n"
    )
    facts = json.loads((project / METADATA).read_text())["facts"]
    assert facts["packages"].startswith("numpy==1.26.4 torch")
