"""The bench: it runs, on trees too small to tell anything, and says what it could not run."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

import bench
import bench_measure
import bench_trees
from bench_measure import Contender, Contest, Failed, hold


@pytest.fixture(autouse=True)
def _without_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read into these times, and others write to this disk as well."""
    monkeypatch.setattr(os, "sync", bench_measure.nothing)


def test_the_bench_runs_and_writes_its_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours are measured in each contest; peers that are missing are named with their packages."""
    monkeypatch.setattr(
        Contender, "missing", lambda self: [p for p in self.needs if p not in ("tar", "gzip")]
    )
    table = tmp_path / "bench.md"
    where = ["--folder", str(tmp_path), "--output", str(table)]
    assert (
        bench.main(["--size", "tiny", "--times", "1", "--only", "restore,duplicates", *where]) == 0
    )
    text = table.read_text()
    assert text == capsys.readouterr().out
    assert "duplicates among small files" in text
    assert "| tar xzf" in text
    assert "| jdupes" not in text
    assert "not installed: apt-get install -y jdupes rmlint" in text
    assert list(tmp_path.iterdir()) == [table]


def test_the_first_is_what_the_others_are_compared_with(tmp_path: Path) -> None:
    """Medians of all rounds, and what it made is weighed before it is cleaned away."""
    made = tmp_path / "made"
    write = ("dd", "if=/dev/zero", f"of={made}", "bs=1000", "count=3")
    (one,) = hold(
        Contest("x", [Contender("a", [write], tmp_path, after=made.unlink, makes=made)]), 2
    )
    assert (one.name, one.made) == ("a", 3000)
    assert one.seconds > 0 < one.peak
    assert not made.exists()


def test_who_is_slow_runs_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others run as often as was asked, in turn."""
    turns: list[str] = []
    clock = iter((0, 30, 30, 31, 31, 32, 32, 33))
    monkeypatch.setattr(bench_measure, "time", SimpleNamespace(perf_counter=clock.__next__))

    def runs(name: str) -> Contender:
        return Contender(name, [("true",)], tmp_path, before=lambda: turns.append(name))

    slow, quick = hold(Contest("x", [runs("slow"), runs("quick")]), 3)
    assert turns == ["slow", "quick", "quick", "quick"]
    assert (slow.seconds, quick.seconds) == (30, 1)


def test_a_contender_that_fails_stops_the_bench(tmp_path: Path) -> None:
    """Its last words are told: a number without its work would be a lie."""
    with pytest.raises(Failed, match=r"a: status 2: ls: .*no-such-file"):
        hold(Contest("x", [Contender("a", [("ls", "no-such-file")], tmp_path)]), 1)


def test_trees_are_the_same_each_time(tmp_path: Path) -> None:
    """Three tenths of the checkpoints are exact copies, and a second tree equals the first."""
    trees = []
    for name in ("one", "two"):
        bench_trees.checkpoints(tmp_path / name, 10 * bench_trees.CHECKPOINT // 100)
        bench_trees.small_files(tmp_path / name / "small", 20)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        trees.append([path.read_bytes() for path in files])
    assert trees[0] == trees[1]
    assert len(set(trees[0])) < len(trees[0])
