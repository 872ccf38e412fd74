"""The results summary of a model, as a Hugging Face model card. Pure functions."""

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from engine.reports.additions import BEGIN, END
from engine.reports.curves import ways
from engine.reports.markdown import code, line, table
from engine.reports.picture import picture

Facts = Mapping[str, Any]
UNKNOWN = "unknown"
CURVE_ROWS = 200  # a longer curve is thinned in the table; the log has every row
PICTURE_POINTS = 280  # of a curve: one in two units of its width
# What a config.yaml notes at the start; the rest of it are parameters.
ENVIRONMENT = tuple(
    "git_commit git_dirty python interpreter host system cpu cpus memory_gb gpus".split()
)
DATA = ("dataset", "task", "classes")
PIN = re.compile(r"[\w.-]+==[\w.!+-]+", re.ASCII)
YOURS = f"""{BEGIN}: kept, as are sections and entries of the card that you add -->

What the model is meant for, and what it is not; what is known of its data; what you learned.

{END}
"""


def summary(facts: Facts) -> str:
    """Return the summary as Markdown; what no file of the run tells is called unknown."""
    import yaml  # 8 ms that only this needs

    parts = [
        f"---\n{yaml.safe_dump(_card(facts), sort_keys=False, allow_unicode=True)}---\n",
        f"# {facts['name']}\n",
        _lead(facts),
        "## Notes\n",
        YOURS,
        "## Evidence\n",
        table(("fact", "value", "read in", "at", "used"), _evidence_rows(facts)),
        "## Training parameters\n",
        table(("parameter", "value"), _parameter_rows(facts)),
        "## Data\n",
        table(("fact", "value"), ((fact, _said(facts, fact)) for fact in DATA)),
        "## Epochs\n",
        _picture(facts.get("curve"), facts["metric"]),
        _epochs(facts),
        "## Compared with\n",
        table(("checkpoint", facts["metric"] or "metric"), _compared_rows(facts)),
        "## Environment\n",
        table(("fact", "value"), ((fact, _said(facts, fact)) for fact in ENVIRONMENT)),
        "## How to reproduce\n",
        _reproduce(facts),
        "## Known limits\n",
        "\n".join(f"- {limit}" for limit in _limits(facts)) + "\n",
    ]
    return "\n".join(parts)


def commit(facts: Facts) -> str | None:
    """Return the git commit that the run began at, if what is noted can be one."""
    found = re.fullmatch("[0-9a-f]{7,64}", _said(facts, "git_commit"))
    return found[0] if found else None


def _card(facts: Facts) -> dict[str, Any]:
    """Return the front matter of a Hugging Face model card.

    https://github.com/huggingface/hub-docs/blob/main/modelcard.md?plain=1
    """
    task, dataset = (_said(facts, fact) for fact in ("task", "dataset"))
    result: dict[str, Any] = {
        "task": {"type": task, "name": task},
        "dataset": {"type": dataset, "name": dataset},
    }
    card: dict[str, Any] = {"model_name": facts["name"]}
    if facts["value"] is not None:
        metric = {"type": facts["metric"], "value": facts["value"], "name": facts["metric"]}
        card["model-index"] = [
            {"name": facts["name"], "results": [{**result, "metrics": [metric]}]}
        ]
    return card


def _said(facts: Facts, fact: str) -> str:
    """Return what the evidence says of a fact, else the log, else the settings of the run."""
    known, config = facts["facts"], facts["config"]
    told = (known.get(fact), known.get(f"{fact} in log"), config.get(fact))
    return str(next((value for value in told if value not in (None, "")), UNKNOWN))


def _lead(facts: Facts) -> str:
    epoch = "" if facts["epoch"] is None else f" at epoch {facts['epoch']} (as the log counts)"
    parent = facts["config"].get("parent")
    lines = [
        f"{code(facts['production'])} ({facts['size']:,} bytes, sha256 `{facts['sha256']}`)",
        "",
        f"- model type: {facts['model_type'] or UNKNOWN}",
        f"- {facts['metric'] or 'metric'}: **{_value(facts)}**{epoch}",
        f"- trained: {facts['date'] or UNKNOWN}",
        f"- chosen because: {line(facts['reason'])}",
        f"- it was {code(facts['path'])}",
        f"- log: {code(facts['log']) if facts['log'] else UNKNOWN}",
        *([f"- parent experiment: {line(parent)}"] if parent else []),
        *(
            f"- supersedes: {code(old['path'])} ({_number(old['value'])}), now in "
            f"{code(old['archive'])}"
            for old in facts.get("supersedes", ())
        ),
    ]
    return "\n".join(lines) + "\n"


def _value(facts: Facts) -> str:
    return UNKNOWN if facts["value"] is None else f"{facts['value']:.6g}"


def _number(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)


def _evidence_rows(facts: Facts) -> Iterator[tuple[str, ...]]:
    for found in facts["evidence"]:
        used = "yes" if found["used"] else "no, disagrees"
        yield found["fact"], found["value"], found["path"], found["where"], used


