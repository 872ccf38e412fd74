"""What can be mended as a plan: a clean-up, and the papers and checksums that are missing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from engine.archives import archive
from engine.archives.manifest import Damaged, checksum_line, checksum_of, manifest_of, read_manifest
from engine.checks.layout import pointer
from engine.checks.subject import Subject
from engine.plans.destinations import Destinations
from engine.plans.new_papers import written
from engine.plans.papers_again import anew
from engine.plans.plan import Action, Plan, writing
from engine.plans.production_papers import logged_epochs, papers
from engine.project import Project
from engine.readers import read
from engine.recognition import identity
from engine.recognition.attribution import Checkpoint, attribute
from engine.recognition.production import in_production
from engine.recognition.runs import Run
from engine.reports.descriptions import for_papers
from log_paths import metric_text


def fixes(subject: Subject) -> Plan:
    """Return the plan that mends what needs no decision of the user's.

    What older conventions built comes first; the rest is planned when that is done.
    """
    if subject.aligning and subject.aligning.changes:
        return replace(subject.aligning, recipe="check")
    tidy = subject.tidying or Plan("check", str(subject.now), ())
    notes: list[str] = []
    writes = (*_documents(subject), *_checksums(subject, notes))
    return replace(
        tidy, recipe="check", actions=(*tidy.actions, *writes), notes=(*tidy.notes, *notes)
    )


def _documents(subject: Subject) -> Iterator[Action]:
    """Yield what writes the metadata and the summary of models that have none."""
    project = subject.project
    to = Destinations(project, subject.inventory.entries)
    for named in in_production(project, subject.inventory):
        there = papers(project, subject.inventory, named)
        if (there.metadata and there.summary) or pointer(project.root / named.path):
            continue
        if there.metadata:
            yield from anew(project, subject.inventory, named)
            continue
        model, why = _read(project, named), "it was in production already"
        rows = logged_epochs(project, model, there.log)
        facts = for_papers(model, "production", model.path, there.log, why, epochs=rows)
        for action in written(to, named, facts):
            if action.document == "metadata" or not there.summary:
                yield action


def _read(project: Project, named: Checkpoint) -> Checkpoint:
    """Return what the file itself tells, under the model type and value that it is known by."""
    path = PurePosixPath(named.path)
    reading = read(project.root / path, path.name) if (project.root / path).is_file() else None
    if reading is None or reading.role != "model":
        return named
    run = Run(str(path.parent), identity.run_key(path.stem), False, (named.path,))
    (told,) = attribute([run], {named.path: reading}, project.conventions)
    exact = told.value if told.metric == named.metric else None
    decimals = project.conventions.metric.decimals
    if exact is None or named.value is None or float(metric_text(exact, decimals)) != named.value:
        exact = named.value
    return replace(
        told,
        model_type=named.model_type,
        metric=named.metric,
        direction=named.direction,
        value=exact,
    )


def _checksums(subject: Subject, notes: list[str]) -> Iterator[Action]:
    """Yield what writes the missing checksum of an archive, which its manifest vouches for."""
    root = subject.project.root
    for target in subject.children(subject.project.folders.archived):
        if not target.endswith(".tar.gz") or (root / checksum_of(target)).exists():
            continue
        try:
            members, _ = read_manifest(root / manifest_of(target))
            sha256 = archive.verify(root / target, members).sha256
        except (Damaged, OSError) as error:
            notes.append(f"{target} gets no checksum: {error}")
            continue
        line = checksum_line(sha256, PurePosixPath(target).name).decode()
        yield writing("text", checksum_of(target), "it was missing", {"text": line})
