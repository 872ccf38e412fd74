"""Where the files of a mess go, and why."""

from datetime import date, datetime, timedelta

import pytest

from conventions_text import CONVENTIONS
from engine.plans.cleanup_plan import Options
from engine.plans.plan import Plan
from engine.recognition.attribution import Checkpoint, Evidence
from engine.recognition.evidence import Reading
from mess import (
    NOW,
    Files,
    config,
    curve,
    fates,
    log,
    measured,
    model,
    noted,
    of,
    planned,
    results,
    roles,
    state,
    unreadable,
)

ARCHIVED = "training/experiments/archived"
TODAY = noted("finished", "2025-07-25T10:44:38")


def scored(**values: float) -> dict[str, Reading | None]:
    return {f"w/{n}_best.pth": model(measured("val_auc", v), TODAY) for n, v in values.items()}


def destination(plan: Plan, path: str) -> str | None:
    return of(plan, path).dst


def in_production(path: str, value: float | None, **facts: str) -> Checkpoint:
    told = (Evidence("metric", str(value), path, "file name"),)
    return Checkpoint(path, "model", None, "", "x", "auc", "max", value, facts=facts, evidence=told)


# --- the production model ------------------------------------------------------------------------


def test_the_best_goes_to_production_and_the_rest_into_archives() -> None:
    """The winner comes with its metadata, its log under its name, and a summary."""
    plan = planned(
        {
            "w/pat_conv_l_simple_best.pth": model(measured("val_auc", 0.5929)),
            "logs/pat_conv_l_simple.log": log(*curve("Val AUC", 0.5, 0.5929), TODAY),
            "w/pat_l_best.pth": model(measured("val_auc", 0.58), noted("finished", "2025-07-24")),
        }
    )
    assert fates(plan) == {
        "w/pat_conv_l_simple_best.pth": ("move", "model_weights/production/pat_conv_l_v0.5929.pth"),
        "logs/pat_conv_l_simple.log": ("move", "training/logs/pat_conv_l_v0.5929_20250725.log"),
        "w/pat_l_best.pth": ("pack", f"{ARCHIVED}/2025-07-24_pat_l.tar.gz"),
    }
    assert [a.dst for a in plan.actions if a.verb == "write"] == [
        "model_weights/production/pat_conv_l_v0.5929.json",
        "training/results/pat_conv_l_v0.5929_summary.svg",
        "training/results/pat_conv_l_v0.5929_summary.md",
        "training/results/cleanup_20250725.md",
    ]
    assert roles(plan) == {
        "w/pat_conv_l_simple_best.pth": "production",
        "w/pat_l_best.pth": "candidate",
    }
    assert plan.actions[0].run == "w/pat_conv_l_simple"  # shown first


def test_a_lower_metric_is_no_duplicate() -> None:
    """It is archived, and every action says why."""
    plan = planned(scored(a=0.6, b=0.5))
    assert of(plan, "w/b_best.pth").verb == "pack"
    assert of(plan, "w/b_best.pth").reason == "auc 0.5000 is not the best"
    assert all(action.reason for action in plan.actions)


def test_a_value_of_zero_is_known() -> None:
    """It is not called unknown."""
    plan = planned(scored(a=0.6, b=0.0))
    assert of(plan, "w/b_best.pth").reason == "auc 0.0000 is not the best"


def test_an_unknown_metric_is_archived_and_never_best() -> None:
    """It does not win even alone, and it is not deleted even on request."""
    plan = planned({"w/a.pth": model()}, options=Options(NOW, delete_redundant=True))
    assert of(plan, "w/a.pth").verb == "pack"
    assert of(plan, "w/a.pth").reason == "metric unknown"
    assert roles(plan) == {"w/a.pth": "candidate"}


def test_each_task_has_its_winner() -> None:
    """Two winners of one name get paths of their own, with metadata of their own."""
    files = {
        f"{name}_1/best.pt": model(measured("val_auc", 0.6), noted("dataset", name), TODAY)
        for name in ("nhanes", "other")
    } | {"nhanes_2/best.pt": model(measured("val_auc", 0.5), noted("dataset", "nhanes"))}
    text = CONVENTIONS.replace('["pat_conv_l"]', '["nhanes", "other"]')
    plan = planned(files, text)
    assert {p for p, role in roles(plan).items() if role == "production"} == {
        "nhanes_1/best.pt",
        "other_1/best.pt",
    }


