"""One screen tells of experiments, models, archives and disk, and of what to do next."""

import json
import os
import platform
import re
import shutil
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine import readers
from engine.project import Project, open_project
from engine.readers import parallel
from engine.recognition.evidence import Reading
from engine.reports import advice, overview, overview_text
from engine.reports.curves import thinned
from engine.reports.overview import state_of
from engine.reports.overview_text import spark
from projects import changed, just, recipe, recipe_json, tree
from template_fixture import make_files
from trained_project import ACTIVE, new_project, train

FIRST, SECOND = "2025-07-25_net_first", "2025-08-01_net_second"
NOW = ("--now", "2025-08-02T12:00:00")
WHEN = datetime(2025, 8, 2, 12)
FREE = re.compile(r"[\d.]+ [kMGTP]?B free")
ENDED = {"started": "2025-08-01T10:00:00", "ended": "2025-08-01T11:00:00", "exit_status": 0}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return new_project(tmp_path)


def opened(root: Path) -> Project:
    return open_project(root, root / "training/conventions.toml", {})


def screen(root: Path, rows: int | None = overview_text.ROWS) -> list[str]:
    """Return the lines of the screen, made in this process, without what other programs change."""
    project = opened(root)
    seen = overview.look(project, rows)
    step = advice.next_step(project, seen, WHEN)
    made = overview_text.lines(project, seen, WHEN, step, rows)
    return FREE.sub("", "\n".join(line for line, _ in made)).split("\n")


def step(root: Path) -> str:
    """Return the next command."""
    project = opened(root)
    return advice.next_step(project, overview.look(project, None), WHEN)[0]


def edit(root: Path, old: str, new: str) -> None:
    """Change one line of conventions.toml."""
    path = root / "training/conventions.toml"
    text = path.read_text()
    assert text.count(f"\n{old}") == 1
    path.write_text(text.replace(f"\n{old}", f"\n{new}"))


def row(lines: list[str], name: str) -> list[str]:
    """Return the cells of the row of this name."""
    return next(re.split(r"\s{2,}", line.strip()) for line in lines if line.startswith(f"  {name}"))


def test_an_empty_project_fits_on_a_few_lines(project: Path) -> None:
    """Nothing is there, and the way to begin is named."""
    done = just(project, "status", *NOW)
    assert "EXPERIMENTS  none, 0 archived" in done.stdout
    assert "Next: just cleanup" in done.stdout
    assert done.stderr == ""


def test_empty_folders_take_no_space(project: Path) -> None:
    """What the template tells git there is not counted: nobody's bytes lie in them."""
    for folder in ("experiments/active", "experiments/archived"):
        assert (project / "training" / folder / ".gitignore").exists()
    disk = recipe_json(project, "status", *NOW)["disk"]
    assert [disk[name] for name in ("active", "archived", "production", "quarantine")] == [0] * 4
    train(project, FIRST, [0.5])
    assert recipe_json(project, "status", *NOW)["disk"]["active"] > 0


def test_an_experiment_is_told_of_in_one_row(project: Path) -> None:
    """State, type, best value, curve, age, size and number of checkpoints."""
    home = train(project, SECOND, [0.5, 0.55, 0.6, 0.58], record=ENDED)
    size = sum(path.stat().st_size for path in home.rglob("*") if path.is_file())
    assert row(recipe(project, "status", *NOW).stdout.split("\n"), SECOND) == [
        SECOND,
        "finished",
        "net",
        "0.6000",
        "▁▅█▇",
        "1 d",
        f"{size / 1e3:.1f} kB",
        "4",
    ]


@pytest.mark.parametrize(
    ("hours", "shown"), [(-0.2, "0 h"), (-5, "-5 h"), (23, "23 h"), (48, "2 d")]
)
def test_an_age_is_told_although_the_clock_was_put_back(hours: float, shown: str) -> None:
    """A start that lies in the future is no nought of days."""
    assert overview_text._age(WHEN - timedelta(hours=hours), WHEN) == shown


