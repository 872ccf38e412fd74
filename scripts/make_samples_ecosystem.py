"""Make the samples of what stands around torch, under tests/samples, with the libraries themselves.

    python3.11 -m venv /tmp/ecosystem
    /tmp/ecosystem/bin/pip install torch==2.13.0 torchvision==0.28.0 accelerate==1.15.0 \
        transformers==5.23.0 sentence-transformers==6.2.0 diffusers==0.42.1 peft==0.21.2 \
        datasets==5.2.0 pytorch-ignite==0.5.5 fastai==2.8.12 timm==1.0.22 ultralytics==8.4.190 \
        nnunetv2==2.8.1 fvcore==0.1.5.post20221221 wandb==0.31.0 sacred==0.8.7 dvc==3.67.1 \
        'setuptools<81'  # for sacred
    /tmp/ecosystem/bin/python scripts/make_samples_ecosystem.py tests/samples

The measured numbers are made up where a library lets one say them (AUCS, LOSSES), so that what is
best is known; everything else is as the library writes it, but for the name of the host. Nothing is
downloaded. Each DEST/<framework> is replaced, but for its expected.json.

torchvision's wheel brings its compiled operators for one build of torch only. With another they are
declared here, without a body: what is trained below calls none of them.
"""

import argparse
import contextlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

AUCS = (0.5125, 0.6432, 0.5811, 0.6107)
LOSSES = (0.9012, 0.5034, 0.7021, 0.6098)
BERT = {
    "vocab_size": 12,
    "hidden_size": 4,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "intermediate_size": 4,
    "max_position_embeddings": 8,
}


