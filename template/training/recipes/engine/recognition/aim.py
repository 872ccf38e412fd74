"""By which metric the checkpoints of a run are judged."""

from collections.abc import Iterable
from typing import NamedTuple

from engine.conventions import MetricOfType, MetricTable
from engine.names import slugify
from engine.recognition import identity, metrics
from engine.recognition.evidence import Measurement, Reading


class Aim(NamedTuple):
    """By which metrics a run's checkpoints are judged: the user's, then that which the run kept."""

    metric: str
    direction: str | None
    monitors: tuple[str, ...]  # canonical names
    judge: str | None  # by which alone the run's files tell a best
    noted: str | None  # the direction that the run's files tell, of its monitor
    kept_by: str | None = None  # the metric's name in that of a checkpoint, "best_val_loss"
    # Those in the names of the run's other bests; None is in it for one that names none.
    taken: frozenset[str | None] = frozenset()

    @classmethod
    def of(cls, rule: MetricTable | MetricOfType, told: Iterable[Reading]) -> "Aim":
        """Return the aim for a run whose files tell this."""
        readings = list(told)
        noted = [note for reading in readings for note in reading.notes]
        said = [metrics.plausible(n.value) for n in noted if n.fact == "monitor"]
        directions = (n.value for n in noted if n.fact == "direction")
        name = metrics.plausible(rule.name) or slugify(rule.name)
        monitors = tuple(dict.fromkeys(filter(None, said)))
        bests = (m.name for r in readings for m in r.measurements if m.kind == "best")
        judges = {metrics.canonical(name) for name in bests if metrics.split(name) != "train"}
        judge = judges.pop() if len(judges) == 1 else None
        return cls(name, rule.direction, monitors, judge, next(directions, None))

    def among(self, path: str, bests: Iterable[str | None]) -> "Aim":
        """Return the aim for one checkpoint: a run may keep a best by each of several metrics."""
        taken = frozenset(metrics.plausible(judge or "") for judge in bests)
        return self._replace(kept_by=identity.judged_by(identity.stem(path)), taken=taken)

    def is_judge(self, m: Measurement) -> bool:
        """Return whether the checkpoint may have been kept by this metric."""
        metric, split = metrics.plausible(m.name), metrics.split(m.name)
        if self.kept_by is None:
            return metric not in self.taken
        said = metrics.split(self.kept_by)
        is_of_split = split in (said, None) if said else split != "train"
        return is_of_split and metric == metrics.plausible(self.kept_by)

    def asks_for(self, m: Measurement) -> bool:
        """Return whether the user, the run or the checkpoint's name asks for this very metric."""
        asked = (self.metric, *self.monitors, metrics.plausible(self.kept_by or ""))
        return metrics.plausible(m.name) in asked

    def direction_of(self, metric: str) -> str | None:
        """Return whether more or less of a metric is better: as the user says, else as is known."""
        if metric == self.metric:
            return self.direction
        told = self.noted if metric in self.monitors[:1] or not self.monitors else None
        return metrics.direction(metric) or told