def test_a_later_file_that_claims_a_name_gets_another() -> None:
    """The dated name first, a number then; case and metadata count as names that are taken."""
    files = {
        f"w/x_best.{ext}": model(measured("val_auc", 0.6), noted("dataset", ext), TODAY)
        for ext in ("pth", "pt", "safetensors")
    }
    plan = planned(files, CONVENTIONS.replace('["pat_conv_l"]', '["x"]'))
    names = {str(destination(plan, path)).rpartition("/")[2] for path in files}
    assert names == {"x_v0.6000.pt", "x_v0.6000_20250725.pth", "x_v0.6000_2.safetensors"}
    written = [a.dst for a in plan.actions if a.document == "metadata"]
    assert len(set(written)) == 3


def test_names_that_differ_in_case_alone_are_one_name() -> None:
    """On many systems they would be one file."""
    taken = {"model_weights/production/X_V0.6000.pth": None}
    files = {"w/x_best.pth": model(measured("val_auc", 0.6), TODAY), **taken}
    plan = planned(files, zones=dict.fromkeys(taken, "the layout"))
    assert destination(plan, "w/x_best.pth") == "model_weights/production/x_v0.6000_20250725.pth"


def test_a_pick_overrides_the_numbers() -> None:
    """By an option or by conventions.toml; a copy and published weights may be picked."""
    files = scored(a=0.6, b=0.5)
    for plan in (
        planned(files, options=Options(NOW, picks=("w/b_best.pth",))),
        planned(files, CONVENTIONS.replace("pick = []", 'pick = ["w/b_best.pth"]')),
    ):
        assert of(plan, "w/b_best.pth").reason == "picked by you"
        assert destination(plan, "w/b_best.pth") == "model_weights/production/b_v0.5000.pth"
        assert of(plan, "w/a_best.pth").verb == "pack"
    copy = "w/a_best (copy).pth"
    files = {**scored(a=0.6), copy: model(measured("val_auc", 0.6))}
    plan = planned(files, duplicates=[files], options=Options(NOW, picks=(copy,)))
    assert (of(plan, copy).verb, of(plan, "w/a_best.pth").verb) == ("move", "drop")
    plan = planned({"pretrained/p.h5": model()}, options=Options(NOW, picks=("pretrained/p.h5",)))
    assert destination(plan, "pretrained/p.h5") == "model_weights/production/p_vunknown.h5"


# --- a production model that is there already ----------------------------------------------------


def test_a_production_model_competes() -> None:
    """A worse or equal newcomer is archived, a better one joins it."""
    there = in_production("model_weights/production/x_v0.6000.pth", 0.6)
    for value, verb in ((0.5, "pack"), (0.6, "pack"), (0.7, "move")):
        plan = planned(scored(a=value), production=[there])
        assert of(plan, "w/a_best.pth").verb == verb
        assert there.path not in fates(plan)


def test_a_layout_in_order_plans_nothing() -> None:
    """Nothing to do means no action and no report."""
    there = in_production("model_weights/production/x_v0.6000.pth", 0.6)
    plan = planned({"docs/readme.md": None}, production=[there])
    assert plan.actions == ()
    assert plan.emptied == ()


def test_a_copy_of_what_is_in_production_is_dropped() -> None:
    """The file in the layout stays."""
    there = in_production("model_weights/production/x_v0.6000.pth", 0.6)
    equal = [there.path, "w/a_best.pth"]
    plan = planned(scored(a=0.6), production=[there], duplicates=[equal])
    assert fates(plan) == {"w/a_best.pth": ("drop", there.path)}
    assert roles(plan) == {"w/a_best.pth": "duplicate"}


# --- copies --------------------------------------------------------------------------------------