def declare_torchvision_operators() -> object:
    """Declare the operators that importing torchvision looks for, if its own cannot be loaded."""
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def stepped(model: torch.nn.Module, value: float) -> None:
    """Give all weights one value, so that every checkpoint differs."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value)


def log_to(path: str) -> logging.Logger:
    """Return a logger as the examples of Hugging Face set it up, that writes to a file."""
    logger = logging.getLogger(path)
    handler = logging.FileHandler(path)
    handler.setFormatter(
        logging.Formatter(
            "%(asctime)s - %(levelname)s - %(name)s - %(message)s", "%m/%d/%Y %H:%M:%S"
        )
    )
    handler.setLevel(logging.INFO)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    return logger


def accelerate() -> None:
    """The loop of `run_glue_no_trainer.py`: a state for each epoch, model and results at last."""
    from accelerate import Accelerator
    from transformers import BertConfig, BertForSequenceClassification

    accelerator = Accelerator(cpu=True)
    model = BertForSequenceClassification(BertConfig(**BERT))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    model, optimizer, schedule = accelerator.prepare(model, optimizer, schedule)
    Path("glue_out").mkdir()
    logger = log_to("glue_out/train.log")
    logger.info("***** Running training *****")
    logger.info("  Num Epochs = 4")
    logger.info("  Total optimization steps = 8")
    for epoch, accuracy in enumerate(AUCS):
        stepped(model, accuracy)
        logger.info(f"epoch {epoch}: {{'accuracy': {accuracy}}}")
        accelerator.save_state(f"glue_out/epoch_{epoch}")
    accelerator.unwrap_model(model).save_pretrained("glue_out")
    Path("glue_out/all_results.json").write_text(json.dumps({"eval_accuracy": AUCS[-1]}))


def sentence_transformers() -> None:
    """A bi-encoder that is judged by Spearman's correlation, with the best loaded at the end."""
    import sentence_transformers as st
    from datasets import Dataset
    from sentence_transformers import losses
    from sentence_transformers.evaluation import SentenceEvaluator
    from transformers import BertConfig, BertModel, BertTokenizerFast

    class Correlation(SentenceEvaluator):
        """Says what was made up in place of the correlation with the annotators."""

        left = iter(AUCS)

        def __init__(self) -> None:
            super().__init__()
            self.primary_metric = "sts-dev_spearman_cosine"

        def __call__(
            self, model: Any, output_path: Any = None, epoch: int = -1, steps: int = -1
        ) -> Any:
            value = next(self.left)
            found = {"sts-dev_pearson_cosine": value - 0.01, "sts-dev_spearman_cosine": value}
            self.store_metrics_in_model_card_data(model, found, epoch, steps)
            return found

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "d", "e", "f", "g"]
    Path("base").mkdir()
    Path("base/vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(vocab={word: n for n, word in enumerate(words)}).save_pretrained("base")
    BertModel(BertConfig(**BERT)).save_pretrained("base")
    model = st.SentenceTransformer("base", device="cpu")
    shutil.rmtree("base")
    pairs = Dataset.from_dict(
        {"sentence1": ["a b", "c"] * 4, "sentence2": ["d", "e f"] * 4, "score": [0.1, 0.9] * 4}
    )
    arguments = st.SentenceTransformerTrainingArguments(
        output_dir="output/tiny-sts",
        num_train_epochs=4,
        per_device_train_batch_size=4,
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_steps=1,
        metric_for_best_model="sts-dev_spearman_cosine",
        greater_is_better=True,
        load_best_model_at_end=True,
        save_total_limit=2,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
    )
    trainer = st.SentenceTransformerTrainer(
        model, arguments, pairs, pairs, losses.CosineSimilarityLoss(model), evaluator=Correlation()
    )
    trainer.train()
    model.save_pretrained("output/tiny-sts/final", create_model_card=False)
    for card in Path("output").rglob("README.md"):
        card.unlink()  # long, and it says what was installed


def diffusers() -> None:
    """A pipeline, and a LoRA of a U-Net with its states, as `train_text_to_image_lora.py` saves."""
    from accelerate import Accelerator
    from diffusers import (
        DDPMPipeline,
        DDPMScheduler,
        StableDiffusionPipeline,
        UNet2DConditionModel,
        UNet2DModel,
    )
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft import LoraConfig, get_peft_model_state_dict

    tiny = {"block_out_channels": (4,), "norm_num_groups": 2, "layers_per_block": 1}
    net = UNet2DModel(
        sample_size=4,
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
        attention_head_dim=2,
        add_attention=False,
        **tiny,
    )
    DDPMPipeline(net, DDPMScheduler(num_train_timesteps=4)).save_pretrained("ddpm-toy")
    unet = UNet2DConditionModel(
        sample_size=4,
        down_block_types=("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",),
        mid_block_type=None,
        cross_attention_dim=4,
        attention_head_dim=2,
        **tiny,
    )
    unet.requires_grad_(False)
    unet.add_adapter(LoraConfig(r=1, target_modules=["to_q"], init_lora_weights="gaussian"))
    accelerator = Accelerator(cpu=True)
    trained = [p for p in unet.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.1)

    def save_adapter(models: Any, weights: Any, output_dir: str) -> None:
        layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(unet))
        StableDiffusionPipeline.save_lora_weights(output_dir, unet_lora_layers=layers)
        while weights:
            weights.pop()

    accelerator.register_save_state_pre_hook(save_adapter)
    unet, optimizer = accelerator.prepare(unet, optimizer)
    for step in (2, 4):
        for number, parameter in enumerate(trained):
            parameter.data.fill_(step + number / 10)
        accelerator.save_state(f"sd-toy-lora/checkpoint-{step}")
    save_adapter(None, [], "sd-toy-lora")


