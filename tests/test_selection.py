"""Which checkpoint wins its comparable group, and which files are the same."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from engine.recognition import duplicates
from engine.recognition.attribution import Checkpoint, Evidence
from engine.recognition.runs import Run
from engine.recognition.scan import Entry
from engine.recognition.selection import Group, groups

RUN = Run("w", ("x",), False, ())


def candidate(
    path: str,
    value: float | None,
    *,
    metric: str | None = "auc",
    direction: str | None = "max",
    evidence: int = 1,
    run: Run | None = RUN,
    **facts: str,
) -> Checkpoint:
    told = (Evidence("metric", "x", path, "here"),) * evidence
    return Checkpoint(
        path, "model", run, "", None, metric, direction, value, facts=facts, evidence=told
    )


def only(*checkpoints: Checkpoint, picks: tuple[str, ...] = ()) -> Group:
    (group,) = groups(checkpoints, picks)
    return group


def winner(*checkpoints: Checkpoint, picks: tuple[str, ...] = ()) -> str | None:
    best = only(*checkpoints, picks=picks).winner
    return best.path if best else None


def test_the_direction_decides_what_is_best() -> None:
    """More is better for an AUC, less for a loss; negative values and zero are values."""
    assert winner(candidate("a", 0.5), candidate("b", 0.6)) == "b"
    loss = [candidate(p, v, metric="loss", direction="min") for p, v in (("a", 0.0), ("b", -0.5))]
    assert winner(*loss) == "b"


def test_without_a_direction_nothing_wins_and_the_fix_is_named() -> None:
    """Guessing might throw the best away."""
    group = only(candidate("a", 0.5, metric="score", direction=None))
    assert group.winner is None
    assert "conventions.toml" in group.reason


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_an_unknown_value_never_wins(value: float | None) -> None:
    """Not even where nothing else is known."""
    assert groups([candidate("a", value)]) == ()
    assert winner(candidate("a", value), candidate("b", 0.1)) == "b"


def test_one_checkpoint_is_not_called_several() -> None:
    """The reason stands in the plan, and in the metadata of the model."""
    assert only(candidate("a", 0.5)).reason.endswith(" of 1 comparable checkpoint")
    assert " of 2 comparable checkpoints" in only(candidate("a", 0.5), candidate("b", 0.4)).reason


def test_figures_of_test_data_are_not_counted_among_those_of_validation() -> None:
    """They neither win nor tie."""
    tested = replace(candidate("t", 0.5), of_test=True)
    group = only(candidate("a", 0.5), tested)
    assert group.reason == "highest auc of 1 comparable checkpoint"
    assert [c.path for c in group.members] == ["a", "t"]


def test_ties_are_settled_by_rule() -> None:
    """What is in production stays; else most evidence, the shorter path, the alphabet."""
    told = candidate("long/path", 0.5, evidence=2)
    assert winner(candidate("b", 0.5), told) == "long/path"
    assert winner(candidate("bb", 0.5), candidate("c", 0.5)) == "c"
    assert winner(candidate("b", 0.5), candidate("a", 0.5)) == "a"
    assert winner(told, candidate("production/much/longer", 0.5, run=None)).startswith("prod")  # type: ignore[union-attr]
    assert "2 with this value" in only(candidate("b", 0.5), candidate("a", 0.5)).reason


def test_a_rounded_value_does_not_beat_the_full_one() -> None:
    """One line tells both; of the best a file of results tells the other digits as well."""
    line, results = Evidence("metric", "x", "log", "line 9"), Evidence("metric", "x", "json", "key")
    best = replace(candidate("best", 0.7676), evidence=(results, line))
    last = replace(candidate("z", 0.768), evidence=(line,))
    assert winner(best, last) == "best"
    assert winner(best, replace(last, evidence=(results._replace(path="other"),))) == "z"


def test_the_order_in_which_checkpoints_are_found_does_not_matter() -> None:
    """Members stand best first."""
    found = [candidate(p, v) for p, v in (("a", 0.1), ("b", 0.3), ("c", 0.2), ("d", 0.3))]
    assert [c.path for c in only(*found).members] == ["b", "d", "c", "a"]
    assert only(*found) == only(*reversed(found))


def test_a_pick_wins_whatever_the_numbers_say() -> None:
    """The user knows better."""
    assert winner(candidate("a", 0.5), candidate("b", 0.6), picks=("a",)) == "a"


def test_a_pick_of_unknown_metric_belongs_to_the_only_group() -> None:
    """It is picked in the others' place; where there are several groups it is one of its own."""
    unknown = candidate("a", None, metric=None, direction=None)
    assert winner(unknown, candidate("b", 0.6), picks=("a",)) == "a"
    found = groups([unknown, candidate("b", 0.6), candidate("c", 0.6, metric="f1")], ("a",))
    assert sorted(g.winner.path for g in found if g.winner) == ["a", "b", "c"]


