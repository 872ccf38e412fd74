"""`just check`: what breaks a rule is reported where it is; what follows them all is not."""

import contextlib
import hashlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import check
import torch_writer
from engine.checks.source import Mention, mentions
from engine.checks.subject import Violation
from projects import changed, just, just_json, recipe, recipe_json, tree, twin
from template_fixture import (
    GIT_ENVIRONMENT,
    JUST,
    REPOSITORY,
    commit_all,
    copy_of_template,
    generate,
    git,
    make_files,
)

MODEL = "model_weights/production/pat_conv_l_v0.5929.pth"
METADATA = "model_weights/production/pat_conv_l_v0.5929.json"
SUMMARY = "training/results/pat_conv_l_v0.5929_summary.md"
ARCHIVED = "training/experiments/archived/"
EXPERIMENT = "training/experiments/active/2025-01-01_pat_conv_l_old"
PACKED = ARCHIVED + "2025-01-01_pat_conv_l_old"
CONVENTIONS = "training/conventions.toml"
HELPER = "training/log_paths.py"
WORKFLOW = ".github/workflows/training-outputs.yml"
LINE = re.compile(r"(?P<path>.+?):(?P<line>[1-9][0-9]*): (?P<rule>[a-z-]+): (?P<message>.+)")
AGO = 3600  # seconds: no longer in use
Finding = tuple[str, int, str]


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("check")
    return generate(
        copy_of_template(root / "template"),
        root / "project",
        model_types=["pat_conv_l"],
        ci="github",
    )


@pytest.fixture
def project(generated: Path, tmp_path: Path) -> Path:
    return twin(generated, tmp_path)


def checked(project: Path, *words: str) -> tuple[int, str, str]:
    """Run the check in this process; return its status and what it printed."""
    where = ["--project", str(project), "--conventions", str(project / CONVENTIONS)]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = check.main([*where, *words])
    return status, out.getvalue(), err.getvalue()


def found(project: Path, *words: str) -> list[Finding]:
    """Run a check that finds something; return path, line and rule of each finding."""
    status, out, err = checked(project, *words)
    assert (status, err) == (3, f"Places that break a rule: {out.count(chr(10))}\n")
    return findings(out)


def findings(printed: str) -> list[Finding]:
    """Return path, line and rule of each line that was printed, every one of which has them."""
    lines = [LINE.fullmatch(line) for line in printed.splitlines()]
    assert lines
    assert None not in lines, printed
    return [(m["path"], int(m["line"]), m["rule"]) for m in lines if m]


def is_in_order(project: Path, *words: str) -> bool:
    """Return whether a check finds nothing, and says so."""
    return checked(project, *words) == (0, "", "All in order.\n")


def test_runs_that_lie_elsewhere_are_named(project: Path) -> None:
    """The history was renamed in the conventions and not on the disk: nothing there is found."""
    log(project / "runs/net/train.log")
    recipe(project, "cleanup", "--apply")
    assert is_in_order(project)
    home = project / "training/.history"
    (run,) = home.glob("*_cleanup")
    (project / "backup" / run.name).mkdir(parents=True)  # of a run that is in the history as well
    shutil.copy(run / "journal.jsonl", project / "backup" / run.name)
    assert is_in_order(project)
    rules = project / CONVENTIONS
    rules.write_text(rules.read_text().replace('"training/.history"', '"training/.runs"'))
    assert ("training/.history", 1, "layout") in found(project)
    home.rename(project / "training/.runs")
    assert is_in_order(project)