def ignite() -> None:
    """The best two by AUC, whose value stands in the name, and the last as a state to resume."""
    from ignite.engine import Engine, Events
    from ignite.handlers import Checkpoint, DiskSaver, global_step_from_engine

    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = Engine(lambda engine, batch: None)
    judge = Engine(lambda engine, batch: None)

    @trainer.on(Events.EPOCH_COMPLETED)
    def judged(engine: Engine) -> None:
        stepped(model, engine.state.epoch)
        judge.run([0])

    @judge.on(Events.COMPLETED)
    def told(engine: Engine) -> None:
        engine.state.metrics = {"val_auc": AUCS[trainer.state.epoch - 1]}

    judge.add_event_handler(
        Events.COMPLETED,
        Checkpoint(
            {"model": model},
            DiskSaver("ignite_run/tiny_linear", create_dir=True),
            n_saved=2,
            filename_prefix="best",
            score_name="val_auc",
            score_function=Checkpoint.get_default_score_fn("val_auc"),
            global_step_transform=global_step_from_engine(trainer),
        ),
    )
    trainer.add_event_handler(
        Events.EPOCH_COMPLETED,
        Checkpoint(
            {"model": model, "optimizer": optimizer, "trainer": trainer},
            DiskSaver("ignite_run/tiny_linear", create_dir=True, require_empty=False),
        ),
    )
    trainer.run([0, 1], max_epochs=4)


def fastai() -> None:
    """Every epoch's weights and the best by accuracy, and the table of CSVLogger."""
    from fastai.basics import DataLoader, DataLoaders, Learner
    from fastai.callback.progress import CSVLogger
    from fastai.callback.tracker import SaveModelCallback
    from fastai.metrics import AvgMetric

    left = iter(AUCS)
    per_epoch: dict[int, float] = {}

    def accuracy(predicted: Any, wanted: Any) -> Any:
        epoch = learner.epoch
        if epoch not in per_epoch:
            per_epoch[epoch] = next(left)
        return torch.tensor(per_epoch[epoch])

    data = [(torch.ones(2) * n, torch.zeros(1)) for n in range(4)]
    loaders = DataLoaders(DataLoader(data, bs=2), DataLoader(data, bs=2))
    learner = Learner(
        loaders,
        torch.nn.Linear(2, 1),
        loss_func=torch.nn.functional.mse_loss,
        metrics=[AvgMetric(accuracy)],
        path=Path("pets"),
        cbs=[
            CSVLogger(),
            SaveModelCallback(fname="tiny_linear", every_epoch=True),
            SaveModelCallback(monitor="accuracy", fname="tiny_linear_best"),
        ],
    )
    Path("pets").mkdir()
    with learner.no_bar(), learner.no_logging():
        learner.fit(4, lr=0.1)


def timm() -> None:
    """What `train.py` leaves: args.yaml, summary.csv, the three best, the last."""
    import yaml
    from timm.utils import CheckpointSaver, update_summary

    home = "output/train/20250721-104438-resnet10t-32"
    Path(home).mkdir(parents=True)
    arguments = argparse.Namespace(
        model="resnet10t",
        num_classes=2,
        lr=0.1,
        epochs=4,
        seed=42,
        eval_metric="top1",
        data_dir="toy",
    )
    Path(home, "args.yaml").write_text(yaml.safe_dump(vars(arguments), default_flow_style=False))
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    saver = CheckpointSaver(model, optimizer, arguments, checkpoint_dir=home, max_history=3)
    for epoch, (top1, loss) in enumerate(zip(AUCS, LOSSES, strict=True)):
        stepped(model, epoch)
        judged = {"loss": loss, "top1": 100 * top1, "top5": 100.0}
        saver.save_checkpoint(epoch, metric=judged["top1"])
        update_summary(
            epoch, {"loss": loss}, judged, f"{home}/summary.csv", lr=0.1, write_header=epoch == 0
        )


DETECTOR = """nc: 1
reg_max: 1
end2end: false
backbone:
  - [-1, 1, Conv, [2, 3, 2]]
  - [-1, 1, Conv, [2, 3, 2]]
  - [-1, 1, Conv, [2, 3, 2]]
head:
  - [[2], 1, Detect, [nc]]
"""


