"""Rules about files and folders: what must be there, its name, and what belongs beside it."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from engine import layouts, names, plan_text
from engine.archives import catalog
from engine.archives.manifest import checksum_of, manifest_of
from engine.changes.history import JOURNAL, is_run, past_runs
from engine.checks.subject import Subject, Violation
from engine.conventions import InTraining
from engine.layouts import FOLLOWED
from engine.plans.production_papers import papers
from engine.readers import WEIGHTS
from engine.recognition import content, identity, metrics
from engine.recognition.attribution import Checkpoint
from engine.recognition.production import read_metadata

ARCHIVE = re.compile(r"\.(?:tar\.gz|json|sha256|remote)\Z")
POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:.*\n)*?"
    rb"oid sha256:(?P<sha256>[0-9a-f]{64})\nsize (?P<size>[0-9]+)\n"
)
POINTER_LIMIT = 1024  # bytes, by the specification of git-lfs


def folders_exist(subject: Subject) -> Iterator[Violation]:
    """Yield the folders of the layout that are missing, or links inside the project."""
    for key, folder in vars(subject.project.folders).items():
        place = subject.project.root / folder
        is_link = place.is_symlink() and not PurePosixPath(folder).is_absolute()
        if key == "history" or (place.is_dir() and not is_link):
            continue
        at = ("folders", "in_training", key) if key in InTraining._fields else ("folders", key)
        if subject.wants(subject.conventions_path, folder):
            message = f"the folder {folder} is missing; make it, or name another"
            if is_link:
                message = (
                    f"{folder} is a link, and recipes follow none; put a folder there, or name "
                    "one on another disk in .env"
                )
            yield Violation(subject.conventions_path, subject.line_of_key(*at), "layout", message)


def history_is_whole(subject: Subject) -> Iterator[Violation]:
    """Yield each folder with runs of recipes that is not the history, and of which that lacks some.

    The conventions named it once: nobody would find there what waits in quarantine.
    """
    home = subject.project.folders.history
    known = {run.id for run in past_runs(subject.project)}
    journals = (e.path for e in subject.inventory.entries.values() if e.path.endswith(JOURNAL))
    runs = (path.removesuffix(f"/{JOURNAL}") for path in journals)
    lost = [path for path in runs if is_run(Path(path)) and PurePosixPath(path).name not in known]
    for folder in sorted({str(PurePosixPath(path).parent) for path in lost}):
        if subject.wants(folder):
            message = (
                f"holds runs of recipes, and just undo and just purge look for them in {home}; "
                "move them there, or name this folder in [folders].history again"
            )
            yield Violation(folder, 1, "layout", message)


def names_follow_templates(subject: Subject) -> Iterator[Violation]:
    """Yield what lies in the layout under a name that no convention builds."""
    changed = {violation.path for violation in changed_conventions_are_followed(subject)}
    for key, templates in FOLLOWED.items():
        for path in subject.children(getattr(subject.project.folders, key)) if templates else ():
            if subject.wants(path) and path not in changed and not _follows(subject, key, path):
                forms = (getattr(subject.project.conventions.names, name) for name in templates)
                message = f"does not follow {' or '.join(forms)}; rename it"
                yield Violation(path, 1, "name", message)


def changed_conventions_are_followed(subject: Subject) -> Iterator[Violation]:
    """Yield what older conventions built, and what metadata says by them; a folder once."""
    for action in subject.aligning.actions if subject.aligning else ():
        path, target = str(action.src), str(action.dst)
        if action.verb == "move":
            inner = path.removeprefix(f"{action.run}/").partition("/")[2]
            path, target = (p.removesuffix(f"/{inner}") if inner else p for p in (path, target))
        would = f"just cleanup would move it to {target}"
        if action.verb == "skip":
            would = f"it stays: {action.reason}"
        elif path == target:
            would = "just cleanup would correct it"
        if action.verb != "folder" and subject.wants(path):
            yield Violation(path, 1, "changed", f"follows older conventions; {would}")


def model_types_are_known(subject: Subject) -> Iterator[Violation]:
    """Yield models and experiments of a type that conventions.toml named once."""
    rules = subject.project.conventions.project
    former = {t for layout in layouts.former(subject.project) for t in layout.model_types}
    for key in ("production", "active"):
        for path in subject.children(getattr(subject.project.folders, key)):
            name = PurePosixPath(path).name
            of = (parsed(subject, FOLLOWED[key], name, types=former) or {}).get("model_type")
            if name.endswith(".json"):
                continue
            if of in former - {*rules.model_types, *rules.renamed} and subject.wants(path):
                fix = "name it there again, or in [project.renamed] with what it is called now"
                yield Violation(path, 1, "type", f"{of} is no more in [project].model_types; {fix}")


def metrics_are_current(subject: Subject) -> Iterator[Violation]:
    """Yield metadata that tells of a metric which conventions.toml named once."""
    former = [layout.metrics for layout in layouts.former(subject.project)]
    now = layouts.current(subject.project).metrics
    for _, path, _ in models(subject):
        said = read_metadata(subject.project.root / path)
        of = str(said.get("model_type"))
        wanted = now.get(of, now[""])
        known = {
            metrics.plausible(name) or name for old in former for name in (old.get(of, old[""]),)
        }
        if said.get("metric") in known - {metrics.plausible(wanted) or wanted}:
            fix = f"write its {wanted} there, and just cleanup renames it"
            yield Violation(path, 1, "metric", f"tells {said['metric']}, and not {wanted}; {fix}")


def _follows(subject: Subject, key: str, path: str) -> bool:
    name = PurePosixPath(path).name
    if key == "results" and not name.endswith(".md"):
        return True  # figures and tables are called as their authors like
    if key == "archived":
        if not ARCHIVE.search(name):
            return False
        name = ARCHIVE.sub("", name)
    return parsed(subject, FOLLOWED[key], name, exact=True) is not None


def parsed(
    subject: Subject,
    templates: tuple[str, ...],
    name: str,
    *,
    exact: bool = False,
    types: Iterable[str] = (),
) -> dict[str, str] | None:
    """Return the fields of a name by the first template that it follows; None if it does not."""
    rules = subject.project.conventions
    found = (
        names.parse(
            getattr(rules.names, template),
            name,
            model_types=(*rules.project.model_types, *types),
            decimals=rules.metric.decimals if exact else None,
        )
        for template in templates
    )
    return next((fields for fields in found if fields is not None), None)


# --- production models ------------------------------------------------------------------------


def models(subject: Subject) -> Iterator[tuple[str, str, dict[str, str] | None]]:
    """Yield each file of production weights, where its metadata belongs, and its name's fields."""
    for path in subject.children(subject.project.folders.production):
        fields = parsed(subject, FOLLOWED["production"], PurePosixPath(path).name)
        file = subject.project.root / path
        is_model = file.is_file() or (fields is not None and file.is_dir())
        if path.endswith(".json") or file.is_symlink() or not is_model:
            continue
        if fields or path.lower().endswith(WEIGHTS):
            yield path, f"{path.rpartition('/')[0]}/{identity.stem(path)}.json", fields