def test_metrics_are_never_compared_with_each_other() -> None:
    """Each metric, and each direction of it, is a group."""
    found = groups([candidate("a", 0.5), candidate("b", 0.9, metric="f1")])
    assert [g.metric for g in found] == ["auc", "f1"]


def test_what_tells_tasks_apart_tells_groups_apart() -> None:
    """Task, data set and classes are such evidence; with one known task the unknown join it."""
    a = candidate("a", 0.5, dataset="nhanes")
    b = candidate("b", 0.6, dataset="other")
    unknown = candidate("c", 0.9)
    assert [g.members for g in groups([a, b])] == [(a,), (b,)]
    assert only(a, unknown).winner == unknown
    assert [g.members for g in groups([a, b, unknown])] == [(unknown,), (a,), (b,)]


def test_prose_and_other_facts_do_not_split_a_group() -> None:
    """A seed, and what a log greets with, are no task."""
    a = replace(candidate("a", 0.5), facts={"seed": "1", "task in log": "x"})
    b = replace(candidate("b", 0.6), facts={"seed": "2", "task in log": "y"})
    assert len(only(a, b).members) == 2


# --- equal bytes ---------------------------------------------------------------------------------


def found(root: Path, **files: bytes) -> tuple[tuple[str, ...], ...]:
    for name, data in files.items():
        (root / name).write_bytes(data)
    return duplicates.find(root, (entry(root, name) for name in sorted(os.listdir(root))))


def entry(root: Path, name: str) -> Entry:
    return Entry(name, "file", root=str(root))


def changed_inside(data: bytes) -> bytes:
    """Return the data with one bit changed, beyond all samples."""
    return data[:20_000] + bytes([data[20_000] ^ 1]) + data[20_001:]


def test_files_of_equal_bytes_are_found(tmp_path: Path) -> None:
    """Sizes, samples and all bytes are compared in this order."""
    data = os.urandom(50_000)
    changed = changed_inside(data)
    assert found(tmp_path, a=data, b=data, c=changed, d=data[:-1], e=b"1", f=b"1") == (
        ("a", "b"),
        ("e", "f"),
    )


def test_empty_files_and_names_of_one_file_are_no_copies(tmp_path: Path) -> None:
    """Nothing would be saved by dropping one."""
    (tmp_path / "a").write_bytes(b"data")
    os.link(tmp_path / "a", tmp_path / "b")
    assert found(tmp_path, e=b"", f=b"") == ()


def test_a_file_that_cannot_be_read_equals_nothing(tmp_path: Path) -> None:
    """The search goes on."""
    for name in "abc":
        (tmp_path / name).write_bytes(b"same")
    entries = [entry(tmp_path, name) for name in "abc"]
    (tmp_path / "a").unlink()
    assert duplicates.find(tmp_path, entries) == (("b", "c"),)


def test_two_files_of_known_hashes_are_not_compared(tmp_path: Path) -> None:
    """The hashes are believed, here against the bytes; a file without one is compared as ever."""
    data = os.urandom(50_000)
    changed = changed_inside(data)
    for name, content in {"a": data, "b": changed, "c": data}.items():
        (tmp_path / name).write_bytes(content)
    entries = [entry(tmp_path, name) for name in "abc"]
    hashes = {"a": "1", "b": "1", "c": "2"}
    assert duplicates.find(tmp_path, entries, lambda e: hashes.get(e.path)) == (("a", "b"),)
    del hashes["c"]
    assert duplicates.find(tmp_path, entries, lambda e: hashes.get(e.path)) == (("a", "c"),)
