"""What the checkpoints of PyTorch Lightning tell of themselves: the state of `ModelCheckpoint`.

Its score of this very file stands in `best_k_models`; `best_model_score` is the best so far.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.readers.file_name import read_name
from engine.readers.keys import Facts, Resolve, as_mapping
from engine.readers.numbers import metric_value
from engine.recognition import identity
from engine.recognition.evidence import Measurement, Noted

MARK = "pytorch-lightning_version"
_MODE = re.compile(r"'mode': '(max|min)'")


def add(facts: Facts, entries: Mapping[Any, object], path: Path, resolve: Resolve) -> None:
    """Add the monitored metric, its direction and the score of the checkpoint at `path`."""
    for key, raw in (as_mapping(entries.get("callbacks")) or {}).items():
        state, title = as_mapping(raw) or {}, str(getattr(key, "name", key))
        monitor = state.get("monitor")
        if "ModelCheckpoint" not in title or not isinstance(monitor, str):
            continue
        where = "key callbacks.ModelCheckpoint"
        mode = _MODE.search(title)
        facts.notes.append(Noted("monitor", monitor, f"{where}.monitor"))
        facts.notes += [Noted("direction", mode[1], f"{where} (mode)")] if mode else []
        for name, score in _own_scores(state, entries, path):
            if read := metric_value(resolve(score)):
                epoch = entries.get("epoch")
                known = epoch if isinstance(epoch, int) else None
                facts.measurements.append(
                    Measurement(monitor, read[0], f"{where}.{name}", "own", known)
                )


def _own_scores(
    state: Mapping[Any, object], entries: Mapping[Any, object], path: Path
) -> Iterator[tuple[str, object]]:
    """Yield the score under this file's path; if it was renamed, under a path of its epoch."""
    scores = {k: v for k, v in (as_mapping(state.get("best_k_models")) or {}).items() if k}
    alike = {saved: _common_end(str(saved), path) for saved in scores}
    best = max(alike, key=lambda saved: alike[saved], default=None)
    if best is None or not alike[best]:
        epochs = {saved: _epoch(str(saved)) for saved in scores}
        best = next(
            (s for s, e in epochs.items() if e is not None and e == entries.get("epoch")), None
        )
        is_told = any(epoch is not None for epoch in epochs.values())
        if best is None and not is_told and identity.selector(path.stem) != "last":
            yield "current_score", state.get("current_score")
    if best is not None:
        yield "best_k_models", scores[best]


def _common_end(saved: str, path: Path) -> int:
    """Return how many parts at their ends the two paths share."""
    parts = saved.replace("\\", "/").split("/")
    pairs = zip(reversed(parts), reversed(path.parts), strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), len(parts))


def _epoch(saved: str) -> int | None:
    notes = read_name(saved.replace("\\", "/")).notes
    return next((int(note.value) for note in notes if note.fact == "epoch"), None)
