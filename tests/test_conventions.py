"""The strict loader of conventions.toml."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conventions_text import CONVENTIONS
from engine.conventions import MAX_BYTES, load, located, overlap
from engine.errors import UserError


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "conventions.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refusal(folder: Path, text: str | bytes) -> str:
    path = written(folder, text)
    with pytest.raises(UserError) as caught:
        load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}:")
    return message.removeprefix(f"{path}:")


def line_of(text: str, part: str) -> int:
    return next(n for n, line in enumerate(text.split("\n"), 1) if line.startswith(part))


def test_a_good_file_becomes_a_value(tmp_path: Path) -> None:
    """Every table and key arrives, lists as tuples, and nothing can be changed afterwards."""
    conventions = load(written(tmp_path, CONVENTIONS))
    assert conventions.project.model_types == ("pat_conv_l",)
    assert conventions.folders.in_training.archived == "experiments/archived"
    assert conventions.names.experiment_log == "training.log"
    assert conventions.metric.direction == "max"
    assert conventions.metric.by_model_type == {}
    assert conventions.archive.after_days == 30
    with pytest.raises(AttributeError):
        conventions.archive.after_days = 1  # type: ignore[misc]


def test_a_model_type_may_have_a_metric_of_its_own(tmp_path: Path) -> None:
    """A row of [metric.by_model_type] overrides name and direction, inline or as a table."""
    inline = 'pat_conv_l = { name = "loss", direction = "min" }'
    text = CONVENTIONS.replace("[metric.by_model_type]", f"[metric.by_model_type]\n{inline}")
    assert load(written(tmp_path, text)).metric.by_model_type["pat_conv_l"].direction == "min"


def test_a_byte_order_mark_and_crlf_do_no_harm(tmp_path: Path) -> None:
    """A file saved by a Windows editor reads the same."""
    windows = b"\xef\xbb\xbf" + CONVENTIONS.replace("\n", "\r\n").encode()
    assert load(written(tmp_path, windows)) == load(written(tmp_path, CONVENTIONS))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("format = 1", "format = 2", "format = 2 is unknown; write 1"),
        ("format = 1", "format = true", "format is True; write a whole number"),
        ("format = 1", 'format = "1"', "format is '1'; write a whole number"),
        ("keep_best = 1", "keep_bets = 1", "unknown key; did you mean 'keep_best'?"),
        ("keep_best = 1", "keep_best = 1\nodd = 1", "archive.odd is an unknown key; remove it"),
        ("keep_best = 1", "keep_best = -1", "archive.keep_best = -1 is out of range"),
        ("keep_best = 1", "keep_best = true", "archive.keep_best is True; write a whole number"),
        ("keep_best = 1", "keep_best = 1.0", "archive.keep_best is 1.0; write a whole number"),
        ("after_days = 30", "after_days = 9999999999", "archive.after_days = 9999999999 is out of"),
        ("decimals = 4", "decimals = 10", "metric.decimals = 10 is out of range; write 0 to 9"),
        ('direction = "max"', 'direction = "up"', "is unknown; write 'max' or 'min'"),
        ('name = "auc"', 'name = ""', "metric.name = '' is empty or"),
        ('name = "auc"', r'name = "a\nb"', r"metric.name = 'a\nb' is empty or holds control"),
        ("patterns = []", 'patterns = "*.h5"', "pretrained.patterns is '*.h5'; write a list"),
        ("patterns = []", "patterns = [1]", "pretrained.patterns.0 is 1; write a text"),
        ("patterns = []", 'patterns = ["/x"]', "is not a path inside the project"),
        ("pick = []", 'pick = ["../x.pth"]', "production.pick.0 = '../x.pth' is not a path inside"),
        ('["pat_conv_l"]', '["PAT"]', "project.model_types.0 = 'PAT' is not a slug"),
        ('["pat_conv_l"]', '["con"]', "project.model_types.0 = 'con' is not a slug"),
        ('guides = "docs/training"', "guides = {}", "folders.guides is {}; write a text"),
        (
            "\n[metric.by_model_type]",
            '\n[metric.by_model_type]\na = { name = "f1" }',
            "metric.by_model_type.a.direction is missing; add it",
        ),
        (
            "\n[metric.by_model_type]",
            '\n[metric.by_model_type]\nA-1 = { name = "f1", direction = "max" }',
            "metric.by_model_type.A-1 = 'A-1' is not a slug",
        ),
        ('summary = "{model_type}', 'summary = "{model}', "has an unknown field {model}"),
        ('summary = "{model_type}', 'summary = "x/{model_type}', "is not a name template"),
        ('summary = "{model_type}_v{metric}', 'summary = "x', "lacks {model_type}; add it"),
        ('old_logs = "logs_before_{date}"', 'old_logs = "logs"', "lacks {date}; add it"),
        ('log = "training.log"', 'log = "../training.log"', "is not a plain name"),
        ('log = "training.log"', 'log = "{date}.log"', "is not a plain name"),
        ('log = "training.log"', 'log = "checkpoints"', "two things in an experiment folder"),
    ],
)
def test_what_the_schema_does_not_know_is_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    """One line names the file, the line, the key, what is wrong with it and what to write."""
    text = CONVENTIONS.replace(old, new, 1)
    assert text != CONVENTIONS
    assert message in refusal(tmp_path, text)


@pytest.mark.parametrize(
    "folder",
    [
        "",
        ".",
        "..",
        "/",
        "/etc",
        "../x",
        "a/../../x",
        "a//b",
        "a/",
        "./a",
        "~",
        "~/x",
        "C:/x",
        "c:x",
        r"a\\b",
        r"a\u0000b",
        r"a\nb",
        "nul",
        "a/con.d",
        "a:b",
        "a.",
        ".git/x",
        "x" * 300,
    ],
)
@pytest.mark.parametrize("key", ["guides", "logs"])
def test_folders_stay_inside_the_project(tmp_path: Path, folder: str, key: str) -> None:
    """A folder that is absolute, escapes or has no legal name is refused."""
    lines = CONVENTIONS.split("\n")
    number = line_of(CONVENTIONS, f"{key} = ")
    lines[number - 1] = f'{key} = "{folder}"'
    assert refusal(tmp_path, "\n".join(lines)).startswith(f"{number}: folders.")


@pytest.mark.parametrize("key", ["keep_best", "purge_after_days", "archived", "experiment", "pick"])
def test_the_line_is_that_of_the_key(tmp_path: Path, key: str) -> None:
    """A wrong value is reported with its own line, and a missing key with that of its table."""
    number = line_of(CONVENTIONS, f"{key} = ")
    lines = CONVENTIONS.split("\n")
    lines[number - 1] = f"{key} = 1.5"
    assert refusal(tmp_path, "\n".join(lines)).startswith(f"{number}: ")
    del lines[number - 1]
    header = max(n for n, line in enumerate(lines[: number - 1], 1) if line.startswith("["))
    message = refusal(tmp_path, "\n".join(lines))
    assert message.startswith(f"{header}: ")
    assert f"{key} is missing; add it" in message


@pytest.mark.parametrize("key", ["folders.guides", '"folders"."guides"', "folders . guides"])
def test_dotted_keys_have_lines_too(tmp_path: Path, key: str) -> None:
    """A key written with dots outside its table is found all the same."""
    table = CONVENTIONS[CONVENTIONS.index("[folders]") : CONVENTIONS.index("[folders.in_")]
    dotted = [f"folders.{entry}" for entry in table.split("\n") if "=" in entry]
    dotted[4] = f"{key} = 3"
    text = "\n".join(dotted) + "\n" + CONVENTIONS.replace(table, "")
    assert refusal(tmp_path, text) == "5: folders.guides is 3; write a text"


@pytest.mark.parametrize("table", ["project", "folders.in_training", "metric", "archive"])
def test_a_missing_table_is_named(tmp_path: Path, table: str) -> None:
    """A table that is not there is reported by its name."""
    head, _, rest = CONVENTIONS.partition(f"[{table}]")
    text = head + rest[rest.index("\n[") :] if "\n[" in rest else head
    assert f"{table}" in refusal(tmp_path, text)
    assert "is missing; add it" in refusal(tmp_path, text)


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """A duplicate key or table is named as such, with the line of the second."""
    text = CONVENTIONS.replace("keep_best = 1\n", "keep_best = 1\nkeep_best = 2\n")
    number = line_of(text, "keep_best = 2")
    assert refusal(tmp_path, text).startswith(f"{number}: not valid TOML: ")
    assert "written twice; remove one" in refusal(tmp_path, text)
    assert "written twice; remove one" in refusal(tmp_path, CONVENTIONS + "[scan]\n")


def test_broken_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    """A syntax error is reported where it is."""
    number = line_of(CONVENTIONS, "keep_best")
    text = CONVENTIONS.replace("keep_best = 1", "keep_best 1")
    assert refusal(tmp_path, text).startswith(f"{number}: not valid TOML: Expected '='")
    assert "not valid TOML" in refusal(tmp_path, CONVENTIONS + "[")
    assert "not valid TOML" in refusal(tmp_path, "x = " + "9" * 5000)


@pytest.mark.parametrize("mark", ["<<<<<<< before updating", "=======\r", ">>>>>>> after updating"])
def test_a_conflict_mark_is_called_one(mark: str, tmp_path: Path) -> None:
    """As an update leaves them where both sides changed a line."""
    text = CONVENTIONS.replace("keep_best = 1", f"{mark}\nkeep_best = 1")
    told = f"{line_of(text, mark)}: a conflict mark of an update;"
    assert refusal(tmp_path, text).startswith(told)


def test_hostile_files_are_refused(tmp_path: Path) -> None:
    """A file that is too large, too deep or not UTF-8 is one line, and no traceback."""
    assert refusal(tmp_path, b"#" * (MAX_BYTES + 1)).startswith("1: larger than 1 MiB")
    assert "nested too deeply" in refusal(tmp_path, "x = " + "[" * 100_000)
    assert refusal(tmp_path, b"format = 1\n# \xff\n").startswith("2: not UTF-8")


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: None])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, make: object) -> None:
    """A missing file, or a folder in its place, is one line with the command that helps."""
    path = tmp_path / "conventions.toml"
    assert callable(make)
    make(path)
    with pytest.raises(UserError, match="no such file; `git checkout` it"):
        load(path)


@pytest.mark.parametrize(
    ("key", "folder", "message"),
    [
        ("production", "model_weights/pretrained", "folders.production is or lies in"),
        ("production", "Model_Weights/Pretrained", "folders.production is or lies in"),
        ("active", "training/experiments/archived/active", "folders.active is or lies in"),
        ("active", "training", "folders.training is or lies in the folder active"),
        ("training", "model_weights/production/t", "folders.training is or lies in"),
        ("logs", "results", "folders.in_training.results is or lies in"),
        ("pretrained", "model_weights", "folders.production is or lies in the folder pretrained"),
    ],
)
def test_folders_do_not_lie_in_each_other(
    tmp_path: Path, key: str, folder: str, message: str
) -> None:
    """Two purposes never share a folder; only the training folder holds others."""
    lines = CONVENTIONS.split("\n")
    lines[line_of(CONVENTIONS, f"{key} = ") - 1] = f'{key} = "{folder}"'
    text = "\n".join(lines)
    if message.startswith("folders.in_training"):
        message = "folders.in_training.logs is or lies in"
    assert message in refusal(tmp_path, text)


def test_folders_below_training_move_with_it(tmp_path: Path) -> None:
    """Where training lies elsewhere, so do the archive, the logs and the results."""
    folders = load(written(tmp_path, CONVENTIONS)).folders
    places = located(folders, {"training": "/scratch/t"})
    assert places["logs"] == "/scratch/t/logs"
    assert places["archived"] == "/scratch/t/experiments/archived"
    assert places["active"] == "training/experiments/active"
    assert overlap(places) is None


@settings(max_examples=60)
@given(data=st.data())
def test_any_damage_is_refused_in_one_line_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever happens to the bytes of the file, it loads or is refused; nothing else."""
    raw = bytearray(CONVENTIONS.encode())
    start = data.draw(st.integers(0, len(raw)))
    length = data.draw(st.integers(0, 40))
    raw[start : start + length] = data.draw(st.binary(max_size=8))
    path = written(tmp_path_factory.mktemp("damaged"), bytes(raw))
    try:
        load(path)
    except UserError as error:
        assert "\n" not in str(error)
