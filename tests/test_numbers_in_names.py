"""What a number in a name is: a result, an epoch, a hyper-parameter, or the size of the model."""

import pytest

from engine.readers.file_name import read_name
from mess import attributed, curve, log, model, noted, results

SETTINGS = (
    *("net_lr_0.001.pt", "net_lr3e-4.pt", "net_lr=0.01_best.pt", "net_bs64.pt", "net_batch_64.pt"),
    *("net_wd5e-4_last.pt", "net_lr0.1_bs32_dropout0.5.pt", "net_0.001_0.1.pt", "net_lr1e-05.pt"),
)
SCALES = {
    "edsr_x4.pt": "edsr_x4",
    "srnet_x2_best.pt": "srnet_x2",
    "mobilenet_v2_1.0_224.pt": "mobilenet_v2",
    "efficientnet_b0_0.5.pt": "efficientnet_b0",
}
SIZES = {
    "resnet-110.pth": "resnet_110",
    "runs/resnet-110/model_best.pth.tar": "resnet_110",
    "x/resnet-110_best.pth": "resnet_110",
    "vit_b_16_best.pth": "vit_b_16",
    "vgg_16.pt": "vgg_16",
    "wrn-28-10.pt": "wrn_28_10",
    "densenet-bc-100/checkpoint.pth": "densenet_bc_100",
    "preresnet_56_last.pt": "preresnet_56",
    "se_resnext_50.pt": "se_resnext_50",
    "resnet_17.pth": "resnet",
    "unet_110.pth": "unet",
    "net_16.pt": "net",
}


@pytest.mark.parametrize("path", (*SETTINGS, *SCALES, *SIZES))
def test_a_setting_a_scale_and_a_size_are_no_results(path: str) -> None:
    """Nothing that a name says of how it was trained, or of what size it is, is a metric."""
    assert read_name(path).measurements == ()
    assert attributed({path: model()})[path].value is None


@pytest.mark.parametrize("path", ["net_epoch=089.ckpt", "net_epoch=9-step=80.ckpt"])
def test_an_epoch_behind_a_models_name_is_no_metric(path: str) -> None:
    """Lightning writes the format `net_{epoch:03d}` so."""
    assert read_name(path).measurements == ()


@pytest.mark.parametrize("path", SETTINGS)
def test_a_setting_is_no_part_of_the_model_type(path: str) -> None:
    """A model is called the same whatever it was trained with."""
    assert attributed({path: model()})[path].model_type == "net"


@pytest.mark.parametrize(("path", "model_type"), [*SCALES.items(), *SIZES.items()])
def test_a_scale_and_a_published_size_are_part_of_the_model_type(
    path: str, model_type: str
) -> None:
    """The number of a ResNet-110 stays; one that no such model has may count epochs."""
    assert attributed({path: model()})[path].model_type == model_type


@pytest.mark.parametrize(
    "path",
    [
        *("lr_0.001_best.pth", "runs/bs64/best.pt", "x/lr0.1_auc0.8.pt"),
        *("output/pytorch_lora_weights.safetensors", "runs/adapter_model.bin"),  # PEFT's own names
    ],
)
def test_of_settings_and_names_that_libraries_give_no_model_type_is_made(path: str) -> None:
    """A name that only says how it was trained, or by which library, does not say what."""
    assert attributed({path: model()})[path].model_type is None


def test_a_folder_of_settings_lies_in_the_one_of_the_model() -> None:
    """Where a sweep has a folder for each learning rate, the one above says what was trained."""
    found = attributed({f"tiny_net/lr_{lr}/best.pt": model() for lr in (0.1, 0.01)})
    assert {c.model_type for c in found.values()} == {"tiny_net"}


@pytest.mark.parametrize("settings", [("lr_0.01", "lr_0.1"), ("lr1e-4", "lr1e-5"), ("bs8", "bs9")])
def test_runs_of_other_settings_are_other_runs(settings: tuple[str, str]) -> None:
    """Each checkpoint of a sweep in one folder gets the values of its own log."""
    files = {f"x/net_{setting}_best.pt": model() for setting in settings}
    ends = zip(settings, (0.6, 0.7), strict=True)
    logs = {f"x/net_{setting}.log": log(*curve("val_auc", 0.5, end)) for setting, end in ends}
    found = attributed({**files, **logs})
    assert [c.value for c in found.values()] == [0.6, 0.7]


def test_sizes_among_numbers_that_are_none_count_epochs() -> None:
    """`resnet_20` beside `resnet_25` is a checkpoint of the run `resnet`."""
    found = attributed({f"x/resnet_{n}.pt": model() for n in (20, 25)})
    assert {c.model_type for c in found.values()} == {"resnet"}
    assert len({c.run for c in found.values()}) == 1