def test_papers_outside_the_project_are_seen(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A summary that lies there is not called missing, and not to be written again."""
    outside = tmp_path / "disk"
    (project / ".env").unlink()
    monkeypatch.setenv("TRAINING_DIR", str(outside))
    home = project / EXPERIMENT
    checkpoint(home / "checkpoints/best.pth")
    recipe(project, "promote", home.name, TRAINING_DIR=str(outside))
    for name in ("logs", "experiments/archived"):
        (outside / name).mkdir(parents=True, exist_ok=True)
    _, said, _ = checked(project)
    assert "summary" not in said
    assert "Nothing to do." in checked(project, "--fix")[1]


def checkpoint(path: Path, value: float = 0.4, age: float = AGO) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = torch_writer.Tensor((4, 4), seed=1)
    torch_writer.save(path, {"model_state_dict": {"w": weights}, "val_auc": value})
    os.utime(path, (time.time() - age,) * 2)


def log(path: Path, age: float = AGO) -> None:
    lines = (f"Epoch {n}: Train Loss=0.69, Val auc=0.5{n}00\n" for n in range(1, 6))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines))
    os.utime(path, (time.time() - age,) * 2)


def production(project: Path) -> None:
    """Put a model into production, with all that belongs to it."""
    checkpoint(project / MODEL, 0.592912)
    data = (project / MODEL).read_bytes()
    about = {"value": 0.592912, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    make_files(project, {METADATA: json.dumps(about), SUMMARY: "# pat_conv_l_v0.5929\n"})


def packed(project: Path) -> None:
    """Pack an experiment."""
    checkpoint(project / EXPERIMENT / "checkpoints/best.pth")
    recipe(project, "archive", Path(EXPERIMENT).name, "--apply")


# --- a project in order ---------------------------------------------------------------------------


def test_a_new_project_is_in_order_and_stays_untouched(project: Path) -> None:
    """A check of a fresh copy finds nothing, ends with status 0 and writes nothing."""
    before = tree(project, without=())
    done = just(project, "check")
    assert (done.stdout, done.stderr) == ("", "All in order.\n")
    assert changed(before, tree(project, without=())) == set()


def test_a_full_project_is_in_order(project: Path) -> None:
    """Production models with their papers, experiments, archives and logs break no rule."""
    production(project)
    packed(project)
    checkpoint(project / "training/experiments/active/2025-02-01_pat_conv_l_2/checkpoints/a.pth")
    make_files(
        project,
        {
            "training/logs/pat_conv_l_training_20250725_104438.log": "",
            "training/logs/pat_conv_l_training_20250725_104438_2.log": "",
            "training/logs/pat_conv_l_v0.5929_20250725.log": "",
            "training/results/cleanup_20250725.md": "",
            "training/results/curve.png": "",
            "training/results/README.md": "",
            "model_weights/pretrained/PAT-L_29k_weights.h5": "",
        },
    )
    assert is_in_order(project)


# --- layout and names -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "key"),
    [
        ("model_weights/pretrained", "pretrained = "),
        ("training/experiments/active", "active = "),
        ("training/logs", "logs = "),
    ],
)
def test_a_missing_folder_is_reported_where_it_is_named(
    project: Path, folder: str, key: str
) -> None:
    """The line is that of conventions.toml which asks for the folder."""
    shutil.rmtree(project / folder)
    ((path, line, rule),) = found(project)
    assert (path, rule) == (CONVENTIONS, "layout")
    assert (project / CONVENTIONS).read_text().split("\n")[line - 1].startswith(key)


@pytest.mark.parametrize("leads", ["somewhere", "nowhere"])
def test_a_folder_of_the_layout_that_is_a_link_is_reported(
    leads: str, project: Path, tmp_path: Path
) -> None:
    """No recipe follows it, whether the other disk is there or not."""
    folder = project / "training/experiments/archived"
    shutil.rmtree(folder)
    (tmp_path / "somewhere").mkdir()
    folder.symlink_to(tmp_path / leads)
    (one,) = recipe_json(project, "check", status=3)["violations"]
    assert (one["path"], one["rule"]) == (CONVENTIONS, "layout")
    assert "experiments/archived is a link, and recipes follow none" in one["message"]
    assert "in .env" in one["message"]


def test_a_link_among_production_models_that_leads_nowhere_is_reported(project: Path) -> None:
    """It looks like a model to whoever lists the folder."""
    (project / "model_weights/production/pat_conv_l_v0.5929.pth").symlink_to("gone.pth")
    (one,) = recipe_json(project, "check", status=3)["violations"]
    assert (one["path"], one["rule"]) == (
        "model_weights/production/pat_conv_l_v0.5929.pth",
        "metadata",
    )
    assert "leads nowhere" in one["message"]


@pytest.mark.parametrize(
    "path",
    [
        "model_weights/production/notes.txt",
        "model_weights/production/pat_conv_l_v0.59.json",
        "training/experiments/active/try/a.txt",
        "training/experiments/active/25-07-2025_pat_conv_l/a.txt",
        "training/experiments/archived/notes.txt",
        "training/logs/train.log",
        "training/results/findings.md",
    ],
)
def test_a_name_that_no_template_builds_is_reported(project: Path, path: str) -> None:
    """What lies in the layout and follows no template breaks the rule "name", as a whole."""
    make_files(project, {path: "x"})
    ((said, line, rule), *more) = found(project)
    assert (path + "/").startswith(said + "/")
    assert (line, rule) == (1, "name")
    assert more == []


def test_names_follow_changed_conventions(project: Path) -> None:
    """After a change of a template, what was named by the old one is reported."""
    production(project)
    text = (project / CONVENTIONS).read_text()
    old, new = '"{model_type}_v{metric}.{ext}"', '"{model_type}-{metric}.{ext}"'
    assert old in text
    (project / CONVENTIONS).write_text(text.replace(old, new))
    assert (METADATA, 1, "name") in found(project)
    assert (MODEL, 1, "name") in found(project)


def test_a_production_folder_outside_the_project_is_checked(project: Path, tmp_path: Path) -> None:
    """Where the environment places the folder elsewhere, its names are checked there."""
    elsewhere = tmp_path / "weights"
    make_files(elsewhere, {"odd.txt": ""})
    done = just(project, "check", status=3, MODEL_WEIGHTS_DIR=str(elsewhere))
    assert (f"{elsewhere}/odd.txt", 1, "name") in findings(done.stdout)


# --- what belongs to a model and to an archive ----------------------------------------------------


@pytest.mark.parametrize(("missing", "rule"), [(METADATA, "metadata"), (SUMMARY, "summary")])
def test_a_model_without_a_paper_is_reported(project: Path, missing: str, rule: str) -> None:
    """A production model needs its metadata and a results summary."""
    production(project)
    (project / missing).unlink()
    assert found(project) == [(MODEL, 1, rule)]


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"sha256": "0" * 64}, "another sha256"),
        ({"size": 5}, "tells size 5, not the"),
        ({"size": True}, "tells size true, not the"),
        ({"sha256": None}, "does not tell the sha256"),
    ],
)
def test_metadata_of_other_bytes_is_reported(
    project: Path, about: dict[str, object], said: str
) -> None:
    """Metadata whose hash or size is not its file's is named, with the file that it is about."""
    production(project)
    true = json.loads((project / METADATA).read_text())
    (project / METADATA).write_text(json.dumps(true | about))
    assert found(project) == [(METADATA, 1, "metadata")]
    _, line, _ = checked(project)
    assert said in line
    assert MODEL in line


@pytest.mark.parametrize("text", ["", "[]", "{", "9" * 5000, "[" * 9999])
def test_broken_metadata_is_reported(project: Path, text: str) -> None:
    """Metadata that is no JSON object tells nothing, and that is what is said."""
    production(project)
    (project / METADATA).write_text(text)
    assert found(project) == [(METADATA, 1, "metadata")]


@pytest.mark.parametrize("same", [True, False])
def test_a_checkout_without_lfs_is_compared_by_its_pointer(project: Path, same: bool) -> None:
    """A git-lfs pointer tells hash and size of the file that it stands for."""
    production(project)
    about = json.loads((project / METADATA).read_text())
    sha256 = about["sha256"] if same else "0" * 64
    version = "version https://git-lfs.github.com/spec/v1"
    (project / MODEL).write_text(f"{version}\noid sha256:{sha256}\nsize {about['size']}\n")
    if same:
        assert is_in_order(project)
    else:
        assert found(project) == [(METADATA, 1, "metadata")]


@pytest.mark.parametrize("missing", [".json", ".sha256", ".tar.gz"])
def test_an_incomplete_archive_is_reported(project: Path, missing: str) -> None:
    """Archive, manifest and checksum belong together."""
    packed(project)
    Path(f"{project / PACKED}{missing}").unlink()
    ((path, line, rule),) = found(project)
    assert path.startswith(PACKED)
    assert (line, rule) == (1, "archive")


def test_a_clone_has_manifests_without_archives(project: Path, tmp_path: Path) -> None:
    """Git carries manifests and checksums, and no archives: that is no fault of a clone."""
    packed(project)
    commit_all(project)
    git(tmp_path, "clone", "--quiet", str(project), "clone")
    assert not list((tmp_path / "clone" / ARCHIVED).glob("*.tar.gz"))
    assert list((tmp_path / "clone" / ARCHIVED).glob("*.json"))
    assert is_in_order(tmp_path / "clone")
    Path(f"{project / PACKED}.tar.gz").unlink()
    assert found(project) == [(PACKED + ".json", 1, "archive")]


# --- outside the layout ---------------------------------------------------------------------------


def test_outputs_outside_the_layout_are_reported(project: Path) -> None:
    """Checkpoints and training logs are named; results, configs and other logs are not."""
    checkpoint(project / "best.pth")
    log(project / "runs/train.log")
    others = {"results.json": '{"val_auc": 0.5}', "config.yaml": "lr: 1", "app.log": "started\n"}
    make_files(project, others)
    for name in others:
        os.utime(project / name, (time.time() - AGO,) * 2)
    assert found(project) == [("best.pth", 1, "outside"), ("runs/train.log", 1, "outside")]


def test_what_is_in_use_is_left_out_unless_git_tracks_it(project: Path) -> None:
    """A run that goes on is no violation; a checkpoint that is about to be committed is."""
    checkpoint(project / "best.pth", age=0)
    assert is_in_order(project)
    git(project, "init", "--quiet")
    git(project, "add", "--force", "best.pth")
    assert found(project) == [("best.pth", 1, "outside")]


def test_the_check_knows_what_a_clean_up_knows(legacy: Path, cleaned: Path) -> None:
    """In a mess it names each checkpoint and log that a clean-up would take; after it, none."""
    plan = recipe_json(legacy, "cleanup")
    taken = {a["src"] for a in plan["actions"] if a["src"] and a["verb"] != "skip"}
    outside = {path for path, _, rule in found(legacy) if rule == "outside"}
    weights = {c["path"] for c in plan["checkpoints"]} & taken
    assert weights <= outside <= taken
    assert {path for path in outside - weights if not path.endswith((".log", ".out"))} == set()
    assert {rule for _, _, rule in found(cleaned)} == {"legacy-path"}


# --- paths in source ------------------------------------------------------------------------------

FORMER = "model_weights/pat/pytorch/pat_conv_l_simple_best.pth"
SOURCE = f"""\
import os
from pathlib import Path

OLD = "{FORMER}"
FOLDER = Path("model_weights") / "pat" / "pytorch"
BEST = FOLDER / "pat_l_ft_best.pth"
HEAD = os.path.join("models", "population", "pat_depression.pt")
THERE = "C:\\\\work\\\\model_weights\\\\pat\\\\pytorch\\\\pat_l_final_best.pth"
UP = f"../../{{FOLDER}}/epoch_{{1}}.pth"
LOG = "pat_l_gentle_schedule.log"
NEW = "model_weights/production/pat_conv_l_v0.5929.pth"
OTHER = Path(__file__).parent / "pat_l_gentle_schedule.log"
URL = "https://example.invalid/{FORMER}"
WORDS = "training of {FORMER} ended"
"""


def test_paths_that_a_clean_up_moved_are_reported(cleaned: Path, tmp_path: Path) -> None:
    """However a former path is put together, its line is named; what only looks like one is not."""
    project = twin(cleaned, tmp_path)
    make_files(project, {"train.py": SOURCE})
    lines = [line for path, line, _ in found(project, "train.py") if path == "train.py"]
    assert lines == [4, 5, 6, 7, 8, 9, 10]
    assert NOW in checked(project, "train.py")[1]
    recipe(project, "undo")
    assert is_in_order(project, "train.py")


NOW = f"{FORMER!r} is elsewhere: at model_weights/production/pat_conv_l_v0.5929.pth"


def test_a_clone_knows_former_paths_from_the_manifests(project: Path, tmp_path: Path) -> None:
    """What was packed on another machine is known from its manifest, without any history."""
    packed(project)
    make_files(project, {"use.py": f'A = "{EXPERIMENT}/checkpoints/best.pth"\n'})
    commit_all(project)
    git(tmp_path, "clone", "--quiet", str(project), "clone")
    assert found(tmp_path / "clone") == [("use.py", 1, "legacy-path")]


STRAY = """\
import logging, torch, torch as t
from logging.handlers import RotatingFileHandler as Rotating
from pathlib import Path
out, root = Path("checkpoints"), 1
torch.save(w, "best.pt")
t.save(w, f="ckpt/%d.pt" % n)
torch.save(w, "ckpt/{}.pt".format(n))
FOLDER = Path("ckpt").resolve()
torch.save(w, FOLDER.joinpath(f"{n:03d}.pt"))
torch.save(w, str(FOLDER) + "/last.pt")
torch.save(w, "/scratch/somewhere/best.pt")
logging.basicConfig(level=1, filename="train.log")
Rotating("logs/train.log", maxBytes=1)
logging.FileHandler(filename=r"..\\\\train.log")
torch.save(w, "training/best.pt")
"""
FINE = """\
import logging, torch, torch as t
from pathlib import Path
torch.save(w, path)
torch.save(w, Path(folder) / "best.pt")
torch.save(w, f"{folder}/best.pt")
torch.save(w, "training/experiments/active/2025-01-01_a/checkpoints/best.pt")
torch.save(w, f"training/*/{n}/best.pt")
torch.save(w, "../model_weights/production/a_v1.pt")
torch.save(features, "data/cache/features.pt")
logging.FileHandler("/dev/null")
logging.FileHandler("training/logs/a.log")
logging.basicConfig(level=1)
best = "a.pt"
best = "b.pt"
torch.save(w, best)
torch.load("best.pt")
store.save(w, "best.pt")
torch.save(*everything)
"""


def test_writing_outside_the_layout_is_reported(project: Path) -> None:
    """Each call that saves weights or logs to a literal path outside the layout is named."""
    make_files(project, {"scripts/train.py": STRAY, "scripts/fine.py": FINE})
    lines = {number: text for number, text in enumerate(STRAY.splitlines(), 1) if number > 3}
    expected = [
        (number, "log-target" if "log" in text.lower() else "checkpoint-target")
        for number, text in lines.items()
        if "save(" in text or "Rotating(" in text or "logging." in text
    ]
    assert [(line, rule) for path, line, rule in found(project)] == expected


def test_tests_and_what_is_left_alone_may_write_where_they_like(project: Path) -> None:
    """A test may save anywhere; so may what conventions.toml says to leave alone."""
    code = 'import torch\ntorch.save(1, "best.pt")\n'
    make_files(project, dict.fromkeys(("tests/test_a.py", "mine/a.py", "ignored/a.py"), code))
    make_files(project, {".gitignore": "/ignored/\n"})
    git(project, "init", "--quiet")
    text = (project / CONVENTIONS).read_text()
    (project / CONVENTIONS).write_text(text.replace("leave_alone = []", 'leave_alone = ["mine"]'))
    assert is_in_order(project)


@pytest.mark.parametrize(
    "source", [b"print 1\n", b"\0", b"\xff\xfe", b"(" * 5000, b"x = " + b"-" * 9999]
)
def test_source_that_python_cannot_read_is_left_out_aloud(project: Path, source: bytes) -> None:
    """Broken source is no violation, and no crash: one line says that it was not checked."""
    (project / "old.py").write_bytes(source)
    status, out, err = checked(project)
    assert (status, out) == (0, "")
    assert re.fullmatch(r"old\.py: was not checked: .+\nAll in order\.\n", err)
    assert "<unknown>" not in err


def test_warnings_of_the_source_are_not_ours(project: Path) -> None:
    """An invalid escape in a checked file is not warned about."""
    make_files(project, {"a.py": 'x = "\\d"\nassert (1, "always")\n'})
    assert is_in_order(project)


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_a_literal_is_read_as_it_stands(path: str) -> None:
    """What `torch.save` is given literally is found as it is, unless it can be no path."""
    found = mentions(f"import torch\ntorch.save(x, {path!r})\n".encode())
    if "\n" not in path and "://" not in path and not path.startswith("*"):
        assert Mention(2, path, "checkpoint") in found


@given(st.text(max_size=80) | st.from_regex(r"([a-z]=|[a-z]\+|f'\{|'|\}|/|\(|\)|\n){1,30}"))
@settings(max_examples=80, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    """Source is either read or refused with what Python itself raises."""
    try:
        source = text.encode()
        compile(source, "a.py", "exec", 0x400)  # ast.PyCF_ONLY_AST
    except (SyntaxError, ValueError):
        with pytest.raises((SyntaxError, ValueError)):
            mentions(text.encode("utf-8", "surrogatepass"))
    else:
        assert isinstance(mentions(source), tuple)


def test_values_that_grow_or_name_each_other_end() -> None:
    """Names that double each other, or stand for themselves, take neither time nor memory."""
    doubling = "a0 = 'x'\n" + "".join(f"a{n + 1} = a{n} + a{n}\n" for n in range(60))
    cycle = "b = c + '/x'\nc = b + '/y'\nimport torch\ntorch.save(1, b)\ntorch.save(1, a60)\n"
    assert max(len(mention.path) for mention in mentions((doubling + cycle).encode())) <= 1000


# --- settings -------------------------------------------------------------------------------------


def test_an_env_that_disagrees_is_reported_at_its_line(project: Path) -> None:
    """Where .env places a folder elsewhere than conventions.toml, its line is named."""
    text = (project / ".env").read_text()
    place = '"./model_weights/production"'
    assert place in text
    (project / ".env").write_text(text.replace(place, '"model_weights/pretrained/mine"'))
    (project / "model_weights/pretrained/mine").mkdir()
    (project / ".env").write_text(text.replace(place, '"weights"'))
    (project / "weights").mkdir()
    ((path, line, rule),) = found(project)
    assert (path, rule) == (".env", "folder")
    assert "weights" in (project / ".env").read_text().split("\n")[line - 1]


def test_an_environment_that_disagrees_is_reported_at_the_convention(project: Path) -> None:
    """Where the environment disagrees with conventions.toml alone, the key there is named."""
    (project / ".env").unlink()
    (project / "runs").mkdir()
    done = just(project, "check", status=3, EXPERIMENT_DIR="runs")
    ((path, line, rule),) = findings(done.stdout)
    assert (path, rule) == (CONVENTIONS, "folder")
    assert (project / CONVENTIONS).read_text().split("\n")[line - 1].startswith("active = ")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("format = 1", "format = 2", "format = 2 is unknown"),
        ("keep_best = 1", "keep_beast = 1", "did you mean 'keep_best'"),
        ("keep_best = 1", "", "keep_best is missing"),
        ("keep_best = 1", "keep_best = [", "not valid TOML"),
    ],
)
def test_conventions_that_the_recipes_do_not_know_are_reported(
    project: Path, old: str, new: str, said: str
) -> None:
    """Conventions and recipes out of step: status 3, with the line."""
    text = (project / CONVENTIONS).read_text()
    assert text.count(old) == 1
    (project / CONVENTIONS).write_text(text.replace(old, new))
    ((path, line, rule),) = found(project)
    assert (path, rule) == (CONVENTIONS, "conventions")
    assert line > 1
    assert said in checked(project)[1]


