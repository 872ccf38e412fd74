"""What is said of each checkpoint, by which evidence."""

import math
import sys
from dataclasses import replace
from datetime import datetime
from types import FrameType
from typing import Any

import pytest

from conventions_text import CONVENTIONS
from engine.recognition.attribution import Checkpoint
from engine.recognition.evidence import Measurement, Noted, Reading
from mess import (
    Files,
    attributed,
    config,
    curve,
    log,
    measured,
    model,
    noted,
    results,
    state,
    unreadable,
)

LOSS = CONVENTIONS.replace('name = "auc"\ndirection = "max"', 'name = "loss"\ndirection = "min"')


def only(files: Files) -> Checkpoint:
    (checkpoint,) = attributed(files).values()
    return checkpoint


def disagreeing(checkpoint: Checkpoint) -> list[str]:
    return [e.path for e in checkpoint.evidence if e.fact == "metric" and not e.used]


# --- precedence ----------------------------------------------------------------------------------


def test_inside_beats_results_beat_log_beat_name() -> None:
    """The nearest source is believed, and those that disagree are shown as well."""
    path, beside, text = "w/u_auc_0.51.pt", "w/u_results.json", "w/u.log"
    inside = model(measured("val_auc", 0.54))
    sources: dict[str, Reading | None] = {
        path: inside,
        beside: results(measured("best_val_auc", 0.53, "best")),
        text: log(measured("Val AUC", 0.52, "saved", checkpoint="u_auc_0.51.pt")),
    }
    assert only(sources).value == 0.54
    assert disagreeing(only(sources)) == [beside, text, path]
    sources[path] = model()
    assert only(sources).value == 0.53
    sources[beside] = None
    assert only(sources).value == 0.52
    sources[text] = None
    assert only(sources).value == 0.51
    assert only({"w/u.pt": model()}).value is None


def test_a_rounded_value_agrees_with_the_full_one_and_the_full_one_counts() -> None:
    """0.5788 in a name and 0.57884 in the results are one value."""
    files = {
        "x_training/best_auc_0.5788.pt": model(),
        "x_training/summary.json": results(measured("val_auc", 0.5788455, "best")),
    }
    assert only(files).value == 0.5788455
    assert not disagreeing(only(files))
    rounded = {
        "w/u_best.pt": model(measured("val_auc", 0.5788, digits=4)),
        "w/u.json": results(measured("best_val_auc", 0.5788455, "best")),
    }
    assert only(rounded).value == 0.5788455


def test_a_value_that_rounds_to_another_one_disagrees() -> None:
    """0.5788 is not what 0.5794 rounds to."""
    files = {
        "w/u_best.pt": model(measured("val_auc", 0.5794)),
        "w/u.log": log(measured("Val AUC", 0.5788, "saved", digits=4)),
    }
    assert disagreeing(only(files)) == ["w/u.log"]


def test_a_value_of_no_split_and_one_of_validation_are_compared() -> None:
    """`auc` in the file and `Val AUC` in the log may mean the same, so a difference is shown."""
    files = {
        "w/u_best.pt": model(measured("auc", 0.6)),
        "w/u.log": log(measured("Val AUC", 0.5, "saved")),
    }
    assert disagreeing(only(files)) == ["w/u.log"]


@pytest.mark.parametrize("digits", [None, 10])
def test_a_float32_and_a_float64_of_one_number_agree(digits: int | None) -> None:
    """Torch's tensors and the logs have different bits of one loss; another loss disagrees."""
    for told, said in ((1.7000000476837158, []), (1.70001, ["w/u.json"])):
        files = {
            "w/u_best.pt": model(measured("val_loss", 1.7000000000000002)),
            "w/u.json": results(measured("val_loss", told, "best", digits=digits)),
        }
        assert disagreeing(only(files)) == said


# --- what counts as a value ----------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.2, -0.1])
def test_what_is_no_auc_is_unknown(value: float) -> None:
    """NaN, infinities and what is out of range are never believed, and disagree with nothing."""
    checkpoint = only({"w/u_best.pt": model(measured("val_auc", value))})
    assert checkpoint.value is None
    assert checkpoint.metric is None
    assert not disagreeing(checkpoint)


def test_what_is_no_number_is_no_evidence() -> None:
    """A figure that was never taken, or that diverged, neither agrees nor disagrees."""
    found = only(
        {
            "w/u_best.pt": model(measured("val_auc", 0.5)),
            "w/u.json": results(measured("val_auc", math.nan, "best")),
        }
    )
    assert [e.value for e in found.evidence if e.fact == "metric"] == ["val_auc 0.5"]


def test_no_metric_of_training_state_disagrees() -> None:
    """None was chosen, so there is nothing that it could disagree with; it is shown."""
    reading = Reading("torch zip", "training_state", (measured("val_loss", 1.5),))
    found = attributed({"w/u_best.pt": model(), "w/u_optimizer.pt": reading})["w/u_optimizer.pt"]
    assert [e.value for e in found.evidence if e.fact == "metric"] == ["val_loss 1.5"]
    assert not disagreeing(found)


def test_a_nan_does_not_hide_a_value_of_a_weaker_source() -> None:
    """The next source is asked."""
    files = {
        "w/u_best.pt": model(measured("val_auc", math.nan)),
        "w/u.log": log(measured("Val AUC", 0.5, "saved")),
    }
    assert only(files).value == 0.5


def test_the_last_checkpoint_of_a_run_that_diverged_is_unknown() -> None:
    """It does not get the value of the epoch before the metric became NaN."""
    files = {"x_run/last.pt": model(), "x_run/t.log": log(*curve("Val AUC", 0.6, 0.7, math.nan))}
    assert only(files).value is None


def test_test_figures_do_not_pick_where_validation_figures_are() -> None:
    """A test AUC, even inside the file, is used only where there is nothing else."""
    tested = model(measured("test_auc", 0.9))
    assert only({"w/u_best.pt": tested}).value == 0.9
    files = {"w/u_best.pt": tested, "w/u.log": log(measured("Val AUC", 0.6, "saved"))}
    assert only(files).value == 0.6


