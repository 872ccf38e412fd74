"""Conventions that change: check lists what no longer follows, cleanup renames it, in step."""

import json
from pathlib import Path

import pytest

from projects import changed, just, just_json, tree
from template_fixture import commit_all
from trained_project import new_project, train

OLD_MODEL, NEW_MODEL = "model_weights/production/net_v0.5929", "model_weights/production/net-0.5929"
CHANGES = {
    'production = "{model_type}_v{metric}.{ext}"': 'production = "{model_type}-{metric}.{ext}"',
    'model = "{model_type}_v{metric}_{date}.{ext}"': 'model = "{model_type}-{metric}-{date}.{ext}"',
    'summary = "{model_type}_v{metric}_summary.md"': 'summary = "{model_type}-{metric}-notes.md"',
    'canonical_log = "{model_type}_v{metric}_{date}.log"': (
        'canonical_log = "{model_type}-{metric}-{date}.log"'
    ),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a promoted model, whose name templates have changed since."""
    made = new_project(tmp_path)
    train(made, "2025-07-25_net_first", [0.51, 0.5929])
    just(made, "promote", "2025-07-25_net_first", "--now", "2025-08-02T12:00:00")
    (made / "eval.py").write_text(f"M = '{OLD_MODEL}.pth'\n")
    conventions = made / "training/conventions.toml"
    text = conventions.read_text()
    for old, new in CHANGES.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    conventions.write_text(text)
    commit_all(made)
    return made


def test_a_changed_template_is_followed_by_model_and_papers(project: Path) -> None:
    """Check, cleanup and relink bring names, metadata, summary and references in step."""
    found = just_json(project, "check", status=3)["violations"]
    assert f"{OLD_MODEL}.pth" in {violation["path"] for violation in found}
    before = tree(project, without=(".git", "training/.history"))

    just(project, "cleanup", "--apply")
    metadata = json.loads((project / f"{NEW_MODEL}.json").read_text())
    log = "training/logs/net-0.5929-20250725.log"
    assert metadata["log"] == log
    assert (project / log).is_file()
    summary = (project / "training/results/net-0.5929-notes.md").read_text()
    assert f"`{NEW_MODEL}.pth` (" in summary
    assert f"`{log}`" in summary
    assert OLD_MODEL not in summary
    assert not list(project.glob(f"{OLD_MODEL}*"))

    just(project, "relink", "--apply")
    assert (project / "eval.py").read_text() == f"M = '{NEW_MODEL}.pth'\n"
    left = just_json(project, "check", status=0)["violations"]
    assert left == []

    just(project, "undo")
    just(project, "undo")
    assert not changed(before, tree(project, without=(".git", "training/.history")))


def test_what_follows_the_conventions_is_not_renamed(project: Path) -> None:
    """After the renames, and in a project whose templates never changed, there is nothing to do."""
    just(project, "cleanup", "--apply")
    moves = [a for a in just_json(project, "cleanup")["actions"] if a["verb"] != "write"]
    assert moves == []


def test_papers_follow_a_folder_that_changed(project: Path) -> None:
    """A canonical log and a summary go from what was their folder to the new one, unpacked."""
    conventions = project / "training/conventions.toml"
    text = conventions.read_text()
    for old, new in (
        ('logs = "logs"', 'logs = "log"'),
        ('results = "results"', 'results = "notes"'),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    conventions.write_text(text)
    for name in ("log", "notes"):
        (project / "training" / name).mkdir()
    just(project, "cleanup", "--apply")
    assert (project / "training/log/net-0.5929-20250725.log").is_file()
    summary = (project / "training/notes/net-0.5929-notes.md").read_text()
    assert "`training/log/net-0.5929-20250725.log`" in summary
    metadata = json.loads((project / f"{NEW_MODEL}.json").read_text())
    assert metadata["log"] == "training/log/net-0.5929-20250725.log"
    assert not list((project / "training/experiments/archived").glob("*.tar.gz"))
