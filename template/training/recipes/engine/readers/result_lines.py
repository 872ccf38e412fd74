"""`results.txt` of scripts that test, each figure on its line: `mcc = 0.91`, `Test AUC: 0.71`.

simpletransformers writes `eval_results.txt` into the folder of each model that it saves after an
evaluation: `save_model` in `simpletransformers/classification/classification_model.py`.
"""

import re
from pathlib import Path

from engine.readers import Broken, keys
from engine.recognition import metrics
from engine.recognition.evidence import Reading

FORMAT = "result lines"
MAX_BYTES = 1 << 16
_PAIR = re.compile(r"(\w+(?= = )|[A-Za-z][\w@ -]*(?=: ))(?: = |: )\s*(\S.*)")


def read(path: Path, name: str) -> Reading | None:
    """Return the metrics, each on a line of its own; None if the file holds anything else.

    So it does if a name stands twice: then nobody knows which of several models it is said of.
    """
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise Broken("too complex: more than 64 kB of results")
    lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
    pairs = [(match[1], match[2]) for line in lines if (match := _PAIR.fullmatch(line))]
    names = [key for key, _ in pairs]
    if len(pairs) < len(lines) or len({*names}) < len(names):
        return None
    found = keys.collect(dict(pairs), "final").measurements
    is_known = any(metrics.canonical(m.name) for m in found)
    return Reading(FORMAT, "results", tuple(found)) if is_known else None
