"""What names of files and folders say about whose they are."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.recognition import identity

NAMES = st.text(string.ascii_letters + string.digits + "_-. ()=é", max_size=30)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("pat_conv_l_simple_best", ("pat", "conv", "l", "simple")),
        ("pat_conv_l_best_0e5", ("pat", "conv", "l")),
        ("pat_conv_l_best_10e5", ("pat", "conv", "l")),
        ("pat_s_depression_final", ("pat", "s", "depression")),
        ("net_final_best", ("net", "final")),
        ("resnet50_epoch_12", ("resnet50",)),
        ("resnet50-epoch=3-step=40", ("resnet50",)),
        ("dqn_line_ep40_avg1.72", ("dqn", "line")),
        ("net_score_0.91", ("net",)),
        ("unet_optimizer", ("unet",)),
        ("unet_best (copy)", ("unet",)),
        ("best_model", ()),
        ("checkpoint", ()),
        ("optimizer", ()),
        ("last", ()),
        ("init", ()),
        ("net_initial", ("net",)),
        *((f"b0_ns_best_{by}", ("b0", "ns")) for by in ("loss", "score", "roc", "auc", "acc")),
        ("b0_ns_best_val_acc_3", ("b0", "ns")),
        ("net_final_best_loss", ("net", "final")),
        ("best_loss", ()),
        ("best_score", ()),
        ("net_loss", ("net", "loss")),
        ("best_depth_map", ("depth", "map")),
        ("policy", ()),
        ("policy_best", ()),
        ("policy_net", ("policy", "net")),
        ("network-snapshot-000040", ()),
        ("siamese_network", ("siamese", "network")),
        ("checkpoint3", ()),
        ("net_checkpoint0099", ("net",)),
        ("ckpt3_best", ()),
        ("3epoch", ()),
        ("model0001", ()),
        ("weights010", ()),
        ("model2", ("model2",)),
        ("model10", ("model10",)),
        ("resnet18", ("resnet18",)),
        ("vit_b16", ("vit", "b16")),
        ("net_v2", ("net", "v2")),
        ("net_fold3", ("net", "fold3")),
        ("net_fold_3", ("net", "fold", "3")),
        ("net_fold_3_epoch_2", ("net", "fold", "3")),
        ("net_trial_10_best", ("net", "trial", "10")),
        ("net_seed1", ("net", "seed1")),
        ("", ()),
    ],
)
def test_the_key_is_what_names_the_run(name: str, key: identity.Tokens) -> None:
    """Words for checkpoints, epochs and values are no part of a run's name; two selectors are."""
    assert identity.run_key(name) == key


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pat_l_best", "best"),
        ("pat_l_best_loss", "best"),
        ("best_model", "best"),
        ("best_epoch3", "best"),
        ("net_final_best", "best"),
        ("final", "last"),
        ("net_latest", "last"),
        ("model_ema", "ema"),
        ("init", "init"),
        ("model_epoch_10", "epoch"),
        ("step5000", "epoch"),
        ("pat_l", None),
        ("resnet50", None),
    ],
)
def test_the_selector_is_which_checkpoint_of_its_run_it_is(name: str, said: str | None) -> None:
    """A numbered epoch is not the best one, and averaged weights are not the last ones."""
    assert identity.selector(name) == said


@pytest.mark.parametrize(
    ("path", "stem"),
    [("a/b.pth", "b"), ("a/b.pth.tar", "b"), ("c.v0.59.pt", "c.v0.59"), ("noext", "noext")],
)
def test_an_archive_suffix_belongs_to_the_extension(path: str, stem: str) -> None:
    """`.pth.tar` is one extension, and a decimal number is none."""
    assert identity.stem(path) == stem


def test_numbers_in_a_name_stay_whole() -> None:
    """A decimal point does not split a value, whereas a dot between words does."""
    assert identity.tokens("Net.v0.5929-best") == ("net", "v0.5929", "best")


def test_generic_words_are_taken_off_one_by_one() -> None:
    """A log is found by the longest name that it shares with a checkpoint."""
    assert identity.variants("pat_l_training_log") == (
        ("pat", "l", "training", "log"),
        ("pat", "l", "training"),
        ("pat", "l"),
    )


@pytest.mark.parametrize(
    ("words", "is_counter"),
    [(("stage1",), True), (("fold", "0"), True), (("stage1", "unet"), False), (("unet",), False)],
)
def test_words_that_only_count_name_no_model(words: identity.Tokens, is_counter: bool) -> None:
    """`stage1` and `fold 0` say nothing about the model."""
    assert identity.is_counter(words) is is_counter


@pytest.mark.parametrize(
    ("path", "fold"),
    [
        ("exp/fold_0/best.pt", "0"),
        ("exp/fold_0/net_fold03_best.pt", "3"),
        ("b5-fold=2-epoch=1.ckpt", "2"),
        ("nnUNet/fold_all/checkpoint_best.pth", "all"),
        ("exp/5folds/best.pt", None),
        ("exp/fold/best.pt", None),
        ("exp/unfold_2/manifold3.pt", None),
        ("exp/fold1x1/best.pt", None),
    ],
)
def test_a_path_tells_the_fold(path: str, fold: str | None) -> None:
    """The file's name before the folders'."""
    assert identity.fold(path) == fold


@pytest.mark.parametrize(("name", "is_copy"), [("a (copy).pt", True), ("copycat.pt", False)])
def test_copies_say_so(name: str, is_copy: bool) -> None:
    """The word is `copy`, not a part of another."""
    assert identity.is_copy(name) is is_copy


@settings(max_examples=200, deadline=None)
@given(NAMES)
def test_any_name_has_a_key_made_of_its_own_words(name: str) -> None:
    """Nothing fails on odd names, and nothing is made up."""
    words = identity.tokens(name)
    assert set(identity.run_key(name)) <= set(words)
    assert all(set(variant) <= set(words) for variant in identity.variants(name))
    assert identity.run_key(f"best_{name}") == identity.run_key(f"best {name}")
