"""The metadata, the summary and the report that a clean-up leaves behind."""

import json
import math
import re
from dataclasses import replace
from typing import Any

import pytest
from huggingface_hub import ModelCard

from engine.plans.cleanup_plan import Options
from engine.plans.plan import Plan
from engine.recognition.attribution import Checkpoint
from engine.recognition.evidence import Reading
from engine.reports import documents
from engine.reports.descriptions import describe, epochs
from mess import NOW, Files, attributed, curve, log, measured, model, noted, planned

EVIL = "w/a|b`c<script>\n# [x](y)_best.pth"
TODAY = noted("finished", "2025-07-25T10:44:38")
CONTEXT: dict[str, Any] = {"run": "20250725T120000_cleanup", "left": {}, "hashes": {}}


def texts(files: Files, left: dict[str, str] | None = None, **more: Any) -> dict[str, str]:
    """Return the documents of a plan, by kind."""
    return rendered(planned(files, **more), left)


def rendered(plan: Plan, left: dict[str, str] | None = None) -> dict[str, str]:
    context = {**CONTEXT, "left": left or {}}
    return {
        str(a.document): documents.render(
            a.document, {**a.facts, "sha256": "ab" * 32, "size": 1234}, plan, context
        ).decode()
        for a in plan.actions
        if a.document
    }


def winner(*found: Any, config: Any = None) -> dict[str, Reading | None]:
    return {
        "w/pat_conv_l_best.pth": model(measured("val_auc", 0.5929), TODAY, *found, config=config)
    }


def card(summary: str) -> Any:
    """Return what the hub's own parser reads in a summary."""
    return ModelCard(summary).data


# --- metadata ------------------------------------------------------------------------------------


def test_metadata_tells_what_the_model_is_and_where_it_came_from() -> None:
    """What is not known is null."""
    facts = noted("parameters", "1984289"), noted("dataset", "NHANES")
    said = json.loads(texts(winner(*facts, config={"lr": 1e-4}))["metadata"])
    wanted = {
        "model_type": "pat_conv_l",
        "metric": "auc",
        "value": 0.5929,
        "direction": "max",
        "date": "2025-07-25",
        "sha256": "ab" * 32,
        "size": 1234,
        "source": "w/pat_conv_l_best.pth",
        "parameters": "1984289",
        "dataset": "NHANES",
        "task": None,
        "config": {"lr": 1e-4},
        "run": CONTEXT["run"],
    }
    assert wanted.items() <= said.items()
    assert said["evidence"]


def test_metadata_is_strict_json() -> None:
    """NaN and infinity in a config become text, which other parsers read as well."""
    config = {"clip": math.inf, "x": math.nan, "lr": 0.1}

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    said = json.loads(texts(winner(config=config))["metadata"], parse_constant=refuse)
    assert said["config"] == {"clip": "inf", "x": "nan", "lr": 0.1}


# --- summary -------------------------------------------------------------------------------------


def test_the_summary_is_a_model_card() -> None:
    """The hub's own parser reads metric, value, task and data set from it."""
    data = card(texts(winner(noted("dataset", "a: b\n---\n'c'")))["summary"])
    (result,) = data.eval_results
    assert data.model_name == "pat_conv_l_v0.5929"
    assert (result.metric_type, result.metric_value) == ("auc", 0.5929)
    assert (result.dataset_name, result.task_name) == ("a: b\n---\n'c'", "unknown")


def test_a_summary_without_a_value_is_still_a_card() -> None:
    """A model that was picked by hand may have no metric."""
    options = Options(NOW, picks=("w/x.pth",))
    summary = texts({"w/x.pth": model()}, options=options)["summary"]
    assert card(summary).eval_results is None
    assert "**unknown**" in summary


def test_the_summary_holds_parameters_epochs_rivals_and_steps_to_reproduce() -> None:
    """All that was found stands in it."""
    files = winner(noted("git_commit", "abc1234"), noted("seed", "42"), config={"lr": 0.001})
    files["w/pat_conv_l.log"] = log(
        *curve("Val AUC", 0.5, 0.5929), *curve("loss", 1.25, 1.5), TODAY
    )
    files["w/other_best.pth"] = model(measured("val_auc", 0.4))
    summary = texts(files)["summary"]
    for row in (
        "| lr | 0.001 |",
        "| epoch | Val AUC | loss |",
        "| 2 | 0.5929 | 1.5 |",
        "| w/other_best.pth | 0.4 |",
        "1. `git checkout abc1234`",
        "seed 42",
    ):
        assert row in summary


def test_a_long_curve_is_thinned_aloud() -> None:
    """The table stays readable."""
    files = winner()
    files["w/pat_conv_l.log"] = log(*curve("Val AUC", *([0.5] * 999), 0.5929), TODAY)
    summary = texts(files)["summary"]
    assert "Every 5th of 1000 rows; the log has all." in summary
    assert len(re.findall(r"^\| \d+ \| 0\.5", summary, re.MULTILINE)) == 200