def test_of_equal_files_the_one_that_most_is_told_of_stays() -> None:
    """A file called a copy goes first, then the one without the wanted metric, then the one with
    less evidence, then the longer path.
    """
    named = {"w/u_best.pth": model(), "w/u_best (copy).pth": model(measured("auc", 0.5), TODAY)}
    assert of(planned(named, duplicates=[named]), "w/u_best (copy).pth").verb == "drop"
    told = {"w/u_1.pth": model(), "w/longer_name_1.pth": model(TODAY, measured("auc", 0.5))}
    assert of(planned(told, duplicates=[told]), "w/u_1.pth").verb == "drop"
    worth = {
        "w/u_1.pth": model(measured("acc", 0.5), TODAY),
        "w/u_22.pth": scored(u=0.5)["w/u_best.pth"],
    }
    assert of(planned(worth, duplicates=[worth]), "w/u_1.pth").verb == "drop"
    alike = {"w/ab_1.pth": model(), "w/a_1.pth": model()}
    assert of(planned(alike, duplicates=[alike]), "w/ab_1.pth").verb == "drop"


def test_published_weights_are_not_dropped_in_favour_of_a_copy() -> None:
    """The original stays, wherever the better name is."""
    files = {"pretrained/P_29k_weights.h5": model(), "w/p.h5": model(TODAY)}
    plan = planned(files, duplicates=[files])
    assert fates(plan)["w/p.h5"] == ("drop", "pretrained/P_29k_weights.h5")


def test_copies_of_what_is_deleted_are_deleted_too() -> None:
    """Else a copy would be dropped for a file that goes."""
    files = {**scored(a=0.6, b=0.5), "w/b_best (copy).pth": model(measured("val_auc", 0.5))}
    equal = ["w/b_best.pth", "w/b_best (copy).pth"]
    plan = planned(files, duplicates=[equal], options=Options(NOW, delete_redundant=True))
    assert {of(plan, path).verb for path in equal} == {"delete"}


# --- deletion, which must be asked for -----------------------------------------------------------


def test_deletion_must_be_asked_for_and_names_each_file() -> None:
    """What is worse than the winner is listed; ties and the winner are not."""
    files = {**scored(a=0.6, b=0.5, c=0.6), "w/d_best.pth": model()}
    assert not any(a.verb == "delete" for a in planned(files).actions)
    plan = planned(files, options=Options(NOW, delete_redundant=True))
    assert [a.src for a in plan.actions if a.verb == "delete"] == ["w/b_best.pth"]
    assert of(plan, "w/b_best.pth").reason.startswith("auc 0.5000 is worse than 0.6000")


def test_what_is_better_than_a_pick_is_not_deleted() -> None:
    """Redundant is what is worse."""
    options = Options(NOW, picks=("w/b_best.pth",), delete_redundant=True)
    plan = planned(scored(a=0.6, b=0.5, c=0.4), options=options)
    assert [a.src for a in plan.actions if a.verb == "delete"] == ["w/c_best.pth"]


def test_a_pick_that_another_beats_is_told_and_not_deleted() -> None:
    """The first one has the place, and that of an option comes before those of conventions.toml."""
    text = CONVENTIONS.replace("pick = []", 'pick = ["w/a_best.pth", "w/b_best.pth"]')
    options = Options(NOW, picks=("w/c_best.pth",), delete_redundant=True)
    plan = planned(scored(a=0.4, b=0.6, c=0.5), text, options)
    assert of(plan, "w/c_best.pth").reason == "picked by you"
    assert not [a for a in plan.actions if a.verb == "delete"]
    assert [note for note in plan.notes if "picked as well" in note] == [
        f"w/{name}_best.pth: was picked as well as w/c_best.pth, which comes first" for name in "ab"
    ]


def test_a_lower_loss_is_not_worse() -> None:
    """The direction counts."""
    text = CONVENTIONS.replace(
        'name = "auc"\ndirection = "max"', 'name = "loss"\ndirection = "min"'
    )
    files = {f"w/{n}_best.pt": model(measured("val_loss", v)) for n, v in (("a", 0.1), ("b", 0.2))}
    plan = planned(files, text, options=Options(NOW, delete_redundant=True))
    assert [a.src for a in plan.actions if a.verb == "delete"] == ["w/b_best.pt"]


def test_what_only_a_test_tells_of_is_not_deleted() -> None:
    """Its figure is of other data than the winner's."""
    files = {**scored(a=0.9, b=0.8), "w/c_best.pth": model(measured("test_auc", 0.85))}
    plan = planned(files, options=Options(NOW, delete_redundant=True))
    assert [a.src for a in plan.actions if a.verb == "delete"] == ["w/b_best.pth"]