def test_broken_conventions_may_be_named_by_a_short_path(project: Path) -> None:
    """From the folder in which they lie, the name alone is enough."""
    (project / CONVENTIONS).write_text("format = \n")
    words = ("--conventions", "conventions.toml")
    done = recipe(project, "check", *words, status=3, cwd=project / "training")
    assert done.stdout.startswith("conventions.toml:1: conventions: not valid TOML")


@pytest.mark.parametrize("edit", [None, "def fill(): pass\n"])
def test_a_helper_that_is_missing_or_old_is_reported(project: Path, edit: str | None) -> None:
    """Without the helper of their version no recipe runs; the check says so in its own form."""
    (project / HELPER).unlink()
    if edit:
        (project / HELPER).write_text(edit)
    done = just(project, "check", status=3)
    assert done.stdout.startswith(f"{HELPER}:1: helper: ")
    assert done.stderr == ""


def test_a_helper_that_hides_ours_is_reported(project: Path, tmp_path: Path) -> None:
    """Another log_paths on the module path is not the one that these conventions are read by."""
    (tmp_path / "lib").mkdir()
    shutil.copy(project / HELPER, tmp_path / "lib")
    done = just(project, "check", status=3, PYTHONPATH=str(tmp_path / "lib"))
    assert (HELPER, 1, "helper") in findings(done.stdout)