@pytest.mark.parametrize("last", ["last", "final"])
@pytest.mark.parametrize(
    "tested",
    [
        measured("test_auc", 0.95, "epoch", epoch=4, step=40),
        measured("test_auc", 0.95, "epoch", epoch=3),
        measured("Final test AUC", 0.95, "final"),
    ],
)
def test_a_test_after_training_is_of_what_was_loaded(tested: Measurement, last: str) -> None:
    """Lightning writes it into the last row; it makes no last checkpoint the best."""
    rows = curve("val_auc", 0.8, 0.9, 0.85)
    files = {"x_run/best.pt": model(), f"x_run/{last}.pt": model()}
    found = attributed({**files, "x_run/metrics.csv": results(*rows, tested)})
    assert [c.value for c in found.values()] == [0.9, 0.85]
    losses = curve("train_loss", 0.8, 0.7, 0.6)
    found = attributed({**files, "x_run/metrics.csv": results(*losses, tested)})
    assert [c.value for c in found.values()] == [None, None]


@pytest.mark.parametrize("name", ["best", "last", "model"])
def test_a_test_after_training_is_of_the_only_checkpoint(name: str) -> None:
    """Whatever it is called: there is nothing else that may have been loaded."""
    rows = (*curve("train_loss", 0.8, 0.7), measured("test_auc", 0.95, "epoch", epoch=3))
    found = only({f"x_run/{name}.pt": model(), "x_run/metrics.csv": results(*rows)})
    assert (found.value, found.of_test) == (0.95, True)


def test_a_test_of_each_epoch_is_of_its_epoch() -> None:
    """Many scripts have no other data to validate on; so has one that ran for a single epoch."""
    files = {"x_run/best.pt": model(), "x_run/last.pt": model()}
    rows = (*curve("train_acc", 0.5, 0.6, 0.7), *curve("test_auc", 0.8, 0.9, 0.85))
    found = attributed({**files, "x_run/metrics.csv": results(*rows)})
    assert [c.value for c in found.values()] == [0.9, 0.85]
    once = (*curve("train_acc", 0.5), *curve("test_auc", 0.8))
    found = attributed({**files, "x_run/metrics.csv": results(*once)})
    assert [c.value for c in found.values()] == [0.8, 0.8]


def test_training_figures_never_count() -> None:
    """Fitting the training data is no merit."""
    assert only({"w/u_best.pt": model(measured("train_auc", 0.99))}).value is None


@pytest.mark.parametrize("digits", [1, None])
def test_a_figure_beside_one_of_validation_is_of_training(digits: int | None) -> None:
    """`auc` 0.9049 is no more exact `val_auc` 0.9, however short that was written."""
    rows = [
        measured("auc", 0.9049, "epoch", epoch=1, digits=4),
        measured("val_auc", 0.9, "epoch", epoch=1, digits=digits),
    ]
    assert only({"w/u_epoch_1.pt": model(), "w/u_history.csv": results(*rows)}).value == 0.9
    inside = [m._replace(kind="own") for m in rows]
    assert only({"w/u.pt": model(*inside)}).value == 0.9
    saved = measured("auc", 0.9049, "saved", digits=4)
    assert only({"w/u.pt": model(), "w/u.log": log(*rows, saved)}).value == 0.9049


@pytest.mark.parametrize(("inside", "value"), [(0.16, 0.2), (0.17, 0.17)])
def test_a_loss_that_the_history_calls_that_of_training_is_one(inside: float, value: float) -> None:
    """What a checkpoint calls `loss` is the very `train_loss` of a record that has both."""
    rows = (*curve("train_loss", 0.3, 0.16), *curve("val_loss", 0.5, 0.2))
    saved = model(measured("loss", inside, epoch=2))
    found = only({"w/u_epoch_2.pt": saved, "w/u_history.csv": results(*rows)})
    assert found.value == value


@pytest.mark.parametrize(("first", "inside", "value"), [(1, 1, 0.7), (0, 1, 0.7), (1, 2, 0.7)])
def test_a_name_may_count_from_one_what_the_file_counts_from_zero(
    first: int, inside: int, value: float
) -> None:
    """`epoch_2.pt` with the epoch 1 inside is of the second row, be that called 1 or 2."""
    rows = [
        measured("val_auc", auc, "epoch", epoch=first + number)
        for number, auc in enumerate((0.6, 0.7, 0.8))
    ]
    saved = model(noted("epoch", str(inside)))
    found = only({"w/u_epoch_2.pt": saved, "w/u_history.csv": results(*rows)})
    assert found.value == value


@pytest.mark.parametrize(
    ("name", "epoch", "value"),
    [
        ("u_epoch_3.pt", 3, 0.6),
        ("u_epoch_3.pt", 2, 0.6),
        ("u_epoch_3.pt", 1, None),  # it was written later, and nothing tells from where it counts
        ("last.pt", None, 0.6),
        ("best.pt", 2, 0.7),
        ("best.pt", 3, None),
    ],
)
def test_the_history_in_a_checkpoint_ends_when_it_was_saved(
    name: str, epoch: int | None, value: float | None
) -> None:
    """The best may hold that of the whole training, and the number of its own epoch."""
    rows = [
        measured("val_auc", auc, "epoch", epoch=number, is_counted=True)
        for number, auc in enumerate((0.5, 0.7, 0.6))
    ]
    said = () if epoch is None else (noted("epoch", str(epoch)),)
    assert only({f"w/{name}": model(*rows, *said)}).value == value


