"""What can be mended as a plan: a clean-up, and the papers and checksums that are missing."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from engine.archives import archive
from engine.checks.layout import pointer
from engine.checks.subject import Subject
from engine.plans.destinations import Destinations
from engine.plans.plan import Action, Document, Plan
from engine.plans.production_papers import papers
from engine.project import Project
from engine.readers import read
from engine.recognition import identity
from engine.recognition.attribution import Checkpoint, attribute
from engine.recognition.findings import in_production
from engine.recognition.runs import Run
from engine.reports.descriptions import describe


def fixes(subject: Subject) -> Plan:
    """Return the plan that mends what needs no decision of the user's."""
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
        model = _read(project, named)
        facts = describe(model, "production") | {
            "production": model.path,
            "log": there.log,
            "reason": "it was in production already",
            "name": identity.stem(model.path),
            "compared": [],
            "config": dict(model.config),
            "facts": dict(model.facts),
            "epochs": [],
        }
        if not there.metadata:
            yield _write("metadata", to.beside_production(model.path), facts)
        if not there.summary:
            yield _write("summary", to.summary(named), facts)


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
    if exact is None or named.value is None or round(exact, decimals) != named.value:
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
        if not target.endswith(".tar.gz") or (root / archive.checksum_of(target)).exists():
            continue
        try:
            members, _ = archive.read_manifest(root / archive.manifest_of(target))
            sha256 = archive.verify(root / target, members).sha256
        except (archive.Damaged, OSError) as error:
            notes.append(f"{target} gets no checksum: {error}")
            continue
        line = archive.checksum_line(sha256, PurePosixPath(target).name).decode()
        yield _write("text", archive.checksum_of(target), {"text": line})


def _write(document: Document, target: str, facts: Mapping[str, Any]) -> Action:
    reason = "it was missing"
    return Action("write", None, target, 0, reason, "documents", document=document, facts=facts)
