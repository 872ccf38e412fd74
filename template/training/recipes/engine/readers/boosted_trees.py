"""Boosters as XGBoost, LightGBM and CatBoost save them: start and end are read, never the trees.

Formats: https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html,
`GBDT::SaveModelToString` of LightGBM, `catboost/libs/model/model_export` of CatBoost.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.readers import Broken, keys
from engine.readers.numbers import metric_value
from engine.recognition.evidence import Measurement, Noted, Reading

SEARCHED = 256 << 10  # bytes at either end
_XGBOOST = re.compile(
    rb'\s*\{\s*(?:"version"\s*:\s*\[[\d\s,]*\]\s*,\s*)?"learner"\s*:\s*\{|\{L.{8}learner', re.DOTALL
)
_SETTING = re.compile(
    r"^\[(metric|objective|boosting|learning_rate|num_leaves|max_depth|seed): (\S+)\]", re.M
)
_DATE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)Z")
_ITERATION = re.compile(r'"best_iteration":(\d+)')
_CATBOOST = re.compile(rb'CBM1|\{\s*"(?:ctrs|features_info)"\s*:')


def library(head: bytes) -> str | None:
    """Return which library wrote the model that starts so; None if it is no booster."""
    if _XGBOOST.match(head):
        return "XGBoost"
    if head.startswith((b"tree\nversion=", b"tree\r\nversion=")):
        return "LightGBM"
    return "CatBoost" if _CATBOOST.match(head) else None


def read(path: Path, name: str) -> Reading | None:
    """Return the attributes and settings; `best_score` does not say of which metric it is."""
    with path.open("rb") as file:
        start = file.read(SEARCHED)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - SEARCHED))
        end = file.read()
    kind = library(start) or ""
    if start[:1] == b"{" and not end.rstrip().endswith(b"}"):
        raise Broken("truncated: the outermost object does not end")
    if kind == "LightGBM" and b"end of trees" not in end:
        raise Broken("truncated: the trees do not end")
    said: Mapping[str, Any] = {"XGBoost": _xgboost, "LightGBM": _lightgbm, "CatBoost": _catboost}[
        kind
    ](start, end)
    facts = keys.collect({k: v for k, v in said.items() if k != "best_score"}, "own")
    iteration = str(said.get("best_iteration"))
    epoch = int(iteration) if iteration.isdecimal() else None
    measured = (m._replace(epoch=epoch) for m in facts.measurements)
    notes = [*facts.notes, Noted("model_type", kind, "what wrote it")]
    if objective := said.get("objective") or (said.get("config") or {}).get("objective"):
        notes.append(Noted("task", _task(str(objective)), "its objective"))
    notes += [] if epoch is None else [Noted("epoch", str(epoch), "key best_iteration")]
    return Reading(kind, "model", (*measured, *_score(said, epoch)), tuple(notes), facts.config)


def _task(objective: str) -> str:
    """Return what is predicted, in the words of no library: `binary` of "binary:logistic"."""
    tasks = {"reg": "regression", "multi": "multiclass", "binary": "binary", "rank": "ranking"}
    return next((task for start, task in tasks.items() if objective.startswith(start)), objective)


def _score(said: Mapping[str, Any], epoch: int | None) -> Iterator[Measurement]:
    read = metric_value(said["best_score"]) if "best_score" in said else None
    if read:
        yield Measurement("best_score", read[0], "key best_score", "own", epoch, digits=read[1])


def _xgboost(start: bytes, end: bytes) -> dict[str, Any]:
    if start[:2] == b"{L":
        return dict(_ubjson_texts(start, start.find(b"attributes{") + len(b"attributes{")))
    objective = _json_after(end, b'"objective":') or {}
    return {
        **(_json_after(start, b'"attributes":') or {}),
        "objective": objective.get("name"),
    }


def _json_after(data: bytes, key: bytes) -> dict[str, Any] | None:
    """Return the object that follows a key, wherever that stands."""
    at = data.rfind(key) if key == b'"objective":' else data.find(key)
    text = data[at + len(key) :].decode("utf-8", "replace").lstrip() if at >= 0 else ""
    try:
        value = json.JSONDecoder().raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _ubjson_texts(data: bytes, at: int) -> Iterator[tuple[str, str]]:
    """Yield the pairs of texts of an UBJSON object: each length has 8 bytes, as XGBoost writes."""

    def text(at: int) -> tuple[str, int]:
        stop = at + 9 + int.from_bytes(data[at + 1 : at + 9], "big")
        return data[at + 9 : stop].decode("utf-8", "replace"), stop

    while data[at : at + 1] == b"L" and at < len(data):
        key, at = text(at)
        if data[at : at + 1] != b"S":
            return
        value, at = text(at + 1)
        yield key, value


def _lightgbm(start: bytes, end: bytes) -> dict[str, Any]:
    settings = dict(_SETTING.findall(end.decode("utf-8", "replace")))
    metric = settings.pop("metric", "")
    return {"monitor": metric, "config": settings} if metric else {"config": settings}


def _catboost(start: bytes, end: bytes) -> dict[str, Any]:
    """Return the best value of the metric that it watched, on the data that it calls "test"."""
    text = re.sub(r"\s*\n\s*|\\", "", (start + end).decode("utf-8", "replace"))
    watched = re.search(r'"eval_metric":\{(?:"params":\{[^{}]*\},)?"type":"(\w+)', text)
    best = re.search(r'"test_best_error":\[(\{[^{}]*\})', text)
    values = json.loads(best[1]) if best else {}
    said = {"finished": _match(_DATE, text), "best_iteration": _match(_ITERATION, text)}
    if watched and watched[1] in values:
        said |= {"monitor": watched[1], f"val_{watched[1]}": values[watched[1]]}
    return {key: value for key, value in said.items() if value is not None}


def _match(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found[1] if found else None