def test_a_column_of_percentages_is_one_to_its_small_numbers() -> None:
    """An accuracy of 1.4 % in the first epoch is not the best; an error of 0.8 % in the last is."""
    files = {"x_run/best.pt": model(), "x_run/last.pt": model()}
    rows = curve("val_acc", 0.9, 1.4, 31.5, 12.0)
    found = attributed({**files, "x_run/log.csv": results(*rows)})
    assert [c.value for c in found.values()] == [0.315, 0.12]
    rows = curve("val_err", 12.0, 1.4, 0.8)
    found = attributed({**files, "x_run/log.csv": results(*rows)})
    assert [c.value for c in found.values()] == [0.008, 0.008]


def test_a_column_is_as_exact_as_its_longest_number() -> None:
    """0.9 among 0.902 was not rounded, so another source that says 0.9049 disagrees."""
    rows = [
        measured("val_auc", value, "epoch", epoch=epoch, digits=digits)
        for epoch, value, digits in ((1, 0.9, 1), (2, 0.902, 3))
    ]
    inside = model(measured("val_auc", 0.9049))
    found = only({"w/u_epoch_1.pt": inside, "w/u_history.csv": results(*rows)})
    assert disagreeing(found) == ["w/u_history.csv"]


@pytest.mark.parametrize(
    ("epochs", "values"),
    [
        ((1, 2, 3), (0.8, 0.9, 0.95)),
        ((0, 1, 2), (0.8, 0.9, 0.95)),
        ((3,), (0.95,)),
        ((2,), (0.95,)),
        ((1,), (None,)),
    ],
)
def test_rows_that_name_no_epoch_are_counted_as_the_checkpoints_are(
    epochs: tuple[int, ...], values: tuple[float | None, ...]
) -> None:
    """From 0 or from 1, as the last tells; where neither is sure nothing is."""
    rows = [
        measured("val_auc", value, "epoch", epoch=number, is_counted=True)
        for number, value in enumerate((0.8, 0.9, 0.95))
    ]
    files: Files = {f"w/u/epoch_{epoch}.pt": model() for epoch in epochs}
    found = attributed({**files, "w/u/history.json": results(*rows)})
    assert tuple(checkpoint.value for checkpoint in found.values()) == values


@pytest.mark.parametrize(
    ("inside", "rows_from", "row"),
    [
        ({"epoch_2.pt": 1, "epoch_4.pt": 3}, 1, 2),  # the name counts from 1, the inside from 0
        ({"epoch_2.pt": 3}, 0, 2),  # the other way round
        ({"best.pt": 1, "epoch_a.pt": 0}, 1, 2),
        ({"best.pt": 1, "last.pt": 3}, 1, 2),  # 3 is the last of four
        ({"best.pt": 2, "last.pt": 4}, 1, 2),
        ({"best.pt": 2, "last.pt": 4}, 0, 1),  # 4 is behind the last of 0 to 3
        ({"best.pt": 2, "last.pt": 3}, 0, 2),
    ],
)
def test_epochs_are_counted_in_a_log_as_in_checkpoints_or_one_apart(
    inside: dict[str, int], rows_from: int, row: int
) -> None:
    """Many save `epoch` and log `epoch + 1`; names and last epochs tell which row is whose."""
    checkpoints = {f"w/{n}": model(noted("epoch", str(epoch))) for n, epoch in inside.items()}
    rows = (
        measured("val_auc", 0.62 if number == row else 0.6, "epoch", epoch=number)
        for number in range(rows_from, rows_from + 4)
    )
    first = f"w/{next(iter(inside))}"
    assert attributed({**checkpoints, "w/train.log": log(*rows)})[first].value == 0.62


def test_the_wanted_metric_counts_wherever_it_stands() -> None:
    """A loss inside the file does not hide the AUC in the log."""
    files = {
        "w/u_best.pt": model(measured("val_loss", 0.3)),
        "w/u.log": log(measured("Val AUC", 0.6, "saved")),
    }
    assert (only(files).metric, only(files).direction, only(files).value) == ("auc", "max", 0.6)
    assert attributed(files, LOSS)["w/u_best.pt"].metric == "loss"


def test_another_metric_is_better_than_none_and_loss_comes_last() -> None:
    """Its direction is the one that the field knows."""
    said = model(measured("val_loss", 0.3), measured("val_f1", 0.7))
    checkpoint = only({"w/u_best.pt": said})
    assert (checkpoint.metric, checkpoint.direction, checkpoint.value) == ("f1", "max", 0.7)
    checkpoint = only({"w/u_best.pt": model(measured("val_loss", 0.3))})
    assert (checkpoint.metric, checkpoint.direction) == ("loss", "min")


def test_a_model_type_may_have_a_metric_of_its_own() -> None:
    """The table by model type wins over the general rule."""
    text = CONVENTIONS.replace(
        "[metric.by_model_type]",
        '[metric.by_model_type]\npat_conv_l = { name = "loss", direction = "min" }',
    )
    said = model(measured("val_loss", 0.3), measured("val_auc", 0.7))
    found = attributed({"w/pat_conv_l_best.pt": said, "w/vit_best.pt": said}, text)
    assert found["w/pat_conv_l_best.pt"].metric == "loss"
    assert found["w/vit_best.pt"].metric == "auc"


# --- a run's best is not each checkpoint's -------------------------------------------------------


def test_best_and_last_of_one_run_have_their_own_values() -> None:
    """The best epoch is the best checkpoint's, the last one the last checkpoint's."""
    found = attributed(
        {
            "x_run/best.pt": model(),
            "x_run/last.pt": model(),
            "x_run/epoch_2.pt": model(),
            "x_run/ema.pt": model(),
            "x_run/t.log": log(*curve("Val AUC", 0.5, 0.7, 0.6)),
        }
    )
    assert found["x_run/best.pt"].value == 0.7
    assert found["x_run/best.pt"].epoch == 2
    assert found["x_run/last.pt"].value == 0.6
    assert found["x_run/epoch_2.pt"].value == 0.7
    assert found["x_run/ema.pt"].value is None


