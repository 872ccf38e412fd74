"""Weights in formats that tell nothing of how they came to be: Paddle, Flax, TFLite, GGUF.

Their kind is seen by the name and the first bytes, so no more is read.
"""

from pathlib import Path

from engine.recognition.evidence import Reading

_FORMATS = {
    ".pdparams": "Paddle",
    ".pdopt": "Paddle",
    ".msgpack": "Flax MessagePack",
    ".cleanrl_model": "Flax MessagePack",
    ".tflite": "TensorFlow Lite",
    ".gguf": "GGUF",
}


def read(path: Path, name: str) -> Reading:
    """Return that this is a model, or the state of Paddle's optimizer."""
    suffix = path.suffix.lower()
    return Reading(_FORMATS[suffix], "training_state" if suffix == ".pdopt" else "model")