@pytest.mark.parametrize(
    ("rows", "said"), [(254, "2nd of 254"), (600, "3rd of 600"), (2100, "11th of 2100")]
)
def test_how_a_curve_is_thinned_is_said_in_english(rows: int, said: str) -> None:
    """Ordinals of every kind."""
    files = winner()
    files["w/pat_conv_l.log"] = log(*curve("Val AUC", *([0.5] * (rows - 1)), 0.5929), TODAY)
    assert f"Every {said} rows;" in texts(files)["summary"]


def test_what_a_file_says_is_no_command() -> None:
    """A commit that is none is not offered for pasting."""
    summary = texts(winner(noted("git_commit", "x; rm -rf ~\n# hi")))["summary"]
    assert "git checkout" not in summary


def section(summary: str, title: str) -> str:
    """Return what stands below a heading of the summary."""
    return summary.split(f"\n## {title}\n\n")[1].split("\n## ")[0]


def test_the_summary_gives_the_commands_that_reproduce_it() -> None:
    """Checkout, environment and command, to be pasted as they are; the seed beside them."""
    config = {"command": "python train.py --lr 1e-4", "python": "3.11.7", "git_commit": "abc1234"}
    facts = winner(config=config | {"seed": 7})
    block = section(texts(facts)["summary"], "How to reproduce").split("```")[1]
    assert block.splitlines() == [
        "sh",
        "git checkout abc1234",
        "uv venv --python 3.11.7",
        "just train pat_conv_l --seed 7 -- python train.py --lr 1e-4",
    ]
    assert "seed 7." in texts(facts)["summary"]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("x; rm -rf ~ `y` $(z)", "'x;' rm -rf '~' '`y`' '$(z)'"),
        ("python 'a b' > log", "python 'a b' '>' log"),
        ("python\n```\n# heading", None),
        ("unclosed '", None),
        ("", None),
        (["python"], None),
    ],
)
def test_a_command_that_a_file_tells_is_but_words(said: Any, shown: str | None) -> None:
    """No shell reads more in it than a program and its arguments; else it is left out."""
    summary = texts(winner(config={"command": said}))["summary"]
    found = re.findall("^just train .*", summary, re.MULTILINE)
    assert found == ([f"just train pat_conv_l -- {shown}"] if shown else [])


def test_the_summary_has_the_curve_as_a_picture() -> None:
    """Of the metric and the losses, whatever they are called; the card links it."""
    files = winner()
    files["w/pat_conv_l.log"] = log(
        *curve('Val "AUC"\n]]>', 0.5, 0.5929), *curve("loss", 1, 2), TODAY
    )
    found = texts(files)
    assert found["text"].count("<polyline") == 2
    assert "![auc by epoch](pat_conv_l_v0.5929_summary.svg)" in found["summary"]


@pytest.mark.parametrize("values", [(), (0.5929,), (math.inf, 0.5929)])
def test_what_is_no_curve_is_not_drawn(values: tuple[float, ...]) -> None:
    """A point, nothing, or numbers that no chart can hold."""
    files = winner()
    files["w/pat_conv_l.log"] = log(*curve("Val AUC", *values), TODAY)
    found = texts(files)
    assert "text" not in found
    assert "![" not in found["summary"]


def test_the_summary_tells_its_limits() -> None:
    """What is unknown or in doubt is said; what is known is not."""
    bare = section(texts(winner())["summary"], "Known limits")
    for doubt in ("test set", "code that trained it is unknown", "seed", "dataset"):
        assert doubt in bare
    facts = noted("git_commit", "abc1234"), noted("seed", "1"), noted("dataset", "d")
    full = section(texts(winner(*facts, config={"git_dirty": True}))["summary"], "Known limits")
    assert "changes that are in no commit" in full
    for doubt in ("trained it is unknown", "The seed", "dataset"):
        assert doubt not in full


def test_the_summary_has_a_place_for_a_person() -> None:
    """Between two marks, once."""
    summary = texts(winner())["summary"]
    assert summary.index("<!-- yours: ") < summary.index("<!-- end of yours -->")
    assert summary.count("<!--") == 2


def test_no_name_breaks_out_of_its_place() -> None:
    """Tables keep their columns, and no line, heading, tag or link begins inside a name."""
    files: Files = {
        EVIL: model(measured("val_auc", 0.5929), TODAY, noted("task", EVIL)),
        EVIL.replace("best", "last"): model(config={EVIL: EVIL}),
    }
    for text in texts(files).values():
        if text.startswith("{"):
            continue
        body = text.split("---\n", 2)[-1] if text.startswith("---") else text
        prose = re.sub(r"`[^`\n]*`", "", body)  # nothing is markup in there
        assert "<script" not in prose
        assert not re.search(r"^# \[|(?<!\\)\[x\]", prose, re.MULTILINE)
        for table in re.findall(r"(?:^\|.*\n)+", body, re.MULTILINE):
            columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
            assert len(columns) == 1