@pytest.mark.parametrize("name", ["epoch_10.pt", "model_step5000.pt", "ema.pt", "init.pt"])
def test_a_lone_checkpoint_of_some_epoch_is_not_the_best(name: str) -> None:
    """That nothing else was kept does not make it the one that was best."""
    files = {f"x_run/{name}": model(), "x_run/t.log": log(*curve("Val AUC", 0.5, 0.7, 0.6))}
    assert only(files).value is None


def test_a_lone_checkpoint_of_no_such_name_may_be_the_best_or_the_last() -> None:
    """Nothing says which, so it has a figure only where one epoch was both."""
    curves = (*curve("train_loss", 0.3, 0.2, 0.1), *curve("Val AUC", 0.5, 0.7, 0.6))
    assert only({"w/unet.pt": model(), "w/unet.log": log(*curves)}).value is None
    rising = (*curve("Val AUC", 0.5, 0.6, 0.7), *curve("Val loss", 0.3, 0.2, 0.1))
    assert only({"w/unet.pt": model(), "w/unet.log": log(*rising)}).value == 0.7
    at_odds = (*curve("Val AUC", 0.5, 0.6, 0.7), *curve("Val loss", 0.3, 0.1, 0.2))
    assert only({"w/unet.pt": model(), "w/unet.log": log(*at_odds)}).value is None


@pytest.mark.parametrize(
    "said",
    [
        measured("best_val_auc", 0.7, "best"),
        measured("Val AUC", 0.7, "saved"),
        noted("monitor", "Val AUC"),
    ],
)
def test_a_lone_checkpoint_of_a_run_that_kept_its_best_is_that(said: Measurement | Noted) -> None:
    """A log says that it was saved, a summary what the best was, a config by what it was kept."""
    files = {"w/unet.pt": model(), "w/unet.log": log(*curve("Val AUC", 0.5, 0.7, 0.6), said)}
    assert only(files).value == 0.7


def test_of_several_values_of_one_kind_the_last_counts() -> None:
    """Each "new best" replaces the one before, and so does each saved file."""
    for kind in ("best", "saved"):
        lines = [measured("auc", value, kind) for value in (0.5, 0.6, 0.7)]
        assert only({"w/u_best.pt": model(), "w/u.log": log(*lines)}).value == 0.7


KEPT = (*curve("val_auc", 0.7, 0.8, 0.9, 0.75), *curve("val_loss", 0.5, 0.3, 0.4, 0.6))


@pytest.mark.parametrize(
    ("auc", "loss"),
    [
        ("best_auc", "best_loss"),
        ("best_model_auc", "best_model_loss"),
        ("model_best_val_auc", "model_best_val_loss"),
        ("auc_best", "loss_best"),
        ("best", "best_loss"),
        ("last", "best_loss"),
    ],
)
def test_each_best_of_a_run_is_that_of_the_metric_in_its_name(auc: str, loss: str) -> None:
    """One by the loss has the AUC of the epoch with the lowest loss, be it the only best or not."""
    files = {f"x_run/{auc}.pt": model(), f"x_run/{loss}.pt": model()}
    found = attributed({**files, "x_run/t.log": log(*KEPT)})
    values = found[f"x_run/{auc}.pt"].value, found[f"x_run/{loss}.pt"].value
    assert values == (0.75 if auc == "last" else 0.9, 0.8)


def test_an_averaged_twin_does_not_hide_the_best() -> None:
    """The records are of the weights that were trained; of the averages nothing is known."""
    files = {f"x_run/{name}.pt": model() for name in ("best", "best_ema", "last")}
    found = attributed({**files, "x_run/t.log": log(*KEPT)})
    assert [c.value for c in found.values()] == [0.9, None, 0.75]
    alone = {"x_run/best_ema.pt": model(), "x_run/t.log": log(*KEPT)}
    assert only(alone).value == 0.9


def test_what_is_said_of_a_best_is_said_of_that_of_its_metric() -> None:
    """A line that names no file, and a key inside that is of the best so far, tell the metric."""
    best_auc = measured("best_val_auc", 0.9, "best")
    files = {
        "x_run/best_loss.pt": model(best_auc._replace(value=0.7)),
        "x_run/best_auc.pt": model(best_auc),
        "x_run/t.log": log(measured("Val AUC", 0.9, "saved"), measured("loss", 0.3, "saved")),
    }
    found = attributed(files)
    assert [(c.metric, c.value) for c in found.values()] == [("auc", 0.9), ("loss", 0.3)]
    alone = only({"x_run/best_loss.pt": model(), "x_run/t.log": log(best_auc)})
    assert alone.value is None


def test_a_best_that_was_kept_by_the_training_loss_has_the_figures_of_its_epoch() -> None:
    """A split in the name counts; one that no row has tells nothing."""
    rows = (*curve("train_loss", 0.5, 0.4, 0.3), *curve("val_auc", 0.9, 0.8, 0.7))
    assert only({"x_run/best_train_loss.pt": model(), "x_run/t.log": log(*rows)}).value == 0.7
    assert only({"x_run/best_val_loss.pt": model(), "x_run/t.log": log(*rows)}).value is None


def test_a_monitor_is_the_figure_of_validation_before_one_of_no_split() -> None:
    """Keras writes `auc`, of training, before `val_auc`."""
    rows = (*curve("auc", 0.7, 0.8, 0.95), *curve("val_auc", 0.6, 0.9, 0.5))
    told = log(*rows, noted("monitor", "val_auc"))
    assert only({"x_run/best.h5": model(), "x_run/t.log": told}).value == 0.9