# --- paths, formats, usage ------------------------------------------------------------------------


def test_paths_restrict_the_check(project: Path) -> None:
    """Only what was named, or lies in what was named, is reported, from any folder."""
    code = 'import torch\ntorch.save(1, "x.pt")\n'
    make_files(project, {"a.py": code, "src/b.py": code})
    checkpoint(project / "best.pth")
    assert len(found(project)) == 3
    assert found(project, "a.py") == [("a.py", 2, "checkpoint-target")]
    assert found(project, "src") == [("src/b.py", 2, "checkpoint-target")]
    inner = just(project, "check", "b.py", status=3, cwd=project / "src")
    assert findings(inner.stdout) == [("src/b.py", 2, "checkpoint-target")]
    assert found(project, "best.pth", CONVENTIONS) == [("best.pth", 1, "outside")]
    assert len(found(project, ".")) == 3
    assert is_in_order(project, "README.md", CONVENTIONS)


def test_a_check_of_the_folder_above_is_one_of_that_folder(project: Path) -> None:
    """From a subfolder `..` may be the whole project; what lies around that is refused."""
    make_files(project, {"src/deep/a.py": "import torch\ntorch.save(1, 'a.pth')\n"})
    make_files(project, {"b.py": "import torch\ntorch.save(1, 'b.pth')\n"})
    for folder, words, lines in (
        ("src", ["..", "deep"], 2),
        ("src/deep", [".."], 1),
        ("src", ["."], 1),
    ):
        done = recipe(project, "check", *words, status=3, cwd=project / folder)
        assert done.stdout.count("checkpoint-target") == lines
    recipe(project, "check", "../..", status=2, cwd=project / "src")


