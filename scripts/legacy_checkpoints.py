"""The checkpoints of the legacy repository: what is known of each, and files in their real formats.

`legacy_data/checkpoints.tsv` holds the facts. Keys and formats are real; weights are random and,
but for the best model's, small.
"""

import csv
import json
import shutil
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from torch_writer import NumpyScalar, Tensor, save

DATA = Path(__file__).parent / "legacy_data"
TREE = DATA / "tree"


@dataclass(frozen=True)
class Encoder:
    """The sizes of a transformer encoder; `inner` is the width of all its attention heads."""

    embed: int
    inner: int
    feed: int
    layers: int
    dtype: str = "float32"
    patch: tuple[int, ...] = (9,)


ENCODERS = {
    # the real sizes: 1,984,289 parameters with the head
    "full": Encoder(96, 1152, 256, 4, "float16", (1, 9)),
    "conv_large": Encoder(16, 64, 32, 4, patch=(1, 9)),
    "large": Encoder(16, 64, 32, 4),
    "medium": Encoder(16, 64, 32, 2, patch=(18,)),
    "small": Encoder(16, 64, 32, 1, patch=(18,)),
}


@dataclass(frozen=True)
class Checkpoint:
    """A row of `checkpoints.tsv`. `weights` names an encoder, the head alone, or a file to copy."""

    path: str
    saved: datetime
    weights: str
    legacy: bool
    optimizer: bool
    metric: float | None
    inside: bool
    extra: dict[str, object] | None  # None: a bare state dict


def rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a table of facts."""
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def _checkpoint(row: dict[str, str]) -> Checkpoint:
    return Checkpoint(
        path=row["path"],
        saved=datetime.fromisoformat(row["saved"]).replace(tzinfo=UTC),
        weights=row["weights"],
        legacy=row["container"] == "legacy",
        optimizer=row["optimizer"] == "yes",
        metric=_metric(row["path"], row["metric"]),
        inside=row["inside"] == "yes",
        extra=None if row["extra"] == "-" else json.loads(row["extra"]),
    )


def _metric(path: str, text: str) -> float | None:
    """Return the number that `text` is, or that stands in the results file it names."""
    if not text.endswith(".json"):
        return None if text == "-" else float(text)
    results = json.loads((TREE / path).with_name(text).read_text(encoding="utf-8"))
    return float(results.get("best_val_auc") or results["best_auc"])


CHECKPOINTS = tuple(_checkpoint(row) for row in rows("checkpoints.tsv"))


def write_checkpoint(dest: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint under the root `dest`, whose earlier ones it may copy."""
    path = dest / checkpoint.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if (dest / checkpoint.weights).is_file():
        shutil.copyfile(dest / checkpoint.weights, path)
    else:
        save(path, _saved_object(checkpoint), legacy=checkpoint.legacy)


def _saved_object(checkpoint: Checkpoint) -> dict[str, object]:
    seed = zlib.crc32(checkpoint.path.encode())
    encoder = ENCODERS.get(checkpoint.weights)
    shapes = dict(encoder_shapes(encoder) if encoder else _head_shapes())
    dtype = encoder.dtype if encoder else "float32"
    weights = {key: Tensor(shapes[key], dtype, seed=seed + i) for i, key in enumerate(shapes)}
    if checkpoint.extra is None:
        return dict(weights)
    saved: dict[str, object] = {"model_state_dict": weights}
    if checkpoint.optimizer:
        head = [shape for key, shape in shapes.items() if key.startswith("head.")]
        saved["optimizer_state_dict"] = _adam_state(head, seed - len(head))
    saved |= checkpoint.extra
    if checkpoint.inside and checkpoint.metric is not None:
        saved["val_auc"] = NumpyScalar(checkpoint.metric)  # what sklearn's roc_auc_score returns
    return saved


def encoder_shapes(encoder: Encoder) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the names and shapes of the weights of an encoder with its head."""
    yield from _linear("encoder.patch_embed", encoder.embed, *encoder.patch)
    for layer in range(encoder.layers):
        block = f"encoder.blocks.{layer}."
        for name in ("query", "key", "value"):
            yield from _linear(f"{block}attention.{name}", encoder.inner, encoder.embed)
        yield from _linear(f"{block}attention.output", encoder.embed, encoder.inner)
        yield from _linear(f"{block}feed.0", encoder.feed, encoder.embed)
        yield from _linear(f"{block}feed.1", encoder.embed, encoder.feed)
        yield from _linear(f"{block}norm.0", encoder.embed)
        yield from _linear(f"{block}norm.1", encoder.embed)
    yield from _linear("head", 1, encoder.embed)


def _head_shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from _linear("head.0", 64, 96)
    yield from _linear("head.3", 1, 64)


def _linear(name: str, *shape: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def _adam_state(shapes: list[tuple[int, ...]], seed: int) -> dict[str, object]:
    state = {
        index: {
            "step": Tensor((), data=struct.pack("<f", 194)),
            "exp_avg": Tensor(shape, seed=seed + index),
            "exp_avg_sq": Tensor(shape, seed=~(seed + index) & 0xFFFFFFFF),
        }
        for index, shape in enumerate(shapes)
    }
    group = {"lr": 9.77e-05, "betas": (0.9, 0.95), "eps": 1e-08, "weight_decay": 0.01}
    return {"state": state, "param_groups": [group | {"params": list(state)}]}
