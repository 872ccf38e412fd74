"""What a file or folder name says about whose it is, once words that name no run are taken off."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import PurePosixPath

from engine.recognition import metrics

Tokens = tuple[str, ...]

# Which of a run's checkpoints it is. At most one of these is taken off a name:
# "net_final_best.pt" is the best checkpoint of the run "net_final".
LAST = frozenset({"last", "latest", "final"})
AVERAGED = frozenset({"swa", "ema", "ave"})
SELECTORS = LAST | AVERAGED | {"best", "init", "initial"}
# "int8" and its like are of what was exported after the training.
NOUNS = frozenset(
    "checkpoint checkpoints ckpt ckpts cp model models weights weight state dict snapshot copy "
    "epoch epochs step steps iter iteration pth tar optimizer optim scheduler scaler rng saved "
    "params criterion trained save after rl int8 quantized quantised".split()
)
# Folders of Spinning Up; what they hold is written anew each time, at the end as well.
OVERWRITTEN = frozenset({"pyt_save", "tf1_save", "simple_save"})
# They name nothing alone, as in "network-snapshot-000040"; a "policy_net" is called so.
VAGUE = frozenset({"policy", "network"})
PARTS_OF_DATA = frozenset("training train trn val valid validation test testing holdout".split())
RECORDS = PARTS_OF_DATA | frozenset(
    "log logs trainer results result summary history metrics metric stats eval "
    "evals evaluation evaluations report output out stdout run config args hparams params".split()
)
VALUE = re.compile(r"\d[\d.e+-]*|(epoch|step|iter|ep|e|s)\d+|\d+[a-z]{0,2}steps?|\d+best")
EPOCH = re.compile(r"epoch|step|iter|iteration|(epoch|step|iter|ep)\d+")
COUNTED = "stage|fold|run|exp|experiment|version|trial|seed|job|split|phase"
COUNTER = re.compile(rf"({COUNTED})?\d*")
UNCOUNTED = re.compile(f"v|best|top|{COUNTED}")
ENDS_COUNTED = re.compile(r"(.*[A-Za-z])[_-]?(\d{1,6})")
FOLD = re.compile(r"(?:\A|[^a-z])fold[ =_-]?(\d{1,3}|all)(?![a-z\d])")  # nnU-Net has a "fold_all"
# What is trained together and saved apart.
PARTS = frozenset(
    "generator discriminator gen disc netg netd g d encoder decoder actor critic".split()
)
VERSION = re.compile(r"v\d+")  # Lightning's `last-v1.ckpt` is of no model called "v1"
LONG_NUMBER = re.compile(r"\d{6,}")  # a date or a time
PRETRAINED = {"pretrained", "pre_trained", "pretrained_models", "pretrained_weights"}
PUBLISHED = re.compile(r".+-(?=[0-9]*[a-f])[0-9a-f]{8}\.(?:pth?|th)(?:\.tar)?")
ULTRALYTICS = re.compile(r"yolov?\d+[a-z]?u?(?:-(?:seg|cls|pose|obb|worldv?\d?))?\.pt")
DECIMALS = re.compile(r"\d\.\d+(?:_\d+)*\Z")  # at the end of a name
SCORE = re.compile(r"([a-z@]*)(\d*\.\d+)")  # "0.8911", "acc0.8911"
UNNAMED_SCORE = frozenset({"avg", "mean", "score"})  # of what, it does not say: "ep40_avg1.72"
# An exponent's sign is no separator: "lr3e-4" is one word.
SPLIT = re.compile(r"(?:[^a-z0-9.-]|(?<![0-9]e)-|-(?![0-9]))+|(?<![0-9])\.|\.(?![0-9])")
# Hyper-parameters tell runs apart, and are no part of what a model is called.
SETTING = re.compile(r"(?:lr|bs|wd)(?:\d[\d.e+-]*)?|(?:batch|batchsize|dropout)(?:\d[\d.e+-]*)")
SETTINGS = frozenset({"lr", "bs", "wd", "batch", "batchsize", "dropout"})
# Families of models whose names end in a number, and the sizes that were published: the 110 of
# "resnet-110" does not count epochs.
SIZED = re.compile(
    r"(?:.*_)?(?:(?:(?:se|i|pre(?:act)?|wide)_?)?res(?:net|next|nest)_"
    r"(?:8|14|18|20|26|32|34|44|50|56|101|110|152|164|200|269|1001|1202)(?:_[12]0?)?|"
    r"vgg_(?:11|13|16|19)|dense_?net(?:_bc)?_(?:40|100|121|161|169|190|201|264)|"
    r"wrn_\d\d(?:_\d\d?)?|(?:vit|deit|beit|swin)_(?:ti|tiny|s|small|b|base|l|large|h|huge)_"
    r"(?:8|14|16|32))"
)
HALF_A_NAME = re.compile(
    r"(?:^|-)(?:epoch|step)=\d+(?:-|\Z)|"
    r"\A(?:checkpoint|ckpt|ep|epoch|(?:global_?)?step|iter|iteration)[_-]?\d+\Z"
)
# fairseq's "checkpoint3", DETR's "checkpoint0099", ESPnet's "3epoch"; "model2" may be a second one.
GLUED = re.compile(r"(checkpoint|ckpt|(?:model|weights)(?=0\d))(\d+)|(\d+)(epochs?)")
# Names that libraries give to weights of whatever model.
OF_LIBRARY = re.compile(
    r"(?:adapter|(?:diffusion_)?pytorch|flax|tf)_(?:lora_)?(?:model|weights)|"
    r"(?:pyt|tf1|simple)_save\d*"  # Spinning Up
)


@lru_cache(maxsize=1 << 14)
def tokens(name: str) -> Tokens:
    """Return the lower-case words of a name, a number that counts apart; decimals stay whole."""
    return tuple(part for word in SPLIT.split(name.lower()) if word for part in _unglued(word))


@lru_cache(maxsize=1 << 14)
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
    """Return whether a folder's name is the first half of a checkpoint's, before a "/" in it.

    That is one for each of the moments at which a training was saved: `epoch_3/model.pt`.
    """
    return HALF_A_NAME.search(folder) is not None


def run_key(name: str) -> Tokens:
    """Return the words that name the run of a checkpoint called `name`; empty if none do."""
    words, selected = _without_scores(tokens(name)), False
    if OF_LIBRARY.fullmatch("_".join(words)):
        return ()
    while words and ((selects := 0 if selected else _selecting(words)) or _is_counted(words)):
        selected, words = selected or selects > 0, words[: -(selects or 1)]
    while words and (_is_noun(words[0]) or words[0] in SELECTORS):
        selected, words = selected or words[0] in SELECTORS, words[1:]
    is_metric = selected and metrics.canonical("_".join(words))
    return () if is_metric or VAGUE.issuperset(words) else words


def folder_key(name: str) -> Tokens:
    """Return the words of the name of a run's folder, without dates and times."""
    return tuple(word for word in tokens(name) if not LONG_NUMBER.fullmatch(word))


