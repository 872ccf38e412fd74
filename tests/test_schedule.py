"""`just schedule`: one entry in the user's crontab, and every other line as it was."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import crontab
from engine.errors import UserError
from projects import just, just_json, recipe

# Keeps the table in a file, and talks as vixie's cron does.
CRONTAB = """\
#!/bin/sh
table="$(dirname "$0")/table"
case "$1" in
    -l) [ -e "$table" ] || { echo "no crontab for me" >&2; exit 1; }; cat "$table";;
    -r) rm "$table";;
    -) cat > "$table.new"; grep -q '^99' "$table.new" && { echo 'bad minute' >&2; exit 1; }
       mv "$table.new" "$table";;
esac
"""
OWN = b"SHELL=/bin/bash\n# my jobs\n\n*/5 * * * * echo '100\\%' >> /tmp/x\r\n@reboot \xff\n"


@pytest.fixture
def project(generated: Path, tmp_path: Path) -> Path:
    """A project whose folder has letters in its name that mean something to cron or a shell."""
    return Path(shutil.copytree(generated, tmp_path / "my 100% $HOME o'project"))


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file behind a crontab program that comes first on the path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "crontab").write_text(CRONTAB)
    (folder / "crontab").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder / "table"


def command_of(line: str) -> str:
    """Return what cron gives to the shell for an entry: `%` is unescaped, a bare one ends it."""
    assert not re.search(r"(?<!\\)%", line)
    return line.split(" ", 5)[5].replace("\\%", "%")


def test_an_entry_comes_and_goes(project: Path, table: Path) -> None:
    """Installed, installed again and changed, it is there once; off, the crontab is as it was."""
    table.write_bytes(OWN)
    just(project, "schedule")
    first = table.read_bytes()
    assert first.startswith(OWN)
    assert first.removeprefix(OWN).count(b"\n") == 2
    assert b"\n0 3 * * * " in first
    assert "is as it was" in just(project, "schedule", "--daily").stdout
    assert table.read_bytes() == first
    just(project, "schedule", "--cron", "30  4 * * 1-5")
    assert table.read_bytes() == first.replace(b"\n0 3 * * * ", b"\n30 4 * * 1-5 ")
    just(project, "schedule", "--off")
    assert table.read_bytes() == OWN
    just(project, "schedule", "--off")
    assert table.read_bytes() == OWN


def test_where_there_was_no_crontab_none_is_left(project: Path, table: Path) -> None:
    """The first entry makes the crontab, and --off removes it."""
    recipe(project, "schedule", "--weekly")
    assert b"\n0 3 * * 0 " in table.read_bytes()
    recipe(project, "schedule", "--off")
    assert not table.exists()


def test_projects_do_not_touch_each_others_entries(
    project: Path, table: Path, tmp_path: Path
) -> None:
    """A project whose folder's name begins like another's has its own entry."""
    other = Path(shutil.copytree(project, f"{project}_2"))
    recipe(project, "schedule")
    alone = table.read_bytes()
    recipe(other, "schedule")
    assert table.read_bytes().startswith(alone)
    recipe(other, "schedule", "--off")
    assert table.read_bytes() == alone


def test_the_entry_runs_as_cron_would_run_it(project: Path, table: Path, tmp_path: Path) -> None:
    """In a bare shell, from another folder: absolute paths, a PATH with git, and a log."""
    (project / "training/recipes/archive.py").write_text(
        "import os, sys; print(sys.argv[1:], os.environ['PATH'], os.environ['EXPERIMENT_DIR'])\n"
        "print('to stderr', file=sys.stderr)\n"
    )
    entry = just_json(project, "schedule")["entry"]
    line = table.read_text().splitlines()[1]
    assert line == entry
    just(project, "schedule", EXPERIMENT_DIR="runs of mine")
    command = command_of(table.read_text().splitlines()[1])
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    for _ in range(2):
        subprocess.run(["/bin/sh", "-c", command], cwd="/", env=bare, check=True)
    log = (project / "training/.history/archive_auto.log").read_text().splitlines()
    assert log.count("to stderr") == 2
    git = str(Path(shutil.which("git") or "/usr/bin/git").parent)
    shown = f"{Path(sys.executable).parent}:{git}:/usr/local/bin:/usr/bin:/bin"
    path = ":".join(dict.fromkeys(shown.split(":")))
    assert log.count(f"['--auto'] {path} {project}/runs of mine") == 2


def test_nothing_is_made_where_the_project_was(project: Path, table: Path, tmp_path: Path) -> None:
    """Moved, or on a disk that is not there: cron fails aloud, and makes no folder in its place."""
    recipe(project, "schedule")
    command = command_of(table.read_text().splitlines()[1])
    project.rename(tmp_path / "moved")
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False)
    assert done.returncode
    assert str(project).encode() in done.stderr
    assert not project.exists()


def test_cron_finds_what_uv_has_fetched(
    project: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache on another disk, interpreters too, and rclone, which a purge may ask."""
    rclone = tmp_path / "my tools/rclone"
    rclone.parent.mkdir()
    rclone.touch(0o755)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "uv/environments-v2/archive-1"))
    path = f"{rclone.parent}{os.pathsep}{os.environ['PATH']}"
    recipe(project, "schedule", PATH=path, UV="/opt/uv", UV_PYTHON_INSTALL_DIR="/data/pythons")
    words = shlex.split(command_of(table.read_text().splitlines()[1]))
    assert f"UV_CACHE_DIR={tmp_path / 'uv'}" in words
    assert "UV_PYTHON_INSTALL_DIR=/data/pythons" in words
    (there,) = (word for word in words if word.startswith("PATH="))
    assert str(rclone.parent) in there.split(":")