def test_a_folder_that_is_one_checkpoint_counts_once(project: Path) -> None:
    """Neither its shards nor the state of an optimizer is a checkpoint more."""
    home = train(project, SECOND, [0.5], record=ENDED)
    names = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "config.json")
    folder = "checkpoints/checkpoint-{}/{}"
    make_files(home, {folder.format(step, name): "x" for step in (10, 20) for name in names})
    make_files(home, {"checkpoints/optimizer.pt": "x", "checkpoints/notes.txt": "x"})
    assert row(screen(project), SECOND)[-1] == "3"


def test_the_value_of_another_metric_bears_its_name(project: Path) -> None:
    """A loss does not stand under the heading of the usual metric as if it were one."""
    home = train(project, SECOND, [], record=ENDED)
    (home / "training.log").write_text("Epoch 1: val_loss 0.5\nEpoch 2: val_loss 0.4\n")
    assert "loss 0.4000" in row(screen(project), SECOND)


def test_a_model_in_production_is_told_of_with_its_papers(project: Path) -> None:
    """What is missing of metadata, summary and log stands out."""
    train(project, FIRST, [0.5929])
    recipe(project, "promote", FIRST, *NOW)
    model = ["net_v0.5929.pth", "0.5929", "2025-07-25"]
    assert row(screen(project), model[0]) == [*model, "yes", "yes", "yes"]
    (project / "training/results/net_v0.5929_summary.md").unlink()
    (project / "training/logs/net_v0.5929_20250725.log").unlink()
    assert row(screen(project), model[0]) == [*model, "yes", "MISSING", "MISSING"]
    assert step(project) == "just check"


def test_an_archive_is_told_of_by_its_manifest(project: Path) -> None:
    """Its value, its size, and when it was verified last; the archive itself is not opened."""
    train(project, FIRST, [0.5929])
    recipe(project, "archive", FIRST, "--apply", *NOW)
    assert row(screen(project), FIRST)[-1] == NOW[1][:10]  # when it was packed
    archive = project / f"training/experiments/archived/{FIRST}.tar.gz"
    archive.write_bytes(b"\0" * 2_000_000)
    assert row(screen(project), FIRST) == [FIRST, "0.5929", "2.0 MB", "never"]
    assert step(project) == "just verify"
    recipe(project, "verify", "--now", "2025-08-01T10:00:00", status=1)
    assert row(screen(project), FIRST)[-1] == "DAMAGED"
    assert step(project) == f"just verify {FIRST}"


def test_programs_get_the_same_as_json(project: Path) -> None:
    """With the archived runs among the experiments; unknown is null."""
    train(project, FIRST, [0.5929])
    train(project, SECOND, [0.5, 0.6])
    recipe(project, "promote", FIRST, *NOW)
    recipe(project, "archive", FIRST, "--apply", "--even-production", *NOW)
    answer = recipe_json(project, "status", *NOW)
    states = {each["name"]: each["state"] for each in answer["experiments"]}
    assert states == {SECOND: "finished", FIRST: "archived"}
    second, first = answer["experiments"]
    assert (second["metric"], second["value"], second["curve"]) == ("auc", 0.6, [0.5, 0.6])
    assert (first["metric"], first["value"], first["model_type"]) == ("auc", 0.5929, "net")
    assert answer["production"][0]["summary"] == "training/results/net_v0.5929_summary.md"
    assert answer["archives"][0]["verified"] == NOW[1].replace("T", " ")
    assert answer["disk"]["quarantine"] > 0
    assert answer["next"]["command"] == f"just promote {SECOND}"


@pytest.mark.parametrize(
    ("record", "state"),
    [
        ({}, "finished"),
        ({"started": "x", "ended": "y", "exit_status": 0}, "finished"),
        ({"started": "x", "ended": "y", "exit_status": 130}, "failed"),
        ({"started": "x", "host": "here", "pid": 1}, "running"),
        ({"started": "x", "host": "here", "pid": 2}, "failed"),
        ({"started": "x", "host": "elsewhere", "pid": 2}, "running"),
        ({"started": "x"}, "running"),
    ],
)
def test_the_record_tells_the_state(record: dict[str, Any], state: str) -> None:
    """No record or an end: finished. No end: running, unless its process here is gone."""
    assert state_of(record, lambda: "here", lambda process: process == 1) == state


