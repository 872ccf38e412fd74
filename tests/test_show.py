"""What people and programs get to see."""

import codecs
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import plan_text, show
from engine.plans.plan import Action, Plan, Verb
from engine.recognition.attribution import Evidence
from mess import curve, log, measured, model, noted, planned

EVIL = "w/\x1b[31mred\x07\u202e\n\udcff" + "long" * 40 + "_best.pth"


def some_plan() -> Plan:
    today = noted("finished", "2025-07-25T10:44:38")
    return planned(
        {
            EVIL: model(measured("val_auc", 0.5), today),
            "w/a_best.pth": model(measured("val_auc", 0.6), today),
            "w/a.log": log(*curve("Val AUC", 0.4), today),
        },
        tracked=["w/a_best.pth"],
    )


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec=None)))
def test_safe_text_cannot_drive_a_terminal(text: str) -> None:
    """Control characters, bidirectional marks and undecodable bytes are escaped, the rest stays."""
    shown = show.safe(text)
    assert shown.isprintable()
    shown.encode()
    assert shown == text or not text.isprintable()


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (24_300_000, "24.3 MB"), (10**10, "10.0 GB")],
)
def test_sizes_are_decimal_with_one_digit(count: int, shown: str) -> None:
    """As disks are sold and `ls` does not."""
    assert show.size(count) == shown


def test_a_plan_fits_the_page_and_is_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Where no terminal is, no line is longer than 100 columns and nothing is coloured."""
    plan_text.print_plan(some_plan(), "just cleanup --apply")
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert all(line.isprintable() and len(line) <= 100 for line in out.splitlines())
    assert "\\x1b[31mred\\x07\\u202e\\n\\udcff" in out


def test_a_checkpoint_of_several_files_shows_its_evidence_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Be it a folder or files whose names start alike: at the first of them."""
    files = ("a/last/config.json", "a/last/model.safetensors", "b/ckpt-5.data", "b/ckpt-5.index")
    found = [
        {"path": path, "evidence": [Evidence("metric", value, f"{path}/x", "key")._asdict()]}
        for path, value in (("a/last", "auc 0.7"), ("b/ckpt-5", "auc 0.8"))
    ]
    actions = (Action("pack", name, "x.tar.gz", 1, "why", name[0]) for name in files)
    plan_text.print_plan(Plan("cleanup", "now", tuple(actions), checkpoints=tuple(found)), "x")
    out = capsys.readouterr().out
    for name, value in ((files[0], "0.7"), (files[2], "0.8")):
        assert out.count(f"metric auc {value}") == 1
        assert out.index(name[2:]) < out.index(f"auc {value}") < out.index("why", out.index(value))


