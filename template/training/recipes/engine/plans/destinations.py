"""Where things go by convention: paths that nothing has taken yet."""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from functools import cached_property
from itertools import chain, count
from pathlib import PurePosixPath
from typing import Any

from engine import names
from engine.project import Project
from engine.recognition import identity
from engine.recognition.attribution import Checkpoint
from engine.recognition.runs import Run
from log_paths import numbered

UNKNOWN = "unknown"  # the model type in names of runs that no evidence tells it of


class Destinations:
    """Gives each claimant a path of its own: the later of two with one name gets a suffix."""

    def __init__(self, project: Project, taken: Iterable[str]) -> None:
        self.names, self.folders = project.conventions.names, project.folders
        self.decimals = project.conventions.metric.decimals
        self._paths = taken

    @cached_property
    def taken(self) -> set[str]:
        """Return what has a path. Where case does not tell names apart, these would be one file."""
        return {path.casefold() for path in self._paths}

    def production(self, checkpoint: Checkpoint) -> str:
        """Return the path of a production model: with its date if the plain name is taken.

        No other file has the path of its metadata then.
        """
        fields = self._fields(checkpoint)
        folder = self.folders.production
        plain, dated = (names.build(t, **fields) for t in (self.names.production, self.names.model))
        return self._free(f"{folder}/{plain}", f"{folder}/{dated}", beside=_metadata)

    def beside_production(self, target: str) -> str:
        """Return the path of the metadata of a production model."""
        return _metadata(target)[0]

    def canonical_log(self, checkpoint: Checkpoint) -> str:
        """Return the path of the log of a production model."""
        name = names.build(self.names.canonical_log, **self._fields(checkpoint))
        return self._free(f"{self.folders.logs}/{name}")

    def summary(self, checkpoint: Checkpoint) -> str:
        """Return the path of the results summary of a production model; its curve's is free too."""
        name = names.build(self.names.summary, **self._fields(checkpoint))
        return self._free(f"{self.folders.results}/{name}", beside=lambda p: (curve_beside(p),))

    def training_log(self, model_type: str, when: datetime) -> str:
        """Return the path of the log of a training of which nothing else is known."""
        name = names.build(
            self.names.training_log, model_type=model_type, date=when.date(), time=when.time()
        )
        return self._free(f"{self.folders.logs}/{name}")

    def pretrained(self, path: str) -> str:
        """Return the path of published weights, which keep their name."""
        return self._free(f"{self.folders.pretrained}/{PurePosixPath(path).name}")

    def old_logs(self, before: date) -> str:
        """Return the path of the archive of logs from before a day."""
        name = names.build(self.names.old_logs, date=before)
        return self._free(f"{self.folders.archived}/{name}.tar.gz", beside=_of_archive)

    def report(self, day: date) -> str:
        """Return the path of the report of a clean-up."""
        name = names.build(self.names.cleanup_report, date=day)
        return self._free(f"{self.folders.results}/{name}")

    def archive(self, run: Run, leader: Checkpoint | None) -> str:
        """Return the path of the archive of a run; one of the same name gets its time."""
        plain = f"{self.folders.archived}/{self._experiment(run, leader)}.tar.gz"
        if leader is None or leader.date is None or not leader.dated_to_second:
            return self._free(plain, beside=_of_archive)
        timed = self._experiment(run, leader, f"{leader.date:%H%M%S}")
        return self._free(plain, f"{self.folders.archived}/{timed}.tar.gz", beside=_of_archive)

    def packed(self, name: str) -> str | None:
        """Return the path of the archive of an experiment folder; None if something is there."""
        path = f"{self.folders.archived}/{name}.tar.gz"
        claimed = {each.casefold() for each in (path, *_of_archive(path))}
        free = not claimed & self.taken
        self.taken |= claimed
        return path if free else None

    def superseded(self, model: Checkpoint) -> str:
        """Return the path of the archive of a model that was in production."""
        model_type = model.model_type or UNKNOWN
        words = identity.stem(model.path).removeprefix(model_type)
        name = names.build(
            self.names.experiment,
            date=model.date.date() if model.date else None,
            model_type=model_type,
            experiment_name=names.slugify(f"{words}_superseded"),
        )
        return self._free(f"{self.folders.archived}/{name}.tar.gz", beside=_of_archive)

    def active(self, run: Run, leader: Checkpoint | None) -> str:
        """Return the folder of a run that stays active."""
        return self._free(f"{self.folders.active}/{self._experiment(run, leader)}")

    def inside(self, folder: str, name: str) -> str:
        """Return the path of a file in a folder that was given to its run."""
        return self._free(f"{folder}/{name}")

    def _experiment(self, run: Run, leader: Checkpoint | None, suffix: str = "") -> str:
        model_type = leader.model_type if leader else None
        plain = run.key if identity.is_counter(run.key) else identity.without_values(run.key)
        words = names.slugify("_".join(plain))
        if model_type and f"{words}_".startswith(f"{model_type}_"):
            words = words.removeprefix(model_type)
        return names.build(
            self.names.experiment,
            date=leader.date.date() if leader and leader.date else None,
            model_type=model_type or UNKNOWN,
            experiment_name=names.slugify(f"{words}_{suffix}"),
        )

    def _fields(self, checkpoint: Checkpoint) -> dict[str, Any]:
        name, is_folder = (
            PurePosixPath(checkpoint.path).name,
            checkpoint.format.startswith("folder"),
        )
        # JSON in the production folder is metadata: a booster's is called .model, as is usual, too.
        extension = name.removeprefix(identity.stem(name)).lstrip(".")
        return {
            "model_type": checkpoint.model_type or UNKNOWN,
            "metric": checkpoint.value,
            "date": checkpoint.date.date() if checkpoint.date else None,
            "ext": "" if is_folder else "model" if extension == "json" else extension,
            "decimals": self.decimals,
        }

    def _free(self, *wanted: str, beside: Callable[[str], tuple[str, ...]] = lambda _: ()) -> str:
        """Return the first path that nothing has: as wanted, else the first one numbered.

        `beside` gives the paths of files that are written with it, and need to be free as well.
        """
        folder, _, name = wanted[0].rpartition("/")
        numbers = (f"{folder}/{numbered(name, number)}" for number in count(2))
        claims = (
            (path, {each.casefold() for each in (path, *beside(path))})
            for path in chain(wanted, numbers)
        )
        free, claimed = next(claim for claim in claims if not claim[1] & self.taken)
        self.taken |= claimed
        return free


def curve_beside(summary: str) -> str:
    """Return the path of the picture in a results summary."""
    return summary.removesuffix(".md") + ".svg"


def _metadata(target: str) -> tuple[str, ...]:
    folder, _, name = target.rpartition("/")
    return (f"{folder}/{identity.stem(name)}.json",)


def _of_archive(target: str) -> tuple[str, ...]:
    return tuple(target.removesuffix(".tar.gz") + suffix for suffix in (".json", ".sha256"))
