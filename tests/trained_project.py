"""A generated project with experiments in it, as a training by the conventions leaves them."""

import atexit
import json
import os
import shutil
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

from template_fixture import copy_of_template, generate
from torch_writer import Tensor, save

ACTIVE = "training/experiments/active"


def new_project(folder: Path) -> Path:
    """Return a new project with one model type."""
    return Path(shutil.copytree(_generated(), folder / "project"))


@lru_cache
def _generated() -> Path:
    """Generate the project once for each process; copies of it are much faster."""
    folder = Path(mkdtemp())
    atexit.register(shutil.rmtree, folder)
    template = copy_of_template(folder / "copier")
    return generate(template, folder / "project", project_name="mood", model_types=["net"])


def train(
    project: Path,
    name: str,
    aucs: Sequence[float],
    *,
    config: str = "",
    record: dict[str, object] | None = None,
) -> Path:
    """Make an experiment with a checkpoint, and a line in its log, for each epoch; return it."""
    home = project / ACTIVE / name
    (home / "checkpoints").mkdir(parents=True)
    (home / "config.yaml").write_text(f"learning_rate: 0.001\nbatch_size: 32\nseed: 7\n{config}")
    day = name[:10]
    lines = [f"{day} 10:00:00 - INFO - Training on cuda, optimizer adam, batch size 32"]
    for epoch, auc in enumerate(aucs, start=1):
        file = home / "checkpoints" / f"epoch_{epoch:03}.pth"
        weights = {"w": Tensor((4,), seed=zlib.crc32(f"{name} {epoch}".encode()))}
        save(file, {"model_state_dict": weights, "epoch": epoch, "val_auc": auc})
        lines.append(f"{day} 10:{epoch:02}:00 - INFO - Epoch {epoch}: loss 0.5 val_auc {auc:.4f}")
    (home / "training.log").write_text("\n".join(lines) + "\n")
    if record is not None:
        (home / "run.json").write_text(json.dumps(record))
    age(home)
    return home


def age(folder: Path) -> None:
    """Give everything below a folder a time in the past, so that nothing counts as in use."""
    for path in sorted(folder.rglob("*"), reverse=True):
        os.utime(path, (1.75e9, 1.75e9))