def test_a_training_on_windows_is_not_signalled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking whether a process is alive would end it there: signal 0 is Ctrl-C."""
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _, number: sent.append(number))
    with monkeypatch.context() as patched:
        patched.setattr(os, "name", "nt")
        assert overview._is_alive(os.getpid())
    assert not sent


def test_running_experiments_come_first_and_then_the_newest(project: Path) -> None:
    """A running one stands at the top, however old it is."""
    here: dict[str, object] = {"host": platform.node(), "pid": os.getpid()}
    train(project, FIRST, [0.5], record={"started": "2025-07-25T10:00:00", **here})
    train(project, SECOND, [0.6])
    train(project, "2025-08-02_net_third", [0.7], record=ENDED | {"exit_status": 1})
    seen = overview.look(opened(project), None).experiments
    assert [(e.name[11:], e.state) for e in seen] == [
        ("net_first", "running"),
        ("net_third", "failed"),
        ("net_second", "finished"),
    ]


# --- the next step --------------------------------------------------------------------------------


def test_an_interrupted_run_comes_first(project: Path) -> None:
    """Whatever else there is to do."""
    train(project, FIRST, [0.5])
    recipe(project, "promote", FIRST, *NOW)
    assert step(project) != "just resume"
    (journal,) = project.glob("training/.history/*/journal.jsonl")
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
    assert step(project) == "just resume"


@pytest.mark.parametrize("suffix", [".tar.gz", ".json"])
def test_an_archive_that_someone_removed_is_not_in_order(suffix: str, project: Path) -> None:
    """Nor is one whose manifest was; nothing need be read to see it."""
    train(project, FIRST, [0.5929])
    recipe(project, "archive", FIRST, "--apply", *NOW)
    (project / f"training/experiments/archived/{FIRST}{suffix}").unlink()
    assert row(screen(project), FIRST)[-1] == "DAMAGED"
    assert step(project) == f"just verify {FIRST}"
    recipe(project, "verify", FIRST, status=1)


def test_a_model_that_verify_found_damaged_is_not_in_order(project: Path) -> None:
    """Until it is another file, or verify finds it whole."""
    train(project, FIRST, [0.5929])
    recipe(project, "promote", FIRST, *NOW)
    model = project / "model_weights/production/net_v0.5929.pth"
    whole = model.read_bytes()
    model.write_bytes(whole[:-1] + b"x")
    recipe(project, "verify", status=1)
    assert step(project) == f"just verify {model.name}"
    assert recipe_json(project, "status", *NOW)["production"][0]["problem"]
    model.write_bytes(whole)
    assert step(project).startswith("just train")


def test_a_better_experiment_is_to_be_promoted(project: Path) -> None:
    """One that beats production as names show it; the source of a production model never."""
    train(project, FIRST, [0.59286])
    assert step(project) == f"just promote {FIRST}"
    recipe(project, "promote", FIRST, *NOW)
    assert step(project).startswith("just train")
    train(project, SECOND, [0.59290])
    assert step(project).startswith("just train")
    train(project, "2025-08-01_net_third", [0.6])
    assert step(project) == "just promote 2025-08-01_net_third"


def test_a_missing_log_is_not_in_order(project: Path) -> None:
    """No recipe brings it back, but the line above says that it is missing."""
    train(project, FIRST, [0.5929])
    recipe(project, "promote", FIRST, *NOW)
    in_order = "\nthe layout is in order; just check also reads the code\n"
    assert in_order in recipe(project, "status", *NOW).stdout
    (project / "training/logs/net_v0.5929_20250725.log").unlink()
    shown = recipe(project, "status", *NOW).stdout
    model = "model_weights/production/net_v0.5929.pth"
    assert f"\n{model} has no training log, all else in the layout is in order\n" in shown


def test_metadata_without_its_model_is_not_in_order(project: Path) -> None:
    """The layout of a clone that has the papers of a model alone is not empty, either."""
    train(project, FIRST, [0.5929])
    recipe(project, "promote", FIRST, *NOW)
    (project / "model_weights/production/net_v0.5929.pth").unlink()
    told = "\nthe weights that model_weights/production/net_v0.5929.json tells of are not here, all"
    shutil.rmtree(project / ACTIVE / FIRST)
    assert told in recipe(project, "status", *NOW).stdout


def test_changed_conventions_are_not_in_order(project: Path) -> None:
    """Until what an older layout put there was moved, or brought back by the old ones."""
    train(project, FIRST, [0.5929])
    recipe(project, "promote", FIRST, *NOW)
    edit(project, "decimals = 4", "decimals = 3")
    assert step(project) == "just check"
    assert "the conventions have changed" in recipe(project, "status", *NOW).stdout
    recipe(project, "cleanup", "--apply", *NOW)
    assert step(project).startswith("just train")


def test_old_experiments_are_to_be_archived(project: Path) -> None:
    """As soon as there are more than the ranks may keep."""
    train(project, FIRST, [0.9])
    recipe(project, "promote", FIRST, *NOW)
    for number in range(3):
        assert step(project).startswith("just train")
        train(project, f"2025-06-0{number + 1}_net_old", [0.5])
    assert step(project) == "just archive"
    assert "older than 30 days can go: 1 or more" in screen(project)[-2]
    edit(project, "after_days = 30 ", "after_days = 0 ")
    assert step(project).startswith("just train")  # no age lets anything go then


def test_originals_that_wait_long_are_to_be_purged(project: Path) -> None:
    """Not at once: until then they are what undo gives back."""
    train(project, FIRST, [0.9])
    recipe(project, "promote", FIRST, *NOW)
    train(project, SECOND, [0.8])
    recipe(project, "archive", SECOND, "--apply", *NOW)
    assert step(project) == "just train MODEL_TYPE -- COMMAND"  # it was verified when it was packed
    (run,) = project.glob("training/.history/*_archive")
    run.rename(run.with_name("20250601T000000_archive"))
    assert step(project) == "just purge"
    edit(project, "purge_after_days = 30", "purge_after_days = 0")
    assert step(project).startswith("just train")


@pytest.mark.parametrize(("zone", "advised"), [("UTC-14", False), ("UTC+12", True)])
def test_how_long_originals_wait_does_not_depend_on_the_clock_of_a_place(
    zone: str, advised: bool, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs are called by universal time; `--now` is told in local time."""
    train(project, FIRST, [0.9])
    recipe(project, "archive", FIRST, "--apply", *NOW)
    (run,) = project.glob("training/.history/*_archive")
    run.rename(run.with_name("20250703T060000_archive"))  # 30 days and 6 hours before noon
    monkeypatch.setenv("TZ", zone)
    try:
        time.tzset()
        assert (step(project) == "just purge") is advised
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_no_rule_lets_go_is_not_advised(project: Path) -> None:
    """0 days turn a rule off: neither is all old then, nor has all waited long enough."""
    rules = project / "training/conventions.toml"
    text = rules.read_text()
    for rule in ("after_days", "purge_after_days", "keep_best", "keep_last"):
        text = re.sub(rf"^{rule} = \d+", f"{rule} = 0", text, flags=re.MULTILINE)
    rules.write_text(text)
    train(project, FIRST, [0.9])
    recipe(project, "promote", FIRST, *NOW)
    train(project, "2025-06-01_net_old", [0.5])
    train(project, "2025-06-02_net_old", [0.5])
    assert step(project).startswith("just train")
    recipe(project, "archive", "2025-06-01_net_old", "--apply", *NOW)
    (run,) = project.glob("training/.history/*_archive")
    run.rename(run.with_name("20250601T000000_archive"))
    assert step(project).startswith("just train")


