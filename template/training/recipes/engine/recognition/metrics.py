"""What is known about metrics by their names: one table, and how names are written in the field."""

import math
import re
from functools import lru_cache
from typing import Literal, NamedTuple

Direction = Literal["max", "min"]
Split = Literal["train", "val", "test"]

PERCENT = 2.0  # an accuracy of 1.3 is neither a fraction nor a likely percentage
UNIT, SIGNED, POSITIVE, ANY = (0.0, 1.0), (-1.0, 1.0), (0.0, math.inf), (-math.inf, math.inf)


class _Metric(NamedTuple):
    direction: Direction
    range: tuple[float, float]
    aliases: str = ""  # as `_tokens` writes them, apart from the canonical name itself


_METRICS = {
    # classification; "ents_" and "cats_" as in https://spacy.io/api/scorer
    "auc": _Metric("max", UNIT, "auroc roc_auc rocauc auc_roc aucroc roc area_under_curve"),
    "pr_auc": _Metric("max", UNIT, "auprc prauc auc_pr aupr prc_auc auc_prc precision_recall_auc"),
    "average_precision": _Metric("max", UNIT, "ap avg_precision"),
    "accuracy": _Metric(
        "max",
        UNIT,
        "acc prec1 prec_1 acc1 acc_1 "
        "top1 top1_acc top_1 top_1_acc top1_accuracy top_1_accuracy accuracy_top1 "
        "accuracy_top_1 acc_top1 categorical_accuracy binary_accuracy sparse_categorical_accuracy "
        "multiclass_accuracy multiclassaccuracy binaryaccuracy",
    ),
    "accuracy_top5": _Metric(
        "max", UNIT, "acc5 acc_5 top5 top5_acc top_5 top_5_acc top5_accuracy top_5_accuracy"
    ),
    "balanced_accuracy": _Metric("max", UNIT, "bacc balanced_acc bal_acc"),
    "f1": _Metric(
        "max", UNIT, "f1_score f1score fscore f_score f_measure f1_measure ents_f cats_f"
    ),
    "precision": _Metric("max", UNIT, "prec ppv ents_p cats_p"),
    "recall": _Metric("max", UNIT, "rec sensitivity tpr ents_r cats_r"),
    "specificity": _Metric("max", UNIT, "tnr"),
    "npv": _Metric("max", UNIT),
    "mcc": _Metric("max", SIGNED, "matthews matthews_corrcoef matthews_correlation"),
    "kappa": _Metric("max", SIGNED, "cohen_kappa cohens_kappa"),
    "qwk": _Metric("max", SIGNED, "quadratic_weighted_kappa quadratic_kappa"),
    "error": _Metric("min", UNIT, "err err1 error_rate top1_error top1_err"),
    "eer": _Metric("min", UNIT, "equal_error_rate"),
    "brier": _Metric("min", UNIT, "brier_score"),
    "ece": _Metric("min", UNIT, "calibration_error expected_calibration_error"),
    "log_loss": _Metric("min", POSITIVE, "logloss mlogloss"),
    "lwlrap": _Metric("max", UNIT, "lrap label_ranking_average_precision"),
    "gini": _Metric("max", SIGNED),
    "concordance": _Metric("max", UNIT, "c_index cindex concordance_index"),
    # any training
    "loss": _Metric("min", ANY, "losses total_loss"),
    "log_likelihood": _Metric("max", ANY, "loglik loglikelihood"),
    "nll": _Metric("min", ANY, "negative_log_likelihood"),
    "elbo": _Metric("max", ANY),
    "fitness": _Metric("max", ANY),
    "reward": _Metric(
        "max", ANY, "ep_rew_mean episode_reward episodic_return episode_return ep_ret"
    ),
    "success_rate": _Metric("max", UNIT),
    # regression
    "mse": _Metric("min", POSITIVE, "mean_squared_error mse_error"),
    "rmse": _Metric("min", POSITIVE, "root_mean_squared_error rmse_error"),
    "mae": _Metric("min", POSITIVE, "mean_absolute_error mae_error"),
    "mape": _Metric("min", POSITIVE, "smape"),
    "rmsle": _Metric("min", POSITIVE),
    "nrmse": _Metric("min", POSITIVE),
    "mase": _Metric("min", POSITIVE),
    "nse": _Metric("max", (-math.inf, 1.0)),
    "ade": _Metric("min", POSITIVE, "average_displacement_error minade min_ade"),
    "fde": _Metric("min", POSITIVE, "final_displacement_error minfde min_fde"),
    "r2": _Metric("max", (-math.inf, 1.0), "r2_score r_squared rsquared r2score"),
    "pearson": _Metric("max", SIGNED, "pearsonr pcc"),
    "spearman": _Metric("max", SIGNED, "spearmanr"),
    "ccc": _Metric("max", SIGNED),
    # detection and segmentation
    "map": _Metric("max", UNIT, "mean_average_precision pascal_voc_map voc_map"),
    "map50": _Metric(
        "max", UNIT, "map_50 map_0_5 map50_b ap50 bbox_ap50 bbox_map_50 coco_bbox_map_50"
    ),
    "map75": _Metric("max", UNIT, "map_75 ap75 bbox_ap75 bbox_map_75 coco_bbox_map_75"),
    "map50_95": _Metric(
        "max",
        UNIT,
        "map50_95_b map_50_95 map_0_5_0_95 map5095 bbox_ap bbox_map coco_bbox_map coco_map",
    ),
    "map50_mask": _Metric("max", UNIT, "map50_m segm_ap50 segm_map_50 coco_segm_map_50"),
    "map50_95_mask": _Metric("max", UNIT, "map50_95_m segm_ap segm_map coco_segm_map"),
    "dice": _Metric("max", UNIT, "dsc fg_dice mean_fg_dice dice_coefficient dice_coef mdice"),
    "iou": _Metric("max", UNIT, "miou jaccard mean_iou"),
    "pixel_accuracy": _Metric("max", UNIT, "aacc pixel_acc"),
    # language, speech, retrieval
    "perplexity": _Metric("min", POSITIVE, "ppl"),
    "bits_per_char": _Metric("min", POSITIVE, "bpc bpb"),
    "bleu": _Metric("max", (0.0, 100.0), "sacrebleu bleu4"),
    "las": _Metric("max", UNIT, "dep_las"),  # https://spacy.io/api/scorer
    "uas": _Metric("max", UNIT, "dep_uas"),
    "rouge1": _Metric("max", UNIT),
    "rouge2": _Metric("max", UNIT),
    "rougel": _Metric("max", UNIT, "rouge_l rougelsum"),
    "meteor": _Metric("max", UNIT),
    "chrf": _Metric("max", (0.0, 100.0)),
    "exact_match": _Metric("max", UNIT, "em"),
    "wer": _Metric("min", POSITIVE, "word_error_rate"),
    "cer": _Metric("min", POSITIVE, "char_error_rate character_error_rate"),
    "ndcg": _Metric("max", UNIT, "ndcg_10"),
    "mrr": _Metric("max", UNIT),
    "hit_rate": _Metric("max", UNIT, "hit_ratio hr_10 hit_10 hits_10 hit_rate_10"),
    "cider": _Metric("max", POSITIVE),
    "pesq": _Metric("max", ANY),
    "stoi": _Metric("max", ANY),
    "si_sdr": _Metric("max", ANY, "sisdr si_snr sisnr"),
    "sdr": _Metric("max", ANY),
    # images
    "psnr": _Metric("max", ANY),
    "ssim": _Metric("max", SIGNED),
    "lpips": _Metric("min", POSITIVE),
    "fid": _Metric("min", POSITIVE, "fid50k fid50k_full"),
    "inception_score": _Metric("max", POSITIVE, "is50k_mean"),
    "kid": _Metric("min", ANY, "kid50k kid50k_full"),
    "epe": _Metric("min", POSITIVE, "end_point_error"),
    "abs_rel": _Metric("min", POSITIVE, "absrel"),
    "hd95": _Metric("min", POSITIVE, "hausdorff hausdorff95 hausdorff_distance"),
}
_AVERAGES = {"macro", "micro", "weighted"}  # a macro F1 is not an F1: the average stays in the name
_SPLITS: dict[str, Split] = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "eval", "evaluation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "holdout"), "test"),
}
# Words that may stand beside a metric without making it another one. Any other word does: a
# `target_auc`, an `auc_gap`, a `box_loss` is not the metric.
_QUALIFIERS = frozenset(
    "best final last current cur curr new mean avg average overall max min maximum minimum highest "
    "lowest metric metrics score result results epoch running ema pseudo monitor global set so far "
    "at the top model checkpoint main".split()
)
# A number of one of these is no metric, whoever writes it.
_NO_METRIC = frozenset(
    "hp lr learning rate epochs step steps iter iters iteration iterations it its time "
    "timestamp wall runtime duration elapsed eta second seconds sec secs s ms minute minutes "
    "hour hours date batch batches size num number n count total sum samples sample examples "
    "tokens params parameters memory mem gpu cuda cpu grad gradient norm weight weights decay "
    "wd momentum patience target goal gap baseline threshold thresh thr delta margin version "
    "speed throughput delay interval every freq frequency period fps flops flos rank world data "
    "worker workers id idx index scale scaler factor dropout beta beta1 beta2 alpha gamma sigma "
    "temperature temp lambda eps epsilon layers layer hidden dim heads head width height depth "
    "resolution port pid exit code status state per".split()
)
_NUMBERED = re.compile(r"(?:stage|fold|phase|run|seed|trial|split)\d*\Z")
_AT_RANK = re.compile(  # a bare number behind recall or precision may be a class
    r"(?<![a-z])(?:(?:(?P<metric>recall|precision|ndcg|mrr)|hr)(?:@|_at_)|"
    r"(?:hits?|hit_rate|hit_ratio)(?:@|_at_|_)?)(?P<rank>\d{1,4})\Z"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[a-z0-9]+")
_ALIASES = {
    alias: name for name, metric in _METRICS.items() for alias in (name, *metric.aliases.split())
}
# One word of each name of a metric, in lower case: a text without them tells of none that is known.
WORDS = frozenset(max(re.split(r"[\d_]+", alias), key=len) for alias in _ALIASES)


@lru_cache(maxsize=4096)
def canonical(name: str) -> str | None:
    """Return the metric that `name` means (`"Val AUROC"`: `"auc"`), or None if it means none.

    Split and qualifiers (`val_`, `best_`, `metrics/`) are left out. A learning rate, an epoch, a
    target, a gap, a count and whatever else is not in the table is None.
    """
    if len(name) > 100:
        return None
    return _named(name.lower()) or _named(_CAMEL.sub("_", name).lower())


def _named(name: str) -> str | None:
    words = [word for word in _tokens(name) if word not in _SPLITS and word != "neg"]
    averages = [word for word in words if word in _AVERAGES]
    plain = [word for word in words if word not in _AVERAGES]
    essential = [w for w in plain if w not in _QUALIFIERS and not _NUMBERED.match(w)]
    whole, base = "_".join(words), "_".join(plain)
    if whole in _ALIASES:
        return _ALIASES[whole]
    found = _ALIASES.get(base) or _ALIASES.get("_".join(essential))
    return "_".join([found, *averages]) if found else _named_at_rank(name)


def _named_at_rank(name: str) -> str | None:
    """Return `recall_at_20` of "val Recall@20": at another rank it is another metric."""
    match = _AT_RANK.search(name)
    found = match and _named(f"{name[: match.start()]} {match['metric'] or 'hit_rate'}")
    return f"{found}_at_{match['rank']}" if match and found else None


@lru_cache(maxsize=4096)
def plausible(name: str) -> str | None:
    """Return the metric that `name` means, or the name of what may be a metric of someone's own.

    That is what is left without split and qualifiers, `my_score` of `val/best_my_score`. None for
    what is known to be no metric.
    """
    if (known := canonical(name)) or len(name) > 100:
        return known
    words = [word for word in _tokens(name.lower()) if word not in _SPLITS]
    while len(words) > 1 and words[0] in _QUALIFIERS:
        del words[0]
    is_none = not words or all(w in _QUALIFIERS - {"score"} or w.isdigit() for w in words)
    return None if is_none or any(_is_no_metric(word) for word in words) else "_".join(words)


def _is_no_metric(word: str) -> bool:
    return word in _NO_METRIC or _NUMBERED.match(word) is not None or word.startswith(("lr", "pg"))


def is_percentage(name: str, value: float) -> bool:
    """Return whether `value` can only be a percentage of a metric that lies between 0 and 1."""
    known = _find(canonical(name) or "")
    return known is not None and known.range == UNIT and PERCENT <= value <= 100


def as_compared(name: str, value: float, *, is_percentage: bool = False) -> tuple[float, int]:
    """Return a value on the scale on which its metric is compared, and the decimals that this adds.

    A percentage of what lies between 0 and 1 becomes a fraction (51.2 is no other accuracy than
    0.512), and what was stored negated, so that more is better, gets its sign back. A small value
    is a percentage only where `is_percentage` says so.
    """
    known = _find(canonical(name) or "")
    if known is None:
        return value, 0
    low, high = known.range
    if (low == 0.0 and value < 0 and known.direction == "min") or "neg" in _tokens(name.lower()):
        return -value, 0
    least = 0 if is_percentage else PERCENT
    return (
        (round(value / 100, 15), 2) if (low, high) == UNIT and least <= value <= 100 else (value, 0)
    )


def is_estimate(name: str) -> bool:
    """Return whether this is a running figure: nnU-Net's pseudo Dice on patches, a moving mean."""
    return not _RUNNING.isdisjoint(_tokens(name.lower()))


_RUNNING = frozenset({"ema", "pseudo", "running"})


def _tokens(name: str) -> list[str]:
    return _WORD.findall(name)


@lru_cache(maxsize=4096)
def split(name: str) -> Split | None:
    """Return the part of the data that `name` says its metric was measured on."""
    words = [*_tokens(name.lower()), *_tokens(_CAMEL.sub("_", name).lower())]
    return next((_SPLITS[word] for word in words if word in _SPLITS), None)


def direction(metric: str) -> Direction | None:
    """Return whether more or less of the canonical `metric` is better; None if it is not known."""
    known = _find(metric)
    if known is None and metric.endswith(("_loss", "_error")):
        return "min"
    return known.direction if known else None


def comparable(metric: str, value: float) -> bool:
    """Return whether `value` can be one of the canonical `metric`: finite and within its range.

    Percentages are not: see `as_compared`.
    """
    known = _find(metric)
    low, high = known.range if known else ANY
    return math.isfinite(value) and low <= value <= high


def _find(metric: str) -> _Metric | None:
    base, _, last = at_any_rank(metric).rpartition("_")
    return _METRICS.get(at_any_rank(metric)) or (_METRICS.get(base) if last in _AVERAGES else None)


def at_any_rank(metric: str) -> str:
    """Return the canonical metric without its rank: `recall` of `recall_at_20`."""
    return metric.partition("_at_")[0]
