"""Which files come from one training."""

import pytest

from engine.recognition.runs import Run
from mess import (
    config,
    curve,
    grouped,
    inventory,
    log,
    measured,
    model,
    noted,
    results,
    state,
    unreadable,
)


def by_name(runs: tuple[Run, ...]) -> dict[str, Run]:
    return {run.heading: run for run in runs}


def test_a_folder_of_generic_names_is_one_run_with_all_it_holds() -> None:
    """`best.pt` and `last.pt` are told apart by their folder, which moves whole."""
    files = {
        "out/a/best.pt": model(),
        "out/a/last.pt": model(),
        "out/a/train.log": log(),
        "out/a/plots/roc.png": None,
    }
    (run,) = grouped(files)
    assert (run.folder, run.whole, run.name) == ("out/a", True, "a")
    assert run.files == tuple(sorted(files))
    assert run.records == ("out/a/train.log",)
    assert run.others == ("out/a/plots/roc.png",)


def test_the_weights_that_a_run_started_from_are_its_own() -> None:
    """YOLOv7 saves `init.pt` beside `best.pt` and `last.pt`."""
    names = ("best", "init", "last")
    (run,) = grouped({f"runs/exp/weights/{name}.pt": model() for name in names})
    assert (run.folder, run.whole, len(run.checkpoints)) == ("runs/exp", True, 3)


@pytest.mark.parametrize(
    "names",
    [
        ("policy", "checkpoint"),  # tianshou
        ("network-snapshot-000000", "network-snapshot-000040"),  # StyleGAN
        ("val_acc_best", "last"),
    ],
)
def test_what_a_training_calls_its_checkpoints_names_no_run(names: tuple[str, ...]) -> None:
    """They are told apart by their folder."""
    (run,) = grouped({f"out/walker/{name}.pt": model() for name in names})
    assert (run.folder, run.whole, len(run.checkpoints)) == ("out/walker", True, 2)


@pytest.mark.parametrize(
    "container", ["checkpoints", "weights", "CKPT", "checkpoints/weights", "pyt_save"]
)
def test_a_container_belongs_to_the_run_above(container: str) -> None:
    """A folder called `checkpoints` or `weights` holds the checkpoints of the folder around it."""
    files = {f"runs/exp1/{container}/best.pt": model(), "runs/exp1/train.log": log()}
    (run,) = grouped(files)
    assert (run.folder, run.whole) == ("runs/exp1", True)
    assert run.files == tuple(sorted(files))


def test_the_folder_that_ultralytics_calls_train_is_a_runs_own() -> None:
    """It tells of no model, but holds one training."""
    names = ("weights/best.pt", "weights/last.pt", "results.csv")
    files = {f"runs/detect/train2/{name}": None if "csv" in name else model() for name in names}
    (run,) = grouped(files)
    assert (run.folder, run.whole, run.files) == ("runs/detect/train2", True, tuple(sorted(files)))


def test_a_bag_of_checkpoints_holds_a_run_for_each_name() -> None:
    """Named checkpoints in one folder are several runs, and the folder is nobody's own."""
    files = {
        "w/pat_a_best.pth": model(),
        "w/pat_a_last.pth": model(),
        "w/pat_b_best.pth": model(),
        "w/readme.txt": None,
    }
    runs = by_name(grouped(files))
    assert runs["w/pat_a"].files == ("w/pat_a_best.pth", "w/pat_a_last.pth")
    assert runs["w/pat_b"].files == ("w/pat_b_best.pth",)
    assert not any(run.whole for run in runs.values())


def test_nested_runs_do_not_hold_each_others_files() -> None:
    """A run's folder inside another run's folder is a run of its own."""
    files = {
        "sweep_a/best.pt": model(),
        "sweep_a/notes.csv": None,
        "sweep_a/trial7/best.pt": model(),
        "sweep_a/trial7/more.csv": None,
    }
    runs = by_name(grouped(files))
    assert runs["sweep_a"].files == ("sweep_a/best.pt", "sweep_a/notes.csv")
    assert runs["sweep_a/trial7"].files == ("sweep_a/trial7/best.pt", "sweep_a/trial7/more.csv")


