"""Trees to measure on: checkpoints, logs and small files, the same for the same seed."""

import json
import math
import os
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from statistics import NormalDist

OLD = 1_735_725_600  # 2025-01-01, in seconds: nothing is in use
MB = 10**6
CHECKPOINT = 20 * MB  # bytes of a file
LOG = 5 * MB
CHUNK = 1 << 20  # numbers drawn at a time
PER_FOLDER = 100
# What lies about in a repository, by share; most of it is nobody's training output.
KINDS = (*(["png"] * 6), *(["npy"] * 4), *(["py"] * 3), "md", "csv", "txt", "txt", "json", "json")


def checkpoints(folder: Path, size: int) -> None:
    """Fill a new folder with `size` bytes of safetensors, of which 30 % are exact copies."""
    folder.mkdir(parents=True)
    count = max(2, size // CHECKPOINT)
    fresh = max(1, round(count * 0.7))
    for number in range(count):
        path = folder / f"checkpoint_{number:04}.safetensors"
        _weights(path, size // count // 4, number % fresh)
        _age(path)


def _weights(path: Path, count: int, seed: int) -> None:
    """Write `count` normal float32 weights: gzip makes them a tenth smaller, as it does real ones.

    Sign and exponent follow a normal distribution, the rest of each number is uniform.
    """
    normal, draw = NormalDist(0, 0.02), random.Random(seed)
    high = bytes(struct.pack("<f", normal.inv_cdf((u + 0.5) / 256))[3] for u in range(256))
    tensor = {"dtype": "F32", "shape": [count], "data_offsets": [0, 4 * count]}
    header = json.dumps({"w": tensor}).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for start in range(0, count, CHUNK):
            number = min(CHUNK, count - start)
            block = bytearray(draw.randbytes(4 * number))
            block[3::4] = block[3::4].translate(high)
            file.write(block)


def logs(folder: Path, size: int) -> None:
    """Fill a new folder with `size` bytes of training logs."""
    folder.mkdir(parents=True)
    draw = random.Random(1)
    for number in range(max(1, size // LOG)):
        path = folder / f"net_training_20250101_{number:06}.log"
        path.write_text("".join(_log_lines(min(size, LOG), draw)))
        _age(path)


def _log_lines(size: int, draw: random.Random) -> Iterator[str]:
    number = 0
    while size > 0:
        line = (
            f"2025-01-01 {number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02},"
            f"{draw.randrange(1000):03} - INFO - Epoch {number // 500 + 1}/100 step {number}: "
            f"loss {draw.random():.6f} grad_norm {draw.random() * 9:.4f} lr 3.0e-05\n"
        )
        if number % 500 == 499:
            line += (
                f"Validation: val_auc {0.5 + draw.random() / 5:.4f} val_loss {draw.random():.4f}\n"
            )
        yield line
        size -= len(line)
        number += 1


def small_files(folder: Path, count: int) -> None:
    """Fill a new folder with `count` files of 1.8 kB on average, a hundred in each folder."""
    draw = random.Random(2)
    blob = draw.randbytes(1 << 16)
    text = "".join(f"{draw.gauss(0, 1):.6f}," for _ in range(1 << 12)).encode()
    home = folder
    for number in range(count):
        if number % PER_FOLDER == 0:
            home = folder / f"part_{number // PER_FOLDER:05}"
            home.mkdir(parents=True)
        kind = KINDS[number * 7 % len(KINDS)]
        size = int(math.exp(draw.gauss(7.1, 0.9)))
        source = blob if kind in ("png", "npy") else text
        start = draw.randrange(len(source) // 2)
        path = home / f"item_{number:07}.{kind}"
        path.write_bytes(source[start : start + size])
        _age(path)


def copy_some(folder: Path) -> None:
    """Make 30 % of the files in a folder exact copies of others of them."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    for source, path in zip(paths, paths[len(paths) - round(len(paths) * 0.3) :], strict=False):
        path.write_bytes(source.read_bytes())
        _age(path)


def experiments(folder: Path, count: int) -> None:
    """Fill a folder with finished experiments that hold a log, a record and a tiny checkpoint."""
    record = {"started": "2025-01-01T10:00:00", "ended": "2025-01-01T11:00:00", "exit_status": 0}
    for number in range(count):
        home = folder / f"2025-01-{number % 28 + 1:02}_net_try_{number}"
        (home / "checkpoints").mkdir(parents=True)
        (home / "checkpoints/best.pth").write_bytes(b"x")
        (home / "run.json").write_text(json.dumps(record))
        (home / "training.log").write_text("Epoch 1: val_auc 0.5\nEpoch 2: val_auc 0.6\n")
        for path in home.rglob("*.*"):
            _age(path)


def _age(path: Path) -> None:
    os.utime(path, (OLD, OLD))
