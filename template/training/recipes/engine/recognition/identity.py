"""What a file or folder name says about whose it is, once words that name no run are taken off."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from engine.recognition import metrics

Tokens = tuple[str, ...]

# Which of a run's checkpoints it is. At most one of these is taken off a name:
# "net_final_best.pt" is the best checkpoint of the run "net_final".
LAST = frozenset({"last", "latest", "final"})
SELECTORS = LAST | {"best", "swa", "ema"}
NOUNS = frozenset(
    "checkpoint checkpoints ckpt ckpts cp model models weights weight state dict snapshot copy "
    "epoch epochs step steps iter iteration pth tar optimizer optim scheduler scaler rng".split()
)
RECORDS = frozenset(
    "log logs training train trainer results result summary history metrics metric stats eval "
    "evals evaluation report output out stdout run config args hparams params".split()
)
VALUE = re.compile(r"\d[\d.e+-]*|(epoch|step|iter|ep|e|s)\d+|\d+[a-z]{0,2}steps?")
EPOCH = re.compile(r"epoch|step|iter|iteration|(epoch|step|iter|ep)\d+")
COUNTER = re.compile(r"(stage|fold|run|exp|experiment|version|trial|seed|job|split|phase)?\d*")
LONG_NUMBER = re.compile(r"\d{6,}")  # a date or a time
PRETRAINED = {"pretrained", "pretrained_models", "pretrained_weights"}
PUBLISHED = re.compile(r".+-(?=[0-9]*[a-f])[0-9a-f]{8}\.(?:pth?|th)(?:\.tar)?")
DECIMALS = re.compile(r"\d\.\d+(?:_\d+)*\Z")  # at the end of a name
SCORE = re.compile(r"([a-z@]*)(\d*\.\d+)")  # "0.8911", "acc0.8911"
SPLIT = re.compile(r"[^a-z0-9.]+|(?<![0-9])\.|\.(?![0-9])")


def tokens(name: str) -> Tokens:
    """Return the lower-case words of a name; decimal numbers stay whole."""
    return tuple(word for word in SPLIT.split(name.lower()) if word)


def stem(path: str) -> str:
    """Return the file name without its extension (`.pth.tar` is one extension).

    A "/" in the metric's name makes a folder: Lightning writes `epoch=1-val/loss=0.50.ckpt`.

    A folder's `model_v0.5929` has none.
    """
    name = PurePosixPath(path).name.removesuffix(".tar")
    if is_half_a_name(folder := PurePosixPath(path).parent.name):
        name = f"{folder}_{name}"
    return name if DECIMALS.search(name) else PurePosixPath(name).stem


def is_half_a_name(folder: str) -> bool:
    """Return whether a folder's name is the first half of a checkpoint's, before a "/" in it."""
    return re.search(r"(?:^|-)(?:epoch|step)=\d+(?:-|\Z)", folder) is not None


def run_key(name: str) -> Tokens:
    """Return the words that name the run of a checkpoint called `name`; empty if none do."""
    words, selected = _without_scores(tokens(name)), False
    while words and (_is_noun(words[-1]) or (words[-1] in SELECTORS and not selected)):
        selected = selected or words[-1] in SELECTORS
        words = words[:-1]
    while words and (_is_noun(words[0]) or words[0] in SELECTORS):
        selected, words = selected or words[0] in SELECTORS, words[1:]
    return () if selected and metrics.canonical("_".join(words)) else words


def folder_key(name: str) -> Tokens:
    """Return the words of the name of a run's folder, without dates and times."""
    return tuple(word for word in tokens(name) if not LONG_NUMBER.fullmatch(word))


def variants(name: str) -> tuple[Tokens, ...]:
    """Return the words of a name, then the same with generic words taken off one by one."""
    return tuple(dict.fromkeys(_shortened(tokens(name))))


def selector(name: str) -> str | None:
    """Return which checkpoint of its run the name says it is, or None.

    It is "best", "last", "epoch" (of a numbered epoch or step), or another of the SELECTORS.
    """
    words = tokens(name)
    found = [word for word in words if word in SELECTORS]
    if "best" in (*found[:1], *found[-1:]):
        return "best"
    if found:
        return "last" if found[-1] in LAST else found[-1]
    return "epoch" if any(EPOCH.fullmatch(word) for word in words) else None


def is_copy(path: str) -> bool:
    """Return whether a file's name says that it is a copy."""
    return "copy" in tokens(PurePosixPath(path).name)


def is_published(path: str) -> bool:
    """Return whether a folder's name says so, or a name ends with a hash, as torch.hub's do."""
    folders = PurePosixPath(path.lower()).parts[:-1]
    return bool(PUBLISHED.fullmatch(PurePosixPath(path).name) or PRETRAINED & {*folders})


def without_hash(path: str) -> str:
    """Return the stem of a name, without the part of a hash at its end."""
    is_hashed = PUBLISHED.fullmatch(PurePosixPath(path).name)
    return stem(path).rpartition("-")[0] if is_hashed else stem(path)


def starts_generic(name: str) -> bool:
    """Return whether a checkpoint's name starts with its role and not with a run's name."""
    words = tokens(name)
    return not words or _is_noun(words[0]) or words[0] in SELECTORS


def is_counter(words: Tokens) -> bool:
    """Return whether the words only count ("stage1", "fold 0"), so that they name no model."""
    return all(COUNTER.fullmatch(word) for word in words)


def without_values(words: Tokens) -> Tokens:
    """Return the words that are not numbers, dates or times."""
    return tuple(word for word in words if not VALUE.fullmatch(word))


def without_counters(words: Tokens) -> Tokens:
    """Return the words that neither are numbers nor count ("stage1")."""
    return tuple(word for word in without_values(words) if not COUNTER.fullmatch(word))


def _without_scores(words: Tokens) -> Tokens:
    """Return the words without numbers that follow a metric's name, and without that name."""
    kept: Tokens = ()
    for word in words:
        score = SCORE.fullmatch(word)
        metric = (
            next(
                (
                    n
                    for n in (3, 2, 1, 0)
                    if metrics.canonical("_".join((*kept[len(kept) - n :], score[1])))
                ),
                None,
            )
            if score
            else None
        )
        kept = (*kept, word) if metric is None else kept[: len(kept) - metric]
    return kept


def _is_noun(word: str) -> bool:
    return word in NOUNS or VALUE.fullmatch(word) is not None


def _shortened(words: Tokens) -> Iterator[Tokens]:
    generic = SELECTORS | NOUNS | RECORDS
    while words:
        yield words
        if words[-1] in generic or VALUE.fullmatch(words[-1]):
            words = words[:-1]
        elif words[0] in generic:
            words = words[1:]
        else:
            return
