"""`just archive`: which experiments and logs it packs and why, and what it never touches."""

import json
import os
import subprocess
import sys
import tarfile
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from engine import unattended
from engine.changes import disk
from engine.changes.lock import project_lock
from engine.plans.plan import Plan, from_json
from engine.plans.retention import Experiment, Policy, decide
from engine.project import open_project
from projects import changed, just, recipe, recipe_json, tree
from trained_project import ACTIVE, age, new_project, train

TODAY = date(2025, 7, 25)
NOW = ("--now", "2025-07-25")
ARCHIVED = "training/experiments/archived"
HISTORY = "training/.history"
LOG = f"{HISTORY}/archive_auto.log"
PRODUCTION = "model_weights/production"
GOOD, OLD, YOUNG = "2025-05-01_net_good", "2025-05-10_net_old", "2025-07-20_net_young"
OLD_RULE = "76 days old, the limit is 30"
MONTH = Policy(timedelta(days=30), keep_best=1, keep_last=1, keep=("*_paper", "paper*"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the best experiment, an old one that may go, and a young one."""
    project = new_project(tmp_path)
    train(project, GOOD, [0.5, 0.7])
    train(project, OLD, [0.5, 0.6])
    train(project, YOUNG, [0.5, 0.55])
    return project


def setting(project: Path, line: str) -> None:
    """Write a line of conventions.toml anew, by its key."""
    path = project / "training/conventions.toml"
    lines = path.read_text().splitlines()
    (at,) = (n for n, old in enumerate(lines) if old.split(" = ")[0] == line.split(" = ")[0])
    lines[at] = line
    path.write_text("\n".join(lines) + "\n")


def packed(project: Path, *words: str) -> dict[str, str]:
    """What a plan packs: the last part of each experiment's folder, or a log's name, and why."""
    plan = recipe_json(project, "archive", *NOW, *words)
    found = [action for action in plan["actions"] if action["verb"] == "pack"]
    return {
        a["src"].removeprefix(f"{ACTIVE}/").partition("/")[0]
        if a["src"].startswith(ACTIVE)
        else a["src"].rpartition("/")[2]: a["reason"]
        for a in found
    }


def staying(project: Path, *words: str) -> dict[str, str]:
    """What a plan keeps, and why."""
    notes = recipe_json(project, "archive", *NOW, *words)["notes"]
    return dict(note.split(" stays: ", 1) for note in notes if " stays: " in note)


def log(project: Path, name: str, text: str = "") -> Path:
    path = project / "training/logs" / name
    path.write_text(text)
    os.utime(path, (1.75e9, 1.75e9))
    return path


# --- the rules, a pure function ------------------------------------------------------------------


def experiment(name: str, day: str | None = "2025-01-01", **more: object) -> Experiment:
    fields = {"model_type": "net", "metric": "auc", "direction": "max", **more}
    return Experiment(name, started=date.fromisoformat(day) if day else None, **fields)  # type: ignore[arg-type]


TABLE = [
    (experiment("a", value=0.9), False, "one of the best 1 by auc"),
    (experiment("b", value=0.8), True, "205 days old, the limit is 30"),
    (experiment("b_nan", value=float("nan")), True, "205 days old, the limit is 30"),
    (experiment("c", "2025-07-24"), False, "one of the last 1"),
    (experiment("d", "2025-07-20"), False, "5 days old, the limit is 30"),
    (experiment("e", "2025-06-25"), True, "30 days old, the limit is 30"),
    (experiment("f_paper"), False, "kept by name: *_paper"),
    (experiment("g", tags=("x", "paper2")), False, "kept by tag: paper*"),
    (experiment("h", tags=None), False, "its tags cannot be read"),
    (experiment("i", None), False, "its age is unknown"),
    (experiment("j", busy="unfinished"), False, "unfinished"),
    (experiment("k", in_production="net.json"), False, "source of net.json"),
    (experiment("l", ended=date(2025, 7, 1)), False, "24 days old, the limit is 30"),
    (experiment("m", value=0.7, task=(("task", "sleep"),)), False, "one of the best 1 by auc"),
    (experiment("n", model_type="m", value=0.1), False, "one of the best 1 by auc"),
    (experiment("o", model_type="m"), True, "205 days old, the limit is 30"),
    (experiment("p", model_type="m"), False, "one of the last 1"),
    (
        experiment("q", metric="loss", direction="min", value=0.1),
        False,
        "one of the best 1 by loss",
    ),
    (
        experiment("r", metric="loss", direction="min", value=0.2),
        True,
        "205 days old, the limit is 30",
    ),
    (
        experiment("s", metric="odd", direction=None, value=9.0),
        True,
        "205 days old, the limit is 30",
    ),
]


def test_each_experiment_has_a_decision_and_the_rule_that_made_it() -> None:
    """The table of rules: the first that applies decides."""
    # a second task, so that the first experiments, whose task is unknown, stay a group of their own
    other = experiment("z", "2025-01-02", value=0.1, task=(("task", "mood"),))
    decisions = decide([*(row[0] for row in reversed(TABLE)), other], MONTH, TODAY)
    assert [d.experiment.name for d in decisions[:-1]] == [row[0].name for row in TABLE]
    found = {d.experiment.name: (d.pack, d.rule) for d in decisions}
    for made, pack, rule in TABLE:
        assert found[made.name] == (pack, rule), made.name


def test_a_name_makes_age_and_rank_not_matter() -> None:
    """What is named goes, also if it is in production; what is busy or to be kept stays."""
    policy = Policy(None, 5, 5, ("*_paper",), ("a", "b", "c_paper"))
    found = [
        experiment("a", "2025-07-25", in_production="net.json"),
        experiment("b", busy="unfinished"),
        experiment("c_paper"),
        experiment("d"),
    ]
    assert [(d.pack, d.rule) for d in decide(found, policy, TODAY)] == [
        (True, "asked for by name"),
        (False, "unfinished"),
        (False, "kept by name: *_paper"),
        (False, "not asked for"),
    ]


def test_little_free_disk_waives_the_age_of_the_oldest() -> None:
    """The oldest go until enough would be free; what a rule keeps is kept all the same."""
    policy = Policy(timedelta(days=90), 0, 1, ("*_paper",), min_free=10 * 10**9)
    size = 2 * 10**9
    found = [
        experiment("a_paper", "2025-05-01", size=size),
        experiment("b", "2025-07-03", size=size),
        experiment("c", "2025-07-01", size=size),
        experiment("d", "2025-07-02", size=size),
        experiment("e", "2025-01-01", size=size),
        experiment("f", "2025-07-24", size=size),
        experiment("g", None, size=size),
        experiment("h", "2025-06-30", size=size, busy="in use"),
    ]
    decisions = decide(found, policy, TODAY, free=5 * 10**9)
    rules = {d.experiment.name: d.rule for d in decisions if d.pack}
    assert rules == {
        "e": "205 days old, the limit is 90",
        "c": "7.0 GB would be free, the minimum is 10.0 GB: the oldest go first",
        "d": "9.0 GB would be free, the minimum is 10.0 GB: the oldest go first",
    }
    enough = decide(found, policy, TODAY, free=8 * 10**9)
    assert [d.experiment.name for d in enough if d.pack] == ["e"]


@pytest.mark.parametrize(
    ("policy", "empty"),
    [
        (Policy(None, 1, 1, ()), True),
        (Policy(timedelta(0), 0, 0, ()), False),
        (Policy(None, 1, 1, (), ("a",)), False),
        (Policy(None, 1, 1, (), min_free=1), False),
    ],
)
def test_a_policy_that_lets_nothing_go_is_empty(policy: Policy, empty: bool) -> None:
    """An age, a name or a minimum of free disk lets something go; ranks alone do not."""
    assert policy.is_empty == empty


# --- what is shown and done ----------------------------------------------------------------------


def test_a_plan_names_the_rule_for_each_experiment_and_changes_nothing(project: Path) -> None:
    """Keeps and packs are shown with their rules; the last line is the next command."""
    before = tree(project, without=())
    assert packed(project) == {OLD: OLD_RULE}
    assert staying(project) == {
        GOOD: "one of the best 1 by auc",
        YOUNG: "one of the last 1",
    }
    shown = recipe(project, "archive", *NOW).stdout
    assert f"note: {GOOD} stays: one of the best 1 by auc" in shown
    assert shown.splitlines()[-1].endswith("just archive --now 2025-07-25 --apply")
    assert not changed(before, tree(project, without=()))


def test_the_config_of_an_experiment_tells_its_model_type(tmp_path: Path) -> None:
    """Where the conventions list none: else each name would be a type of its own, and the best."""
    project = new_project(tmp_path)
    setting(project, "model_types = []")
    for name, aucs in ((GOOD, [0.5, 0.7]), (OLD, [0.5, 0.6]), (YOUNG, [0.5, 0.55])):
        train(project, name, aucs, config="model_type: net\n")
    assert packed(project) == {OLD: OLD_RULE}
    shown = recipe_json(project, "status", *NOW)["experiments"]
    assert [each["model_type"] for each in shown] == ["net"] * 3


def test_options_override_the_conventions(project: Path) -> None:
    """Age and ranks can be given on the command line."""
    assert packed(project, "--older-than", "11w") == {}
    assert packed(project, "--keep-best", "0").keys() == {GOOD, OLD}
    assert packed(project, "--keep-last", "3") == {}
    everything = packed(project, "--older-than", "0", "--keep-best", "0", "--keep-last", "0")
    assert everything.keys() == {GOOD, OLD, YOUNG}


def test_archive_and_undo_are_a_round_trip(project: Path) -> None:
    """The files are in the archive under their paths; undo gives back every byte, mode and time."""
    before = tree(project)
    just(project, "archive", *NOW, "--apply")
    assert not (project / ACTIVE / OLD).exists()
    with tarfile.open(project / ARCHIVED / f"{OLD}.tar.gz") as tar:
        assert f"{ACTIVE}/{OLD}/checkpoints/epoch_002.pth" in tar.getnames()
    assert "Nothing to do" in just(project, "archive", *NOW).stdout
    just(project, "undo")
    assert not changed(before, tree(project))


@pytest.mark.parametrize("how", [("--apply",), ("--auto",)])
def test_fast_is_kept_in_the_plan(project: Path, how: tuple[str, ...]) -> None:
    """A run that is resumed goes on as it began."""
    recipe(project, "archive", "--older-than", "30d", "--fast", *how, *NOW)
    (plan,) = (project / "training/.history").glob("*_archive/plan.json")
    assert json.loads(plan.read_bytes())["fast"] is True


def test_the_manifest_carries_the_metric_and_its_evidence(project: Path) -> None:
    """What is known of an experiment can be read without opening its archive."""
    recipe(project, "archive", *NOW, "--apply")
    manifest = json.loads((project / ARCHIVED / f"{OLD}.json").read_bytes())
    expected = {
        "name": OLD,
        "model_type": "net",
        "metric": "auc",
        "direction": "max",
        "value": 0.6,
        "date": "2025-05-10",
        "packed_because": OLD_RULE,
    }
    assert {key: manifest[key] for key in expected} == expected
    (told,) = (
        e for e in manifest["evidence"] if e["fact"] == "metric" and "epoch_002" in e["path"]
    )
    assert told["where"] == "key val_auc"
    assert [c["value"] for c in manifest["checkpoints"]] == [0.5, 0.6]


@pytest.mark.parametrize("left", [["epoch_001.pth", "epoch_002.pth"], ["epoch_002.pth"], []])
def test_the_log_tells_the_metric_of_weights_that_cannot_be_read(
    project: Path, left: list[str]
) -> None:
    """An experiment's best stands in its log even if its checkpoints are damaged, or gone."""
    home = train(project, "2025-05-05_net_odd", [0.5, 0.52])
    for path in (home / "checkpoints").iterdir():
        path.write_bytes(b"no weights at all")
        if path.name not in left:
            path.unlink()
    (home / "training.log").write_text(
        "Epoch 2: loss 0.6 Val auc=0.5200\n"
        f"Saved {home}/checkpoints/epoch_002.pth (Val auc=0.5200)\n"
    )
    age(home)
    recipe(project, "archive", *NOW, "--apply")
    manifest = json.loads((project / ARCHIVED / f"{home.name}.json").read_bytes())
    assert (manifest["metric"], manifest["value"]) == ("auc", 0.52)
    (told,) = (e for e in manifest["evidence"] if e["fact"] == "metric")
    assert told["path"].endswith("training.log")
    known = {member["path"] for member in manifest["members"]} | {manifest["folder"]}
    assert {e["path"] for e in manifest["evidence"]} <= known


def test_an_experiment_is_archived_once(project: Path) -> None:
    """One that was restored, or shares its name with an archive, stays as a folder."""
    (project / ARCHIVED / f"{OLD.upper()}.json").write_text("{}")
    told = f"{ARCHIVED} has something of that name already; if that was restored, just undo"
    assert staying(project)[OLD].startswith(told)


# --- what is never touched -----------------------------------------------------------------------


@pytest.mark.parametrize("record", [{"started": "2025-05-10T10:00:00"}, {}, {"ended": None}])
def test_an_unfinished_experiment_stays_even_if_it_is_named(
    project: Path, record: dict[str, object]
) -> None:
    """Without an end in its record an experiment may be running, here or on another machine."""
    path = project / ACTIVE / OLD / "run.json"
    path.write_text(json.dumps(record))
    age(path.parent)
    rule = f"unfinished: {ACTIVE}/{OLD}/run.json tells of no end; "
    assert staying(project)[OLD] == f'{rule}if it was killed, write "ended" there'
    before = tree(project)
    done = recipe(project, "archive", *NOW, OLD, "--apply", status=1)
    assert "run.json tells of no end" in " ".join(done.stdout.split())
    assert not changed(before, tree(project))
    path.write_text(json.dumps({**record, "ended": "2025-05-10"}))
    age(path.parent)
    assert OLD in packed(project)


def test_a_record_that_cannot_be_read_tells_of_no_end(project: Path) -> None:
    """A record that was cut off by a crash does not make an experiment finished."""
    (project / ACTIVE / OLD / "run.json").write_text('{"started": "2025-0')
    age(project / ACTIVE / OLD)
    assert staying(project)[OLD].startswith("unfinished: ")


def test_a_failed_experiment_is_finished_and_its_age_counts_from_its_end(project: Path) -> None:
    """An end makes an experiment finished, whatever its status; a long training is as old as it."""
    end = {"started": "2025-05-10T10:00:00", "ended": "2025-06-01T10:00:00", "exit_status": 1}
    (project / ACTIVE / OLD / "run.json").write_text(json.dumps(end))
    age(project / ACTIVE / OLD)
    assert packed(project) == {OLD: "54 days old, the limit is 30"}
    assert packed(project, "--older-than", "60d") == {}


def test_an_experiment_with_a_file_in_use_stays(project: Path) -> None:
    """A file that changed just now, or that a process writes to, keeps the whole experiment."""
    os.utime(project / ACTIVE / OLD / "training.log")
    assert staying(project)[OLD].startswith(f"in use: {ACTIVE}/{OLD}/training.log (changed ")


@pytest.mark.parametrize("how", ["metadata", "bytes", "link"])
def test_the_source_of_a_production_model_stays_unless_it_is_said(project: Path, how: str) -> None:
    """It is known by the metadata, by its bytes, or by a link into the experiment."""
    source = f"{ACTIVE}/{OLD}/checkpoints/epoch_002.pth"
    model = project / PRODUCTION / "net_v0.6000.pth"
    said = model
    if how == "metadata":
        model.write_bytes(b"other weights")
        said = model.with_suffix(".json")
        said.write_text(json.dumps({"source": source, "value": 0.6}))
    elif how == "bytes":
        model.write_bytes((project / source).read_bytes())
    else:
        model.symlink_to(project / source)
    rule = f"source of {said.relative_to(project)}"
    assert staying(project)[OLD] == rule
    assert packed(project) == {}
    assert packed(project, "--even-production") == {OLD: OLD_RULE}
    assert packed(project, OLD) == {OLD: "asked for by name"}


def test_experiments_are_kept_by_name_or_by_tag(project: Path) -> None:
    """A glob of the conventions matches the folder or a tag of the config; a name does not win."""
    setting(project, 'keep = ["*_good", "paper*"]')
    config = project / ACTIVE / OLD / "config.yaml"
    config.write_text("seed: 1\ntags: [draft, paper-2]\n")
    age(config.parent)
    assert staying(project)[OLD] == "kept by tag: paper*"
    assert staying(project)[GOOD] == "kept by name: *_good"
    recipe(project, "archive", *NOW, OLD, "--apply", status=1)
    config.write_text("seed: 1\ntags: &a [*a")
    age(config.parent)
    assert staying(project)[OLD] == "its tags cannot be read"
    setting(project, "keep = []")
    assert packed(project) == {OLD: OLD_RULE}


def test_what_cannot_be_packed_whole_stays(project: Path) -> None:
    """A repository, a pipe or a git-lfs pointer inside, or a request, keeps all of it."""
    home = project / ACTIVE / OLD
    (home / "code/.git").mkdir(parents=True)
    assert staying(project)[OLD] == f"{ACTIVE}/{OLD}/code: another repository"
    (home / "code/.git").rmdir()
    os.mkfifo(home / "pipe")
    assert staying(project)[OLD] == f"{ACTIVE}/{OLD}/pipe: neither a file nor a folder"
    (home / "pipe").unlink()
    pointer = home / "checkpoints/epoch_001.pth"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    age(home)
    assert "git-lfs pointer" in staying(project)[OLD]
    pointer.unlink()
    assert packed(project) == {OLD: OLD_RULE}
    setting(project, f'leave_alone = ["{ACTIVE}/{OLD}/config.yaml"]')
    assert staying(project)[OLD].startswith("left alone on request: ")


# --- what the user may say -----------------------------------------------------------------------


def test_a_named_experiment_goes_alone(project: Path) -> None:
    """Names, or paths of their folders, mean these and nothing else, whatever their age."""
    log(project, "net_training_20250101_000000.log", "2025-01-01 Epoch 1: val_auc 0.5\n")
    assert packed(project, f"{ACTIVE}/{YOUNG}/") == {YOUNG: "asked for by name"}
    assert staying(project, YOUNG) == {}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["2025-05-10_net"], "2025-05-10_net: is no experiment in training/experiments/active"),
        (["--older-than", "soon"], "'soon' is no age; write 30d or 4w"),
        (["--keep-last", "-1"], "is no count; write 0 or more"),
    ],
)
def test_mistakes_are_refused_in_one_line(project: Path, words: list[str], says: str) -> None:
    """Nothing is changed, the status is 2 and the message says what to write."""
    done = recipe(project, "archive", *words, status=2)
    assert says in done.stderr.splitlines()[-1]
    assert done.stdout == ""