@pytest.mark.parametrize(
    ("name", "kind", "losses", "told"),
    [
        ("final_model.h5", "HDF5 (Keras)", (0.5, 0.3, 0.4), None),
        ("final_model.keras", "Keras", (0.5, 0.4, 0.3), 0.3),
        ("last_model.h5", "HDF5 (Keras)", (0.5, 0.3, 0.4), 0.4),
        ("final_epoch_weights.h5", "HDF5 (Keras)", (0.5, 0.3, 0.4), 0.4),
        ("final_model.pt", "torch zip", (0.5, 0.3, 0.4), 0.4),
    ],
)
def test_a_final_model_of_keras_may_have_the_weights_of_the_best(
    name: str, kind: str, losses: tuple[float, ...], told: float | None
) -> None:
    """It has the last row if that is the best as well."""
    table = results(*curve("val_loss", *losses))
    files = {"run/best_model.h5": model(), f"run/{name}": replace(model(), format=kind)}
    assert attributed({**files, "run/history.csv": table})[f"run/{name}"].value == told


@pytest.mark.parametrize("folder", ["", "checkpoints/"])
@pytest.mark.parametrize(
    ("final", "value"),
    [
        (model(noted("weights", "same")), 0.7),
        (model(noted("weights", "other")), 0.6),
        (model(noted("weights", "same"), noted("epoch", "3")), 0.6),
    ],
)
def test_a_last_with_the_weights_of_the_best_has_its_value(
    folder: str, final: Reading, value: float
) -> None:
    """Many load the best again at the end; what tells an epoch of its own is of that."""
    told = {"x_run/t.log": log(*curve("Val AUC", 0.5, 0.7, 0.6))}
    best = {f"x_run/{folder}best.pt": model(noted("weights", "same"))}
    assert attributed({**told, **best, "x_run/final.pt": final})["x_run/final.pt"].value == value
    elsewhere = {**told, "y_run/best.pt": model(noted("weights", "same")), "x_run/final.pt": final}
    assert attributed(elsewhere)["x_run/final.pt"].value == 0.6


def test_the_date_is_that_of_the_line_of_its_epoch() -> None:
    """Another epoch may have had the same value, but for its rounding."""
    rows = [
        m._replace(time=datetime(2025, 7, 2, m.epoch or 0))
        for m in curve("val_loss", 0.4, 0.3, 0.3)
    ]
    assert only({"w/u_epoch_3.pt": model(), "w/u.log": log(*rows)}).date == datetime(2025, 7, 2, 3)


def test_a_best_with_the_weights_of_an_epoch_has_its_figure() -> None:
    """Unless it tells its own, or two epochs have the same weights."""
    same = noted("weights", "same")
    third = model(same, measured("val_auc", 0.7, epoch=3), noted("epoch", "3"))
    files = {"w/epoch_3.pt": third, "w/epoch_4.pt": model(measured("val_auc", 0.6, epoch=4))}
    assert attributed({**files, "w/best.pt": model(same)})["w/best.pt"].value == 0.7
    own = model(same, measured("val_auc", 0.65))
    assert attributed({**files, "w/best.pt": own})["w/best.pt"].value == 0.65
    files["w/epoch_4.pt"] = model(same, measured("val_auc", 0.6, epoch=4))
    assert attributed({**files, "w/best.pt": model(same)})["w/best.pt"].value is None


def test_a_test_after_the_training_is_of_the_only_checkpoint_if_that_is_of_its_end() -> None:
    """Lightning keeps the last epoch, unless it is told of a monitor; then nobody knows.

    A figure of validation is believed before it.
    """
    rows = curve("train_loss", 0.5, 0.4, 0.3)
    tested = measured("test_acc", 0.9, "epoch", epoch=3, step=30)
    told = results(*(m._replace(step=(m.epoch or 0) * 10) for m in rows), tested)
    for name, value in (("epoch=2-step=30", 0.9), ("epoch=1-step=20", None), ("epoch=3", 0.9)):
        files = {f"run/checkpoints/{name}.ckpt": model(), "run/metrics.csv": told}
        assert only(files).value == value, name
    validated = results(*curve("val_loss", 0.6, 0.5, 0.4), tested)
    files = {"run/checkpoints/epoch=3.ckpt": model(), "run/metrics.csv": validated}
    assert only(files).value == 0.4


def test_a_last_that_tells_another_epoch_is_not_of_the_last_row() -> None:
    """What was loaded again at the end tells of which epoch that is."""
    rows = curve("val_auc", 0.5, 0.7, 0.6, 0.65)
    unnumbered = [m._replace(epoch=n, is_counted=True) for n, m in enumerate(rows)]
    for epoch, value in (("3", 0.65), ("1", None)):
        files = {"w/u_final.pt": model(noted("epoch", epoch)), "w/u.csv": results(*unnumbered)}
        assert only(files).value == value


def test_a_figure_inside_tells_how_the_rows_are_counted() -> None:
    """The best of epoch 1 has the figure of the second row, so that epochs count from 0."""
    rows = curve("val_auc", 0.5, 0.7, 0.6, 0.65)
    unnumbered = [m._replace(epoch=n, is_counted=True) for n, m in enumerate(rows)]
    for value, told in ((0.7, 0.6), (0.5, 0.7), (0.9, None)):
        best = model(measured("val_auc", value, epoch=1), noted("epoch", "1"))
        files = {"w/u_best.pt": best, "w/u_final.pt": model(noted("epoch", "2"))}
        files["w/u.csv"] = results(*unnumbered)
        assert attributed(files)["w/u_final.pt"].value == told


