"""A small project whose mess has been brought in order, for tests of what is done with archives."""

import json
import os
import struct
from functools import cache
from pathlib import Path

from engine.project import Project, open_project
from projects import recipe, twin
from template_fixture import copy_of_template, generate

NOW = "2025-07-25T12:00:00"
OLD = 1_735_725_600  # 2025-01-01, in seconds
ONE, TWO = "runs/pat_conv_l_one", "runs/pat_conv_l_two"
WEIGHTS, NOTES, LINK = f"{ONE}/model.safetensors", f"{ONE}/a b[1].txt", f"{ONE}/latest"
LOG = "logs/pat_conv_l_one_20250101_101010.log"
BEST, COPY = f"{TWO}/model.safetensors", "backup/model_copy.safetensors"
PRODUCTION = "model_weights/production/pat_conv_l_v0.7000.safetensors"
ARCHIVED = "training/experiments/archived"


def weights(seed: int) -> bytes:
    """Return a whole safetensors file of half a megabyte that does not compress to nothing."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [1 << 19], "data_offsets": [0, 1 << 19]}})
    body = b"".join(
        struct.pack("<I", (number * 2654435761 + seed) % 2**32) for number in range(1 << 17)
    )
    return struct.pack("<Q", len(header)) + header.encode() + body


MESS = {
    WEIGHTS: weights(1),
    f"{ONE}/results.json": b'{"best_val_auc": 0.61}',
    NOTES: b"mine\n",
    LOG: b"2025-01-01 10:10:10,000 - INFO - Epoch 1: Val AUC=0.6100\n",
    BEST: weights(2),
    f"{TWO}/results.json": b'{"best_val_auc": 0.7}',
    COPY: weights(2),
    "src/app.py": b"print(1)\n",
}


def messy(folder: Path) -> Path:
    """Make a project with a mess in it; return its root."""
    root = generate(
        copy_of_template(folder / "copier"), folder / "my project", model_types=["pat_conv_l"]
    )
    for name, data in MESS.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o640)
        os.utime(path, (OLD, OLD))
    (root / LINK).symlink_to("model.safetensors")
    return root


@cache
def untidy(base: Path) -> Path:
    """Return such a project, made once below the base of all temporary folders, to be copied."""
    return messy(base / "untidy")


@cache
def packed(base: Path) -> Path:
    """Return such a project, cleaned up, made once below that base, to be copied."""
    root = twin(untidy(base), base / "packed")
    recipe(root, "cleanup", "--apply", "--now", NOW)
    return root


def opened(root: Path) -> Project:
    """Return the project as the recipes see it."""
    return open_project(root, root / "training/conventions.toml", {})


def archive_of(project: Path, member: str) -> Path:
    """Return the archive that holds a member."""
    for manifest in (project / ARCHIVED).glob("*.json"):
        members = json.loads(manifest.read_bytes())["members"]
        if member in {entry["path"] for entry in members}:
            return manifest.with_suffix(".tar.gz")
    raise AssertionError(f"{member} is in no archive")


def flip(path: Path, offset: int) -> None:
    """Change one bit of a file, and not its size or time."""
    status, data = path.stat(), bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