def test_a_wrong_name_is_told_what_may_be_meant(project: Path) -> None:
    """One that is like it, or an archive, which can be brought back."""
    for name in (OLD.partition("_")[2], f"{OLD}x"):
        done = recipe(project, "archive", name, status=2)
        assert f"; did you mean {OLD}?" in done.stderr
    recipe(project, "archive", OLD, "--apply", *NOW)
    done = recipe(project, "archive", OLD, status=2)
    assert done.stderr == f"{OLD}: is archived; just restore {OLD} brings it back\n"


def test_an_empty_policy_is_refused(project: Path) -> None:
    """Without an age, names or a minimum of free disk nothing says what to pack."""
    setting(project, "after_days = 0")
    done = just(project, "archive", "--apply", status=2)
    assert done.stderr.startswith("no rule lets anything go: ")
    assert packed(project, "--older-than", "30d") == {OLD: OLD_RULE}
    setting(project, "min_free_gb = 36500")
    (rule,) = packed(project).values()  # the best and the last are kept all the same
    assert rule.endswith("the minimum is 36500.0 GB: the oldest go first")


def test_experiments_outside_the_project_are_refused(project: Path, tmp_path: Path) -> None:
    """An archive holds paths below the project; elsewhere nothing is silently left out."""
    done = just(project, "archive", status=2, EXPERIMENT_DIR=str(tmp_path / "elsewhere"))
    assert "lies outside the project" in done.stderr