def ultralytics() -> None:
    """A detector that is trained to the end, and one that was killed before its fourth epoch."""
    from PIL import Image
    from ultralytics.models.yolo.detect import DetectionTrainer
    from ultralytics.utils import SETTINGS
    from ultralytics.utils.torch_utils import strip_optimizer

    SETTINGS.update(sync=False, datasets_dir=str(Path.cwd()))
    for part in ("train", "val"):
        for place in ("images", "labels"):
            Path(f"toy/{place}/{part}").mkdir(parents=True)
        for number in range(4):
            picture = Image.new("RGB", (32, 32), (60 * number, 90, 200 - 40 * number))
            picture.save(f"toy/images/{part}/{number}.jpg")
            Path(f"toy/labels/{part}/{number}.txt").write_text("0 0.5 0.5 0.4 0.4\n")
    Path("toy.yaml").write_text("path: toy\ntrain: images/train\nval: images/val\nnames: [x]\n")
    Path("yolotiny.yaml").write_text(DETECTOR)
    options = {
        "model": "yolotiny.yaml",
        "data": "toy.yaml",
        "epochs": 4,
        "imgsz": 32,
        "batch": 2,
        "workers": 0,
        "plots": False,
        "device": "cpu",
        "seed": 0,
        "close_mosaic": 0,
        "amp": False,
        "verbose": False,
        "optimizer": "SGD",
        "momentum": 0.0,
    }
    for name, values, killed in (("train", AUCS, 9), ("train2", [v - 0.1 for v in AUCS], 3)):
        trainer = DetectionTrainer(overrides={**options, "name": name})
        trainer.validate = judging(trainer, values, killed)
        trainer.final_eval = lambda own=trainer: [strip_optimizer(f) for f in (own.last, own.best)]
        with contextlib.suppress(KeyboardInterrupt):
            trainer.train()
    shutil.rmtree("toy")


def judging(trainer: Any, values: Sequence[float], killed: int) -> Callable[[], Any]:
    """Return what takes the place of a trainer's validation: it says `values`, until it is killed.

    A detector of this size would say 0 for ever.
    """

    def validate() -> Any:
        if trainer.epoch >= killed:
            raise KeyboardInterrupt
        value = values[trainer.epoch]
        keys = ("precision(B)", "recall(B)", "mAP50(B)", "mAP50-95(B)")
        found = dict(zip(keys, (0.9, 0.8, value + 0.2, value), strict=True))
        trainer.best_fitness = max(trainer.best_fitness or 0.0, value)
        losses = {"val/box_loss": 1 - value, "val/cls_loss": 1.0, "val/dfl_loss": 1.0}
        return {f"metrics/{key}": round(v, 5) for key, v in found.items()} | losses, value

    return validate


def nnunet() -> None:
    """Three epochs of the 2d configuration on squares, with so few channels that it stays small."""
    for name in ("raw", "preprocessed", "results"):
        os.environ[f"nnUNet_{name}"] = str(Path(f"nnUNet_{name}").resolve())
    os.environ["nnUNet_compile"] = "false"  # noqa: SIM112
    os.environ["nnUNet_n_proc_DA"] = "1"  # noqa: SIM112 - its own spelling
    import SimpleITK
    from nnunetv2.dataset_conversion.generate_dataset_json import generate_dataset_json
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprints,
        plan_experiments,
        preprocess,
    )
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    home = Path("nnUNet_raw/Dataset004_Toy")
    chance = np.random.default_rng(0)
    for number in range(5):
        label = np.zeros((1, 32, 32), np.uint8)
        label[0, 6 : 20 + number, 6:24] = 1
        picture = label * 3.0 + chance.normal(size=label.shape)
        for place, array in (
            (f"imagesTr/toy_{number:03}_0000", picture.astype(np.float32)),
            (f"labelsTr/toy_{number:03}", label),
        ):
            (home / place).parent.mkdir(parents=True, exist_ok=True)
            SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), home / f"{place}.nii.gz")
    generate_dataset_json(str(home), {0: "MR"}, {"background": 0, "x": 1}, 5, ".nii.gz")
    extract_fingerprints([4], num_processes=1)
    plan_experiments([4])
    plans = Path("nnUNet_preprocessed/Dataset004_Toy/nnUNetPlans.json")
    said = json.loads(plans.read_text())
    network = said["configurations"]["2d"]["architecture"]["arch_kwargs"]
    network["features_per_stage"] = [2] * network["n_stages"]
    plans.write_text(json.dumps(said))
    preprocess([4], configurations=("2d",), num_processes=(1,))

    os.environ["nnUNet_n_proc_DA"] = "0"  # noqa: SIM112
    about = json.loads((home / "dataset.json").read_text())
    for fold in (0, 1):
        planned = {**json.loads(plans.read_text()), "continue_training": False}
        trainer = nnUNetTrainer(planned, "2d", fold, about, torch.device("cpu"))
        trainer.num_epochs, trainer.num_iterations_per_epoch = 4, 40  # made within a minute
        trainer.num_val_iterations_per_epoch, trainer.save_every = 2, 3
        trainer.initial_lr = 0.05
        trainer.run_training()
        trainer.perform_actual_validation()
    for folder in ("nnUNet_raw", "nnUNet_preprocessed"):
        shutil.rmtree(folder)
    for large in (*Path().rglob("progress.png"), *Path().rglob("validation/*.nii.gz")):
        large.unlink()
    for told in Path().rglob("debug.json"):
        told.write_text(re.sub(r'"hostname": "[^"]*"', '"hostname": "host"', told.read_text()))
    for log in Path().rglob("training_log_*.txt"):
        log.write_text(re.sub(r"Please cite.*?(?=####)", "", log.read_text(), flags=re.DOTALL))


