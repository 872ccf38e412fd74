"""What a metric's name means, and which values can be compared."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.recognition import metrics


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("val_auc", "auc"),
        ("Val AUC", "auc"),
        ("AUROC", "auc"),
        ("eval_auc", "auc"),
        ("roc_auc", "auc"),
        ("best_val_auc", "auc"),
        ("best_stage1_auc", "auc"),
        ("ValAUC", "auc"),
        ("AUC-ROC", "auc"),
        ("pr_auc", "pr_auc"),
        ("val_pr_auc", "pr_auc"),
        ("metrics/mAP50-95(B)", "map50_95"),
        ("metrics/mAP50(B)", "map50"),
        ("mAP@0.5:0.95", "map50_95"),
        ("eval_loss", "loss"),
        ("val/loss", "loss"),
        ("valid accuracy", "accuracy"),
        ("acc@1", "accuracy"),
        ("F1-Score", "f1"),
        ("macro F1", "f1_macro"),
        ("Val Recall@20", "recall_at_20"),
        ("ndcg_at_5", "ndcg_at_5"),
        ("NDCG@10", "ndcg"),
        ("val_hits5", "hit_rate_at_5"),
        ("HR@5", "hit_rate_at_5"),
        ("dep_las", "las"),
        ("best_mae_error", "mae"),  # CGCNN
        ("val_ade", "ade"),
    ],
)
def test_a_name_as_written_in_the_field_means_a_metric(name: str, expected: str) -> None:
    """Split words, qualifiers, case and separators do not matter; a macro F1 stays a macro F1."""
    assert metrics.canonical(name) == expected


@pytest.mark.parametrize(
    "name",
    [
        *("lr", "learning_rate", "lr_head", "weight_decay", "loss_weight", "threshold"),
        *("epoch", "step", "time", "total_params", "train samples", "score", "", "9" * 200),
        *("target", "target_auc", "gap", "auc_gap", "baseline", "baseline_auc", "paper_auc"),
        *("box_loss", "recall_1", "hr_72", "target_recall@10", "n_hits5"),
    ],
)
def test_what_is_no_metric_is_none(name: str) -> None:
    """Settings, counts, targets, gaps and parts of a loss are not results."""
    assert metrics.canonical(name) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("val_auc", "val"),
        ("eval_loss", "val"),
        ("Validation AUC", "val"),
        ("test_f1", "test"),
        ("train/loss", "train"),
        ("ValAUC", "val"),
        ("auc", None),
    ],
)
def test_the_split_is_read_from_the_name(name: str, expected: str | None) -> None:
    """Validation, test and training figures are told apart."""
    assert metrics.split(name) == expected


def test_the_direction_of_common_metrics_is_known() -> None:
    """More AUC is better, less loss is; an unknown metric has no direction."""
    names = ("auc", "f1_macro", "ndcg_at_5", "loss", "rmse", "other")
    directions = ["max", "max", "max", "min", "min", None]
    assert [metrics.direction(name) for name in names] == directions


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.01, -0.01, 91.2])
def test_an_impossible_auc_is_not_comparable(value: float) -> None:
    """NaN, infinity, an AUC over 1 or under 0, and a percentage never win."""
    assert not metrics.comparable("auc", value)


def test_possible_values_are_comparable() -> None:
    """The ends of a metric's range belong to it; a loss has no bounds."""
    assert all(metrics.comparable("auc", value) for value in (0.0, 0.5929, 1.0))
    assert metrics.comparable("loss", -3.5) and metrics.comparable("loss", 1234.5)
    assert metrics.comparable("mcc", -0.5) and not metrics.comparable("mcc", -1.5)
    assert not metrics.comparable("loss", math.nan)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_every_text_is_judged(name: str) -> None:
    """No name raises, and a canonical name is its own."""
    metrics.split(name)
    found = metrics.canonical(name)
    assert found is None or metrics.canonical(found) == found