def test_archives_may_lie_outside_the_project(project: Path, tmp_path: Path) -> None:
    """With the training folder on another disk, the archives go there, and are seen there."""
    elsewhere = str(tmp_path / "elsewhere")
    just(project, "archive", *NOW, "--apply", TRAINING_DIR=elsewhere)
    assert (tmp_path / "elsewhere/experiments/archived" / f"{OLD}.tar.gz").exists()
    train(project, OLD, [0.5, 0.6])
    again = just(project, "archive", *NOW, "--json", TRAINING_DIR=elsewhere)
    notes = json.loads(again.stdout)["notes"]
    assert any(f"{OLD} stays" in note and "of that name already" in note for note in notes)


# --- raw logs ------------------------------------------------------------------------------------


def test_old_raw_logs_are_packed_together(project: Path) -> None:
    """Logs of before the age go by the date that they tell; those of production models stay."""
    old = log(project, "net_training_20250501_100000.log")
    long = log(
        project, "net_training_20250601_100000.log", "2025-07-20 09:00:00 Epoch 9: auc=0.5\n"
    )
    own = log(project, "other.log", "2025-05-02 10:00:00 - INFO - Epoch 1: val_auc 0.5\n")
    undated = log(project, "undated.log", "Epoch 1: val_auc 0.5\n")
    busy = log(project, "net_training_20250502_100000.log")
    os.utime(busy)
    log(project, "net_v0.5929_20250401.log", "2025-04-01 Epoch 1: val_auc 0.5929\n")
    log(project, "mine.log", "2025-04-01 10:00:00 - INFO - Epoch 1: val_auc 0.5929\n")
    metadata = {"log": "training/logs/mine.log"}
    (project / PRODUCTION / "net_v0.5929.json").write_text(json.dumps(metadata))
    kept = staying(project)
    assert kept[f"training/logs/{undated.name}"] == "its age is unknown"
    assert kept[f"training/logs/{busy.name}"].startswith("in use (changed ")
    before = tree(project)
    recipe(project, "archive", *NOW, "--apply")
    manifest = json.loads((project / ARCHIVED / "logs_before_20250625.json").read_bytes())
    names = {Path(member["path"]).name for member in manifest["members"]}
    assert names == {old.name, own.name}
    assert long.exists()
    recipe(project, "undo")
    assert not changed(before, tree(project))


