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
    when: "{{ _stage == 'after' }}"
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


def test_by_hand_after_the_update_no_trust_is_needed(tmp_path: Path) -> None:
    """The update, then the script: the edit and what is new are both in the renamed file."""
    project = versions(tmp_path, SETTINGS)
    update(project)
    assert "mine" not in (project / NEW).read_text()  # this is why the script exists
    done = script(project, OLD, NEW)
    assert done.returncode == 0, done.stderr
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


def test_an_edit_of_the_same_line_is_marked(tmp_path: Path) -> None:
    """What cannot be merged stands there twice, under the marks that copier uses."""
    project = versions(tmp_path, SETTINGS)
    edit(project / OLD, "key_15 = 15", "key_15 = 'mine too'")
    commit_all(project)
    update(project)
    done = script(project, OLD, NEW)
    assert "1 conflicts" in done.stdout
    text = (project / NEW).read_text()
    parts = ("<<<<<<< before updating", "'mine too'", "=======", "'new'", ">>>>>>> after updating")
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_what_was_not_edited_or_not_there_is_left_as_it_is(tmp_path: Path) -> None:
    """A file that the project never had is no error; a new name that is not there is one line."""
    project = versions(tmp_path, SETTINGS)
    refused = script(project, OLD, NEW)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    update(project)
    before = (project / NEW).read_text()
    assert script(project, "training/other.toml", NEW).returncode == 0
    assert (project / NEW).read_text() == before