@pytest.mark.parametrize("folder", ["outputs", "runs", "results", "docs", "models", "weights"])
def test_a_stray_checkpoint_does_not_take_a_folder_of_other_things_along(folder: str) -> None:
    """What else lies in `outputs/` or `docs/` is not part of a run that has a file there."""
    files = {f"{folder}/best_model.pt": model(), f"{folder}/figure.png": None}
    (run,) = grouped(files)
    assert run.files == (f"{folder}/best_model.pt",)


def test_a_folder_with_source_that_git_tracks_is_no_runs_own() -> None:
    """Sources, documents and images that are under version control stay where they are."""
    for other in ("train.py", "README.md", "figure.png"):
        files = {"study/best.pt": model(), f"study/{other}": None}
        (run,) = grouped(files, tracked=[f"study/{other}"])
        assert run.files == ("study/best.pt",)


def test_tracked_results_do_not_keep_a_run_in_place() -> None:
    """Results are outputs, whether or not somebody committed them."""
    files = {"a1/best.pt": model(), "a1/results.json": results(), "a1/.gitkeep": None}
    listed = {"zones": {"a1/.gitkeep": "hidden"}, "tracked": ["a1/results.json", "a1/.gitkeep"]}
    (run,) = grouped(files, **listed)
    assert run.whole
    assert "a1/results.json" in run.records


def test_without_git_source_keeps_a_folder_in_place() -> None:
    """Where nothing tells a snapshot of the code from the code itself, it is the code."""
    (run,) = grouped({"study/best.pt": model(), "study/train.py": None})
    assert run.files == ("study/best.pt",)


def test_in_a_git_repository_untracked_code_is_a_snapshot() -> None:
    """A run's own copy of its script goes with it."""
    files = {"exp_7/best.pt": model(), "exp_7/train.py": None, "setup.py": None}
    (run,) = grouped(files, tracked=["setup.py"])
    assert run.whole
    assert "exp_7/train.py" in run.files


@pytest.mark.parametrize("zone", ["the layout", "left alone on request", "a tracker's", "cache"])
def test_what_is_not_ours_stays_when_its_folder_moves(zone: str) -> None:
    """Files that are left alone on request, or belong to a tool, are in no run."""
    files = {"exp_7/best.pt": model(), "exp_7/kept.txt": None}
    (run,) = grouped(files, zones={"exp_7/kept.txt": zone})
    assert run.files == ("exp_7/best.pt",)


def test_training_state_travels_with_its_checkpoint() -> None:
    """Optimizer and scheduler files belong to the run beside them, named or not."""
    (whole,) = grouped({"exp_7/model.pt": model(), "exp_7/optimizer.pt": state()})
    assert whole.checkpoints == ("exp_7/model.pt", "exp_7/optimizer.pt")
    (named,) = grouped({"w/unet_best.pt": model(), "w/unet_optimizer.pt": state()})
    assert named.checkpoints == ("w/unet_best.pt", "w/unet_optimizer.pt")
    (beside,) = grouped({"w/unet_best.pt": model(), "w/optimizer.pt": state()})
    assert beside.checkpoints == ("w/optimizer.pt", "w/unet_best.pt")


def test_state_among_several_runs_is_given_to_none_of_them() -> None:
    """Nothing says whose it is."""
    files = {"w/a_best.pt": model(), "w/b_best.pt": model(), "w/optimizer.pt": state()}
    assert len(grouped(files)) == 3


def test_a_damaged_checkpoint_is_still_a_checkpoint() -> None:
    """It stays with its run; damaged text does not become one."""
    files = {"w/unet_best.pt": unreadable("truncated"), "w/odd.bin": unreadable("HTML page")}
    (run,) = grouped(files)
    assert run.checkpoints == ("w/unet_best.pt",)