def detectron2() -> None:
    """Checkpoints by fvcore, which detectron2 uses; there is no wheel of detectron2 itself.

    metrics.json (`detectron2/utils/events.py`), config.yaml and the best (`BestCheckpointer` in
    `detectron2/engine/hooks.py`) are written as its public source says.
    """
    from fvcore.common.checkpoint import Checkpointer, PeriodicCheckpointer

    home = Path("output_rcnn")
    home.mkdir()
    (home / "config.yaml").write_text(
        "MODEL:\n  META_ARCHITECTURE: GeneralizedRCNN\n  WEIGHTS: x.pkl\n"
        "SOLVER:\n  BASE_LR: 0.02\nSEED: 3\n"
    )
    model = torch.nn.Linear(2, 1)
    checkpointer = Checkpointer(
        model, str(home), optimizer=torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    )
    periodic = PeriodicCheckpointer(checkpointer, period=5, max_iter=20)
    rows = []
    for iteration in range(20):
        stepped(model, iteration)
        row = {"data_time": 0.01, "eta_seconds": 1.0, "iteration": iteration, "loss_cls": 0.3}
        row |= {"lr": 0.02, "time": 0.1, "total_loss": 1.5}
        periodic.step(iteration)
        if iteration % 5 == 4:
            value = 60 * AUCS[iteration // 5]
            row |= {"bbox/AP": value, "bbox/AP50": value + 20, "bbox/AP75": value + 5}
            if iteration == 9:
                checkpointer.save("model_best", iteration=iteration)
                checkpointer.tag_last_checkpoint("model_0000009.pth")
        rows.append(row)
    (home / "metrics.json").write_text(
        "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows)
    )


def wandb() -> None:
    """An offline run, which says nothing but to W&B, and its id in the folder of the weights."""
    import wandb as tracker

    settings = tracker.Settings(
        mode="offline",
        run_id="t1nyrun7",
        x_disable_meta=True,
        x_disable_machine_info=True,
        x_disable_stats=True,
        disable_git=True,
        disable_code=True,
        console="off",
        host="host",
        silent=True,
    )
    run = tracker.init(project="toy", config={"lr": 0.1, "model": "tiny_linear"}, settings=settings)
    home = Path("checkpoints/tiny_linear-t1nyrun7")
    home.mkdir(parents=True)
    for epoch, auc in enumerate(AUCS):
        run.log({"epoch": epoch, "val_auc": auc})
    torch.save({"w": torch.full((2, 2), 1.0)}, home / "best.pt")
    torch.save({"w": torch.full((2, 2), 3.0)}, home / "last.pt")
    run.finish()
    shutil.rmtree("wandb/latest-run", ignore_errors=True)
    for link in Path("wandb").glob("*"):
        if link.is_symlink():
            link.unlink()  # latest-run, which git would keep as a link


def sacred() -> None:
    """A run in a file store, with the best weights added as an artifact."""
    Path("train.py").write_text(SACRED)
    subprocess.run([sys.executable, "train.py"], check=True)
    Path("best.pt").unlink()
    told = Path("sacred_runs/1/run.json")
    told.write_text(re.sub(r'"hostname": "[^"]*"', '"hostname": "host"', told.read_text()))


SACRED = f"""
import torch
from sacred import Experiment
from sacred.observers import FileStorageObserver

ex = Experiment("tiny_linear", save_git_info=False)
ex.observers.append(FileStorageObserver("sacred_runs"))
ex.add_config(lr=0.1, epochs=4, model={{"name": "tiny_linear", "hidden": 2}}, seed=7)

@ex.automain
def train(_run, epochs):
    best = 0.0
    for epoch, auc in enumerate({AUCS}):
        print(f"Epoch {{epoch}}: val_auc={{auc:.4f}}")
        _run.log_scalar("val.auc", auc, epoch)
        if auc > best:
            best = auc
            torch.save({{"w": torch.full((2, 2), float(epoch))}}, "best.pt")
    _run.add_artifact("best.pt")
    return best
"""


def dvc() -> None:
    """A weight and a folder of weights that `dvc add` tracks, and a stage with its metrics."""
    Path("models/zoo").mkdir(parents=True)
    torch.save({"w": torch.full((2, 2), 1.0), "val_auc": 0.6432}, "models/net_best.pt")
    torch.save({"w": torch.full((2, 2), 2.0)}, "models/zoo/a.pt")
    torch.save({"w": torch.full((2, 2), 3.0), "val_auc": 0.5811}, "models/free_net_last.pt")
    Path("train.py").write_text(
        "import json, torch\ntorch.save({'w': torch.zeros(2), 'val_auc': 0.7125}, 'staged.pt')\n"
        "json.dump({'val_auc': 0.7125}, open('metrics.json', 'w'))\n"
    )
    command = [sys.executable, "-m", "dvc"]
    found_first = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for arguments in (
        ["init", "--no-scm", "-q"],
        ["config", "core.analytics", "false"],
        ["add", "-q", "models/net_best.pt", "models/zoo"],
        [
            "stage",
            "add",
            "-q",
            "-n",
            "train",
            "-d",
            "train.py",
            "-o",
            "staged.pt",
            "-M",
            "metrics.json",
            "python train.py",
        ],
        ["repro", "-q"],
    ):
        subprocess.run([*command, *arguments], check=True, env=found_first)
    shutil.rmtree(".dvc/tmp")
    shutil.rmtree(".dvc/cache/runs")  # its paths are longer than every system takes
    Path("dvc.lock").unlink()  # this repository holds no file of that kind


SAMPLES: dict[str, Callable[[], None]] = {
    function.__name__: function
    for function in (
        *(accelerate, sentence_transformers, diffusers, ignite, fastai, timm),
        *(ultralytics, nnunet, detectron2, wandb, sacred, dvc),
    )
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
    operators = declare_torchvision_operators()
    for name in arguments.framework or SAMPLES:
        with tempfile.TemporaryDirectory(prefix="project-") as work:
            os.chdir(work)
            torch.manual_seed(0)
            SAMPLES[name]()
            os.chdir(dest)
            replace(dest / name, Path(work))
    del operators


def replace(folder: Path, made: Path) -> None:
    """Put what was made in place of a sample, but for what is expected of it."""
    expected = folder / "expected.json"
    kept = expected.read_bytes() if expected.exists() else None
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, folder)
    if kept:
        expected.write_bytes(kept)


if __name__ == "__main__":
    main()