@pytest.mark.parametrize(
    ("path", "epoch", "told"),
    [
        ("w/u_epoch_2.pt", 2, 0.6),
        ("w/u_epoch_3.pt", 3, 0.6),
        ("w/u_best.pt", 2, 0.7),
        ("w/u_best.pt", 3, None),
        ("w/u.pt", 2, None),
    ],
)
def test_curves_inside_a_checkpoint_tell_of_its_epoch(
    path: str, epoch: int, told: float | None
) -> None:
    """They do where they are one longer than the number of it, which then counts from 0."""
    rows = curve("val_auc", 0.5, 0.7, 0.6)
    inside = [m._replace(epoch=n, is_counted=True) for n, m in enumerate(rows)]
    assert only({path: model(*inside, noted("epoch", str(epoch)))}).value == told


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (curve("val_loss", 0.5, 0.4, 0.3), (None, None)),
        (curve("val_mae", 0.5, 0.4, 0.3), (None, None)),
        (curve("val_loss", 0.5, 0.3, 0.4), (0.8, 2)),
        (curve("val_loss", 0.5, 0.3, 0.3), (0.8, 2)),
        (curve("val_loss", 0.3, 0.3, 0.3), (0.8, 2)),
        (curve("val_recall", 0.5, 0.6, 0.9), (0.8, 2)),
        (curve("train_loss", 0.5, 0.4, 0.3), (0.8, 2)),
        (curve("test_dice", 0.5, 0.6, 0.9), (0.8, 2)),
    ],
)
def test_a_best_of_metrics_that_disagree_is_nobody_knows_which(
    other: tuple[Measurement, ...], told: tuple[float | None, int | None]
) -> None:
    """It may have been kept by either, unless one is asked for, or seldom keeps a best."""
    rows = (*curve("val_dice", 0.6, 0.8, 0.7), *other)
    best = only({"x_run/best.pt": model(), "x_run/t.log": log(*rows)})
    assert (best.value, best.epoch) == told
    asked = log(*curve("val_auc", 0.6, 0.8, 0.7), *other)
    assert only({"x_run/best.pt": model(), "x_run/t.log": asked}).value == 0.8


@pytest.mark.parametrize(
    ("told", "value"),
    [
        ((measured("best_val_loss", 0.3, "best"),), 0.8),
        ((measured("best_train_loss", 0.1, "best"),), 0.9),
        ((measured("best_val_loss", 0.3, "best"), measured("best_dice", 0.7, "best")), 0.9),
    ],
)
@pytest.mark.parametrize("inside", [True, False])
def test_a_best_is_of_the_epoch_that_was_best_by_the_one_metric_of_which_a_best_is_told(
    told: tuple[Measurement, ...], value: float, inside: bool
) -> None:
    """Be it inside the checkpoint or in a summary: what a run tracks is what it keeps by."""
    files = {"x_run/best.pt": model(*told if inside else ()), "x_run/t.log": log(*KEPT)}
    summary = {} if inside else {"x_run/summary.json": results(*told)}
    assert only({**files, **summary}).value == value


def test_a_best_that_was_reached_again_has_its_value_and_no_epoch() -> None:
    """Each metric was as good as ever at the second, whichever of them kept it."""
    rows = (*curve("val_dice", 0.6, 0.8, 0.8), *curve("val_loss", 0.5, 0.4, 0.3))
    best = only({"x_run/best.pt": model(), "x_run/t.log": log(*rows)})
    assert (best.metric, best.value, best.epoch) == ("dice", 0.8, None)


def test_a_figure_of_no_split_is_of_training_beside_one_of_test_data_for_each_epoch() -> None:
    """So PyTorch's examples write: an average loss, and that of the test set."""
    rows = (*curve("Average loss", 12.0, 11.0, 11.5), *curve("Test set loss", 10.5, 10.4, 10.2))
    best = only({"x_run/best.pt": model(), "x_run/t.log": log(*rows)})
    assert (best.value, best.epoch) == (10.2, 3)


@pytest.mark.parametrize("word", ["fold", "seed", "v", "stage_", "top", "", "model_best_"])
def test_the_number_of_a_fold_is_no_epoch(word: str) -> None:
    """Nothing tells which of the rows is whose."""
    files: Files = {f"x_run/best_{word}{number}.pt": model() for number in (1, 2, 3)}
    found = attributed({**files, "x_run/t.log": log(*curve("Val AUC", 0.5, 0.7, 0.6))})
    assert {c.value for c in found.values()} == {None}


def test_each_fold_is_a_run_with_its_own_log() -> None:
    """The second does not get the figures of the first, which has the same epochs."""
    ends = enumerate((0.8, 0.9))
    logs = {f"w/net_fold_{fold}.log": log(*curve("Val AUC", 0.5, end)) for fold, end in ends}
    names = [f"w/net_fold_{fold}_epoch_{epoch}.pt" for fold in (0, 1) for epoch in (1, 2)]
    found = attributed({**{name: model() for name in names}, **logs})
    assert [found[name].value for name in names] == [0.5, 0.8, 0.5, 0.9]


def test_of_two_best_checkpoints_of_a_run_neither_gets_its_value() -> None:
    """Nothing says which of them it is said of; a copy by name takes nothing away."""
    two = {"r_1/best.pt": model(), "r_1/best_model.pt": model()}
    text = {"r_1/t.log": log(measured("auc", 0.7, "saved"))}
    assert {c.value for c in attributed({**two, **text}).values()} == {None}
    copied = attributed({"r_1/best.pt": model(), "r_1/best (copy).pt": model(), **text})
    assert copied["r_1/best.pt"].value == 0.7
    assert copied["r_1/best (copy).pt"].value is None


# --- appended logs -------------------------------------------------------------------------------


def test_the_last_run_that_wrote_a_file_owns_it() -> None:
    """A log to which four runs were appended gives a file the value of the last that saved it."""
    lines = [
        measured("auc", 0.8, "saved", checkpoint="u_best.pt", session=0),
        measured("auc", 0.6, "saved", checkpoint="u_best.pt", session=1),
        measured("auc", 0.9, "saved", checkpoint="v_best.pt", session=2),
    ]
    found = attributed({"w/u_best.pt": model(), "w/v_best.pt": model(), "all.log": log(*lines)})
    assert found["w/u_best.pt"].value == 0.6
    assert found["w/v_best.pt"].value == 0.9


