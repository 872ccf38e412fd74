"""The journal tells what was done after any crash, and never more than that."""

import errno
import json
import os
import tempfile
import zlib
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.changes import journal
from engine.changes.journal import Journal, Record, State
from engine.errors import UserError

NAMES = st.text(st.characters(codec="utf-8"), max_size=30) | st.binary(max_size=30).map(os.fsdecode)
RECORDS = st.builds(
    Record,
    st.sampled_from(["move", "quarantine", "create", "folder"]),
    NAMES,
    st.sampled_from(["intent", "done", "undone"]),
    src=st.none() | NAMES,
    dst=st.none() | NAMES,
    size=st.none() | st.integers(0, 2**63),
    mtime_ns=st.none() | st.integers(-(2**62), 2**62),
    sha256=st.none() | st.just("0" * 64),
    mode=st.none() | st.integers(0, 0o7777),
    kept=st.none() | st.dictionaries(st.sampled_from(["archive", "member", "copy"]), NAMES),
    seq=st.just(0),
)
some = settings(max_examples=40, deadline=None)


@pytest.fixture(params=[1, 2])
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A journal of three lines, of one step or of two each."""
    kept = Journal(tmp_path / "journal.jsonl")
    for name in "abc":
        names = [name, name * 2][: request.param]
        kept.write(Record("move", one, "intent", src=one, dst=f"to/{one}") for one in names)
    kept.close()
    return tmp_path / "journal.jsonl"


def ids(path: Path) -> list[str]:
    """The steps of one letter, which each line begins with."""
    return [record.id for record in journal.read(path) if len(record.id) == 1]


@some
@given(st.lists(RECORDS, max_size=5, unique_by=lambda record: record[:2]))
def test_what_was_written_is_read(records: list[Record]) -> None:
    """Every record comes back as it was, names that are not UTF-8 included, and numbered."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Journal(Path(folder) / "j")
        kept.write(records)
        kept.close()
        found = journal.read(Path(folder) / "j")
    lines = [[*alike] for _, alike in groupby(records, lambda record: (record.op, record.state))]
    assert [r.seq for r in found] == [n for n, line in enumerate(lines, 1) for _ in line]
    assert [record._replace(seq=0) for record in found] == records


@some
@given(RECORDS, st.lists(st.sampled_from(["intent", "done", "undone"]), max_size=4))
def test_a_new_state_keeps_what_was_told_of_the_step(record: Record, states: list[State]) -> None:
    """The lines that tell only states are short, and read as if they said all of it again."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Journal(Path(folder) / "j")
        kept.write([record])
        for state in states:
            kept.write([Record(record.op, record.id, state)])
            kept.mark([record], state)
        kept.close()
        found = journal.read(Path(folder) / "j")
        lines = (Path(folder) / "j").read_bytes().splitlines()
    told = [s for state in states for s in (state, state)]
    assert [r._replace(seq=0) for r in found] == [
        record._replace(state=state) for state in (record.state, *told)
    ]
    assert kept.latest() == found[-1:]
    assert all(len(json.loads(line)) == 5 for line in lines[1:])


def test_a_torn_end_is_ignored_and_cut_off(path: Path) -> None:
    """Wherever the last line was torn, the lines before it count, and what follows is readable."""
    whole = path.read_bytes()
    second = whole.index(b"\n") + 1
    end = whole.rindex(b"\n", 0, -1) + 1
    for size in range(second, len(whole)):
        path.write_bytes(whole[:size])
        assert ids(path) == (["a", "b"] if size >= end else ["a"])
    kept = Journal(path)
    kept.write([Record("move", "d", "intent")])
    kept.close()
    assert ids(path) == ["a", "b", "d"]


def test_damage_in_the_middle_stops_everything(path: Path) -> None:
    """No byte before the last line can change unnoticed, and no line can be missing."""
    whole = path.read_bytes()
    for position in range(whole.rindex(b"\n", 0, -1)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(UserError, match="damaged"):
            journal.read(path)
    lines = whole.splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[2] + lines[2])
    with pytest.raises(UserError, match="damaged"):
        journal.read(path)


@some
@given(
    st.binary(max_size=200) | st.lists(st.sampled_from([b"{}\n", b"[]\n", b"null\n"])).map(b"".join)
)
def test_arbitrary_bytes_are_no_journal(data: bytes) -> None:
    """They are refused, or nothing was told: no other exception, and no record."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "j"
        path.write_bytes(data)
        try:
            assert journal.read(path) == ()
        except UserError as error:
            assert "damaged" in str(error)


