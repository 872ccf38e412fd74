"""Make the samples of trainers that are not installed, by what their public source writes.

    python scripts/make_samples_by_source.py tests/samples

mmdetection 2 (mmcv/runner/hooks/logger/text.py), Keras' CSVLogger, and tables of results. The
checkpoints are real torch files without torch: see torch_writer.py.
"""

import argparse
import csv
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from torch_writer import Tensor, save

MAPS = (0.3125, 0.4432, 0.3811, 0.4107)


def mmdetection2(folder: Path) -> None:
    """The log of mmcv 1: JSON lines that say in `mode` what they are of."""
    home = folder / "work_dirs/retinanet_r50"
    lines: list[dict[str, Any]] = [
        {"env_info": "Python 3.8", "seed": 0, "exp_name": "retinanet_r50.py"}
    ]
    for epoch, value in enumerate(MAPS, start=1):
        lines.append({"mode": "train", "epoch": epoch, "iter": 50, "lr": 0.01, "loss": 1.0 / epoch})
        lines.append(
            {
                "mode": "val",
                "epoch": epoch,
                "iter": 20,
                "lr": 0.01,
                "bbox_mAP": value,
                "bbox_mAP_50": value + 0.1,
            }
        )
    write(home / "20250721_104438.log.json", "".join(json.dumps(line) + "\n" for line in lines))
    for epoch in (2, 4):
        meta = {
            "epoch": epoch,
            "iter": 50 * epoch,
            "time": f"Mon Jul 21 1{epoch}:44:38 2025",
            "seed": 0,
        }
        weights(
            home / f"epoch_{epoch}.pth",
            {
                "meta": meta,
                "state_dict": {"w": Tensor((2, 2), seed=epoch)},
                "optimizer": {"state": {}, "param_groups": []},
            },
        )


def tables(folder: Path) -> None:
    """Keras' CSVLogger; a table with a row for each model; a metric of one's own."""
    rows = [
        {
            "epoch": n,
            "accuracy": 0.9,
            "loss": 0.3,
            "val_accuracy": value + 0.4,
            "val_loss": 0.7 - value,
        }
        for n, value in enumerate(MAPS)
    ]
    table(folder / "keras_run/history.csv", rows)
    weights(folder / "keras_run/best.pt", {"w": Tensor((2, 2), seed=1)})
    weights(folder / "keras_run/last.pt", {"w": Tensor((2, 2), seed=2)})
    models = [("resnet18.pt", 0.7), ("vgg16.pt", 0.8), ("vit_tiny.pt", 0.75)]
    table(
        folder / "zoo/leaderboard.csv",
        [{"checkpoint": name, "val_auc": auc, "lr": 0.1} for name, auc in models],
    )
    for number, (name, _) in enumerate(models):
        weights(folder / "zoo" / name, {"w": Tensor((2, 2), seed=30 + number)})
    own = [
        {"epoch": n, "val_my_score": value, "train_my_score": 0.99} for n, value in enumerate(MAPS)
    ]
    write(folder / "own_run/history.json", json.dumps(own))
    weights(
        folder / "own_run/best.pt",
        {"w": Tensor((2, 2), seed=40), "epoch": 1, "best_my_score": MAPS[1]},
    )


def weights(path: Path, state: object) -> None:
    """Write a torch checkpoint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save(path, state)


def write(path: Path, text: str) -> None:
    """Write a text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a CSV table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


SAMPLES: Iterable[Callable[[Path], None]] = (mmdetection2, tables)


def main() -> None:
    """Make all samples; each DEST/<framework> is replaced, but for its expected.json."""
    parser = argparse.ArgumentParser(description="Make samples by public source.")
    parser.add_argument("dest", type=Path)
    for make in SAMPLES:
        folder = parser.parse_args().dest / make.__name__
        kept = folder / "expected.json"
        expected = kept.read_bytes() if kept.exists() else None
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder)
        if expected:
            kept.write_bytes(expected)


if __name__ == "__main__":
    main()