def test_a_restricted_check_reads_no_weights_that_were_not_named(project: Path) -> None:
    """Checking source takes no hash of any model: a wrong one is not even noticed."""
    production(project)
    about = json.loads((project / METADATA).read_text())
    (project / METADATA).write_text(json.dumps(about | {"sha256": "0" * 64}))
    make_files(project, {"a.py": ""})
    assert is_in_order(project, "a.py")
    assert found(project, MODEL) == [(METADATA, 1, "metadata")]
    assert found(project, METADATA) == [(METADATA, 1, "metadata")]


@pytest.mark.parametrize(
    "words",
    [
        ["nowhere.py"],
        ["/etc/hostname"],
        ["--apply"],
        ["--fix", "a.py"],
        ["--format", "xml"],
        ["-x"],
    ],
)
def test_wrong_usage_is_status_2(project: Path, words: list[str]) -> None:
    """What cannot be meant is refused in one line, and nothing is checked."""
    make_files(project, {"a.py": ""})
    done = recipe(project, "check", *words, status=2)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr


def test_json_has_every_finding(project: Path) -> None:
    """--json prints path, line, rule and message of each, and the status is the same."""
    make_files(project, {"a.py": 'import torch\ntorch.save(1, "x.pt")\n'})
    (violation,) = just_json(project, "check", status=3)["violations"]
    assert (violation["path"], violation["line"]) == ("a.py", 2)
    assert violation["rule"] == "checkpoint-target"
    assert "'x.pt' is outside the layout" in violation["message"]
    (project / "a.py").unlink()
    assert just_json(project, "check") == {"violations": []}


