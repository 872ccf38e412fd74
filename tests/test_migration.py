"""A version that renames a file of the template, in a project that has edits in it."""

import shutil
import subprocess
import sys
from pathlib import Path

import copier
import pytest
from copier.errors import UnsafeTemplateError
from plumbum import local

from template_fixture import (
    GIT_ENVIRONMENT,
    REPOSITORY,
    commit_all,
    generate,
    git,
    make_files,
    update,
)

SCRIPT = REPOSITORY / "migrations/renamed.py"
OLD, NEW = "training/conventions.toml", "training/layout.toml"
LINES = [f"key_{number} = {number}" for number in range(20)]
SETTINGS = '_min_copier_version: "9.14.0"\n_subdirectory: template\n'
MIGRATION = """
_migrations:
  - version: v2.0.0
    when: "{{ _stage == 'before' }}"
    command: ["{{ _copier_python }}", "{{ _copier_conf.src_path }}/migrations/renamed.py", OLD, NEW]
""".replace("OLD", OLD).replace("NEW", NEW)


def versions(folder: Path, settings: str) -> Path:
    """Make a template that renames a file in its version 2; return a project with edits in it."""
    answers = "template/{{_copier_conf.answers_file}}.jinja"
    files = {
        "copier.yml": SETTINGS,
        f"template/{OLD}": "\n".join(LINES) + "\n",
        answers: "{{ _copier_answers | to_nice_yaml }}",
    }
    template = make_files(folder / "template", files)
    commit_all(template, "v1.0.0")
    project = generate(template, folder / "project")
    edit(project / OLD, "key_3 = 3", "key_3 = 'mine'")
    commit_all(project)
    git(template, "mv", f"template/{OLD}", f"template/{NEW}")
    edit(template / f"template/{NEW}", "key_15 = 15", "key_15 = 'new'")
    make_files(template, {"copier.yml": settings})
    (template / "migrations").mkdir()
    shutil.copy(SCRIPT, template / "migrations")
    commit_all(template, "v2.0.0")
    return project


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def script(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *words], cwd=project, capture_output=True, text=True, check=False
    )


def assert_merged(project: Path) -> None:
    text = (project / NEW).read_text()
    assert "key_3 = 'mine'" in text
    assert "key_15 = 'new'" in text
    assert "<<<<<<<" not in text
    assert not (project / OLD).exists()


def test_by_hand_before_the_update_no_trust_is_needed(tmp_path: Path) -> None:
    """The script, a commit, the update: the edit and what is new are both in the renamed file."""
    project = versions(tmp_path, SETTINGS)
    done = script(project, OLD, NEW)
    assert done.returncode == 0, done.stderr
    commit_all(project)
    update(project)
    assert_merged(project)


def test_as_a_migration_of_copier_it_does_the_same(tmp_path: Path) -> None:
    """The entry for copier.yml that the guide shows runs the script: with trust, and only then."""
    project = versions(tmp_path, SETTINGS + MIGRATION)
    with pytest.raises(UnsafeTemplateError):
        update(project)
    assert git(project, "status", "--porcelain") == ""
    with local.env(**GIT_ENVIRONMENT):
        copier.run_update(project, defaults=True, overwrite=True, quiet=True, unsafe=True)
    assert_merged(project)


def test_without_the_script_the_edit_would_be_lost(tmp_path: Path) -> None:
    """This is why it exists; if copier ever follows renames, it can go."""
    project = versions(tmp_path, SETTINGS)
    update(project)
    assert "mine" not in (project / NEW).read_text()


def test_it_never_overwrites_and_never_leaves_the_project(tmp_path: Path) -> None:
    """A file that is there, or a path outside, is refused in one line; twice does no harm."""
    project = make_files(tmp_path / "project", {"a.toml": "a\n", "b.toml": "b\n"})
    commit_all(project)
    for words in (("a.toml", "b.toml"), ("../x", "c.toml"), ("a.toml", "/c.toml")):
        refused = script(project, *words)
        assert refused.returncode == 1
        assert refused.stderr.count("\n") == 1
    assert (project / "b.toml").read_text() == "b\n"
    assert script(project, "a.toml", "new/c.toml").returncode == 0
    assert script(project, "a.toml", "new/c.toml").returncode == 0
    assert (project / "new/c.toml").read_text() == "a\n"
