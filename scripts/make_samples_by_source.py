"""Make the samples of trainers that are not installed, by what their public source writes.

    python scripts/make_samples_by_source.py tests/samples

Ultralytics (ultralytics/engine/trainer.py), nnU-Net (nnunetv2/training/nnUNetTrainer), detectron2
(detectron2/utils/events.py, fvcore/common/checkpoint.py), mmdetection 2, Keras' CSVLogger, and
tables of results. The checkpoints are real torch files without torch: see torch_writer.py.
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


def ultralytics(folder: Path) -> None:
    """A training that is over, so that its checkpoints are stripped, and one that is not."""
    keys = ("precision(B)", "recall(B)", "mAP50(B)", "mAP50-95(B)")
    for run, is_over in (("train", True), ("train2", False)):
        home = folder / "runs/detect" / run
        rows = []
        for epoch, value in enumerate(MAPS, start=1):
            value = value if is_over else value - 0.1
            measured = dict(zip(keys, (0.9, 0.8, value + 0.2, value), strict=True))
            rows.append(
                {"epoch": epoch, "time": epoch * 7.5, "train/box_loss": 1.2 - epoch / 10}
                | {f"metrics/{key}": round(number, 5) for key, number in measured.items()}
                | {"val/box_loss": 1.4 - epoch / 10, "lr/pg0": 0.001}
            )
        table(home / "results.csv", rows)
        (home / "args.yaml").write_text(
            f"task: detect\nmode: train\nmodel: yolov8n.pt\ndata: coco8.yaml\nepochs: 4\nseed: 0\n"
            f"lr0: 0.01\nsave_dir: runs/detect/{run}\n"
        )
        for name, index in (("best", 1), ("last", 3), *(() if is_over else (("epoch2", 2),))):
            row = rows[index]
            judged = {k: v for k, v in row.items() if k.startswith(("metrics/", "val/"))}
            state: dict[str, Any] = {
                "epoch": -1 if is_over else index,
                "best_fitness": None if is_over else 0.3432,
                "model": None if not is_over else {"model.0.weight": Tensor((2, 2), seed=index)},
                "ema": None if is_over else {"model.0.weight": Tensor((2, 2), seed=index)},
                "updates": None if is_over else 12,
                "optimizer": None if is_over else {"state": {}, "param_groups": []},
                "train_args": {
                    "task": "detect",
                    "model": "yolov8n.pt",
                    "data": "coco8.yaml",
                    "lr0": 0.01,
                },
                "train_metrics": judged | {"fitness": row["metrics/mAP50-95(B)"]},
                "train_results": {key: [r[key] for r in rows[: index + 1]] for key in rows[0]},
                "date": f"2025-07-2{index}T10:44:38.042000+00:00",
                "version": "8.3.169",
                "license": "AGPL-3.0 (https://ultralytics.com/license)",
            }
            weights(home / f"weights/{name}.pt", state)


def nnunet(folder: Path) -> None:
    """Two folds of one training; one has its final validation."""
    base = folder / "nnUNet_results/Dataset004_Toy/nnUNetTrainer__nnUNetPlans__2d"
    for fold in (0, 1):
        home = base / f"fold_{fold}"
        dice = [value + 0.4 + fold / 100 for value in MAPS]
        mean, means = dice[0], []
        for value in dice:
            mean = mean * 0.9 + 0.1 * value
            means.append(mean)
        for name, epochs in (("checkpoint_best", 2), ("checkpoint_final", 4)):
            state = {
                "network_weights": {"encoder.weight": Tensor((2, 2), seed=10 * fold + epochs)},
                "optimizer_state": {"state": {}, "param_groups": []},
                "grad_scaler_state": None,
                "logging": {
                    "mean_fg_dice": dice[:epochs],
                    "ema_fg_dice": means[:epochs],
                    "dice_per_class_or_region": [[value] for value in dice[:epochs]],
                    "train_losses": [-0.1 * n for n in range(epochs)],
                    "val_losses": [-0.2 * n for n in range(epochs)],
                    "lrs": [0.01] * epochs,
                },
                "_best_ema": max(means[:epochs]),
                "current_epoch": epochs,
                "init_args": {
                    "configuration": "2d",
                    "fold": fold,
                    "plans": {"dataset_name": "Dataset004_Toy"},
                },
                "trainer_name": "nnUNetTrainer",
            }
            weights(home / f"{name}.pth", state)
        lines = ["#######################################################################"]
        for epoch, (value, running) in enumerate(zip(dice, means, strict=True)):
            stamp = f"2025-07-2{fold} 10:4{epoch}:38.042000:"
            lines += [
                f"{stamp} ",
                f"{stamp} Epoch {epoch}",
                f"{stamp} Current learning rate: 0.01",
                f"{stamp} train_loss {-0.1 * epoch:.4f}",
                f"{stamp} val_loss {-0.2 * epoch:.4f}",
                f"{stamp} Pseudo dice [{value:.4f}]",
                f"{stamp} Epoch time: 7.5 s",
                *([f"{stamp} Yayy! New best EMA pseudo Dice: {running:.4f}"] if epoch < 2 else []),
            ]
        (home / f"training_log_2025_7_2{fold}_10_40_38.txt").write_text(
            "\n".join([*lines, "Training done.", ""])
        )
        (home / "debug.json").write_text(json.dumps({"fold": str(fold), "batch_size": "2"}))
    summary = {
        "foreground_mean": {"Dice": 0.8125, "IoU": 0.7, "FN": 3.0},
        "mean": {"1": {"Dice": 0.8125}},
    }
    write(base / "fold_0/validation/summary.json", json.dumps(summary | {"metric_per_case": []}))
    write(base / "dataset.json", json.dumps({"name": "Toy", "labels": {"background": 0, "x": 1}}))
    write(base / "plans.json", json.dumps({"dataset_name": "Dataset004_Toy", "configurations": {}}))


def detectron2(folder: Path) -> None:
    """A training with evaluations at every fifth iteration, as JSON lines, in percent."""
    home = folder / "output_rcnn"
    write(
        home / "config.yaml",
        "MODEL:\n  META_ARCHITECTURE: GeneralizedRCNN\n  WEIGHTS: x.pkl\n"
        "SOLVER:\n  BASE_LR: 0.02\nSEED: 3\n",
    )
    rows = []
    for iteration in range(20):
        row = {
            "data_time": 0.01,
            "eta_seconds": 1.0,
            "iteration": iteration,
            "loss_cls": 0.3,
            "lr": 0.02,
            "time": 0.1,
            "total_loss": 1.5,
        }
        if iteration % 5 == 4:
            value = 100 * MAPS[iteration // 5]
            row |= {"bbox/AP": value, "bbox/AP50": value + 20, "bbox/AP75": value + 5}
        rows.append(row)
    write(home / "metrics.json", "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows))
    for name, iteration in (
        ("model_0000004", 4),
        ("model_0000009", 9),
        ("model_0000014", 14),
        ("model_final", 19),
        ("model_best", 9),
    ):
        state: dict[str, Any] = {
            "model": {"backbone.weight": Tensor((2, 2), seed=iteration)},
            "iteration": iteration,
        }
        weights(home / f"{name}.pth", state | {"optimizer": {"state": {}, "param_groups": []}})
    write(home / "last_checkpoint", "model_final.pth")


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


SAMPLES: Iterable[Callable[[Path], None]] = (ultralytics, nnunet, detectron2, mmdetection2, tables)


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