FOLDS = {f"x/fold_{n}/best.pt": model(measured("val_auc", 0.8 + n / 100)) for n in range(3)}


def test_a_fold_is_not_worse_than_another() -> None:
    """Each is measured on data of its own; a worse one of the same fold is redundant."""
    files = {**FOLDS, "y/fold2/best.pt": model(measured("val_auc", 0.7))}
    plan = planned(files, options=Options(NOW, delete_redundant=True))
    assert [c["path"] for c in plan.checkpoints if c["role"] == "production"] == [
        "x/fold_2/best.pt"
    ]
    assert [a.src for a in plan.actions if a.verb == "delete"] == ["y/fold2/best.pt"]


def test_each_fold_has_a_winner_if_the_conventions_say_so() -> None:
    """For an ensemble of them all."""
    plan = planned(FOLDS, CONVENTIONS.replace('"classes"]', '"classes", "fold"]'))
    assert {c["role"] for c in plan.checkpoints} == {"production"}
    assert of(plan, "x/fold_0/best.pt").reason == "highest auc of 1 comparable checkpoint, fold 0"


def test_nothing_is_deleted_while_the_winner_is_in_use() -> None:
    """It may be about to change."""
    plan = planned(
        scored(a=0.6, b=0.5),
        in_use={"w/a_best.pth": "changed 1 minute ago"},
        options=Options(NOW, delete_redundant=True),
    )
    assert not any(a.verb == "delete" for a in plan.actions)


# --- in use --------------------------------------------------------------------------------------


def test_a_run_in_use_is_left_alone_as_a_whole_and_aloud() -> None:
    """Also when it holds the best: then nothing is promoted, and the plan says so."""
    files = {
        "run_a/best.pt": model(measured("val_auc", 0.9)),
        "run_a/train.log": log(*curve("Val AUC", 0.9)),
        "run_a/plot.png": None,
        **scored(b=0.5),
    }
    plan = planned(files, in_use={"run_a/train.log": "open in process 7"})
    own = [path for path in files if path.startswith("run_a")]
    assert {of(plan, path).verb for path in own} == {"skip"}
    assert of(plan, "run_a/best.pt").reason == "in use: run_a/train.log (open in process 7)"
    assert of(plan, "w/b_best.pth").verb == "pack"
    assert any("run_a/best.pt" in note and "in use" in note for note in plan.notes)
    assert not any(a.document in ("metadata", "summary") for a in plan.actions)
    assert not any(folder.startswith("run_a") for folder in plan.emptied)


def test_a_shared_log_stays_while_any_of_its_runs_is_in_use() -> None:
    """The run that is not in use goes without it."""
    said = [measured("auc", 0.6, "saved", checkpoint=f"{name}_best.pth") for name in "ab"]
    files = {**scored(a=0.6, b=0.5), "all.log": log(*said, TODAY)}
    plan = planned(files, in_use={"w/b_best.pth": "changed 1 minute ago"})
    assert of(plan, "all.log").verb == "skip"
    assert of(plan, "w/b_best.pth").verb == "skip"
    assert of(plan, "w/a_best.pth").verb == "move"


def test_a_copy_in_use_is_not_dropped_and_nothing_is_dropped_for_it() -> None:
    """Its bytes may change."""
    files = {"w/u_best.pth": model(), "v/u_best (copy).pth": model()}
    for used in files:
        plan = planned(files, duplicates=[files], in_use={used: "open"})
        assert not any(a.verb == "drop" for a in plan.actions)


def test_a_config_elsewhere_that_somebody_edits_does_not_hold_a_run_up() -> None:
    """It stays where it is anyway; a loose log in use is left alone."""
    files = {
        "w/u_best.pth": model(),
        "configs/u_config.yaml": config(lr=0.1),
        "logs/loose.log": log(TODAY),
    }
    used = {"configs/u_config.yaml": "changed now", "logs/loose.log": "open"}
    plan = planned(files, in_use=used)
    assert of(plan, "w/u_best.pth").verb == "pack"
    assert of(plan, "logs/loose.log").verb == "skip"
    assert "configs/u_config.yaml" not in fates(plan)


def test_when_all_is_in_use_nothing_is_written() -> None:
    """A plan of nothing but skips changes nothing."""
    plan = planned(scored(a=0.6), in_use={"w/a_best.pth": "open"})
    assert plan.changes == ()


