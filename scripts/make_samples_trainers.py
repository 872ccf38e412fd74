"""Make the samples of trainers under tests/samples, with the frameworks themselves.

    python3 -m venv /tmp/trainers
    /tmp/trainers/bin/pip install torch==2.13.0 'lightning==2.6.6' 'transformers==5.23.0' \
        'accelerate>=1' 'peft==0.21.2' 'hydra-core==1.3.8' 'tensorboard==2.21.0' \
        'mmengine==0.10.7' opencv-python-headless
    /tmp/trainers/bin/python scripts/make_samples_trainers.py tests/samples

The numbers are made up, so that what is best is known; everything else is as the framework writes
it. Nothing is downloaded. Each DEST/<framework> is replaced, but for its expected.json.
"""

import argparse
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

AUCS = (0.5125, 0.6432, 0.5811, 0.6107)
LOSSES = (0.9012, 0.5034, 0.7021, 0.6098)
DATA = torch.utils.data.TensorDataset(torch.linspace(0, 1, 8).reshape(4, 2), torch.zeros(4).long())


def lightning(folder: Path) -> None:
    """Three trainings: best two by AUC and the last; by a metric with a slash; unmonitored."""
    import lightning as pl
    from lightning.pytorch.callbacks import ModelCheckpoint
    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

    class Net(pl.LightningModule):
        def __init__(self, lr: float = 0.1, hidden: int = 2) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.layer = torch.nn.Linear(hidden, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            loss = self.layer(batch[0]).mean()
            self.log("train_loss", loss)
            return loss

        def validation_step(self, batch: Any, index: int) -> None:
            self.log("val_auc", AUCS[self.current_epoch])
            self.log("val/loss", LOSSES[self.current_epoch])

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=self.hparams["lr"])

    def fit(checkpoint: Any, logger: Any) -> None:
        loader = torch.utils.data.DataLoader(DATA, batch_size=2)
        trainer = pl.Trainer(
            max_epochs=len(AUCS),
            accelerator="cpu",
            logger=logger,
            callbacks=[checkpoint],
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
        )
        trainer.fit(Net(), loader, loader)

    name = "{epoch}-{step}-{val_auc:.2f}"
    by_auc = ModelCheckpoint(
        monitor="val_auc", mode="max", save_top_k=2, save_last=True, filename=name
    )
    fit(by_auc, CSVLogger("."))
    name = "{epoch}-{val/loss:.2f}"
    by_loss = ModelCheckpoint(monitor="val/loss", save_top_k=2, save_last=True, filename=name)
    fit(by_loss, TensorBoardLogger("logs", name="slash_net"))
    fit(ModelCheckpoint(), CSVLogger("runs", name="plain_net"))


def huggingface(folder: Path) -> None:
    """A fine-tuning with the best of three checkpoints loaded at the end, and an adapter."""
    import numpy as np
    import peft
    from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

    torch.manual_seed(0)
    small = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = BertConfig(vocab_size=8, intermediate_size=4, max_position_embeddings=4, **small)
    rows = [
        {"input_ids": [1, 2, 3], "attention_mask": [1, 1, 1], "labels": i % 2} for i in range(4)
    ]

    def train(model: Any, where: str, **more: Any) -> Any:
        left = iter(AUCS[:3] * 2)
        arguments = TrainingArguments(
            where,
            num_train_epochs=3,
            per_device_train_batch_size=2,
            eval_strategy="epoch",
            save_strategy="epoch",
            logging_steps=1,
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            **more,
        )

        def measure(_: Any) -> dict[str, Any]:
            return {"auc": np.float64(next(left))}

        trainer = Trainer(
            model, arguments, train_dataset=rows, eval_dataset=rows, compute_metrics=measure
        )
        trainer.train()
        return trainer

    best = {
        "metric_for_best_model": "auc",
        "greater_is_better": True,
        "load_best_model_at_end": True,
    }
    trainer = train(BertForSequenceClassification(config), "bert_out", **best)
    trainer.save_model()
    trainer.save_state()
    trainer.save_metrics("train", {"train_loss": 0.4, "epoch": 3.0})
    trainer.save_metrics("eval", {"eval_auc": AUCS[1], "eval_loss": 0.69, "epoch": 3.0})
    lora = peft.LoraConfig(task_type="SEQ_CLS", r=1, target_modules=["query"])
    based = BertForSequenceClassification(config)
    based.name_or_path = "google-bert/bert-base-uncased"  # as if it had been loaded from there
    os.environ["HF_HUB_OFFLINE"] = "1"
    train(peft.get_peft_model(based, lora), "lora_out")
    BertForSequenceClassification(config).save_pretrained("sharded_model", max_shard_size=500)


