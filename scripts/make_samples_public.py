"""Make trees in the shape that well-known public repositories leave; all content is made up.

    python scripts/make_samples_public.py tests/samples

akamaster/pytorch_resnet_cifar10 (`.th`, published weights), bearpaw/pytorch-classification (tables
called log.txt), facebookresearch/deit (JSON lines called log.txt), kuangliu/pytorch-cifar,
karpathy/nanoGPT, thuml/Time-Series-Library (a text of results, which tells too little).
"""

import argparse
import json
import shutil
import struct
from itertools import count
from pathlib import Path
from typing import Any

from torch_writer import Tensor, save

OPTIMIZER: dict[str, Any] = {"state": {}, "param_groups": []}
SEED = count()


def public(folder: Path) -> None:
    """Write all shapes below a folder."""
    weights(folder / "resnet_cifar/pretrained_models/resnet20-12fca82f.th", best_prec1=91.73)
    for run, accuracies, own in (
        ("baseline/cifar10/resnet-110", (50.1, 61.2, 58.3), {"epoch": 2, "acc": 61.2}),
        ("lr 0.005, geolr/cifar10/vgg19_bn", (51.1, 63.2, 59.3), {}),
    ):
        home = folder / "classification/results" / run
        head = "Learning Rate\tTrain Loss\tValid Loss\tTrain Acc.\tValid Acc.\t\n"
        rows = (f"0.100000\t1.0\t2.0\t60.0\t{value:.6f}\t\n" for value in accuracies)
        text(home / "log.txt", head + "".join(rows))
        weights(home / "model_best.pth.tar", **own)
    home = folder / "deit/deit_small_out"
    rows = (
        json.dumps(
            {"train_lr": 1e-4, "train_loss": 3.1, "test_loss": 2.0, "test_acc1": v, "epoch": n}
        )
        for n, v in enumerate((60.1, 71.2, 70.3))
    )
    text(home / "log.txt", "\n".join([*rows, ""]))
    weights(home / "checkpoint.pth", epoch=2)
    weights(home / "best_checkpoint.pth", epoch=1)
    weights(folder / "cifar/checkpoint/ckpt.pth", acc=95.21, epoch=187)
    loss = Tensor((), data=struct.pack("<f", 1.4697))
    sizes = {"n_layer": 6, "n_head": 6}
    gpt = {"model_args": sizes, "iter_num": 2000, "config": {"dataset": "shakespeare_char"}}
    weights(folder / "gpt/out-char/ckpt.pt", best_val_loss=loss, **gpt)
    setting = "long_term_forecast_ETTh1_96_96_DLinear_ETTh1_ftM"
    weights(folder / "forecast/checkpoints" / setting / "checkpoint.pth")
    text(folder / "forecast/result_long_term_forecast.txt", f"{setting}\nmse:0.39, mae:0.41\n")


def weights(path: Path, **said: Any) -> None:
    """Write a checkpoint of one layer and what is said of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    layer = {"conv.weight": Tensor((2, 2), seed=next(SEED))}
    save(path, {"state_dict": layer, "optimizer": OPTIMIZER, **said})


def text(path: Path, content: str) -> None:
    """Write a text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def main() -> None:
    """Make the sample DEST/public, which is replaced, but for its expected.json."""
    parser = argparse.ArgumentParser(
        description="Make samples in the shape of public repositories."
    )
    parser.add_argument("dest", type=Path)
    folder = parser.parse_args().dest / "public"
    kept = folder / "expected.json"
    expected = kept.read_bytes() if kept.exists() else None
    shutil.rmtree(folder, ignore_errors=True)
    public(folder)
    if expected:
        kept.write_bytes(expected)


if __name__ == "__main__":
    main()