def models_have_metadata(subject: Subject) -> Iterator[Violation]:
    """Yield production models without metadata, and metadata that describes other bytes."""
    root = subject.project.root
    for path in subject.children(subject.project.folders.production):
        if subject.wants(path) and (root / path).is_symlink() and not (root / path).exists():
            yield Violation(path, 1, "metadata", "is a link that leads nowhere; remove or mend it")
    for path, metadata, _ in models(subject):
        if not subject.wants(path, metadata):
            continue
        if not (root / metadata).exists():
            yield Violation(path, 1, "metadata", f"has none; {metadata} is missing")
        elif problem := _disagreement(root / path, root / metadata):
            yield Violation(metadata, 1, "metadata", f"{problem} of {path}")


def _disagreement(path: Path, metadata: Path) -> str | None:
    said = read_metadata(metadata)
    size, sha256 = said.get("size"), said.get("sha256")
    if not isinstance(sha256, str):
        return "does not tell the sha256"
    pointed = pointer(path)
    if pointed:
        true_sha256, true_size = pointed["sha256"].decode(), int(pointed["size"])
    else:
        true_sha256, true_size = content.fingerprint(path)
    if size is not None and size != true_size:
        return f"tells size {json.dumps(size)}, not the {true_size}"
    return None if sha256.lower() == true_sha256 else f"tells another sha256 than {true_sha256}"


def pointer(path: Path) -> re.Match[bytes] | None:
    """Return what stands for the file in a checkout without git-lfs, if it is that."""
    if path.is_dir():
        return None
    with path.open("rb") as file:
        return POINTER.fullmatch(file.read(POINTER_LIMIT))


def models_have_summaries(subject: Subject) -> Iterator[Violation]:
    """Yield production models that no results summary is about."""
    for path, _, fields in models(subject):
        model = Checkpoint(path, "model", None)
        if not fields or not subject.wants(path):
            continue
        if not papers(subject.project, subject.inventory, model).summary:
            folder = subject.project.folders.results
            yield Violation(path, 1, "summary", f"no results summary in {folder} is about it")


# --- archives, and what lies elsewhere ----------------------------------------------------------


def archives_are_complete(subject: Subject) -> Iterator[Violation]:
    """Yield archives without their manifest or checksum, and either without its archive.

    A clone has manifests and checksums from git, and no archives.
    """
    found = set(subject.children(subject.project.folders.archived))
    stems = {ARCHIVE.sub("", path) for path in found if ARCHIVE.search(path)}
    for target in sorted(f"{stem}.tar.gz" for stem in stems):
        parts = (target, manifest_of(target), checksum_of(target))
        there = [path for path in parts if path in found]
        missing = [path for path in parts if path not in found]
        if missing == [target] and not _was_made_here(subject, target):
            continue
        if missing and there and subject.wants(*there):
            lacking = " and ".join(PurePosixPath(path).name for path in missing)
            yield Violation(there[0], 1, "archive", f"{lacking} should lie beside it")


def _was_made_here(subject: Subject, target: str) -> bool:
    if catalog.mark(subject.project.root, target):
        return False  # it was made, and is at a store now
    if manifest_of(target) not in subject.inventory.tracked:
        return True
    return any(target in run.plan.archives for run in past_runs(subject.project) if not run.undone)


def outputs_lie_in_the_layout(subject: Subject) -> Iterator[Violation]:
    """Yield checkpoints and logs that a clean-up would move.

    What is in use is left out, as a clean-up would, unless git tracks it: then it is not a run's
    that goes on, but one that somebody commits.
    """
    if subject.mess is None or subject.tidying is None:
        return
    mess = subject.mess
    kinds = {path: "log" for path, reading in mess.readings.items() if reading.role == "log"}
    kinds |= {p: "checkpoint" for c in mess.checkpoints for p in mess.files_of(c.path)}
    for action in subject.tidying.actions:
        path = action.src or ""
        if path not in kinds or not subject.wants(path):
            continue
        if action.verb != "skip" or path in mess.inventory.tracked:
            would = plan_text.VERBS[action.verb][0]
            message = f"a {kinds[path]} outside the layout; just cleanup would {would} it"
            yield Violation(path, 1, "outside", f"{message}: {action.reason}")
