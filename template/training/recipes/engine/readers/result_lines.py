"""`eval_results.txt` of simpletransformers and older Hugging Face scripts: lines as `mcc = 0.91`.

simpletransformers writes it into the folder of each model that it saves after an evaluation:
`save_model` in `simpletransformers/classification/classification_model.py`.
"""

from pathlib import Path

from engine.readers import Broken, keys
from engine.recognition import metrics
from engine.recognition.evidence import Reading

FORMAT = "result lines"
MAX_BYTES = 1 << 16


def read(path: Path, name: str) -> Reading | None:
    """Return the metrics, each on a line of its own; None if the file holds anything else."""
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise Broken("too complex: more than 64 kB of results")
    lines = [line.partition(" = ") for line in data.decode("utf-8", "replace").splitlines()]
    found = keys.collect({key: value.strip() for key, _, value in lines}, "final").measurements
    is_known = any(metrics.canonical(m.name) for m in found)
    is_all = all(key.isidentifier() for key, *_ in lines if key)
    return Reading(FORMAT, "results", tuple(found)) if is_known and is_all else None