# --- records -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "logs/pat_l_corrected_20250724_160538.log",
        "pat_l_corrected_training.log",
        "docs/archive/pat_l_corrected.log",
    ],
)
def test_a_log_is_found_by_its_name_wherever_it_lies(path: str) -> None:
    """Dates and words like "training" do not hide whose it is."""
    files = {"w/pat_l_corrected_best.pth": model(), "w/pat_l_best.pth": model(), path: log()}
    runs = by_name(grouped(files))
    assert runs["w/pat_l_corrected"].records == (path,)
    assert runs["w/pat_l"].records == ()


@pytest.mark.parametrize(("name", "is_its"), [("20250712_1432", True), ("20250712", False)])
def test_a_log_called_after_the_moment_of_a_folder_is_its_runs(name: str, is_its: bool) -> None:
    """Two trainings do not start in one minute; on one day they do."""
    files = {f"saved/{name}/model.pth": model(), f"log/train_{name}.log": log()}
    assert ((f"log/train_{name}.log",) == grouped(files)[0].records) is is_its


def test_a_log_that_names_the_checkpoint_is_its_runs() -> None:
    """What a log says was saved beats what the log is called."""
    said = measured("auc", 0.6, "saved", checkpoint="unet_best.pt")
    files = {"w/unet_best.pt": model(), "w/vit_best.pt": model(), "logs/vit.log": log(said)}
    runs = by_name(grouped(files))
    assert runs["w/unet"].records == ("logs/vit.log",)
    assert runs["w/vit"].records == ()


def test_runs_that_append_to_one_log_share_it() -> None:
    """A log that names checkpoints of two runs is a record of both."""
    said = [measured("auc", 0.6, "saved", checkpoint=f"{name}_best.pt") for name in "ab"]
    files = {"w/a_best.pt": model(), "w/b_best.pt": model(), "sweep.log": log(*said)}
    assert [run.records for run in grouped(files)] == [("sweep.log",), ("sweep.log",)]


def test_a_generic_name_in_a_log_says_nothing_where_several_have_it() -> None:
    """Fourteen files called `best_model.pt` do not share the log of one."""
    said = measured("auc", 0.6, "saved", checkpoint="best_model.pt")
    files = {f"s{n}_x/best_model.pt": model() for n in range(14)} | {"logs/other.log": log(said)}
    assert all(run.records == () for run in grouped(files))


def test_a_log_of_a_generic_name_belongs_to_the_only_run_beside_it() -> None:
    """`train.log` in a folder of one run is that run's, and in a folder of two it is nobody's."""
    one = {"w/unet_best.pt": model(), "w/train.log": log()}
    assert grouped(one)[0].records == ("w/train.log",)
    two = {**one, "w/vit_best.pt": model()}
    assert all(run.records == () for run in grouped(two))


@pytest.mark.parametrize("name", ["test_results", "val_metrics", "eval_test"])
def test_results_called_after_a_part_of_the_data_belong_to_the_only_run_beside_them(
    name: str,
) -> None:
    """That is a generic name, and not one of a model that is called "test"."""
    one = {"w/unet_best.pt": model(), f"w/{name}.json": results(curve("test_auc", 0.5)[0])}
    assert [run.records for run in grouped(one)] == [(f"w/{name}.json",)]
    two = {**one, "w/vit_best.pt": model()}
    assert all(run.records == () for run in grouped(two) if run.checkpoints)


def test_a_log_of_no_checkpoint_is_in_no_run() -> None:
    """It is dealt with on its own."""
    runs = grouped({"w/unet_best.pt": model(), "logs/tokenizer.log": log()})
    assert all("logs/tokenizer.log" not in run.files for run in runs)


