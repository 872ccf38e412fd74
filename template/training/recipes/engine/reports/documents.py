"""The texts that a run leaves behind: metadata, results summary and report. Pure functions."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from engine.plans.plan import Action, Document, Plan
from engine.recognition import identity
from engine.reports import model_card
from engine.reports.markdown import line, table

Facts = Mapping[str, Any]
UNKNOWN = "unknown"
LISTS = ("evidence", "supersedes", "compared")
FACTS = ("parameters", "task", "dataset", "classes", "seed")  # each a line of the metadata


def render(document: Document, facts: Facts, plan: Plan, context: Facts) -> bytes:
    """Return the text of a document as UTF-8.

    `facts` are the document's own, `context` holds the run's id, what was left and why, and the
    hashes of the originals.
    """
    texts = {"metadata": _metadata, "summary": _summary, "report": _report, "text": _text}
    return texts[document](facts, plan, context).encode("utf-8", "backslashreplace")


def _summary(facts: Facts, plan: Plan, context: Facts) -> str:
    return model_card.summary(facts)


def _text(facts: Facts, plan: Plan, context: Facts) -> str:
    return str(facts["text"])


def _metadata(facts: Facts, plan: Plan, context: Facts) -> str:
    known = facts["facts"]
    content = {
        "model_type": facts["model_type"],
        "metric": facts["metric"],
        "value": facts["value"],
        "direction": facts["direction"],
        "epoch": facts["epoch"],
        "date": facts["date"],
        "sha256": facts["sha256"],
        "size": facts["size"],
        "format": facts["format"],
        "source": facts["path"],
        "chosen_because": facts["reason"],
        "log": facts["log"],
        **{name: known.get(name) for name in FACTS},
        "git_commit": model_card.commit(facts),
        "config": {name: _for_json(value) for name, value in facts["config"].items()},
        "evidence": facts["evidence"],
        "supersedes": facts["supersedes"],
        "compared": [{"path": c["path"], "value": c["value"]} for c in facts["compared"]],
        "facts": {name: value for name, value in known.items() if name not in FACTS},
        "run": context["run"],
    }
    return json.dumps(content, indent=2, default=str, allow_nan=False) + "\n"


def facts_of(metadata: Facts, production: str) -> dict[str, Any]:
    """Return what a summary is written from, as metadata tells it: all but log, epochs, curve."""
    texts = ("model_type", "metric", "direction", "date", "sha256", "format")
    known = {name: _told(metadata, name, str) for name in texts}
    facts = _told(metadata, "facts", dict) or {}
    said = {name: metadata[name] for name in (*FACTS, "git_commit") if metadata.get(name)}
    return {
        **known,
        "value": _told(metadata, "value", float, int),
        "epoch": _told(metadata, "epoch", int),
        "size": _told(metadata, "size", int) or 0,
        "path": _told(metadata, "source", str) or production,
        "reason": _told(metadata, "chosen_because", str) or UNKNOWN,
        "production": production,
        "name": identity.stem(production),
        "config": _told(metadata, "config", dict) or {},
        "facts": {**facts, **said},
        **{name: _told(metadata, name, list) or [] for name in LISTS},
    }


def _told(metadata: Facts, name: str, *kinds: type) -> Any:
    found = metadata.get(name)
    return found if isinstance(found, kinds) and not isinstance(found, bool) else None


def _for_json(value: object) -> object:
    """Return NaN and infinities as text: JSON has no numbers for them."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


# --- report of a clean-up -----------------------------------------------------------------------


def _report(facts: Facts, plan: Plan, context: Facts) -> str:
    actions = [a for a in plan.actions if a.verb != "write"]
    left = context["left"]
    done = [a for a in actions if a.src not in left]
    by_path = {str(action.src): action for action in done}
    rows = [_account_row(action, by_path) for action in done]
    total = sum(action.bytes for action in actions)
    parts = [
        f"# Clean-up of {facts['day']}\n",
        f"Run `{context['run']}`. `just undo {context['run']}` takes it back.\n",
        "## Decisions\n",
        table(("file", "role", "metric", "value", "evidence"), _decision_rows(plan)),
        "## Account of every original file\n",
        table(("file", "bytes", "what", "its bytes are now in", "why"), rows),
        "## Sums\n",
        table(("", "files", "bytes"), _sum_rows(done, len(actions), total, left, actions)),
    ]
    if left:
        parts += ["## Left alone\n", table(("file", "why"), left.items())]
    if plan.notes:
        parts += ["## Notes\n", "\n".join(f"- {line(note)}" for note in plan.notes) + "\n"]
    return "\n".join(parts)


def _decision_rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    for checkpoint in plan.checkpoints:
        value = UNKNOWN if checkpoint["value"] is None else f"{checkpoint['value']:.6g}"
        said = [e for e in checkpoint["evidence"] if e["fact"] == "metric" and e["used"]]
        evidence = "; ".join(f"{e['path']}: {e['where']}" for e in said)
        yield checkpoint["path"], checkpoint["role"], checkpoint["metric"] or "", value, evidence


def _account_row(action: Action, by_path: Mapping[str, Action]) -> tuple[str, ...]:
    path = str(action.src)
    return path, f"{action.bytes:,}", action.verb, _place(path, by_path), action.reason


def _place(path: str, by_path: Mapping[str, Action]) -> str:
    """Return where the bytes of an original file are now."""
    action = by_path.get(path)
    if action is None:
        return path
    if action.verb == "delete":
        return "quarantine until purged, then deleted as asked"
    if action.verb == "drop":
        return f"{_place(str(action.dst), by_path)} (same bytes)"
    return f"{action.dst}, {path}" if action.verb == "pack" else str(action.dst)


def _sum_rows(
    done: list[Action], files: int, total: int, left: Facts, actions: list[Action]
) -> Iterator[tuple[str, ...]]:
    for verb in ("move", "pack", "drop", "delete"):
        some = [action for action in done if action.verb == verb]
        yield verb, f"{len(some):,}", f"{sum(a.bytes for a in some):,}"
    some = [action for action in actions if action.src in left]
    yield "left alone", f"{len(some):,}", f"{sum(a.bytes for a in some):,}"
    yield "all", f"{files:,}", f"{total:,}"
