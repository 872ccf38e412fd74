"""What holds of every clean-up plan, whatever the mess."""

import json
from collections import Counter
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.plans import plan as plans
from engine.plans.cleanup_plan import Options, cleanup
from engine.plans.plan import Action, Plan
from engine.recognition.evidence import Reading
from mess import (
    NOW,
    Files,
    config,
    curve,
    inventory,
    log,
    measured,
    mess,
    model,
    noted,
    project,
    results,
    state,
    unreadable,
)

FOLDERS = ("", "w/", "W/", "logs/", "docs/a/", "runs/e1/", "runs/e1/checkpoints/", "pretrained/")
STEMS = (
    "best",
    "last",
    "u_best",
    "U_best",
    "u_last",
    "u (copy)",
    "v_20250724",
    "pat_conv_l",
    "con",
)
DATES = ("2025-07-24T10:00:00", "2025-07-25", "2020-01-01T00:00:01")
VALUES = st.sampled_from([0.0, 0.5, 0.5, 0.6, float("nan"), 91.2, -1.0])


def _models() -> st.SearchStrategy[Reading]:
    metric = st.builds(measured, st.sampled_from(["val_auc", "val_loss", "test_auc"]), VALUES)
    date = st.builds(noted, st.just("finished"), st.sampled_from(DATES))
    task = st.builds(noted, st.just("dataset"), st.sampled_from(["x", "y"]))
    return st.builds(
        lambda found: model(*found), st.lists(st.one_of(metric, date, task), max_size=3)
    )


def _logs() -> st.SearchStrategy[Reading]:
    date = st.builds(noted, st.just("finished"), st.sampled_from(DATES))
    names = st.sampled_from(["u_best.pth", "best.pt", None])
    saved = st.builds(lambda v, name: measured("AUC", v, "saved", checkpoint=name), VALUES, names)
    return st.builds(
        lambda found, rows: log(*found, *curve("val_auc", *rows)),
        st.lists(st.one_of(date, saved), max_size=3),
        st.lists(VALUES, max_size=3),
    )


