"""Which experiments the rules let go: a table of cases, and what holds of all of them."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.plans.retention import Experiment, Policy, decide

TODAY = date(2025, 7, 25)
RULES = Policy(timedelta(days=30), keep_best=1, keep_last=1, keep=("*_keep",))


def trained(
    name: str, days_ago: int | None, value: float | None = None, **more: object
) -> Experiment:
    day = None if days_ago is None else TODAY - timedelta(days=days_ago)
    made = Experiment(name, "x", day, "auc", "max", value)
    return made._replace(**more)  # type: ignore[arg-type]


EXPERIMENTS = (
    trained("a_old", 90, 0.50),
    trained("b_best", 80, 0.90),
    trained("c_limit", 30, 0.60),
    trained("d_young", 29, 0.10),
    trained("e_last", 1, 0.20),
    trained("f_keep", 90),
    trained("g_busy", 90, 0.30, busy="in use: x (open)"),
    trained("h_production", 90, 0.40, in_production="model_weights/production/x.json"),
    trained("i_undated", None, 0.30),
    trained("j_nan", 90, float("nan")),
    trained("k_unknown", 90, direction=None),
    trained("l_tagged", 90, tags=("paper_keep",)),
    trained("m_other_task", 90, 0.10, task=(("dataset", "z"),)),
)

# What becomes of each under RULES: packed or not, and the rule that says so.
GOLDEN = """\
a_old         pack  90 days old, the limit is 30
b_best        keep  one of the best 1 by auc
c_limit       pack  30 days old, the limit is 30
d_young       keep  29 days old, the limit is 30
e_last        keep  one of the last 1
f_keep        keep  kept by name: *_keep
g_busy        keep  in use: x (open)
h_production  keep  source of model_weights/production/x.json
i_undated     keep  its age is unknown
j_nan         pack  90 days old, the limit is 30
k_unknown     pack  90 days old, the limit is 30
l_tagged      keep  kept by tag: *_keep
m_other_task  pack  90 days old, the limit is 30
"""


def table(experiments: tuple[Experiment, ...], policy: Policy) -> str:
    return "".join(
        f"{d.experiment.name:<13} {'pack' if d.pack else 'keep'}  {d.rule}\n"
        for d in decide(experiments, policy, TODAY)
    )


def test_each_rule_has_its_case() -> None:
    """Every decision names the rule that made it; the order of the experiments does not matter."""
    assert table(EXPERIMENTS, RULES) == GOLDEN
    assert table(EXPERIMENTS[::-1], RULES) == GOLDEN


def test_each_task_has_its_best_where_several_are_known() -> None:
    """Results on different data are not compared; an unknown task is one of its own then."""
    other = trained("n_third_task", 90, 0.1, task=(("dataset", "y"),))
    kept = {d.experiment.name for d in decide((*EXPERIMENTS, other), RULES, TODAY) if not d.pack}
    assert {"b_best", "m_other_task", "n_third_task"} <= kept


@pytest.mark.parametrize(("direction", "kept"), [("max", "b"), ("min", "a")])
def test_the_direction_says_which_is_best(direction: str, kept: str) -> None:
    """Ties go to the name that sorts first."""
    found = [
        trained(n, 90, v, direction=direction) for n, v in (("b", 2.0), ("a", 0.0), ("c", 2.0))
    ]
    policy = RULES._replace(keep_last=0)
    assert [d.experiment.name for d in decide(found, policy, TODAY) if not d.pack] == [kept]


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_what_is_no_number_is_never_among_the_best(value: float | None) -> None:
    """Not even where nothing else is known."""
    (decision,) = decide([trained("a", 90, value)], RULES._replace(keep_last=0), TODAY)
    assert decision.pack


def test_names_that_were_asked_for_go_whatever_their_age_and_rank() -> None:
    """Only what is busy or kept by name stays, and nothing else goes."""
    policy = RULES._replace(names=("b_best", "d_young", "f_keep", "g_busy", "h_production"))
    packed = {d.experiment.name for d in decide(EXPERIMENTS, policy, TODAY) if d.pack}
    assert packed == {"b_best", "d_young", "h_production"}


def test_zero_is_a_count() -> None:
    """`keep_best = 0` keeps none for its rank."""
    policy = RULES._replace(keep_best=0, keep_last=0, older_than=timedelta(0))
    packed = {d.experiment.name for d in decide(EXPERIMENTS, policy, TODAY) if d.pack}
    assert {"b_best", "e_last", "d_young"} <= packed


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.builds(
            trained,
            st.sampled_from("abcdefgh"),
            st.sampled_from([None, -5, 0, 29, 30, 400]),
            st.sampled_from([None, 0.1, 0.9, float("nan")]),
            busy=st.sampled_from([None, None, "in use"]),
        ),
        unique_by=lambda experiment: experiment.name,
    ),
    st.integers(0, 3),
    st.integers(0, 3),
)
def test_more_rules_never_pack_more(found: list[Experiment], best: int, last: int) -> None:
    """Busy and undated experiments stay whatever the policy, and each count keeps its number."""
    policy = Policy(timedelta(days=30), best, last, ())
    packed = {d.experiment.name for d in decide(found, policy, TODAY) if d.pack}
    for decision in decide(found, policy, TODAY):
        if decision.experiment.busy or decision.experiment.started is None:
            assert not decision.pack
    for wider in (policy._replace(keep_best=best + 1), policy._replace(keep_last=last + 1)):
        assert {d.experiment.name for d in decide(found, wider, TODAY) if d.pack} <= packed