# --- unattended ----------------------------------------------------------------------------------


def lines(project: Path) -> list[str]:
    """What the log of automatic runs says, without the times."""
    return [line[20:] for line in (project / LOG).read_text().splitlines()]


def later(days: int) -> tuple[str, str]:
    return "--now", (datetime.now() + timedelta(days=days)).isoformat()


def waiting(project: Path) -> list[Path]:
    """The originals in quarantine."""
    return [path for path in (project / HISTORY).glob("*/quarantine/**/*") if path.is_file()]


def test_auto_applies_and_is_quiet_when_there_is_nothing_to_do(project: Path) -> None:
    """It says what it did in one line, and nothing the next time; its log has every time."""
    done = just(project, "archive", "--auto", *NOW)
    assert "packed; just undo takes it back" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert (project / ARCHIVED / f"{OLD}.tar.gz").exists()
    again = just(project, "archive", "--auto", *NOW)
    assert (again.stdout, again.stderr) == ("", "")
    assert lines(project)[0] == f"packed into {ARCHIVED}/{OLD}.tar.gz: {OLD_RULE}"
    assert lines(project)[-1] == "nothing to pack"
    assert (project / LOG).read_text().startswith("2025-07-25 00:00:00 ")


def test_auto_purges_what_waited_long_enough(project: Path) -> None:
    """Originals are freed after the days of the conventions, never before; undo still works."""
    before = tree(project)
    recipe(project, "archive", "--auto", *NOW)
    recipe(project, "archive", "--auto", "--older-than", "99999", *later(29))
    assert waiting(project)
    done = recipe(project, "archive", "--auto", "--older-than", "99999", *later(31))
    assert "freed" in done.stdout
    assert not waiting(project)
    recipe(project, "undo")
    assert not changed(before, tree(project))