# --- speed, and what is remembered ----------------------------------------------------------------


def test_of_a_thousand_experiments_only_those_shown_are_read(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the experiments that are shown are read, and the weights of the one to promote."""
    for number in range(1000):
        home = project / f"{ACTIVE}/2025-{number % 12 + 1:02}-01_net_try_{number}"
        (home / "checkpoints").mkdir(parents=True)
        (home / "checkpoints/best.pth").write_bytes(b"x")
        (home / "run.json").write_text(json.dumps(ENDED))
        (home / "training.log").write_text("Epoch 1: val_auc 0.5\nEpoch 2: val_auc 0.6\n")
    read: list[str] = []
    real = readers.read

    def noting(path: Path, name: str) -> Reading | None:
        read.append(name)
        return real(path, name)

    monkeypatch.setattr(readers, "read", noting)
    monkeypatch.setattr(parallel, "read", noting)  # of the one that it advises to promote
    lines = screen(project)
    shown = overview_text.ROWS + 1
    assert Counter(read) == {"run.json": shown, "training.log": shown, "best.pth": 1}
    assert "  ... 990 more (just status --all)" in lines
    assert len(lines) < 40
    assert max(map(len, lines)) <= 100


def test_what_was_read_is_remembered_until_it_changes(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second look reads nothing; a log that grew is read again; the screen is the same."""
    home = train(project, FIRST, [0.5, 0.6])
    lines = screen(project)
    real = readers.read
    monkeypatch.setattr(readers, "read", lambda path, name: pytest.fail("was read again"))
    assert screen(project) == lines
    monkeypatch.setattr(readers, "read", real)
    with (home / "training.log").open("a") as log:
        log.write("2025-07-25 11:00:00 - INFO - Epoch 3: loss 0.4 val_auc 0.7000\n")
    assert row(screen(project), FIRST)[3] == "0.7000"


def test_another_metric_is_not_answered_from_memory(project: Path) -> None:
    """What was read under other conventions is read again."""
    train(project, FIRST, [0.9, 0.8])
    assert row(screen(project), FIRST)[3] == "0.9000"
    conventions = project / "training/conventions.toml"
    text = conventions.read_text()
    swapped = text.replace('name = "auc"', 'name = "loss"').replace(
        'direction = "max"', 'direction = "min"'
    )
    assert swapped != text
    conventions.write_text(swapped)
    assert row(screen(project), FIRST)[3] == "0.5000"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"made_by": 1}', b"\xff"])
