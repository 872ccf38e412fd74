"""Agents of Stable-Baselines3, and the evaluations that its `EvalCallback` writes beside the best.

Formats: `stable_baselines3/common/save_util.py` (a zip of JSON and torch files; older ones hold
`parameters`) and `callbacks.py` (arrays `timesteps` and `results`, a row for each evaluation).
"""

import ast
import json
import re
import struct
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.readers import Broken, keys
from engine.readers.bounded import BoundedFile
from engine.recognition.evidence import Measurement, Noted, Reading

MAX_READ = 16 << 20
EVALUATIONS = "evaluations.npz"
_WEIGHTS = ("policy.pth", "parameters")
_ARRAY = re.compile(rb"\x93NUMPY[\1-\3]\0(..)({[^}]+})\s*", re.DOTALL)
_CODES = {"<f8": "d", "<f4": "f", "<i8": "q", "<i4": "i"}
_ALGORITHM = re.compile(r"(?:stable_baselines3|sb3_contrib)\.(?!common)(\w+)\.")


def read(path: Path, name: str) -> Reading | None:
    """Return an agent's settings and how long it was trained, or evaluations; None for others."""
    try:
        with path.open("rb") as file, zipfile.ZipFile(BoundedFile(file, MAX_READ)) as archive:
            members = archive.NameToInfo
            if name.lower() == EVALUATIONS and {"timesteps.npy", "results.npy"} <= members.keys():
                steps, rewards = (_rows(archive.read(f"{n}.npy")) for n in ("timesteps", "results"))
                return Reading("evaluations", "results", tuple(_measured(steps, rewards)))
            if "data" in members and any(part in members for part in _WEIGHTS):
                return _agent(json.loads(archive.read("data")))
    except (Broken, zipfile.BadZipFile, ValueError, struct.error):
        pass  # a zip of something else
    return None


def _agent(said: dict[str, Any]) -> Reading:
    config = keys.flatten({k: v for k, v in said.items() if not k.startswith("_")})
    notes = [Noted("step", str(said["num_timesteps"]), "key num_timesteps")]
    module = str(keys.as_mapping(said.get("policy_class")) or "")
    if found := _ALGORITHM.search(module):
        notes.append(Noted("model_type", found[1], "key policy_class"))
    elif "clip_range" in said:
        notes.append(Noted("model_type", "ppo", "key clip_range"))
    started = said.get("start_time")
    if isinstance(started, int | float) and started > 1e18:  # in nanoseconds
        moment = datetime.fromtimestamp(started // 1_000_000_000, UTC).replace(tzinfo=None)
        notes.append(Noted("started", moment.isoformat(), "key start_time"))
    return Reading("Stable-Baselines3", "model", (), tuple(notes), config)


def _measured(steps: list[list[float]], rewards: list[list[float]]) -> Iterator[Measurement]:
    for row, (step, episodes) in enumerate(zip(steps, rewards, strict=False)):
        mean = sum(episodes) / len(episodes)
        yield Measurement("eval/mean_reward", mean, f"row {row}", "epoch", None, int(step[0]))


def _rows(data: bytes) -> list[list[float]]:
    """Return the rows of an array of numbers, as `numpy.lib.format` writes it; others are none."""
    header = _ARRAY.match(data)
    about = ast.literal_eval(header[2].decode()) if header else {}
    code, shape = _CODES.get(str(about.get("descr"))), about.get("shape", ())
    if header is None or code is None or about["fortran_order"] or not 0 < len(shape) < 3:
        return []
    count, width = shape[0], shape[1] if len(shape) > 1 else 1
    numbers = struct.unpack_from(f"<{count * width}{code}", data, header.end())
    return [list(numbers[i * width : (i + 1) * width]) for i in range(count if width else 0)]