def _parameter_rows(facts: Facts) -> Iterator[tuple[str, ...]]:
    known = {**facts["config"], **facts["facts"]}
    elsewhere = {*ENVIRONMENT, *DATA, "command", "parent", "packages"}
    yield from ((n, str(v)) for n, v in known.items() if n not in elsewhere and v is not None)


def _compared_rows(facts: Facts) -> Iterator[tuple[str, ...]]:
    for other in facts["compared"]:
        yield other["path"], UNKNOWN if other["value"] is None else f"{other['value']:.6g}"


# --- epochs ---------------------------------------------------------------------------------------


def _epochs(facts: Facts) -> str:
    rows = facts["epochs"]
    if not rows:
        return "No row of an epoch was found.\n"
    names = list(dict.fromkeys(name for row in rows for name in row))
    step = -(-len(rows) // CURVE_ROWS)
    shown = [row for number, row in enumerate(rows) if number % step == 0]
    every = f"Every {_ordinal(step)} of {len(rows)} rows"
    note = f"{every}; the log has all.\n\n" if step > 1 else ""
    cells = (tuple(_number(row.get(name)) for name in names) for row in shown)
    return note + table(tuple(names), cells)


def _ordinal(number: int) -> str:
    is_teen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if is_teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def curve(facts: Facts) -> str | None:
    """Return the picture of the training's curves as SVG; None if no curve is known."""
    rows = facts["epochs"]
    ends = [row["epoch"] for row in rows[:1] + rows[-1:]]
    found = ways(facts["metric"], rows, PICTURE_POINTS)
    return picture(facts["name"], found, facts["direction"], ends)


def _picture(file: str | None, metric: object) -> str:
    return f"![{line(metric)} by epoch]({quote(file)})\n" if file else ""


# --- how to reproduce, known limits ---------------------------------------------------------------


def _reproduce(facts: Facts) -> str:
    found, seed, command = commit(facts), _said(facts, "seed"), _command(facts)
    python, packages = re.fullmatch(r"3\.\d+(?:\.\d+)?", _said(facts, "python")), _packages(facts)
    install = ["uv pip install --requirements - <<PACKAGES", *packages, "PACKAGES"]
    commands = [
        f"git checkout {found}" if found else "",
        f"uv venv --python {python[0]}" if python else "",
        *(install if packages else ()),
        command or "",
    ]
    known = f"the {len(packages)} packages" if packages else "the packages, unknown here,"
    block = "\n".join(filter(None, commands))
    lines = [
        f"1. `git checkout {found}`" if found else "1. The git commit of the run is unknown.",
        f"2. Install {known} that the run had (see `REPRODUCIBILITY.md`).",
        f"3. Train with {'the command' if command else 'the parameters above'}, seed {line(seed)}.",
        f"4. Compare with {facts['metric'] or 'the metric'} {_value(facts)}"
        f" and with the curve in {code(facts['log']) if facts['log'] else 'the log'}.",
        "",
        *(["```sh", block, "```", ""] if block else []),
        "What is called unknown here was found in no file of the run.",
    ]
    return "\n".join(lines) + "\n"


def _packages(facts: Facts) -> list[str]:
    """Return the packages of the run, each pinned as `name==version`; others are left out."""
    listed = str(facts["facts"].get("packages") or "").split()
    return [package for package in listed if PIN.fullmatch(package)]


def _command(facts: Facts) -> str | None:
    """Return the command of the run, each word quoted, so that it can be nothing but words."""
    said, model_type = facts["config"].get("command"), facts["model_type"]
    try:
        words = shlex.split(said) if isinstance(said, str) else []
    except ValueError:
        return None
    if not words or not model_type or not str(said).isprintable():
        return None
    seed = re.fullmatch(r"\d+", _said(facts, "seed"))
    noted = ["--seed", seed[0]] if seed else []
    return shlex.join(["just", "train", model_type, *noted, "--", *words])


def _limits(facts: Facts) -> Iterator[str]:
    """Yield what a reviewer should know before trusting the value."""
    metric = facts["metric"] or "metric"
    used = [found for found in facts["evidence"] if found["fact"] == "metric" and found["used"]]
    if facts["value"] is None:
        yield f"How good it is was found in no file: the {metric} is unknown."
    elif not any("test" in str(found["value"]).split(" ")[0].lower() for found in used):
        yield (
            f"The {metric} is not known to come from a test set: a model that was chosen by it may "
            "look better than it is."
        )
    if any(not found["used"] for found in facts["evidence"]):
        yield "Files disagree about it; see the lines of the evidence that were not used."
    if commit(facts) is None:
        yield "The code that trained it is unknown."
    elif _said(facts, "git_dirty") == "True":
        yield "The code had changes that are in no commit."
    for fact in ("seed", "dataset"):
        if _said(facts, fact) == UNKNOWN:
            yield f"The {fact} is unknown."
    yield "It is one training; how much another seed would differ is not known."