def test_a_damaged_memory_does_no_harm(project: Path, content: bytes) -> None:
    """It is made anew."""
    train(project, FIRST, [0.5, 0.6])
    lines = screen(project)
    (project / "training/.history/curves.json").write_bytes(content)
    assert screen(project) == lines


def test_a_look_writes_nothing_but_its_memory(project: Path) -> None:
    """Also that only in the history."""
    train(project, FIRST, [0.5, 0.6])
    before = tree(project)
    just(project, "status", *NOW)
    just(project, "status", "--json", "--all", *NOW)
    # the folder that the history is made in gets another time
    assert changed(before, tree(project)) <= {"training"}
    found = [path.name for path in (project / "training/.history").iterdir()]
    assert found == ["curves.json"]


def test_the_same_time_gives_the_same_screen(project: Path) -> None:
    """Ages are as of the time that was given, whether or not anything was remembered."""
    train(project, FIRST, [0.5, 0.6])
    one, two = (recipe(project, "status", *NOW).stdout for _ in range(2))
    assert FREE.sub("", one) == FREE.sub("", two)


def test_a_narrow_screen_shows_names_whole(project: Path) -> None:
    """At the price of columns that the name tells as well."""
    name = "2025-08-01_net_label_smoothing"
    train(project, name, [0.5])
    out = recipe(project, "status", *NOW, COLUMNS="80").stdout
    assert f"  {name}  finished" in out
    assert max(map(len, out.splitlines())) <= 80


def test_hostile_names_cannot_drive_the_terminal(project: Path) -> None:
    """They are escaped and cut, so that no line is too long; only the next command is whole."""
    train(project, "2025-08-01_net_\x1b[31m\n" + "x" * 150, [0.5])
    out = recipe(project, "status", *NOW).stdout
    assert "\x1b" not in out
    *lines, last = out.splitlines()
    assert max(map(len, lines)) <= 100
    assert last.startswith("Next: just promote '2025-08-01_net_\\x1b[31m\\n")


@pytest.mark.parametrize(
    ("points", "shown"),
    [((), ""), ((0.5,), "▄"), ((0.5, 0.5), "▄▄"), ((0, 1), "▁█"), (tuple(range(16)), "▁▂▃▄▅▆▇█")],
)
def test_a_curve_is_drawn_between_its_extremes(points: tuple[float, ...], shown: str) -> None:
    """Few characters; a flat curve is drawn in the middle."""
    assert spark(points) == shown


def test_a_long_curve_is_thinned_evenly_and_keeps_its_end() -> None:
    """The last value is what it came to."""
    assert thinned([1, 2, 3, 4, 5, 6, 7], 3) == (2, 5, 7)
    assert thinned([1, 2], 3) == (1, 2)
