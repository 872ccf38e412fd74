"""What the checkpoints of mmengine tell of themselves: `meta` and the runner's `message_hub`.

`best_ckpt` is the path under which the best so far was saved; its name tells metric and moment.
"""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from engine.readers import keys
from engine.readers.keys import Facts, Resolve, as_mapping
from engine.readers.numbers import metric_value
from engine.recognition.evidence import Measurement, Noted

MARK = "message_hub"
_BEST = re.compile(r"best_(?P<metric>.+)_(?P<unit>epoch|iter)_(?P<count>\d+)\.pth\Z")
_STAMP = re.compile(r"_\d{8}_\d{6}\Z")


def add(facts: Facts, entries: Mapping[Any, object], path: Path, resolve: Resolve) -> None:
    """Add what `meta` says, and the best score if it is that of this checkpoint."""
    meta = as_mapping(entries.get("meta")) or {}
    said = keys.collect({k: v for k, v in meta.items() if k != "cfg"}, "own", resolve)
    facts.notes += said.notes
    name = meta.get("experiment_name")
    if isinstance(name, str):
        facts.notes.append(Noted("model_type", _STAMP.sub("", name), "key meta.experiment_name"))
    hub = as_mapping(entries.get("message_hub")) or {}
    for key, saved in (as_mapping(hub.get("runtime_info")) or {}).items():
        match = _BEST.match(PurePosixPath(str(saved).replace("\\", "/")).name)
        if match and str(key).startswith("best_ckpt"):
            facts.notes.append(Noted("monitor", match["metric"], f"key message_hub.{key}"))
            score = str(key).replace("best_ckpt", "best_score", 1)
            read = metric_value((as_mapping(hub.get("runtime_info")) or {}).get(score))
            if read and meta.get(match["unit"]) == int(match["count"]):
                where = f"key message_hub.runtime_info.{score}"
                facts.measurements.append(Measurement(match["metric"], read[0], where, "own"))