def test_a_file_of_an_earlier_run_does_not_get_the_settings_of_the_last() -> None:
    """Two runs in one log said their learning rates; what is read is that of the last."""
    lines = [
        measured("auc", 0.8, "saved", checkpoint="u_1.pt", session=0),
        measured("auc", 0.6, "saved", checkpoint="u_2.pt", session=1),
    ]
    files = {"w/u_1.pt": model(), "w/u_2.pt": model(), "w/u.log": log(*lines, config={"lr": 0.1})}
    found = attributed(files)
    assert [found[path].config for path in ("w/u_1.pt", "w/u_2.pt")] == [{}, {"lr": 0.1}]


def test_without_names_the_last_run_in_a_log_counts() -> None:
    """An earlier run's better value was overwritten."""
    lines = (*curve("Val AUC", 0.9, session=0), *curve("Val AUC", 0.5, 0.6, session=1))
    assert only({"w/u_best.pt": model(), "w/u.log": log(*lines)}).value == 0.6


def test_the_date_is_that_of_the_line_at_which_it_was_saved() -> None:
    """Of equal values in several runs, and lines about other files, the fitting line counts."""
    first, second = datetime(2025, 7, 24, 9), datetime(2025, 7, 25, 9)
    lines = [
        measured(
            "auc", 0.6, "saved", checkpoint="v_best.pt", session=1, time=datetime(2025, 7, 26)
        ),
        measured("auc", 0.6, "saved", checkpoint="u_best.pt", session=0, time=first),
        measured("auc", 0.6, "saved", checkpoint="u_best.pt", session=1, time=second),
    ]
    files = {
        "w/u_best.pt": model(measured("val_auc", 0.6)),
        "w/v_best.pt": model(),
        "all.log": log(*lines),
    }
    checkpoint = attributed(files)["w/u_best.pt"]
    assert checkpoint.date == second
    assert checkpoint.log == "all.log"


# --- dates, model types, facts -------------------------------------------------------------------


def test_the_nearest_date_in_a_path_counts() -> None:
    """A date in the file's name beats one in its folder, and that the folder above."""
    files = {"2024-01-01_sweep/20250102_x/u_20250724_160538_best.pt": model()}
    assert only(files).date == datetime(2025, 7, 24, 16, 5, 38)
    files = {"2024-01-01_sweep/20250102_x/u_best.pt": model()}
    assert only(files).date == datetime(2025, 1, 2)


def test_a_date_inside_beats_the_one_in_the_name() -> None:
    """What the file says itself is believed first, the end of the training before its start."""
    said = model(noted("started", "2025-07-01T10:00:00"), noted("finished", "2025-07-02T10:00:00"))
    checkpoint = only({"w/u_20250724_best.pt": said})
    assert checkpoint.date == datetime(2025, 7, 2, 10)
    assert checkpoint.dated_to_second


def test_without_any_date_none_is_made_up() -> None:
    """File times are no evidence."""
    assert only({"w/u_best.pt": model()}).date is None


@pytest.mark.parametrize(
    ("path", "model_type"),
    [
        ("w/pat_conv_l_simple_best.pth", "pat_conv_l"),
        ("w/PAT-Conv-L-best.pth", "pat_conv_l"),
        ("w/resnet50_best.pth", "resnet50"),
        ("2025-07-25_pat_conv_l_x/best.pt", "pat_conv_l"),
        ("stage1_20250723_230803/best_model.pt", None),
    ],
)
def test_the_model_type_is_read_from_names(path: str, model_type: str | None) -> None:
    """The user's vocabulary first, the words of the name next; counters name no model."""
    found = only({path: model()})
    if path.startswith("2025"):
        found = only({path: model(), f"{path}.txt": None})
    assert found.model_type == model_type
    assert all(e.value for e in found.evidence)


@pytest.mark.parametrize(
    "folder",
    [
        *("multirun/2023-05-04/12-31-00/0", "multiruns/2023-05-04/12-31-00/0", "exps", "exps/7"),
        *("training_runs/0", "training-runs/00", "runs/train", "runs/train2", "runs/train/exp"),
    ],
)
def test_a_folder_that_only_collects_is_no_model_type(folder: str) -> None:
    """Nor is one that only says that something was trained."""
    assert only({f"{folder}/best.pt": model()}).model_type is None


def test_the_model_type_that_a_log_says_is_part_of_the_vocabulary() -> None:
    """The longest known type that starts the name counts."""
    files = {
        "w/vit_large_lowlr_best.pt": model(),
        "w/vit_large_lowlr.log": log(noted("model_type", "ViT-Large")),
    }
    assert only(files).model_type == "vit_large"


def test_a_task_that_only_a_log_tells_is_prose() -> None:
    """It is kept under another name, so that it does not tell groups apart."""
    files = {
        "w/u_best.pt": model(noted("dataset", "nhanes")),
        "w/u.log": log(noted("task", "Depression classification")),
    }
    assert only(files).facts == {"dataset": "nhanes", "task in log": "Depression classification"}


def test_the_config_is_gathered_from_all_records_and_the_file_itself_wins() -> None:
    """A config elsewhere is evidence."""
    files = {
        "w/u_best.pt": model(config={"lr": 0.1}),
        "configs/u_config.yaml": config(lr=0.2, batch=32),
    }
    assert only(files).config == {"lr": 0.1, "batch": 32}


def test_state_and_damaged_files_have_no_value() -> None:
    """What is no readable model is never ranked, and says what is wrong with it."""
    found = attributed(
        {"w/u_auc_0.9.pt": unreadable("truncated"), "w/u_auc_0.9_optimizer.pt": state()}
    )
    assert {c.value for c in found.values()} == {None}
    assert found["w/u_auc_0.9.pt"].problem == "truncated"
    assert found["w/u_auc_0.9_optimizer.pt"].role == "training_state"


def test_evidence_reads_as_a_sentence() -> None:
    """Fact, value and place stand in it."""
    (typed, *_) = only({"w/u_best.pt": model()}).evidence
    assert str(typed) == "model_type u (w/u_best.pt: file name)"


