"""Which agents of Stable-Baselines3 are of the training that evaluations were written in."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from engine.recognition import identity
from engine.recognition.evidence import Reading

_Key = tuple[str, identity.Tokens]  # of a run: its folder and its name
_FOLDERS = ("logs", "log", "results")  # that evaluations are written to, beside those of agents


def evaluated(
    path: str, agents: Mapping[_Key, tuple[str, ...]], readings: Mapping[str, Reading]
) -> Iterator[_Key]:
    """Yield the runs that a file of evaluations is of, of those with these agents.

    `EvalCallback` saves the best when the reward rises: one is of the step at which it was highest
    first. Whatever began in the same nanosecond, `start_time` inside, is of the same training.
    """
    folder = PurePosixPath(path).parent
    home = folder.parent if folder.name.lower() in _FOLDERS else folder
    near = {
        key: {path: readings[path] for path in paths}
        for key, paths in agents.items()
        if home in (PurePosixPath(key[0]), *PurePosixPath(key[0]).parents)
    }
    told = [item for found in near.values() for item in found.items()]
    bests = [reading for path, reading in told if identity.selector(identity.stem(path)) == "best"]
    step = _step_of_best(readings[path])
    began = [_noted(best, "started") for best in bests if _noted(best, "step") == step]
    if len(began) == 1 and began[0] is not None:
        for key, found in near.items():
            if {_noted(reading, "started") for reading in found.values()} == {*began}:
                yield key


def _step_of_best(evaluations: Reading) -> str:
    rows = [m for m in evaluations.measurements if m.step is not None]
    return str(max(rows, key=lambda m: m.value).step) if rows else ""


def _noted(reading: Reading, fact: str) -> str | None:
    return next((note.value for note in reading.notes if note.fact == fact), None)