def _files() -> st.SearchStrategy[Files]:
    def at(suffixes: list[str], readings: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        paths = st.builds(
            lambda *parts: "".join(parts),
            st.sampled_from(FOLDERS),
            st.sampled_from(STEMS),
            st.sampled_from(suffixes),
        )
        return st.tuples(paths, readings)

    weights = st.one_of(_models(), st.just(state()), st.just(unreadable("truncated")))
    pointer = st.just(unreadable("git-lfs pointer, content not here"))
    records = st.sampled_from([results(measured("best_auc", 0.6, "best")), config(lr=0.1)])
    kinds = [
        at([".pth", ".pt", ".pth.tar"], st.one_of(weights, pointer)),
        at([".pth", ".PT"], _models()),
        at([".log", ".out"], _logs()),
        at([".json"], records),
        at([".txt", ".py", ".md"], st.none()),
    ]
    return st.lists(st.one_of(*kinds), max_size=14).map(dict)


@st.composite
def clean_ups(draw: st.DrawFn) -> tuple[Files, dict[str, Any], Options]:
    files = draw(_files())
    paths = sorted(files)
    some = st.lists(st.sampled_from(paths), unique=True, max_size=3) if paths else st.just([])
    weights = [p for p in paths if (r := files[p]) is not None and r.role == "model"]
    equal = st.lists(st.sampled_from(weights), unique=True) if weights else st.just([])
    found: dict[str, Any] = {
        "tracked": draw(some),
        "in_use": dict.fromkeys(draw(some), "changed 1 minute ago"),
        "duplicates": [copies] if len(copies := draw(equal)) > 1 else [],
        "zones": {p: "left alone on request" for p in draw(some) if files[p] is None},
    }
    options = Options(
        NOW,
        tuple(p for p in draw(some) if p in weights),
        draw(st.sampled_from([None, NOW.date()])),
        draw(st.sampled_from([None, 0, 30])),
        draw(st.booleans()),
    )
    return files, found, options


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(clean_ups())
def test_every_plan_keeps_its_promises(case: tuple[Files, dict[str, Any], Options]) -> None:
    """Each path has one action at most, nothing is overwritten, and the totals add up."""
    files, found, options = case
    there = mess(files, **found)
    plan = cleanup(project(), there, options)
    entries = there.inventory.entries
    sources = [a.src for a in plan.actions if a.src is not None]

    assert max(Counter(sources).values(), default=0) <= 1
    assert set(sources) <= {p for p, e in entries.items() if e.kind == "file"}
    made = [str(a.dst).casefold() for a in plan.actions if a.verb in ("move", "write")]
    assert len(set(made)) == len(made)
    taken = {path.casefold() for path in entries}
    archives = {a.dst for a in plan.actions if a.verb == "pack"}
    assert not (set(made) | {str(a).casefold() for a in archives}) & taken
    assert archives == set(plan.archives)
    assert all(inside(str(a.dst)) for a in plan.actions if a.dst and a.verb != "drop")

    _check_choices(plan, found, options)
    _check_what_stays(plan, files, found)
    _check_sums(plan, {path: entry.size for path, entry in entries.items()})
    _check_emptied(plan, set(entries), {p for p, e in entries.items() if e.kind == "file"})
    assert plans.from_json(plans.to_json(plan)).totals() == plan.totals()


def inside(path: str) -> bool:
    layout = vars(project().folders).values()
    return ".." not in path.split("/") and any(path.startswith(f"{folder}/") for folder in layout)


def _check_choices(plan: Plan, found: dict[str, Any], options: Options) -> None:
    actions = {a.src: a for a in plan.actions if a.src}
    known = {c["path"]: c for c in plan.checkpoints}
    for path, action in actions.items():
        if action.verb == "delete":
            assert options.delete_redundant
            copies = [d for d in found["duplicates"] if path in d]
            assert known[path]["value"] is not None or copies
        if action.verb == "drop":  # a chain of copies ends at a file that stays or is kept
            kept = actions.get(str(action.dst))
            assert kept is None or kept.verb in ("move", "pack")
        if action.verb == "move" and str(action.dst).startswith("model_weights/production/"):
            assert known[path]["value"] is not None or path in options.picks


def _check_what_stays(plan: Plan, files: Files, found: dict[str, Any]) -> None:
    actions = {a.src: a for a in plan.actions if a.src}
    tracked = found["tracked"]
    for path in found["in_use"]:
        assert path not in actions or actions[path].verb == "skip"
    for path in found["zones"]:
        assert path not in actions
    for path, reading in files.items():
        if reading and "pointer" in (reading.problem or ""):
            assert path not in actions or actions[path].verb == "skip"
        elif reading and reading.role in ("model", "training_state", "unreadable"):
            assert path in actions  # no checkpoint is forgotten
        if reading is None and (path in tracked or (path.endswith(".py") and not tracked)):
            assert path not in actions


def _check_sums(plan: Plan, sizes: dict[str, int]) -> None:
    with_source = [a for a in plan.actions if a.src]
    assert all(a.bytes == sizes[str(a.src)] for a in with_source)
    totals = plan.totals().values()
    assert sum(total["files"] for total in totals) == len(plan.actions)
    assert sum(total["bytes"] for total in totals) == sum(a.bytes for a in with_source)


def _check_emptied(plan: Plan, entries: set[str], files: set[str]) -> None:
    staying = files - {a.src for a in plan.changes}
    for folder in plan.emptied:
        assert folder in entries
        assert not any(path.startswith(f"{folder}/") for path in staying)
    depths = [len(PurePosixPath(folder).parts) for folder in plan.emptied]
    assert depths == sorted(depths, reverse=True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_files())
def test_what_a_plan_leaves_needs_no_second_plan(files: Files) -> None:
    """Once the sources of its actions are gone, nothing is planned for the rest."""
    first = cleanup(project(), mess(files), Options(NOW))
    gone = {a.src for a in first.changes}
    rest = {path: reading for path, reading in files.items() if path not in gone}
    second = cleanup(project(), mess(rest), Options(datetime(2025, 7, 26)))
    assert second.changes == ()


def test_a_plan_survives_being_stored() -> None:
    """Odd names too, and what is no plan is refused with one of three errors."""
    action = Action("move", "a\udcff\n.pt", "b", 1, "because", document=None)
    plan = Plan("cleanup", "2025-07-25", (action,), {"x.tar.gz": {"name": "x"}}, ("a",), (), ("n",))
    assert plans.from_json(plans.to_json(plan)) == plan
    values = vars(plan) | {"actions": [action._asdict()]}
    assert plans.to_json(plan) == json.dumps(values).encode() + b"\n"
    for data in (b"", b"[]", b"{}", b'{"actions": [{"verb": 1, "more": 2}]}', b"\xff"):
        try:
            plans.from_json(data)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        raise AssertionError(data)


def test_folders_of_the_layout_are_never_emptied() -> None:
    """Nor what was not entered, nor a folder in which something is left alone."""
    listed = inventory(["training/logs/x.log", "a/b/c.pt", "d/e.pt"], closed={"d/wandb": "tracker"})
    actions = {path: Action("move", path, "z", 1, "") for path in listed.entries if "." in path}
    assert plans.emptied(listed, actions, ["training/logs"]) == ("a/b", "a")
    skipped = {p: a._replace(verb="skip") for p, a in actions.items()}
    assert plans.emptied(listed, skipped, []) == ()