# --- many ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["epoch_{}.pt", "net_{}.pt", "best_epoch{}.pt", "best_loss_{}.pt"])
def test_the_work_grows_with_the_checkpoints_of_a_run(name: str) -> None:
    """Twice as many epochs, kept in twice as many files, are twice the work, not four times it."""
    assert _lines_run(name, 120) < 2.4 * _lines_run(name, 60)


def _lines_run(name: str, count: int) -> int:
    """Return how many lines of the attribution run for so many checkpoints and epochs."""
    files: dict[str, Reading | None] = {
        f"runs/u/{name.format(epoch)}": model() for epoch in range(count)
    }
    rows = [
        measured("val_loss", 1 / (2 + epoch), "epoch", epoch=epoch, digits=5)
        for epoch in range(count)
    ]
    files["runs/u/metrics.csv"], files["runs/u/train.log"] = results(*rows), log(*rows)
    lines = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace if "recognition" in frame.f_code.co_filename else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        assert len(attributed(files)) == count
    finally:
        sys.settrace(before)
    return lines


# --- doubts that public repositories taught ------------------------------------------------------


def test_of_the_rows_of_one_epoch_that_of_its_step_counts() -> None:
    """A loop that validates every thousand steps saves then; of the epoch alone nothing is told."""
    losses = ((1, 1, 9.0), (1, 1001, 4.0), (1, 2001, 3.0), (2, 1, 2.5))
    rows = [measured("val_loss", v, "epoch", epoch=e, step=s) for e, s, v in losses]
    names = ("epoch1_1", "epoch1_1001", "epoch1_2001", "epoch1", "epoch2_1", "epoch2")
    files: dict[str, Reading | None] = {f"out/net_{name}.pt": model() for name in names}
    found = attributed(files | {"out/log.csv": results(*rows)})
    values = [found[f"out/net_{name}.pt"].value for name in names]
    assert values == [9.0, 4.0, 3.0, None, 2.5, None]


def test_a_row_that_says_otherwise_than_the_inside_is_of_another_training() -> None:
    """The log of a second training is no evidence for what the first has left."""
    inside = model(measured("val_loss", 2.06, epoch=2), noted("epoch", "2"))
    rows = (*curve("Val loss", 44.6, 41.9, 2.1), *curve("Val acc", 0.1, 0.2, 0.98))
    found = only({"runs/a/best.pt": inside, "runs/a/train.log": log(*rows)})
    assert (found.metric, found.value) == ("loss", 2.06)
    assert disagreeing(found) == ["runs/a/train.log"]


@pytest.mark.parametrize(
    ("columns", "value", "epoch"),
    [
        ({"val_loss": (0.5, 0.4, 0.3), "val_acc": (0.7, 0.8, 0.9)}, 0.9, 3),
        ({"val_loss": (0.5, 0.3, 0.4), "val_acc": (0.7, 0.8, 0.9)}, None, None),
        ({"val_loss": (0.5, 0.3, 0.4), "val_auc": (0.7, 0.8, 0.9)}, 0.9, 3),  # the user's metric
        ({"val_acc": (0.7, 0.9, 0.8), "val_recall": (1.0, 0.5, 0.4)}, 0.9, 2),
        ({"val_acc1": (0.7, 0.9, 0.8), "val_acc5": (0.9, 0.95, 0.96)}, 0.9, 2),
        ({"val_loss": (0.5, 0.3, 0.4), "acc": (0.7, 0.8, 0.9)}, None, None),
        ({"val_acc": (0.7, 0.9, 0.8), "val_lpips": (0.0, 0.0, 0.0)}, 0.9, 2),
    ],
)
def test_a_best_is_of_an_epoch_that_all_that_may_have_kept_it_agree_on(
    columns: dict[str, tuple[float, ...]], value: float | None, epoch: int | None
) -> None:
    """Many keep the lowest loss, many the highest accuracy; where these differ it is unknown."""
    rows = [m for name, values in columns.items() for m in curve(name, *values)]
    found = only({"x_run/best.pt": model(), "x_run/history.csv": results(*rows)})
    assert (found.value, found.epoch) == (value, epoch)


def test_a_best_so_far_is_not_the_value_of_what_was_saved_each_time() -> None:
    """A lone `checkpoint_small.pt` of the last epoch has its own figure, which the log tells."""
    inside = model(measured("best_acc1", 0.88, "best"), noted("epoch", "3"))
    path, text = "out/checkpoint_small.pt", "out/small.log"
    assert only({path: inside, text: log(*curve("acc1", 0.7, 0.88, 0.86))}).value == 0.86
    trained = (*curve("loss", 0.9, 0.8, 0.7), *curve("val_loss", 0.5, 0.4, 0.3))
    inside = model(measured("best_val_loss", 0.3, "best"), noted("epoch", "3"))
    assert only({path: inside, text: log(*trained)}).value == 0.3


def test_a_test_in_a_log_of_two_runs_is_of_neither() -> None:
    """The best and the last of a training in two folders: it does not say which was tested."""
    tested = log(*curve("loss", 0.5, 0.4), measured("test acc", 0.8, "final"))
    names = ("best_model/net_a.pt", "train_model/net_a.pt")
    files = {**dict.fromkeys(names, model()), "log/train_net_a.log": tested}
    assert {c.metric for c in attributed(files).values()} <= {None, "loss"}
    del files["train_model/net_a.pt"]
    assert only(files).value == 0.8


def test_a_log_of_a_longer_name_is_of_another_training_where_one_is_called_just_so() -> None:
    """Of two trainings with and without batch norm, one checkpoint was kept."""
    wide = {"log/log_net_wide.txt": log(*curve("val_auc", 0.5, 0.9))}
    assert only({"out/net.pt": model()} | wide).value == 0.9
    own = {"log/log_net.txt": log(*curve("val_auc", 0.7, 0.5))}
    found = only({"out/net.pt": model()} | wide | own)
    assert (found.value, disagreeing(found), found.log) == (None, [], "log/log_net.txt")
