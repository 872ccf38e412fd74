"""The papers of a model that comes into production, or that has lost some. Pure."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from engine.plans.destinations import Destinations, curve_beside
from engine.plans.plan import Action, writing
from engine.recognition.attribution import Checkpoint
from engine.reports import model_card


def written(to: Destinations, model: Checkpoint, facts: Mapping[str, Any]) -> Iterator[Action]:
    """Yield what writes metadata, summary and curve of a model, from `descriptions.for_papers`."""
    target, summary = facts["production"], to.summary(model)
    short = {name: value for name, value in facts.items() if name != "epochs"}
    yield writing("metadata", to.beside_production(target), f"metadata of {target}", short)
    curve, drawn = curve_beside(summary), model_card.curve(facts)
    if drawn:
        of = {"text": drawn, "production": target}
        yield writing("text", curve, f"curve of {target}", of)
    named = {"curve": PurePosixPath(curve).name if drawn else None}
    yield writing("summary", summary, f"summary of {target}", {**facts, **named})