def test_auto_purges_nothing_where_that_is_turned_off(project: Path) -> None:
    """With purge_after_days = 0 originals wait for `just purge`."""
    recipe(project, "archive", "--auto", *NOW)
    setting(project, "purge_after_days = 0")
    assert recipe(project, "archive", "--auto", "--older-than", "99999", *later(999)).stdout == ""
    assert waiting(project)


def test_auto_purges_only_what_is_verified(project: Path) -> None:
    """A damaged archive keeps its originals in quarantine, aloud, with status 1."""
    recipe(project, "archive", "--auto", *NOW)
    archive = project / ARCHIVED / f"{OLD}.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-9])
    originals = waiting(project)
    done = recipe(project, "archive", "--auto", "--older-than", "99999", *later(31), status=1)
    assert waiting(project) == originals
    assert "stays in the quarantine" in done.stderr
    assert any("stays in the quarantine" in line for line in lines(project))


def test_auto_lets_another_recipe_go_first(project: Path) -> None:
    """A recipe at work is no failure: nothing is done or said, but in the log."""
    with project_lock(project / HISTORY):
        before = tree(project)
        done = just(project, "archive", "--auto", *NOW)
    assert (done.stdout, done.stderr) == ("", "")
    assert lines(project)[0].startswith("nothing was done: ")
    assert not changed(before, tree(project))