def test_results_of_no_checkpoint_are_a_run_of_their_own_among_outputs_only() -> None:
    """Elsewhere, and above all beside a stray checkpoint at the root, they are left alone."""
    files = {
        "stray.pt": model(),
        "w/unet_best.pt": model(),
        "w/vit_results.json": results(curve("auc", 0.5)[0]),
        "docs/paper_results.json": results(curve("auc", 0.5)[0]),
    }
    paths = {path for run in grouped(files) for path in run.files}
    assert "w/vit_results.json" in paths
    assert "docs/paper_results.json" not in paths


def test_a_config_is_evidence_for_the_run_that_it_names() -> None:
    """It is a record wherever it lies."""
    files = {"w/unet_best.pt": model(), "configs/unet_config.yaml": config(lr=0.1)}
    assert grouped(files)[0].records == ("configs/unet_config.yaml",)


def test_a_run_in_the_projects_root_is_shown_as_such() -> None:
    """Neither a folder nor a name is there to show."""
    assert [run.heading for run in grouped({"rng.pt": state()})] == ["the project's root"]


def test_paths_inside_a_run_are_relative_to_its_folder() -> None:
    """What lies elsewhere keeps its name alone."""
    run = Run("out/a", ("a",), True, ("out/a/checkpoints/best.pt",), ("logs/a.log",))
    assert run.inner("out/a/checkpoints/best.pt") == "checkpoints/best.pt"
    assert run.inner("logs/a.log") == "a.log"
    assert run.holds("out/a/x") and not run.holds("out/ab/x")


def test_the_inventory_says_what_lies_below_a_folder() -> None:
    """A folder whose name merely starts alike is another one."""
    listed = inventory(["a/b/c.pt", "ab/d.pt"])
    assert [entry.path for entry in listed.below("a")] == ["a/b", "a/b/c.pt"]


def test_order_of_readings_does_not_matter() -> None:
    """The same files give the same runs."""
    files = {
        "w/b_best.pt": model(),
        "w/a_best.pt": model(),
        "w/a.log": log(noted("seed", "1")),
        "z/best.pt": model(),
    }
    assert grouped(files) == grouped(dict(reversed(files.items())))


def test_what_hydra_wrote_stays_with_its_run_although_git_tracks_it() -> None:
    """The folder is no less the run's own; a file that somebody put there is another matter."""
    kept = {f"multirun/0/.hydra/{name}.yaml": None for name in ("config", "hydra", "overrides")}
    files = {"multirun/0/best.pt": model(), "multirun/0/train.log": log(), **kept}
    (run,) = grouped(files, tracked=kept)
    assert run.whole
    assert {*kept} <= {*run.others}
    files["multirun/0/plot.py"] = None
    assert not any(run.whole for run in grouped(files, tracked=[*kept, "multirun/0/plot.py"]))


def test_a_record_is_of_the_run_whose_figures_it_has() -> None:
    """Two checkpoints in one folder, and one table above it: its row is inside one of them."""
    inside = measured("val_auc", 0.70713, epoch=2)
    files = {
        "out/checkpoints/best.pt": model(inside),
        "out/checkpoints/first_stage.pt": model(measured("val_auc", 0.3, epoch=2)),
    }
    for value, owners in ((0.7071, ["out/checkpoints"]), (0.6, [])):
        table = results(*curve("auc", 0.5, value, 0.6))
        runs = grouped({**files, "out/checkpoints/training_log.csv": table})
        owned = [r.folder for r in runs if r.checkpoints and r.records]
        assert owned == owners, value


def test_a_bare_record_is_of_the_bare_checkpoint_where_the_other_has_its_own() -> None:
    """`net_history.json` is of net, so `history.json` is of `best.pt`."""
    files = {
        "out/best.pt": model(),
        "out/net_best.pt": model(),
        "out/history.json": results(measured("val_auc", 0.7, "best")),
    }
    assert not [r for r in grouped(files) if r.checkpoints and r.records]
    runs = grouped({**files, "out/net_history.json": results(measured("val_auc", 0.6, "best"))})
    assert {r.checkpoints: r.records for r in runs} == {
        ("out/best.pt",): ("out/history.json",),
        ("out/net_best.pt",): ("out/net_history.json",),
    }