# --- what goes where -----------------------------------------------------------------------------


def test_published_weights_keep_their_names() -> None:
    """By pattern or by folder they go to `pretrained/` and never win."""
    files = {
        "w/P_29k_weights.h5": model(measured("val_auc", 0.99)),
        "pretrained/q.h5": model(),
        "other/pretrained/q.h5": model(),
    }
    plan = planned(files, CONVENTIONS.replace("patterns = []", 'patterns = ["*_29k_*"]'))
    assert {p: fate[1] for p, fate in fates(plan).items()} == {
        "w/P_29k_weights.h5": "model_weights/pretrained/P_29k_weights.h5",
        "other/pretrained/q.h5": "model_weights/pretrained/q.h5",
        "pretrained/q.h5": "model_weights/pretrained/q_2.h5",
    }
    assert set(roles(plan).values()) == {"pretrained"}


def test_pointers_stay_and_damaged_files_are_kept_and_named() -> None:
    """What cannot be read is packed as it is; a git-lfs pointer would be of no use elsewhere."""
    plan = planned(
        {
            "w/a.pth": unreadable("git-lfs pointer, content not here"),
            "w/b.pth": unreadable("truncated"),
            "w/b_results.json": unreadable("not valid JSON"),
        }
    )
    assert set(fates(plan)) == {"w/b.pth"}
    assert of(plan, "w/b.pth").reason == "kept as it is: truncated"
    for said in ("w/a.pth: git-lfs", "w/b.pth: truncated", "w/b_results.json: not valid"):
        assert any(note.startswith(said) for note in plan.notes)


def test_what_names_a_checkpoint_that_goes_elsewhere_is_said_aloud() -> None:
    """`last_checkpoint` stays right in its run's archive, but not if it names the best."""
    files = {"r/best.pt": model(measured("auc", 0.9)), "r/last.pt": model(measured("auc", 0.8))}
    for named, said in (("last.pt", 0), ("best.pt", 1)):
        pointer = Reading("pointer", "config", (), (noted("names", named),))
        plan = planned({**files, "r/last_checkpoint": pointer})
        told = [note for note in plan.notes if note.startswith("r/last_checkpoint: names best.pt")]
        assert len(told) == said
        assert all("model_weights/production" in note for note in told)


def test_training_state_goes_with_its_run() -> None:
    """It is never a model."""
    files = {**scored(a=0.6), "w/a_last.pth": model(), "w/a_optimizer.pt": state()}
    plan = planned(files)
    assert destination(plan, "w/a_optimizer.pt") == destination(plan, "w/a_last.pth")
    assert roles(plan)["w/a_optimizer.pt"] == "training_state"


def test_configs_and_results_that_lie_elsewhere_stay() -> None:
    """They are evidence; results beside the checkpoint go with it."""
    value = measured("best_val_auc", 0.6, "best")
    plan = planned(
        {
            "w/u_best.pth": model(),
            "w/u_results.json": results(value),
            "reports/u_results.json": results(value),
            "configs/u_config.yaml": config(lr=0.1),
            "README.md": None,
        }
    )
    assert set(fates(plan)) == {"w/u_best.pth", "w/u_results.json"}


def test_a_run_without_evidence_still_gets_a_name() -> None:
    """Unknown parts are named so."""
    plan = planned({"stage1/best_model.pt": model()})
    assert destination(plan, "stage1/best_model.pt") == f"{ARCHIVED}/undated_unknown_stage1.tar.gz"


def test_archives_of_one_name_get_their_time_then_a_number() -> None:
    """Fourteen runs of one day have fourteen archives, each with its manifest."""
    files = {
        f"a/x_20250723_{time}/best.pt": model()
        for time in ("230803", "231445", "231445_b", "231445-b", "232101")
    }
    plan = planned(files, CONVENTIONS.replace('["pat_conv_l"]', '["x"]'))
    assert {str(a.dst) for a in plan.actions if a.verb == "pack"} == {
        f"{ARCHIVED}/2025-07-23_{name}.tar.gz"
        for name in ("x", "x_231445", "x_232101", "x_b", "x_b_231445")
    }
    assert {str(a.dst) for a in plan.actions if a.verb == "pack"} == set(plan.archives)