def hydra(folder: Path) -> None:
    """One run and a sweep of two, each with a plain torch checkpoint and Hydra's own log."""
    Path("conf").mkdir()
    Path("conf/config.yaml").write_text(
        "model:\n  name: tiny_mlp\n  hidden: 2\noptimizer:\n  lr: 0.1\nepochs: 2\nseed: 7\n"
    )
    Path("train.py").write_text(
        "import logging, os, hydra, torch\n"
        "log = logging.getLogger(__name__)\n"
        "@hydra.main(version_base=None, config_path='conf', config_name='config')\n"
        "def main(cfg):\n"
        "    out = hydra.core.hydra_config.HydraConfig.get().runtime.output_dir\n"
        "    for epoch in range(cfg.epochs):\n"
        "        auc = 0.5 + cfg.optimizer.lr + epoch / 100\n"
        "        log.info('Epoch %d: train_loss=%.4f val_auc=%.4f', epoch, 1 - auc, auc)\n"
        "        state = {'w': torch.full((2, 2), cfg.optimizer.lr + epoch)}\n"
        "        torch.save(state, os.path.join(out, 'best.pt'))\n"
        "main()\n"
    )
    runs = ([], ["-m", "optimizer.lr=0.2,0.3"])
    for arguments in runs:
        subprocess.run([sys.executable, "train.py", *arguments], check=True)


def mmengine(folder: Path) -> None:
    """A training with the best kept by accuracy, and the two hooks' log files."""
    from mmengine.evaluator import BaseMetric
    from mmengine.model import BaseModel
    from mmengine.runner import Runner

    class Tiny(BaseModel):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 2)

        def forward(self, x: Any, y: Any, mode: str = "tensor") -> Any:
            out = self.layer(torch.stack(list(x)) if isinstance(x, list | tuple) else x)
            return {"loss": out.mean()} if mode == "loss" else [out]

    class Accuracy(BaseMetric):
        left = iter(AUCS)

        def process(self, data_batch: Any, data_samples: Any) -> None:
            self.results.append(0)

        def compute_metrics(self, results: Any) -> dict[str, float]:
            return {"accuracy/top1": next(self.left) * 100}

    loader = {
        "dataset": DATA,
        "batch_size": 2,
        "sampler": {"type": "DefaultSampler", "shuffle": False},
    }
    runner = Runner(
        model=Tiny(),
        work_dir="work_dirs/tiny_linear_toy",
        train_dataloader=loader,
        val_dataloader=loader,
        val_evaluator=[Accuracy()],
        train_cfg={"by_epoch": True, "max_epochs": 4, "val_interval": 1},
        val_cfg={},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
        default_hooks={
            "checkpoint": {"type": "CheckpointHook", "interval": 2, "save_best": "accuracy/top1"},
            "logger": {"type": "LoggerHook", "interval": 1},
        },
        experiment_name="tiny_linear_toy",
    )
    runner.train()


def torch_script(folder: Path) -> None:
    """A scripted module beside the log of a Keras-like progress bar."""
    torch.jit.script(torch.nn.Linear(2, 1)).save("scripted_best.pt")
    rows = zip(AUCS, LOSSES, strict=True)
    lines = []
    for number, (auc, loss) in enumerate(rows, start=1):
        lines.append(f"Epoch {number}/4")
        for done in range(1, 5):
            bar = "=" * done + "." * (4 - done)
            lines.append(f"{done}/4 [{bar}] - ETA: 0s - loss: {loss + 0.1:.4f}")
        lines.append(
            f"4/4 [====] - 1s 2ms/step - loss: {loss:.4f} - val_loss: {loss:.4f} "
            f"- val_auc: {auc:.4f}"
        )
    Path("scripted_train.log").write_text("\n".join(lines) + "\n")


SAMPLES: dict[str, Callable[[Path], None]] = {
    function.__name__: function
    for function in (lightning, huggingface, hydra, mmengine, torch_script)
}


def main() -> None:
    """Make the samples that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("dest", type=Path)
    parser.add_argument("framework", nargs="*", choices=[*SAMPLES, []])
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    dest = arguments.dest.resolve()
    for name in arguments.framework or SAMPLES:
        folder = dest / name
        kept = (
            (folder / "expected.json").read_bytes() if (folder / "expected.json").exists() else None
        )
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        os.chdir(folder)
        SAMPLES[name](folder)
        if kept:
            (folder / "expected.json").write_bytes(kept)


if __name__ == "__main__":
    main()