@pytest.mark.parametrize(
    "words",
    [
        ["--cron", "daily"],
        ["--cron", "* * * *"],
        ["--cron", "* * * * * rm"],
        ["--cron", "* * * * %\nx"],
        ["--cron", "@reboot\n* * * * * rm -rf x"],
        ["--daily", "--off"],
    ],
)
def test_what_is_no_schedule_is_refused(project: Path, table: Path, words: list[str]) -> None:
    """Nothing but five fields or an @word reaches the crontab."""
    table.write_bytes(OWN)
    assert "Traceback" not in recipe(project, "schedule", *words, status=2).stderr
    assert table.read_bytes() == OWN


def test_what_crontab_refuses_is_reported(project: Path, table: Path) -> None:
    """Its own words are shown, and the crontab stays."""
    table.write_bytes(OWN)
    done = recipe(project, "schedule", "--cron", "99 * * * *", status=1)
    assert done.stderr == "crontab: bad minute\n"
    assert table.read_bytes() == OWN


@pytest.mark.parametrize("said", ["not allowed to read it", "can't open me: Permission denied"])
def test_a_crontab_that_cannot_be_read_is_not_replaced(
    project: Path, table: Path, said: str
) -> None:
    """Who may not use cron, or whose crontab is not shown, keeps it."""
    table.write_bytes(OWN)
    program = table.with_name("crontab")
    refusal = f'-l) echo "{said}" >&2; exit 1;;'
    program.write_text(CRONTAB.replace("    -l)", f"    {refusal}\n    -never)"))
    done = recipe(project, "schedule", status=1)
    assert done.stderr == f"crontab: {said}\n"
    assert table.read_bytes() == OWN


def test_without_cron_one_line_says_so(project: Path, tmp_path: Path) -> None:
    """There is nothing to change then, and the status is 1."""
    (tmp_path / "few").mkdir()
    for name in ("sh", "git"):
        (tmp_path / "few" / name).symlink_to(shutil.which(name) or name)
    done = recipe(project, "schedule", status=1, PATH=str(tmp_path / "few"))
    assert done.stderr == (
        "crontab: no such program; install cron, or call it from your scheduler\n"
    )


@pytest.mark.parametrize("name", ["a\nb", "a\x1bb"])
def test_folders_that_would_end_the_line_are_refused(name: str) -> None:
    """A newline in a path would make an entry of its own."""
    root = Path("/tmp") / name
    with pytest.raises(UserError, match="control characters"):
        crontab.entry(root, "@daily", ["python", "x.py", "--auto"], {}, root / "log")


LINES = st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"") + b"\n"))


@settings(max_examples=50)
@given(before=LINES, after=LINES)
def test_other_lines_stay_byte_for_byte(before: list[bytes], after: list[bytes]) -> None:
    """Wherever the entry stands, taking it out leaves what is around it."""
    root = Path("/home/me/project")
    ours = crontab.entry(root, "@daily", ["python", "x.py", "--auto"], {}, root / "log")
    table = b"".join(before) + ours + b"".join(after)
    assert crontab.without(table, root) == b"".join([*before, *after])
    assert crontab.with_entry(b"".join(before), root, ours) == b"".join(before) + ours


def test_only_what_is_ours_goes_with_its_mark() -> None:
    """If somebody took the entry out and left its mark, the line that follows now is theirs."""
    root = Path("/home/me/project")
    mark, entry = crontab.entry(root, "@daily", ["x.py", "--auto"], {}, root / "log").splitlines(
        True
    )
    theirs = b"0 0 * * * backup\n"
    assert crontab.without(mark + theirs + entry, root) == theirs + entry


def test_the_systems_crontab_takes_it(project: Path) -> None:
    """The program of the distribution accepts the entry, and what else was there stays."""
    if not os.environ.get("CI"):
        pytest.skip("a person's crontab is left alone; CI=1 tries it")
    if (program := shutil.which("crontab")) is None:
        pytest.skip("there is no crontab here")
    before = subprocess.run([program, "-l"], capture_output=True, check=False)
    if before.returncode and b"no crontab for" not in before.stderr:
        pytest.skip("this user may not use crontab here")
    just(project, "schedule", "--weekly")
    listed = subprocess.run([program, "-l"], capture_output=True, check=True).stdout
    assert listed.startswith(before.stdout + b"# training outputs of ")
    just(project, "schedule", "--off")
    after = subprocess.run([program, "-l"], capture_output=True, check=False)
    assert (after.returncode, after.stdout) == (before.returncode, before.stdout)