def test_an_archive_does_not_take_the_place_of_another_manifest() -> None:
    """`.json` and `.sha256` belong to the archive's name."""
    there = {f"{ARCHIVED}/undated_u.json": None}
    plan = planned({"w/u.pth": model(), **there}, zones=dict.fromkeys(there, "the layout"))
    assert destination(plan, "w/u.pth") == f"{ARCHIVED}/undated_u_2.tar.gz"


# --- logs ----------------------------------------------------------------------------------------


def test_scattered_logs_from_before_the_day_of_the_winner_are_packed_together() -> None:
    """A log in a run's folder stays with it, and the manifest of a run names its log elsewhere."""
    old = noted("finished", "2025-07-24T10:00:00")
    files = {
        **scored(a=0.6, b=0.5),
        "logs/b.log": log(*curve("Val AUC", 0.5), old),
        "logs/undated.log": log(),
        "logs/new_thing.log": log(TODAY),
        "run_c/best.pt": model(),
        "run_c/train.log": log(old),
    }
    plan = planned(files)
    packed = f"{ARCHIVED}/logs_before_20250725.tar.gz"
    assert fates(plan)["logs/b.log"] == ("pack", packed)
    assert fates(plan)["logs/undated.log"] == ("pack", packed)
    assert destination(plan, "run_c/train.log") == destination(plan, "run_c/best.pt")
    assert destination(plan, "logs/new_thing.log") == (
        "training/logs/new_thing_training_20250725_104438.log"
    )
    manifest = plan.archives[str(destination(plan, "w/b_best.pth"))]
    assert {"path": "logs/b.log", "now": packed} in manifest["elsewhere"]


def test_the_cutoff_may_be_said() -> None:
    """Then the archive of old logs bears that day."""
    files = {"logs/x.log": log(noted("finished", "2025-07-24T10:00:00"))}
    plan = planned(files, options=Options(NOW, cutoff=date(2025, 7, 24)))
    assert of(plan, "logs/x.log").verb == "move"
    plan = planned(files, options=Options(NOW, cutoff=date(2025, 8, 1)))
    assert destination(plan, "logs/x.log") == f"{ARCHIVED}/logs_before_20250801.tar.gz"


def test_a_log_shared_by_several_runs_is_packed_once_and_named_by_all() -> None:
    """`restore` finds it from each of them."""
    said = [measured("auc", 0.5, "saved", checkpoint=f"{name}_best.pth") for name in "bc"]
    files = {**scored(a=0.6, b=0.5, c=0.4), "all.log": log(*said, TODAY)}
    plan = planned(files)
    (home,) = {destination(plan, "all.log")}
    (other,) = {str(destination(plan, f"w/{n}_best.pth")) for n in "bc"} - {home}
    assert plan.archives[other]["elsewhere"] == [{"path": "all.log", "now": home}]


def test_a_winner_without_a_log_is_said_aloud() -> None:
    """Its metadata then names none."""
    plan = planned(scored(a=0.6))
    assert "no training log was found for w/a_best.pth" in plan.notes
    (metadata,) = (a for a in plan.actions if a.document == "metadata")
    assert metadata.facts["log"] is None


# --- young runs ----------------------------------------------------------------------------------


def test_young_runs_may_stay_folders() -> None:
    """Those of unknown age are archived, and files that share a name in the folder do not clash."""
    young = noted("finished", "2025-07-20T10:00:00")
    old = noted("finished", "2025-06-20T10:00:00")
    files: Files = {
        "w/a_best.pth": model(young),
        "logs/a.log": log(young),
        "docs/a.log": log(young),
        "exp_9/checkpoints/last.pt": model(young),
        "w/b_best.pth": model(old),
        "w/c_best.pth": model(),
    }
    options = Options(NOW, keep_active_days=30, cutoff=date(2025, 7, 1))
    plan = planned(files, options=options)
    active = "training/experiments/active"
    assert {p: d for p, (v, d) in fates(plan).items() if v == "move"} == {
        "w/a_best.pth": f"{active}/2025-07-20_a/a_best.pth",
        "docs/a.log": f"{active}/2025-07-20_a/a.log",
        "logs/a.log": f"{active}/2025-07-20_a/a_2.log",
        "exp_9/checkpoints/last.pt": f"{active}/2025-07-20_unknown_exp_9/checkpoints/last.pt",
    }
    assert of(plan, "w/b_best.pth").verb == "pack"
    assert of(plan, "w/c_best.pth").verb == "pack"