def variants(name: str) -> tuple[Tokens, ...]:
    """Return the words of a name, then the same with generic words taken off one by one."""
    return tuple(dict.fromkeys(_shortened(tokens(name))))


def without_generic(name: str) -> Tokens:
    """Return the words of a name that tell neither what the file is nor which of its run."""
    return tuple(word for word in without_nouns(name) if word not in SELECTORS)


def without_nouns(name: str) -> Tokens:
    """Return the words of a name that do not tell what the file is."""
    return tuple(word for word in tokens(name) if word not in NOUNS | RECORDS)


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


@lru_cache(maxsize=1 << 14)
def judged_by(name: str) -> str | None:
    """Return the metric by which a checkpoint of this name is a best: `loss` of "best_loss_model".

    None if no metric stands behind "best" and none, alone, before it.
    """
    words = tokens(name)
    at = words.index("best") if "best" in words else len(words)
    for part in (words[at + 1 :], words[:at] if "best" in words else ()):
        said = "_".join(word for word in part if not _is_noun(word))
        if metrics.canonical(said):
            return said
    return None


def series(paths: Iterable[str]) -> dict[str, frozenset[int]]:
    """Return the numbers in which alone the ends of names differ, by what stands before them.

    Of "net_3.pt" and "net_1.pt" that is {"net": {1, 3}}.
    """
    found = defaultdict(list)
    for path in paths:
        if end := counted(path):
            found[end[0]].append(end[1])
    return {name: frozenset(numbers) for name, numbers in found.items() if len(numbers) > 1}


@lru_cache(maxsize=1 << 14)
def counted(path: str) -> tuple[str, int] | None:
    """Return the number that ends a name, and what stands before it; None of a fold or a best."""
    match = ENDS_COUNTED.fullmatch(stem(path))
    if match is None or UNCOUNTED.fullmatch(tokens(match[1])[-1]):
        return None
    return match[1], int(match[2])


def fold(path: str) -> str | None:
    """Return the fold of a cross-validation that a path tells, the nearest to its end, or None."""
    for part in reversed(PurePosixPath(path.lower()).parts):
        if found := FOLD.search(part):
            return str(int(found[1])) if found[1].isdecimal() else found[1]
    return None