@pytest.mark.parametrize(
    "folder", ["epoch_{}", "checkpoint-{}", "checkpoints/epoch{}", "ckpt_{}", "ep{}", "ckpt{}"]
)
def test_a_folder_for_each_moment_is_part_of_the_run_above(folder: str) -> None:
    """`epoch_2/model.pt` is the checkpoint of epoch 2, and the log above tells of it."""
    files = {f"x/tiny/{folder.format(n)}/model.pt": model() for n in (1, 2, 3)}
    found = attributed({**files, "x/tiny/train.log": log(*curve("val_auc", 0.5, 0.7, 0.6))})
    assert [(c.value, c.epoch) for c in found.values()] == [(0.5, 1), (0.7, 2), (0.6, 3)]
    assert {c.run.folder for c in found.values() if c.run} == {"x/tiny"}


@pytest.mark.parametrize(
    "name", ["checkpoint{}", "checkpoint000{}", "ckpt{}", "{}epoch", "model00{}", "weights_00{}"]
)
def test_a_number_without_a_separator_counts_epochs(name: str) -> None:
    """fairseq's `checkpoint3`, DETR's `checkpoint0099` and ESPnet's `3epoch` are of one run."""
    files = {f"x/tiny/{name.format(n)}.pth": model() for n in (1, 2, 3)}
    found = attributed({**files, "x/tiny/train.log": log(*curve("val_auc", 0.5, 0.7, 0.6))})
    assert [(c.value, c.epoch) for c in found.values()] == [(0.5, 1), (0.7, 2), (0.6, 3)]
    assert {(c.run.folder, c.run.whole) for c in found.values() if c.run} == {("x/tiny", True)}
    assert {c.model_type for c in found.values()} == {"tiny"}


def test_a_number_at_the_end_of_a_model_is_part_of_its_name() -> None:
    """`model2` may be somebody's second model."""
    found = attributed({f"x/model{n}.pt": model() for n in (1, 2)})
    assert {c.model_type for c in found.values()} == {"model1", "model2"}


def test_sizes_alone_are_models() -> None:
    """`resnet_18` beside `resnet_50` is another model."""
    found = attributed({f"x/resnet_{n}.pt": model() for n in (18, 50)})
    assert {c.model_type for c in found.values()} == {"resnet_18", "resnet_50"}


@pytest.mark.parametrize(
    ("numbers", "values"),
    [
        ((1, 2, 3), [0.5, 0.7, 0.6]),  # each has its row
        ((2, 3), [0.7, 0.6]),
        ((1, 2, 4), [None, None, None]),  # they count something else
    ],
)
def test_numbers_by_which_siblings_differ_are_epochs_if_all_have_a_row(
    numbers: tuple[int, ...], values: list[float | None]
) -> None:
    """fastai's `net_1.pth` is of epoch 1: the number alone does not say so, the table does."""
    files = {f"x/net_{n}.pth": model() for n in numbers}
    found = attributed({**files, "x/net.csv": results(*curve("val_auc", 0.5, 0.7, 0.6))})
    assert [c.value for c in found.values()] == values


@pytest.mark.parametrize("name", ["model_iter_{}", "net_step{}", "model_iteration_{}"])
def test_a_step_in_a_name_is_no_epoch(name: str) -> None:
    """`model_iter_10.pth` is not of epoch 10, though the log tells of one."""
    files = {f"x/tiny/{name.format(n)}.pth": model() for n in (1, 2, 3)}
    found = attributed({**files, "x/tiny/train.log": log(*curve("val_auc", 0.5, 0.7, 0.6))})
    assert {(c.value, c.epoch) for c in found.values()} == {(None, None)}


@pytest.mark.parametrize("name", ["net_{}", "model_{}", "checkpoint{}"])
def test_a_number_that_is_the_step_inside_is_no_epoch(name: str) -> None:
    """With `{"iteration": 2}` in `model_2.pth`, its 2 counts steps."""
    files = {f"x/tiny/{name.format(n)}.pth": model(noted("step", str(n))) for n in (1, 2, 3)}
    found = attributed({**files, "x/tiny/metrics.csv": results(*curve("val_auc", 0.5, 0.7, 0.6))})
    assert {(c.value, c.epoch) for c in found.values()} == {(None, None)}


def test_a_number_that_is_not_the_step_inside_may_be_the_epoch() -> None:
    """`checkpoint_2.pth` of step 200 is of epoch 2."""
    files = {f"x/tiny/checkpoint_{n}.pth": model(noted("step", f"{n}00")) for n in (1, 2)}
    found = attributed({**files, "x/tiny/metrics.csv": results(*curve("val_auc", 0.5, 0.7))})
    assert [(c.value, c.epoch) for c in found.values()] == [(0.5, 1), (0.7, 2)]