def test_annotations_cannot_be_broken_by_names() -> None:
    """What means something to GitHub in a path or a message is escaped."""
    violation = Violation("a,b:c%\n.py", 3, "name", "100%\r\n::error::x")
    assert violation.annotation() == (
        "::error file=a%2Cb%3Ac%25%0A.py,line=3,title=name::"
        "a,b:c%25%0A.py:3: name: 100%25%0D%0A::error::x"
    )


def test_hostile_names_stay_on_their_line(project: Path) -> None:
    """A name with a line break or an escape sequence is printed as text, in either format."""
    name = "\x1b[31m\n::error file=x::y.log"
    make_files(project, {f"training/logs/{name.replace('/', '')}": ""})
    for words in ([], ["--format", "github"]):
        done = recipe(project, "check", *words, status=3)
        assert len(done.stdout.splitlines()) == 1
        assert "\x1b" not in done.stdout


# --- --fix ----------------------------------------------------------------------------------------


def test_a_fix_is_shown_first_and_taken_back_whole(project: Path) -> None:
    """--fix changes nothing; with --apply what can be mended is; undo gives every byte back."""
    production(project)
    packed(project)
    checkpoint(project / "best.pth")
    for path in (METADATA, SUMMARY, PACKED + ".sha256"):
        (project / path).unlink()
    before = tree(project)
    shown = just(project, "check", "--fix", status=3).stdout
    assert changed(before, tree(project)) == set()
    assert all(path in shown for path in (METADATA, SUMMARY, PACKED + ".sha256", "best.pth"))
    assert "Next: just check --fix --apply" in shown
    just(project, "check", "--fix", "--apply")
    assert is_in_order(project)
    about = json.loads((project / METADATA).read_text())
    assert about["sha256"] == hashlib.sha256((project / MODEL).read_bytes()).hexdigest()
    assert (about["model_type"], about["value"]) == ("pat_conv_l", 0.592912)
    digest, name = (project / f"{PACKED}.sha256").read_text().split()
    assert digest == hashlib.sha256((project / f"{PACKED}.tar.gz").read_bytes()).hexdigest()
    assert name == Path(PACKED).name + ".tar.gz"
    just(project, "undo")
    assert changed(before, tree(project)) == set()