@lru_cache(maxsize=1 << 14)
def is_averaged(path: str) -> bool:
    """Return whether a checkpoint's name says that its weights are averages: `best_ema.pt`."""
    return not AVERAGED.isdisjoint(tokens(stem(path)))


@lru_cache(maxsize=1 << 14)
def is_copy(path: str) -> bool:
    """Return whether a file's name says that it is a copy."""
    return "copy" in tokens(PurePosixPath(path).name)


def is_called(path: str, name: str) -> bool:
    """Return whether a checkpoint's file is called by a name without words that name no run."""
    return PurePosixPath(name).suffix == "" and run_key(stem(path)) == run_key(name) != ()


def is_published(path: str) -> bool:
    """Return whether a folder's name says so, or a file's name is one that publishers give.

    That is one that ends with a hash, as torch.hub's do, or `yolov8n.pt`.
    """
    *folders, name = PurePosixPath(path.lower()).parts
    return bool(PUBLISHED.fullmatch(name) or ULTRALYTICS.fullmatch(name) or PRETRAINED & {*folders})


def without_hash(path: str) -> str:
    """Return the stem of a name, without the part of a hash at its end."""
    is_hashed = PUBLISHED.fullmatch(PurePosixPath(path).name)
    return stem(path).rpartition("-")[0] if is_hashed else stem(path)


def starts_generic(name: str) -> bool:
    """Return whether a checkpoint's name starts with its role and not with a run's name."""
    words = tokens(name)
    return not run_key(name) or _is_noun(words[0]) or words[0] in SELECTORS


def is_numbered(folder: str, path: str) -> bool:
    """Return whether a folder has the name of a file in it, and a number: `CartPole-v1_1`."""
    words = tokens(folder)
    return words[-1:] != () and words[-1].isdigit() and words[:-1] == tokens(stem(path))


def is_counter(words: Tokens) -> bool:
    """Return whether the words only count ("stage1", "fold 0"), so that they name no model."""
    return all(COUNTER.fullmatch(word) for word in words)


def is_moment(words: Tokens) -> bool:
    """Return whether the words are a date and a time, to the minute at least: `20250712_1432`."""
    return all(word.isdecimal() for word in words) and len("".join(words)) in (12, 14)


def without_values(words: Tokens) -> Tokens:
    """Return the words that are not numbers, dates or times, and numbers that belong to one."""
    kept = (
        n for n, word in enumerate(words) if not VALUE.fullmatch(word) or _belongs(words[: n + 1])
    )
    return tuple(words[n] for n in kept)


def without_counters(words: Tokens) -> Tokens:
    """Return the words that neither are numbers nor count ("stage1") nor set ("lr0.001")."""
    kept: Tokens = ()
    for word in without_values(words):
        if kept and kept[-1] in SETTINGS and VALUE.fullmatch(word):
            kept = kept[:-1]
        elif not COUNTER.fullmatch(word) or is_size((*kept, word)):
            kept = (*kept, word)
    words = tuple(word for word in kept if not SETTING.fullmatch(word))
    return () if all(VERSION.fullmatch(word) for word in words) else words


def is_size(words: Tokens) -> bool:
    """Return whether the last of the words is the size of the model that those before it name."""
    return len(words) > 1 and SIZED.fullmatch("_".join(words)) is not None


def _unglued(word: str) -> Tokens:
    glued = GLUED.fullmatch(word)
    return tuple(filter(None, glued.groups())) if glued else (word,)


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
                    if _is_score("_".join((*kept[len(kept) - n :], score[1])))
                ),
                None,
            )
            if score
            else None
        )
        kept = (*kept, word) if metric is None else kept[: len(kept) - metric]
    return kept


def _is_score(name: str) -> bool:
    return metrics.canonical(name) is not None or name.strip("_") in UNNAMED_SCORE


def _selecting(words: Tokens) -> int:
    """Return how many of the last words say which checkpoint of its run it is: 2 of "best_loss"."""
    if words[-1] in SELECTORS:
        return 1
    for n in (1, 2, 3):
        metric = "_".join(words[-n:])
        if words[-n - 1 : -n] == ("best",) and (metric == "score" or metrics.canonical(metric)):
            return n + 1
    return 0


def _is_counted(words: Tokens) -> bool:
    """Return whether the last word is generic, or a number of no word before it."""
    return _is_noun(words[-1]) and not _belongs(words)


def _belongs(words: Tokens) -> bool:
    """Return whether the last word is a number that belongs to the word before it."""
    if len(words) < 2 or not VALUE.fullmatch(words[-1]):
        return False
    counts = COUNTER.fullmatch(words[-2]) and words[-2].isalpha()  # "fold 3" is a run of its own
    return words[-2] in SETTINGS or bool(counts) or is_size(words)


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