@pytest.mark.parametrize(
    ("call", "code", "goes_on"),
    [
        ("write", errno.ENOSPC, True),
        ("fsync", errno.ENOSPC, True),
        ("write", errno.EIO, False),
        ("fsync", errno.EIO, False),
    ],
)
def test_a_failed_write_leaves_no_trace(
    call: str, code: int, goes_on: bool, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a record is taken off again; after anything but a full disk no more is written."""
    write = os.write

    def fail(descriptor: int, data: bytes = b"") -> int:
        write(descriptor, bytes(data)[:5])
        raise OSError(code, "no")

    kept = Journal(path)
    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with pytest.raises(OSError, match="no"):
            kept.write([Record("move", "d", "intent")])
    assert kept.state("move", "d") is None
    if goes_on:
        kept.write([Record("move", "e", "intent")])
    else:
        with pytest.raises(OSError, match="before"):
            kept.write([Record("move", "e", "intent")])
    kept.close()
    assert ids(path) == ["a", "b", "c", *("e" * goes_on)]


def test_the_last_state_of_a_step_counts(path: Path) -> None:
    """A step that was taken back is no longer standing; the order is that of the beginnings."""
    kept = Journal(path)
    kept.mark([record for record in kept.latest() if record.id[0] == "a"], "done")
    kept.mark([record for record in kept.latest() if record.id[0] == "b"], "undone")
    kept.close()
    assert [(r.id, r.state) for r in kept.latest() if len(r.id) == 1] == [
        ("a", "done"),
        ("b", "undone"),
        ("c", "intent"),
    ]
    assert kept.standing("move", "b") is None
    assert kept.state("move", "b") == "undone"
    assert kept.state("create", "a") is None


def test_steps_that_are_journaled_together_share_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line has no more than so many, and a new state of many is told by their names alone."""
    monkeypatch.setattr(journal, "_TOGETHER", 2)
    kept = Journal(tmp_path / "j")
    records = [Record("move", name, "intent", src=name, dst=f"to/{name}") for name in "abcde"]
    kept.write(records)
    kept.mark(records, "done")
    kept.close()
    lines = [json.loads(line) for line in (tmp_path / "j").read_bytes().splitlines()]
    assert [line["state"] for line in lines] == ["intent"] * 3 + ["done"] * 3
    steps = [line.get("steps", line.get("id")) for line in lines[3:]]
    assert steps == [["a", "b"], ["c", "d"], "e"]
    assert journal.latest(journal.read(tmp_path / "j")) == kept.latest()
    assert [r._replace(seq=0) for r in kept.latest()] == [r._replace(state="done") for r in records]
    last = journal.last(tmp_path / "j")
    assert last and (last.op, last.id, last.state) == ("move", "e", "done")


def test_a_line_for_each_step_is_read_as_well(tmp_path: Path) -> None:
    """As the first projects have them."""
    lines = []
    for seq, state in enumerate(("intent", "done"), 1):
        text = json.dumps({"op": "move", "id": "a", "state": state, "dst": "to/a", "seq": seq})
        crc = zlib.crc32(text.encode())
        lines.append(f'{text[:-1]}, "crc": {crc}}}\n')
    (tmp_path / "j").write_text("".join(lines))
    assert [record.state for record in journal.read(tmp_path / "j")] == ["intent", "done"]


def test_what_many_steps_have_in_common_is_told_once(tmp_path: Path) -> None:
    """Where a file waits and what keeps its bytes follow from its name, for thousands of files."""
    records = [
        Record("quarantine", n, "intent", n, f"q/{n}", "0" * 63 + n[0], 7, None, 5, kept=kept)
        for n in ("a/1", "b/1", "c/1")
        for kept in ({"archive": "x.tar.gz", "member": n},)
    ]
    kept = Journal(tmp_path / "j")
    kept.write(records)
    kept.close()
    line = json.loads((tmp_path / "j").read_bytes())
    assert line["alike"] == {
        "src": [""],
        "dst": ["q/"],
        "size": 7,
        "mode": None,
        "mtime_ns": 5,
        "kept": {"archive": "x.tar.gz", "member": [""]},
    }
    assert line["steps"] == [[r.id, r.sha256] for r in records]
    assert journal.read(tmp_path / "j") == tuple(r._replace(seq=1) for r in records)


def write_line(path: Path, content: dict[str, object]) -> None:
    text = json.dumps(content)
    path.write_text(f'{text[:-1]}, "crc": {zlib.crc32(text.encode())}}}\n')


def test_steps_that_share_a_line_with_all_their_values_are_read(tmp_path: Path) -> None:
    """As recipes wrote them before they told once what is alike."""
    steps = [["a", "a", "to/a", None, 3, None, None, None], ["b", "b", "to/b", *[None] * 5], "c"]
    write_line(tmp_path / "j", {"op": "move", "state": "done", "steps": steps, "seq": 1})
    assert journal.read(tmp_path / "j") == (
        Record("move", "a", "done", "a", "to/a", size=3, seq=1),
        Record("move", "b", "done", "b", "to/b", seq=1),
        Record("move", "c", "done", seq=1),
    )


@pytest.mark.parametrize(
    ("alike", "steps"),
    [({}, [["a"]]), ({"src": []}, [["a", *[1] * 6]]), (3, [["a"]]), ({}, [[]]), ({}, [7]), ({}, 7)],
)
def test_a_line_of_another_form_is_not_whole(alike: object, steps: object, tmp_path: Path) -> None:
    """The last is ignored, as one that is torn."""
    content = {"op": "move", "state": "done", "alike": alike, "steps": steps, "seq": 1}
    write_line(tmp_path / "j", content)
    assert journal.read(tmp_path / "j") == ()