def test_a_model_that_is_a_folder_is_mended_too(project: Path) -> None:
    """A folder in production gets its metadata and summary, and is in order after that."""
    folder = "model_weights/production/pat_conv_l_v0.6000"
    make_files(project, {f"{folder}/config.json": "{}", f"{folder}/model.safetensors": "x"})
    assert {(path, rule) for path, _, rule in found(project)} == {
        (folder, "metadata"),
        (folder, "summary"),
    }
    recipe(project, "check", "--fix", "--apply")
    assert is_in_order(project)
    (project / folder / "config.json").write_text("{ }")
    assert found(project) == [(folder + ".json", 1, "metadata")]


def test_what_needs_a_decision_remains(project: Path) -> None:
    """After a fix, what only its owner can mend is reported, with status 3."""
    checkpoint(project / "best.pth")
    make_files(project, {"training/logs/train.log": ""})
    done = recipe(project, "check", "--fix", "--apply", status=3)
    assert "training/logs/train.log:1: name: " in done.stdout
    assert "best.pth:1: outside" not in done.stdout
    assert not (project / "best.pth").exists()


def test_a_damaged_archive_gets_no_checksum(project: Path) -> None:
    """A checksum that would vouch for damage is not written, and the plan says why."""
    packed(project)
    Path(f"{project / PACKED}.sha256").unlink()
    archive = Path(f"{project / PACKED}.tar.gz")
    archive.write_bytes(archive.read_bytes()[:-1])
    done = recipe(project, "check", "--fix", "--apply", status=3)
    assert "gets no checksum" in " ".join(done.stdout.split())
    assert not Path(f"{project / PACKED}.sha256").exists()