def test_a_plan_shows_reasons_evidence_totals_and_the_next_step(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is tracked and what disagrees is marked; the last line is the next command."""
    plan_text.print_plan(some_plan(), "just cleanup --apply")
    out = capsys.readouterr().out
    assert "highest auc of 2 comparable checkpoints; git tracks it" in out
    assert "val_auc 0.6: here" in out
    assert "metric Val AUC 0.4: a.log, line 1 (disagrees, not used)" in out
    assert re.search(r"^ +1  pack ", out, re.MULTILINE)
    assert out.splitlines()[-1] == "Nothing was changed yet. Next: just cleanup --apply"


def many(count: int, verb: Verb, dst: str | None = "x.tar.gz") -> Plan:
    """Return a plan of two runs with so many files in a folder, and notes."""
    files = [f"runs/{run}/ckpt/{n:05}.pth" for run in "ab" for n in range(count)]
    actions = [Action(verb, path, dst, 2000, "old", path[:6]) for path in files]
    return Plan("cleanup", "", tuple(actions), notes=tuple(files))


def test_a_large_plan_is_folded_aloud(capsys: pytest.CaptureFixture[str]) -> None:
    """The first files of each folder stand for the others, which are counted."""
    plan = many(500, "pack")
    plan_text.print_plan(plan, "just cleanup --apply")
    out = capsys.readouterr().out
    assert len(out.splitlines()) < 60
    assert "pack 497 more in runs/b/ckpt, 994.0 kB" in out
    assert "Not shown: 994 more files, 2.0 MB; 980 more notes. --all shows each." in out
    assert re.search("^  1,000  pack +2.0 MB", out, re.MULTILINE)
    plan_text.print_plan(plan, "just cleanup --apply", everything=True)
    out = capsys.readouterr().out
    assert all(out.count(note) >= 1 for note in plan.notes)
    assert "Not shown" not in out


def test_of_many_folders_in_a_run_the_first_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """What lies in the later ones is one line, unless everything is asked for."""
    files = [f"runs/a/part_{n:04}/{name}.npy" for n in range(1000) for name in "xyzuvw"]
    actions = tuple(Action("pack", path, "x.tar.gz", 1000, "old", "runs/a") for path in files)
    plan_text.print_plan(Plan("cleanup", "", actions), "just cleanup --apply")
    out = capsys.readouterr().out
    assert len(out.splitlines()) < 160
    assert out.count("because old") == 60
    assert "pack 3 more in runs/a/part_0019, 3.0 kB" in out
    assert "pack 5,880 more in runs/a, 5.9 MB" in out
    assert "Not shown: 5,940 more files, 5.9 MB" in out
    plan_text.print_plan(Plan("cleanup", "", actions), "just cleanup --apply", everything=True)
    assert capsys.readouterr().out.count("because old") == 6000


def test_no_deletion_is_folded(capsys: pytest.CaptureFixture[str]) -> None:
    """What will be gone for good is named, file by file; not so what is kept elsewhere."""
    plan_text.print_plan(many(150, "delete", None), "just cleanup --apply")
    assert capsys.readouterr().out.count("  DELETE  ckpt/") == 300
    plan_text.print_plan(many(150, "delete", "kept.tar.gz"), "just purge --apply")
    assert capsys.readouterr().out.count("  DELETE  ckpt/") == 6


def test_a_deletion_names_once_where_its_bytes_are(capsys: pytest.CaptureFixture[str]) -> None:
    """The reason of it does; a line that said the same again would double a long plan."""
    action = Action(
        "delete", "runs/a/x.pth", "kept.tar.gz", 1, "bytes are in kept.tar.gz", "runs/a"
    )
    plan_text.print_waiting([action], False, False)
    assert capsys.readouterr().out.count("kept.tar.gz") == 1


def test_of_many_runs_the_first_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """The others are counted; a small plan is shown whole, however its files are spread."""
    files = [f"runs/{n:03}/a.pth" for n in range(300)]
    actions = tuple(Action("pack", path, "x.tar.gz", 1, "old", path[:8]) for path in files)
    plan_text.print_plan(Plan("cleanup", "", actions), "just cleanup --apply")
    out = capsys.readouterr().out
    assert out.count("because old") == 20
    assert "Not shown: 280 more files" in out
    plan_text.print_plan(Plan("cleanup", "", actions[:100]), "just cleanup --apply")
    assert capsys.readouterr().out.count("because old") == 100


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_the_next_command_is_never_broken(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it is: it is there to be copied."""
    monkeypatch.setenv("COLUMNS", str(columns))
    command = f"just cleanup {' '.join(f'--pick weights/model_{n}.pth' for n in range(9))} --apply"
    plan_text.print_plan(some_plan(), command)
    *others, last = capsys.readouterr().out.splitlines()
    assert last == f"Nothing was changed yet. Next: {command}"
    assert max(map(len, others)) <= min(columns, 100)


def test_an_empty_plan_says_that_there_is_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """And names no next step, also where all is left alone."""
    skip = Action("skip", "a", None, 1, "a fixture", "a")
    for plan in (Plan("cleanup", "", ()), Plan("cleanup", "", (skip,))):
        plan_text.print_plan(plan, "just cleanup --apply")
        assert capsys.readouterr().out.splitlines()[-1] == "Nothing to do."


@pytest.mark.parametrize(("variable", "coloured"), [("FORCE_COLOR", True), ("NO_COLOR", False)])
def test_colour_follows_the_usual_variables(
    variable: str,
    coloured: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Names still cannot colour anything."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv(variable, "1")
    plan_text.print_plan(some_plan(), "just cleanup --apply")
    out = capsys.readouterr().out
    assert ("\x1b[" in out) is coloured
    assert "\x1b[31mred" not in out


def test_the_json_has_the_documented_shape() -> None:
    """Unknown is null, and every action and total is there."""
    plan = some_plan()
    shown = json.loads(show.as_json(plan, None))
    assert shown["run"] is None
    for checkpoint in shown["checkpoints"]:
        wanted = {"path", "role", "model_type", "metric", "value", "date", "related", "evidence"}
        assert wanted <= checkpoint.keys()
    for action in shown["actions"]:
        assert action.keys() == {"verb", "src", "dst", "bytes", "reason"}
    assert len(shown["actions"]) == len(plan.actions)
    assert sum(total["files"] for total in shown["totals"].values()) == len(plan.actions)
    unknown = planned({"w/x.pth": model()})
    (checkpoint,) = json.loads(show.as_json(unknown, None))["checkpoints"]
    assert (checkpoint["value"], checkpoint["metric"], checkpoint["date"]) == (None, None, None)


def test_the_outcome_names_what_was_left_and_the_way_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing waits where nothing was packed."""
    plan_text.print_outcome(some_plan(), {EVIL: "changed"}, 1)
    out = capsys.readouterr().out
    assert re.search(r"left alone: \s*w/\\x1b\[31mred", out)
    ways = "Take it back: just undo. References: just relink. Free the space: just purge"
    assert out.splitlines()[-1] == ways
    moves = tuple(a for a in some_plan().actions if a.verb == "move")
    plan_text.print_outcome(replace(some_plan(), actions=moves), {})
    assert capsys.readouterr().out.splitlines()[-1] == ways.removesuffix(
        " Free the space: just purge"
    )
    plan_text.print_outcome(replace(some_plan(), actions=moves, recipe="archive"), {})
    assert capsys.readouterr().out.splitlines()[-1] == "Take it back: just undo."


def test_ascii_stands_for_what_a_stream_cannot_encode() -> None:
    """As wide as it was, if it is ours; a name keeps its characters as escapes."""
    codecs.register_error("plain", show.plain)
    assert "▁▄█ cut…".encode("ascii", "plain") == b"_-# cut~"
    assert "ü→\udcff".encode("ascii", "plain") == b"\\xfc\\u2192\\udcff"


def test_progress_is_silent_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Logs of scheduled runs stay readable."""
    with show.progress("packing", 10) as on_bytes:
        on_bytes(5)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_warnings_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output stays for results."""
    show.warn("a\x1b")
    show.say("done", True, count=1)
    captured = capsys.readouterr()
    assert captured.err == "a\\x1b\n"
    assert json.loads(captured.out) == {"message": "done", "count": 1}


def test_a_plan_that_only_waits_says_for_what(capsys: pytest.CaptureFixture[str]) -> None:
    """Where everything is in use, there is something to do, but not yet."""
    skip = Action("skip", "a.pt", None, 1, "in use: a.pt (changed 3 seconds ago)")
    plan_text.print_plan(Plan("cleanup", "", (skip,)), "just cleanup --apply")
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "Nothing to do now: 1 files are in use; plan again when they are not."


def test_a_path_is_not_said_twice(capsys: pytest.CaptureFixture[str]) -> None:
    """Why a file was left alone begins with its name where that is the one to blame."""
    plan_text.print_outcome(Plan("cleanup", "", ()), {"a": "a: is write-protected"})
    assert capsys.readouterr().out.startswith("left alone: a: is write-protected\n")