def test_auto_fails_while_a_run_is_unfinished(project: Path) -> None:
    """Someone has to decide whether to resume or undo: that is said, with status 1."""
    run = project / HISTORY / "20250101T000000_cleanup"
    run.mkdir(parents=True)
    (run / "plan.json").write_text("{}")
    done = recipe(project, "archive", "--auto", *NOW, status=1)
    assert "20250101T000000_cleanup was interrupted" in done.stderr
    assert "20250101T000000_cleanup was interrupted" in lines(project)[0]


def test_auto_changes_nothing_on_a_full_disk(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Archives are written beside their originals; where they cannot be, it is said, no more."""
    before = tree(project)
    opened = open_project(project, project / "training/conventions.toml", {})
    plan = _recipe_plan(project)
    monkeypatch.setattr(disk, "free_bytes", lambda path: 1000)
    status = unattended.run(
        opened, lambda: plan, datetime.now(), purge_as_you_go=False, as_json=False
    )
    assert status == 1
    assert "free some space" in capsys.readouterr().err
    assert not changed(before, tree(project))


def _recipe_plan(project: Path) -> Plan:
    """The plan of a real run, taken back again."""
    recipe(project, "archive", *NOW, "--apply")
    (path,) = (project / HISTORY).glob("*/plan.json")
    plan = from_json(path.read_bytes())
    recipe(project, "undo")
    return plan


def test_auto_speaks_json_in_one_document_or_not_at_all(project: Path) -> None:
    """Programs get what was done and what failed; nothing when there was nothing to do."""
    answer = recipe_json(project, "archive", "--auto", *NOW)
    assert answer["failed"] == []
    assert len(answer["done"]) == 1
    assert recipe(project, "archive", "--auto", "--json", *NOW).stdout == ""


def test_the_log_of_automatic_runs_is_bounded(project: Path) -> None:
    """Its older half goes when it has grown; whole lines are left, the newest among them."""
    (project / HISTORY).mkdir()
    (project / LOG).write_text("2025-01-01 00:00:00 some line\n" * 50_000)
    recipe(project, "archive", "--auto", *NOW)
    assert (project / LOG).stat().st_size < unattended.LOG_LIMIT
    assert lines(project)[0] == "some line"
    assert lines(project)[-1].endswith("just undo takes it back")


def test_what_a_schedule_sends_to_the_log_stands_there_once(project: Path) -> None:
    """A line is not written twice when standard output is the log itself."""
    (project / HISTORY).mkdir()
    with (project / LOG).open("a") as stream:
        script = project / "training/recipes/archive.py"
        subprocess.run(
            [sys.executable, str(script), "--auto", *NOW], stdout=stream, stderr=stream, check=True
        )
    assert sum("takes it back" in line for line in lines(project)) == 1