def test_a_fix_waits_for_an_interrupted_run(project: Path) -> None:
    """While a run is unfinished, nothing is planned on top of it; checking goes on."""
    run = project / "training/.history/20250725T000000_cleanup"
    run.mkdir(parents=True)
    plan = {"recipe": "cleanup", "created": "", "actions": [], "emptied": [], "checkpoints": []}
    (run / "plan.json").write_text(json.dumps(plan | {"notes": []}))
    assert "was interrupted" in recipe(project, "check", "--fix", status=2).stderr
    assert is_in_order(project)


# --- in a hook, in continuous integration ---------------------------------------------------------


def hook(project: Path) -> None:
    """Install the hook that the project's README tells of."""
    readme = (project / "README.md").read_text()
    (block,) = re.findall(r"^```yaml\n(repos:\n.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    (project / ".pre-commit-config.yaml").write_text(block)


def test_the_hook_stops_a_commit(project: Path, tmp_path: Path) -> None:
    """prek runs the hook of the README: a stray checkpoint or path is not committed."""
    prek = str(Path(sys.executable).with_name("prek"))
    if not Path(prek).exists() or JUST is None:
        pytest.skip("prek or just is not installed")
    environment = {
        **{k: v for k, v in os.environ.items() if k != "COLUMNS" and not k.endswith("_DIR")},
        **GIT_ENVIRONMENT,
        "PATH": f"{Path(JUST).parent}{os.pathsep}{os.environ['PATH']}",
        "PREK_HOME": str(tmp_path / "prek"),
        "TRAINING_PYTHON": sys.executable,
    }

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=project, env=environment, check=False, capture_output=True, text=True
        )

    hook(project)
    commit_all(project)
    assert run(prek, "install").returncode == 0
    make_files(project, {"train.py": 'import torch\n\ntorch.save(1, "x.pt")\n', "-a b.py": "\n"})
    checkpoint(project / "best.pth", age=0)
    git(project, "add", "--force", "train.py", "best.pth", "./-a b.py")
    stopped = run("git", "commit", "-m", "stray")
    assert stopped.returncode == 1
    assert "train.py:3: checkpoint-target: 'x.pt'" in stopped.stdout + stopped.stderr
    assert "best.pth:1: outside: " in stopped.stdout + stopped.stderr
    git(project, "rm", "--quiet", "--force", "best.pth", "train.py")
    passed = run("git", "commit", "-m", "in order")
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert git(project, "log", "--oneline").count("\n") == 2


def test_the_workflow_is_sound() -> None:
    """zizmor, a linter of workflows, finds nothing in it, at its strictest."""
    zizmor = Path(sys.executable).with_name("zizmor")
    if not zizmor.exists():
        pytest.skip("zizmor is not installed")
    path = REPOSITORY / "template" / WORKFLOW
    done = subprocess.run(
        [zizmor, "--offline", "--no-progress", "--persona", "pedantic", path],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_the_workflow_runs_the_check(project: Path, tmp_path: Path) -> None:
    """Its command, run in a clone, passes what is in order and annotates what is not."""
    steps = yaml.safe_load((project / WORKFLOW).read_text())["jobs"]["check"]["steps"]
    words = shlex.split(steps[-1]["run"])
    assert words[:2] == ["uvx", "--from"]
    arguments = words[words.index("just") + 3 :]  # after -f training/recipes.just
    assert words[words.index("just") + 1 :][:2] == ["-f", "training/recipes.just"]
    commit_all(project)
    git(tmp_path, "clone", "--quiet", str(project), "clone")
    clone = tmp_path / "clone"
    just(clone, *arguments)
    make_files(clone, {"a.py": 'import torch\ntorch.save(1, "x.pt")\n'})
    done = just(clone, *arguments, status=3)
    assert done.stdout.startswith("::error file=a.py,line=2,title=checkpoint-target::a.py:2: ")
