"""The texts that a clean-up leaves behind: metadata, results summary and report. Pure functions."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from engine.plan import Action, Document, Plan
from engine.show import safe

Facts = Mapping[str, Any]
UNKNOWN = "unknown"
CURVE_ROWS = 200  # a longer curve is thinned in the table; the log has every row


def render(document: Document, facts: Facts, plan: Plan, context: Facts) -> bytes:
    """Return the text of a document as UTF-8.

    `facts` are the document's own, `context` holds the run's id, what was left and why, and the
    hashes of the originals.
    """
    texts = {"metadata": _metadata, "summary": _summary, "report": _report, "text": _text}
    return texts[document](facts, plan, context).encode("utf-8", "backslashreplace")


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
        **{name: known.get(name) for name in ("parameters", "task", "dataset", "classes", "seed")},
        "config": {name: _for_json(value) for name, value in facts["config"].items()},
        "evidence": facts["evidence"],
        "supersedes": facts.get("supersedes", []),
        "run": context["run"],
    }
    return json.dumps(content, indent=2, default=str, allow_nan=False) + "\n"


def _for_json(value: object) -> object:
    """Return NaN and infinities as text: JSON has no numbers for them."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


# --- results summary ----------------------------------------------------------------------------


def _summary(facts: Facts, plan: Plan, context: Facts) -> str:
    import yaml  # 8 ms that only this needs

    parts = [
        f"---\n{yaml.safe_dump(_card(facts), sort_keys=False, allow_unicode=True)}---\n",
        f"# {facts['name']}\n",
        _lead(facts),
        "## Evidence\n",
        _table(("fact", "value", "read in", "at", "used"), _evidence_rows(facts)),
        "## Training parameters\n",
        _table(("parameter", "value"), _parameter_rows(facts)),
        "## Epochs\n",
        _epochs(facts),
        "## Compared with\n",
        _table(("checkpoint", facts["metric"] or "metric"), _compared_rows(facts)),
        "## How to reproduce\n",
        _reproduce(facts),
    ]
    return "\n".join(parts)


def _card(facts: Facts) -> dict[str, Any]:
    """Return the front matter of a Hugging Face model card.

    https://github.com/huggingface/hub-docs/blob/main/modelcard.md?plain=1
    """
    known = facts["facts"]
    task, dataset = (_said(known, fact) for fact in ("task", "dataset"))
    result: dict[str, Any] = {
        "task": {"type": task, "name": task},
        "dataset": {"type": dataset, "name": dataset},
    }
    if facts["value"] is not None:
        result["metrics"] = [
            {"type": facts["metric"], "value": facts["value"], "name": facts["metric"]}
        ]
    card: dict[str, Any] = {"model_name": facts["name"]}
    if "metrics" in result:
        card["model-index"] = [{"name": facts["name"], "results": [result]}]
    return card


def _said(known: Facts, fact: str) -> str:
    return str(known.get(fact) or known.get(f"{fact} in log") or UNKNOWN)


def _lead(facts: Facts) -> str:
    value = UNKNOWN if facts["value"] is None else f"{facts['value']:.6g}"
    epoch = "" if facts["epoch"] is None else f" at epoch {facts['epoch']} (as the log counts)"
    lines = [
        f"{_code(facts['production'])} ({facts['size']:,} bytes, sha256 `{facts['sha256']}`)",
        "",
        f"- model type: {facts['model_type'] or UNKNOWN}",
        f"- {facts['metric'] or 'metric'}: **{value}**{epoch}",
        f"- trained: {facts['date'] or UNKNOWN}",
        f"- chosen because: {_line(facts['reason'])}",
        f"- it was {_code(facts['path'])}",
        f"- log: {_code(facts['log']) if facts['log'] else UNKNOWN}",
        *(
            f"- supersedes: {_code(old['path'])} ({_number(old['value'])}), now in "
            f"{_code(old['archive'])}"
            for old in facts.get("supersedes", ())
        ),
    ]
    return "\n".join(lines) + "\n"


def _evidence_rows(facts: Facts) -> Iterator[tuple[str, ...]]:
    for line in facts["evidence"]:
        used = "yes" if line["used"] else "no, disagrees"
        yield line["fact"], line["value"], line["path"], line["where"], used


def _parameter_rows(facts: Facts) -> Iterator[tuple[str, ...]]:
    yield from ((name, str(value)) for name, value in facts["facts"].items())
    yield from ((name, str(value)) for name, value in facts["config"].items())


def _compared_rows(facts: Facts) -> Iterator[tuple[str, ...]]:
    for other in facts["compared"]:
        yield other["path"], UNKNOWN if other["value"] is None else f"{other['value']:.6g}"


def _epochs(facts: Facts) -> str:
    rows = facts["epochs"]
    if not rows:
        return "No row of an epoch was found.\n"
    names = list(dict.fromkeys(name for row in rows for name in row))
    step = -(-len(rows) // CURVE_ROWS)
    shown = [row for number, row in enumerate(rows) if number % step == 0]
    note = f"Every {step}th of {len(rows)} rows; the log has all.\n\n" if step > 1 else ""
    cells = (tuple(_number(row.get(name)) for name in names) for row in shown)
    return note + _table(tuple(names), cells)


def _number(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)


def _reproduce(facts: Facts) -> str:
    known = facts["facts"]
    commit = re.fullmatch("[0-9a-f]{7,64}", str(known.get("git_commit")))
    lines = [
        f"1. `git checkout {commit[0]}`" if commit else "1. The git commit of the run is unknown.",
        "2. Install the packages that the run had (see `REPRODUCIBILITY.md`).",
        f"3. Train with the parameters above, seed {_line(known.get('seed', UNKNOWN))}.",
        f"4. Compare with {facts['metric'] or 'the metric'}"
        f" {UNKNOWN if facts['value'] is None else format(facts['value'], '.6g')}"
        f" and with the curve in {_code(facts['log']) if facts['log'] else 'the log'}.",
        "",
        "What is called unknown here was found in no file of the run.",
    ]
    return "\n".join(lines) + "\n"


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
        _table(("file", "role", "metric", "value", "evidence"), _decision_rows(plan)),
        "## Account of every original file\n",
        _table(("file", "bytes", "what", "its bytes are now in", "why"), rows),
        "## Sums\n",
        _table(("", "files", "bytes"), _sum_rows(done, len(actions), total, left, actions)),
    ]
    if left:
        parts += ["## Left alone\n", _table(("file", "why"), left.items())]
    if plan.notes:
        parts += ["## Notes\n", "\n".join(f"- {_line(note)}" for note in plan.notes) + "\n"]
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


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines) + "\n"


def _cell(text: object) -> str:
    """Return text that cannot leave its cell, whatever a file is called."""
    return _line(text).replace("|", "\\|").replace("`", "'")


def _line(text: object) -> str:
    """Return text in which nothing but code spans is markup, on one line."""
    shown = safe(str(text)).replace("\\", "\\\\")
    return shown.replace("<", "&lt;").replace("[", "\\[")


def _code(path: object) -> str:
    return f"`{safe(str(path)).replace('`', chr(39))}`"