# --- report --------------------------------------------------------------------------------------


def account(report: str) -> list[list[str]]:
    table = report.split("## Account of every original file\n")[1].split("\n## ")[0]
    return [row.strip("| ").split(" | ") for row in table.strip().splitlines()[2:]]


def sums(report: str) -> dict[str, tuple[int, int]]:
    table = report.split("## Sums\n")[1].split("\n## ")[0]
    rows = (row.strip("| ").split(" | ") for row in table.strip().splitlines()[2:])
    return {name: (int(files), int(size.replace(",", ""))) for name, files, size in rows}


def full_mess(**more: Any) -> Plan:
    files: Files = {
        **winner(),
        "w/pat_conv_l_best (copy).pth": model(measured("val_auc", 0.5929)),
        "w/other_best.pth": model(measured("val_auc", 0.4)),
        "v/other_best (copy).pth": model(measured("val_auc", 0.4)),
        "w/unknown.pth": model(),
        "logs/old.log": log(noted("finished", "2025-01-01")),
        "run_7/best.pt": model(),
    }
    equal = [
        ["w/pat_conv_l_best.pth", "w/pat_conv_l_best (copy).pth"],
        ["w/other_best.pth", "v/other_best (copy).pth"],
    ]
    return planned(files, duplicates=equal, in_use={"run_7/best.pt": "open"}, **more)


@pytest.mark.parametrize("delete", [False, True])
def test_the_account_agrees_with_the_actions(delete: bool) -> None:
    """Every original has one row, and the rows add up to the sums."""
    plan = full_mess(options=Options(NOW, delete_redundant=delete))
    report = rendered(plan, {"run_7/best.pt": "in use"})["report"]
    originals = [a for a in plan.actions if a.src]
    rows = {row[0]: row for row in account(report)}
    assert set(rows) == {a.src for a in originals} - {"run_7/best.pt"}
    said = sums(report)
    assert said["all"] == (len(originals), sum(a.bytes for a in originals))
    parts = [value for name, value in said.items() if name != "all"]
    assert tuple(map(sum, zip(*parts, strict=True))) == said["all"]
    assert said["left alone"][0] == 1
    assert "| run_7/best.pt | in use |" in report


def test_the_account_says_where_the_bytes_are_now() -> None:
    """A copy's bytes are where the kept file went, not where it was."""
    rows = {row[0]: row[3] for row in account(rendered(full_mess(), {})["report"])}
    production = "model_weights/production/pat_conv_l_v0.5929.pth"
    assert rows["w/pat_conv_l_best.pth"] == production
    assert rows["w/pat_conv_l_best (copy).pth"] == f"{production} (same bytes)"
    archived = "training/experiments/archived/undated_other.tar.gz, w/other_best.pth"
    assert rows["w/other_best.pth"] == archived
    assert rows["v/other_best (copy).pth"] == f"{archived} (same bytes)"


def test_what_was_left_is_not_said_to_be_packed() -> None:
    """A file that changed meanwhile keeps its place, and so do the bytes of its copy."""
    report = rendered(full_mess(), {"w/other_best.pth": "changed since it was planned"})["report"]
    rows = {row[0]: row[3] for row in account(report)}
    assert "w/other_best.pth" not in rows
    assert rows["v/other_best (copy).pth"] == "w/other_best.pth (same bytes)"


# --- curves --------------------------------------------------------------------------------------


def checkpoint_of(files: Files) -> tuple[Checkpoint, dict[str, Reading]]:
    (found,) = attributed(files).values()
    return found, {path: reading for path, reading in files.items() if reading}


def test_the_curve_is_that_of_the_run_that_has_the_value() -> None:
    """Of several runs in one log, and not of another metric with that number; else the last."""
    rows = (*curve("AUC", 0.4, 0.6), *curve("AUC", 0.5, session=1), *curve("loss", 0.6, session=1))
    found, readings = checkpoint_of(
        {"w/u_best.pt": model(measured("auc", 0.6)), "w/u.log": log(*rows)}
    )
    assert epochs(found, readings) == [{"epoch": 1, "AUC": 0.4}, {"epoch": 2, "AUC": 0.6}]
    unknown = replace(found, value=None)
    assert epochs(unknown, readings) == [{"epoch": 1, "AUC": 0.5, "loss": 0.6}]


def test_without_rows_there_is_no_curve() -> None:
    """Nor without a run."""
    found, readings = checkpoint_of({"w/u_best.pt": model()})
    assert epochs(found, readings) == []
    assert epochs(replace(found, run=None), readings) == []
    assert describe(replace(found, run=None), "production")["related"] == []
