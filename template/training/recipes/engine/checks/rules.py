"""The table of the rules of `just check`: one function each, which yields what breaks it."""

from collections.abc import Callable, Iterator

from engine.checks import layout, references, settings
from engine.checks.subject import Subject, Violation

RULES: tuple[Callable[[Subject], Iterator[Violation]], ...] = (
    settings.folders_agree,
    settings.helper_is_in_step,
    layout.folders_exist,
    layout.history_is_whole,
    layout.names_follow_templates,
    layout.changed_conventions_are_followed,
    layout.model_types_are_known,
    layout.metrics_are_current,
    layout.models_have_metadata,
    layout.models_have_summaries,
    layout.archives_are_complete,
    layout.outputs_lie_in_the_layout,
    references.source_names_no_stray_path,
)


def violations(subject: Subject) -> tuple[Violation, ...]:
    """Return all that breaks a rule, sorted by place."""
    return tuple(sorted({found for rule in RULES for found in rule(subject)}))
