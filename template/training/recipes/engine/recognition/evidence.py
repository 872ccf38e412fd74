"""What readers report: facts, each with the place where it was read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

Scalar = str | int | float | bool | None

FileRole = Literal["model", "training_state", "results", "log", "config", "data", "unreadable"]

MeasurementKind = Literal["own", "best", "final", "epoch", "saved"]


class Measurement(NamedTuple):
    """One metric value, and what in the file it is said of.

    `kind` is `own` (of the very file that it was read from: a key inside the checkpoint, or its
    name), `best` or `final` (of the whole run), `epoch` (of one epoch of the run) or `saved` (of
    a checkpoint at the moment it was written).
    """

    name: str  # as written there: "val_auc", "Val AUC"
    value: float  # as written there (91.2% is 0.912); may be NaN (what is no number is) or infinite
    where: str  # "key val_auc", "key history.val_auc[3]", "line 812", "file name"
    kind: MeasurementKind
    epoch: int | None = None  # as written there; counting from 0 or 1 is not normalised
    step: int | None = None
    checkpoint: str | None = None  # file name of the checkpoint, where the line or key names it
    time: datetime | None = None  # of the line, without a zone
    session: int = 0  # which of the runs that were appended to one log, from 0
    digits: int | None = None  # decimals as written, None for a full-precision number
    is_counted: bool = False  # its epoch is its place in a list or table that names none, from 0


class Noted(NamedTuple):
    """A fact other than a metric.

    `fact` is one of `model_type`, `task`, `dataset`, `classes`, `parameters`, `seed`, `direction`,
    `started`, `finished`, `git_commit`, `monitor` (the metric by which the run kept its best),
    `epoch`, `step` (at which this checkpoint was written), `weights` (the same of equal ones),
    `names` (a checkpoint that lies beside it). Dates are `datetime` texts in ISO form.
    """

    fact: str
    value: str
    where: str
    session: int = 0


@dataclass(frozen=True)
class Reading:
    """What one reader found in one file. A reader never raises on bad input: see `problem`."""

    format: str  # "torch zip", "torch legacy", "safetensors", "HDF5", "result JSON", "training log"
    role: FileRole
    measurements: tuple[Measurement, ...] = ()
    notes: tuple[Noted, ...] = ()
    config: Mapping[str, Scalar] = field(default_factory=dict)  # hyper-parameters, dotted keys
    problem: str | None = None  # why it could not be read (then role is "unreadable")