@pytest.mark.parametrize(("days", "verb"), [(30, "move"), (5, "pack"), (0, "pack")])
def test_the_clock_is_a_parameter(days: int, verb: str) -> None:
    """Age is counted from the time that the plan is made for."""
    files = {"w/a_last.pth": model(noted("finished", "2025-07-20T12:00:00"))}
    plan = planned(files, options=Options(NOW, keep_active_days=days))
    assert of(plan, "w/a_last.pth").verb == verb
    later = Options(NOW + timedelta(days=365), keep_active_days=days)
    assert of(planned(files, options=later), "w/a_last.pth").verb == "pack"


# --- the rest ------------------------------------------------------------------------------------


def test_a_lone_model_of_some_epoch_is_named() -> None:
    """With what the user can do; not where a name tells, and not where no epoch is told of."""
    rows = log(*curve("Val AUC", 0.5, 0.7, 0.6))
    models = {f"w/{name}.pt": model() for name in ("a", "b", "c_ema", "d")}
    plan = planned({**models, **{f"w/{name}.log": rows for name in "abc"}})
    told = [note for note in plan.notes if "--pick" in note]
    assert len(told) == 1
    assert told[0].startswith("w/a.pt and 1 more: of the best epoch or of")


def test_many_files_of_one_problem_are_one_note() -> None:
    """But damaged checkpoints are named, each of them."""
    configs = {f"r{n}/config.yml": unreadable("not plain YAML: a tag") for n in range(5)}
    damaged = {f"w/{n}.pt": unreadable("truncated") for n in range(5)}
    notes = [note for note in planned({**configs, **damaged}).notes if "no checkpoints" not in note]
    assert notes == [
        "r0/config.yml and 4 more: not plain YAML: a tag",
        *(f"w/{n}.pt: truncated" for n in range(5)),
    ]


def test_files_that_git_tracks_are_marked_and_counted() -> None:
    """They would vanish from colleagues' checkouts; what is left alone is not marked."""
    plan = planned(scored(a=0.6, b=0.5), tracked=["w/a_best.pth"])
    assert of(plan, "w/a_best.pth").tracked
    assert not of(plan, "w/b_best.pth").tracked
    assert any("git tracks" in note for note in plan.notes)
    skipped = planned(
        scored(a=0.6),
        tracked=["w/a_best.pth"],
        in_use={"w/a_best.pth": "open"},
    )
    assert not of(skipped, "w/a_best.pth").tracked


def test_emptied_folders_are_named_deepest_first() -> None:
    """A folder with anything left in it, or belonging to the layout, stays."""
    files: Files = {
        "out/a1/checkpoints/best.pt": model(),
        "w/u.pth": model(),
        "w/notes.txt": None,
        "v/x.pth": model(),
    }
    plan = planned(
        files, closed={"v/mlruns": "a tracker's"}, empty_folders=["out/a1/empty", "v/mlruns"]
    )
    assert plan.emptied == ("out/a1/checkpoints", "out/a1/empty", "out/a1", "out")


def test_the_plan_knows_no_clock_but_the_given_one() -> None:
    """The same mess gives the same plan."""
    files = scored(a=0.6, b=0.5)
    assert planned(files) == planned(dict(reversed(files.items())))
    assert planned(files).created == "2025-07-25 12:00:00"
    assert datetime.fromisoformat(planned(files).created) == NOW


def test_what_was_not_looked_into_is_told() -> None:
    """Without a word the plan would seem to be of all that there is; an environment holds none."""
    closed = {
        "locked": "cannot be read: Permission denied",
        "vendor/a": "another repository",
        "vendor/b": "another repository",
        "env": "environment",
    }
    notes = planned({"one/best.pt": model(measured("val_auc", 0.7))}, closed=closed).notes
    assert [note for note in notes if "not looked at" in note] == [
        "locked: cannot be read: Permission denied; what it holds was not looked at, and stays",
        "vendor/a and 1 more: another repository; what it holds was not looked at, and stays",
    ]
