"""Put checkpoints, logs, results and configs together that come from one training."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from pathlib import PurePosixPath
from typing import NamedTuple

from engine.readers import WEIGHTS
from engine.recognition import identity, metrics
from engine.recognition.agreement import has_row_of, rows_by_epoch
from engine.recognition.evaluations import evaluated
from engine.recognition.evidence import Reading
from engine.recognition.scan import Entry, Inventory

# Folders that hold a run's checkpoints, so that the run is the folder above.
CONTAINERS = identity.OVERWRITTEN | frozenset(
    "checkpoints checkpoint weights ckpt ckpts snapshots tf_ckpts training_checkpoints best_model "
    "best best_weights last_weights".split()
)
# Folders that hold many runs, or other things: a checkpoint in one does not make it a run's own.
COLLECTIONS = frozenset(
    "runs experiments outputs output results logs artifacts archive saved trained docs "
    "lightning_logs multirun multiruns exps training_runs training-runs work_dirs optuna "
    "optuna_trials trials sweep sweeps".split()
)
# Folders that tell of no model, be they a run's own (Ultralytics' "train2") or hold many.
TRAININGS = re.compile(r"train(?:ing)?[_-]?\d*")
MOMENT = re.compile(r"\d{8}_\d{6}")
MOVES_ALONG = (
    "hidden",
    "tests and fixtures",
    "data sets",
)  # zones of what lies in a run's own folder
SOURCE = frozenset({".py", ".ipynb", ".c", ".cc", ".cpp", ".cu", ".rs", ".go", ".js", ".ts"})


class Run(NamedTuple):
    """One training. `whole` says that the folder is the run's own and moves with all it holds."""

    folder: str
    key: identity.Tokens
    whole: bool
    checkpoints: tuple[str, ...]  # models and training state
    records: tuple[str, ...] = ()  # logs, results, configs, wherever they lie
    others: tuple[str, ...] = ()  # what else lies in a folder that moves whole

    @property
    def files(self) -> tuple[str, ...]:
        """Return every file of the run, sorted."""
        return tuple(sorted({*self.checkpoints, *self.records, *self.others}))

    @property
    def name(self) -> str:
        """Return what the run is called in its folder or file names."""
        return PurePosixPath(self.folder).name if self.whole else "_".join(self.key)

    @property
    def heading(self) -> str:
        """Return what the run is shown as: its folder, or its folder and its name."""
        shown = self.folder if self.whole else f"{self.folder}/{self.name}"
        return shown.removeprefix("./") or "the project's root"

    def holds(self, path: str) -> bool:
        """Return whether a path lies in the run's folder."""
        return path.startswith(f"{self.folder}/")

    def is_beside(self, path: str) -> bool:
        """Return whether a path lies in the folder of the run's checkpoints, or deeper."""
        return self.holds(path) or str(PurePosixPath(path).parent) == self.folder

    def inner(self, path: str) -> str:
        """Return a path as it will be in a folder of the run's own."""
        inside = self.holds(path) and (self.whole or path in {*self.others, *self.records})
        return path.removeprefix(f"{self.folder}/") if inside else PurePosixPath(path).name


def group(
    inventory: Inventory,
    readings: Mapping[str, Reading],
    folders: Mapping[str, tuple[str, ...]] | None = None,
    origins: Collection[str] = (),
) -> tuple[Run, ...]:
    """Return the runs. A log that no run is found for is in none of them.

    `folders` are those that are one checkpoint, with their files; these are the run's, too.
    `origins` are weights that trainings started from: no log or result is theirs.

    `readings` holds what was recognised outside the layout. A log that several runs may have
    written (they append to one file) is a record of each.
    """
    weights = [path for path, reading in readings.items() if is_weights(path, reading)]
    places = _Places(folders or {})
    own = _own_folders(inventory, readings, weights, places)
    runs = [
        *_folder_runs(inventory, readings, weights, own, places),
        *_file_runs(readings, weights, own, places),
    ]
    members = {path for run in runs for path in (*run.checkpoints, *run.others)}
    records = [path for path in readings if path not in members]
    trained = [run for run in runs if not run.checkpoints or {*run.checkpoints} - {*origins}]
    owners = {path: _owners(path, readings, trained) for path in records}
    owners |= _of_the_unnamed(owners, trained)
    agents = {(run.folder, run.key): run.checkpoints for run in trained if run.checkpoints}
    owners |= {
        path: frozenset(evaluated(path, agents, readings))
        for path, keys in owners.items()
        if not keys and readings[path].format == "evaluations"
    }
    owners |= _of_others({p: keys for p, keys in owners.items() if readings[p].role == "log"})
    joined = tuple(_with_records(run, owners, readings) for run in runs)
    outputs = output_folders(weights)
    loose = [path for path in records if not owners[path]]
    scattered: dict[tuple[str, identity.Tokens], list[str]] = defaultdict(list)
    for path in loose:
        if readings[path].role == "results" and under(path, outputs):
            folder = PurePosixPath(path).parent
            is_event = "event" in readings[path].format  # their names tell of hosts and moments
            if is_event and metrics.split(folder.name):
                folder = folder.parent  # Keras writes a run to `train` and to `validation`
            variants = identity.variants(identity.stem(path))
            key = identity.folder_key(folder.name) if is_event else variants[-1]
            scattered[str(folder), key].append(path)
    alone = (Run(*owner, False, (), tuple(paths)) for owner, paths in scattered.items())
    return (*joined, *alone)


def is_weights(path: str, reading: Reading) -> bool:
    """Return whether a file is a checkpoint or training state, be it a damaged one."""
    if reading.role == "unreadable":
        return path.lower().endswith(WEIGHTS) or is_pointer(reading)
    return reading.role in ("model", "training_state")


def is_pointer(reading: Reading) -> bool:
    """Return whether a file only stands for a checkpoint that git-lfs has."""
    return "git-lfs pointer" in (reading.problem or "")


def points_to(path: str, reading: Reading) -> set[str]:
    """Return the checkpoints beside it that a file such as `last_checkpoint` names."""
    named = (note.value for note in reading.notes if note.fact == "names")
    return {str(PurePosixPath(path).parent / name) for name in named}


Owners = Mapping[str, frozenset[tuple[str, identity.Tokens]]]  # of records: the runs


class _Places:
    """Where checkpoints lie, be they files or folders."""

    def __init__(self, folders: Mapping[str, tuple[str, ...]]) -> None:
        self.folders = folders
        self._folder_of = {path: folder for folder, files in folders.items() for path in files}

    def checkpoint(self, path: str) -> str:
        """Return the folder that is the checkpoint which the file belongs to, or the file."""
        return self._folder_of.get(path, path)

    def home(self, path: str) -> str:
        """Return the folder of the run that wrote it; empty if that is the project's root.

        A folder that is a checkpoint and holds others, or has a name of its own, is the run's.
        """
        path = self.checkpoint(path)
        if path in self.folders and self.is_run(path):
            return path
        folder = PurePosixPath(path).parent
        while _is_container(folder) and folder.parent != PurePosixPath():
            folder = folder.parent
        return "" if folder == PurePosixPath() else str(folder)

    def is_run(self, folder: str) -> bool:
        """Return whether a folder that is a checkpoint is the folder of the run as well."""
        if not self.folders[folder][:1] or not self.folders[folder][0].startswith(f"{folder}/"):
            return False  # files whose names start alike
        holds_others = any(other.startswith(f"{folder}/") for other in self.folders)
        return holds_others or not identity.starts_generic(PurePosixPath(folder).name)


def _is_container(folder: PurePosixPath) -> bool:
    return folder.name.lower() in CONTAINERS or identity.is_half_a_name(folder.name)


def _own_folders(
    inventory: Inventory, readings: Mapping[str, Reading], weights: Iterable[str], places: _Places
) -> dict[str, str]:
    """Return for each checkpoint that lies in its run's own folder that folder."""
    by_home = defaultdict(list)
    for path in weights:
        by_home[places.home(path)].append(path)
    return {
        path: home
        for home, paths in by_home.items()
        if home and _is_own(inventory, readings, home, paths, places)
        for path in paths
    }


def _is_own(
    inventory: Inventory,
    readings: Mapping[str, Reading],
    home: str,
    paths: list[str],
    places: _Places,
) -> bool:
    models = [path for path in paths if readings[path].role != "training_state"]
    if all(is_pointer(readings[path]) for path in models):
        return False  # pointers stay, so what lies beside them stays, too
    folder = PurePosixPath(home).name
    named = [p for p in models if p != home and not identity.starts_generic(identity.stem(p))]
    if not all(identity.is_numbered(folder, path) for path in named):
        return False
    if folder.lower() in CONTAINERS | COLLECTIONS | identity.NOUNS:
        return False
    # Who has git track checkpoints has it track whatever else a training wrote.
    written = {file for path in paths for file in places.folders.get(path, (path,))}
    chosen = frozenset() if inventory.tracked & written else inventory.tracked
    return not any(
        _is_written_by_hand(chosen, entry, home)
        for entry in inventory.below(home)
        if entry.path not in readings
    )


def _is_written_by_hand(chosen: Collection[str], entry: Entry, home: str) -> bool:
    """Return whether a file that no reader knows is someone's work: then its folder is no run's.

    `chosen` is what git tracks beside checkpoints that it does not. A config that was written as
    Python, as mmengine does, is called like the run or the moment.
    """
    if chosen:
        return entry.path in chosen and entry.zone != "hidden" and not _is_of_hydra(entry.path)
    path = PurePosixPath(entry.path)
    is_config = path.stem in ("config", PurePosixPath(home).name) or MOMENT.fullmatch(path.stem)
    return path.suffix in SOURCE and not is_config


def _is_of_hydra(path: str) -> bool:
    """Return whether Hydra wrote it for a run: many have git track that, and no checkpoints."""
    return "/.hydra/" in path


def _folder_runs(
    inventory: Inventory,
    readings: Mapping[str, Reading],
    weights: list[str],
    own: dict[str, str],
    places: _Places,
) -> Iterator[Run]:
    """Yield the runs with folders of their own, without what git tracks there and nobody reads."""
    read = {*readings, *(path for files in places.folders.values() for path in files)}
    staying = inventory.tracked - read
    homes = sorted(set(own.values()))
    for home in homes:
        inner = [other + "/" for other in homes if other.startswith(home + "/")]
        files = [
            entry.path
            for entry in inventory.below(home)
            if entry.kind in ("file", "link")
            and entry.zone in (None, *MOVES_ALONG)
            and (entry.path not in staying or entry.zone == "hidden" or _is_of_hydra(entry.path))
            and not any(entry.path.startswith(prefix) for prefix in inner)
        ]
        checkpoints = tuple(sorted(path for path in weights if own.get(path) == home))
        others = tuple(sorted(set(files) - set(checkpoints)))
        key = identity.folder_key(PurePosixPath(home).name)
        yield Run(home, key, True, checkpoints, (), others)


def _file_runs(
    readings: Mapping[str, Reading], weights: list[str], own: dict[str, str], places: _Places
) -> Iterator[Run]:
    folders: dict[str, dict[identity.Tokens, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path in weights:
        if path not in own:
            place = places.checkpoint(path)
            key = identity.run_key(identity.stem(place))
            folders[str(PurePosixPath(place).parent)][key].append(path)
    logs: dict[str, set[identity.Tokens]] = defaultdict(set)
    for path, reading in readings.items():
        if reading.role == "log":
            words = identity.without_generic(identity.stem(path))
            logs[str(PurePosixPath(path).parent)].add(words)
    for folder, by_key in sorted(folders.items()):
        unnamed = by_key.get((), [])
        if len(by_key) == 2 and all(readings[p].role == "training_state" for p in unnamed):
            only = max(by_key)  # "optimizer.pt" beside the checkpoints of a single run
            by_key[only] += by_key.pop((), [])
        for key in [k for k in by_key if identity.is_size(k) and by_key.get(k[:-1])]:
            by_key[key[:-1]] += by_key.pop(key)  # resnet_20 beside resnet_25: these are epochs
        for bare, keys in _trained_together(by_key):
            by_key[bare] = [path for key in keys for path in by_key.pop(key)]
        for key, paths in sorted(_by_own_logs(by_key, logs[folder])):
            inside = {file for path in paths for file in places.folders.get(path, ())}
            others = tuple(sorted(inside - set(paths)))
            yield Run(folder, key, False, tuple(sorted(paths)), (), others)


def _by_own_logs(
    by_key: Mapping[identity.Tokens, list[str]], logs: Set[identity.Tokens]
) -> Iterator[tuple[identity.Tokens, list[str]]]:
    """Yield the runs, with those apart of which each has a log called like it: `5-net-log.txt`.

    Otherwise a number counts what one run saved.
    """
    for key, paths in by_key.items():
        apart: dict[identity.Tokens, list[str]] = defaultdict(list)
        for path in paths:
            apart[identity.without_generic(identity.stem(path))].append(path)
        counts = any(identity.selector(identity.stem(path)) == "epoch" for path in paths)
        have_logs = len(apart) > 1 and apart.keys() <= logs and not counts
        yield from apart.items() if have_logs else ((key, paths),)


def _trained_together(
    keys: Iterable[identity.Tokens],
) -> list[tuple[identity.Tokens, list[identity.Tokens]]]:
    """Return the keys that only tell parts of one model apart, by what they have in common."""
    alike: dict[identity.Tokens, list[identity.Tokens]] = defaultdict(list)
    for key in keys:
        alike[tuple(word for word in key if word not in identity.PARTS)].append(key)
    return [(bare, found) for bare, found in alike.items() if len(found) > 1]


def _owners(
    path: str, readings: Mapping[str, Reading], runs: list[Run]
) -> frozenset[tuple[str, identity.Tokens]]:
    """Return the runs whose record this is: those that match its text or name best.

    Where its name may be that of a record of several, it is of the one whose figures it has.
    """
    scored = [
        (score, run) for run in runs if (score := _distance(path, readings[path], run)) is not None
    ]
    best = min((score for score, _ in scored), default=None)
    closest = [run for score, run in scored if score == best]
    is_told = best is not None and best[0] >= _LOOSE
    if is_told and len(closest) > 1 and not _are_best_and_last(closest):
        rows = rows_by_epoch(readings[path])
        closest = [r for r in closest if any(has_row_of(rows, readings[c]) for c in r.checkpoints)]
        closest = closest if len(closest) == 1 else []
    return frozenset((run.folder, run.key) for run in closest)


def _are_best_and_last(runs: list[Run]) -> bool:
    """Return whether these are one training's: in `best_weights` and `last_weights`, side by side.

    Folders that do not say which of its checkpoints they hold may be of two.
    """
    folders = [PurePosixPath(run.folder) for run in runs]
    held = {identity.selector(folder.name) for folder in folders} - {None}
    return len({folder.parent for folder in folders}) == 1 and len(held) == len(folders)


def _of_the_unnamed(owners: Owners, runs: Iterable[Run]) -> Owners:
    """Return the records of runs without a name: `log.csv` where net has a `net_log.csv`."""
    unnamed = {run.folder for run in runs if not run.key}
    named = {
        (folder, tuple(word for word in _words(path) if word not in key))
        for path, keys in owners.items()
        for folder, key in keys
        if key and len(keys) == 1
    }
    places = {path: str(PurePosixPath(path).parent) for path, keys in owners.items() if not keys}
    return {
        path: frozenset({(place, ())})
        for path, place in places.items()
        if place in unnamed and (place, _words(path)) in named
    }


def _words(path: str) -> identity.Tokens:
    return identity.tokens(identity.stem(path))


def _of_others(logs: Owners) -> Owners:
    """Return the logs without the runs that have one called just like them: `net_wide.log`.

    Where there is a `net.log`, that one is of another training.
    """
    named = {path: {*identity.variants(identity.stem(path))} for path in logs}
    have = {run for path, runs in logs.items() for run in runs if run[1] and run[1] in named[path]}
    return {
        path: frozenset(run for run in runs if run not in have or _is_called(run[1], named[path]))
        for path, runs in logs.items()
    }


def _is_called(key: identity.Tokens, names: Set[identity.Tokens]) -> bool:
    """Return whether a log has the run's name, or none that begins with it and goes on."""
    return key in names or not any(name[: len(key)] == key for name in names)


_LOOSE = 100  # matches from here on count only when a single run has them


def _distance(path: str, reading: Reading, run: Run) -> tuple[int, int, bool] | None:
    """Return how far a record is from a run, smaller is closer; None if it is not of the run."""
    folder = str(PurePosixPath(path).parent)
    elsewhere = folder != run.folder
    if reading.format == "pointer":
        return (-1, 0, False) if points_to(path, reading) & {*run.checkpoints} else None
    said = {m.checkpoint for m in reading.measurements if m.checkpoint}
    files = [PurePosixPath(checkpoint).name for checkpoint in run.checkpoints]
    if any(name in files or any(identity.is_called(file, name) for file in files) for name in said):
        generic = not run.key or run.whole
        return (_LOOSE if generic else -1, 0, elsewhere)
    stems = [identity.stem(checkpoint) for checkpoint in run.checkpoints]
    told = [stem for stem in stems if not identity.RECORDS.issuperset(identity.tokens(stem))]
    names = [run.name, *told]  # and not `training_args.bin`
    wanted = identity.variants(identity.stem(path))
    shared = -len(
        {w for w in identity.tokens(path) if w.isdigit()} & set(identity.tokens(run.name))
    )
    steps = [
        wanted.index(variant) + number
        for name in ([run.name] if run.whole else names)
        for number, variant in enumerate(identity.variants(name))
        if variant in wanted and not identity.is_counter(variant) | (variant == wanted[-1] == ())
    ]
    if steps or _is_log_of(path, reading, run):
        return (min(steps, default=0), shared, elsewhere)
    core = wanted[-1] if wanted else ()
    beside = not elsewhere or reading.role == "log"  # results are written beside the checkpoint
    if beside and run.key and len(core) > len(run.key) and core[: len(run.key)] == run.key:
        return (50 - len(run.key), shared, elsewhere)
    ends = (run.key[: len(core)], () if elsewhere else run.key[-len(core) :])
    if core and core in ends and not identity.is_counter(core):
        return (_LOOSE, shared, elsewhere)
    words = identity.RECORDS | identity.NOUNS | identity.LAST
    generic = not identity.without_values(core) or core[-1] in words
    generic = generic or (len(core) == 1 and metrics.split(core[0]) is not None)  # test_results
    generic = generic or metrics.canonical("_".join(core)) is not None  # loss_history
    generic = generic or "event" in reading.format
    steps_away = _steps_away(PurePosixPath(path).parent, PurePosixPath(run.folder), reading)
    steps_away += steps_away and _tells_of_another(path, run.folder)
    return (_LOOSE + steps_away, shared, elsewhere) if generic and steps_away else None


def _is_log_of(path: str, reading: Reading, run: Run) -> bool:
    """Return whether `logs/train_final.log` is of the run in `checkpoints_final`, beside it.

    A log called after the very moment of a run's folder is of it wherever it lies.
    """
    if not run.whole or reading.role != "log":
        return False
    folder, place = PurePosixPath(path).parent, PurePosixPath(run.folder).parent
    is_near = folder == place or (folder.name.lower() in ("logs", "log") and folder.parent == place)
    words = identity.without_nouns(run.name)
    is_moment = identity.is_moment(words)
    is_called = words != () and words == identity.without_nouns(identity.stem(path))
    return is_called and (is_near or is_moment)


def _tells_of_another(path: str, folder: str) -> bool:
    """Return whether a record is of the best by its name, and the folder of the last, or so."""
    said = {identity.selector(identity.stem(path)), identity.selector(PurePosixPath(folder).name)}
    return said == {"best", "last"}


def _steps_away(folder: PurePosixPath, place: PurePosixPath, reading: Reading) -> int:
    """Return how far a run's checkpoints in `place` are from a record in `folder`; 0: too far.

    It lies beside them or above `weights/` or fastai's `models/`; a log also in `logs/` there, and
    evaluations of an agent in `results/`. What lies in the project's root tells of anything.
    """
    home = place
    while _is_container(home) or home.name == "models":
        home = home.parent
    if folder in (place, home) and (folder == place or home != PurePosixPath()):
        return 1
    named = {"training log": ("logs", "log"), "evaluations": ("results",)}.get(reading.format, ())
    return 2 if folder.name.lower() in named and folder.parent == home else 0


def _with_records(
    run: Run,
    owners: Owners,
    readings: Mapping[str, Reading],
) -> Run:
    inside = [path for path in run.others if path in readings]
    scattered = [path for path, keys in owners.items() if (run.folder, run.key) in keys]
    others = tuple(path for path in run.others if path not in inside)
    records = tuple(sorted({*inside, *scattered}))
    return Run(run.folder, run.key, run.whole, run.checkpoints, records, others)


def output_folders(weights: Iterable[str]) -> frozenset[str]:
    """Return the folders that checkpoints lie in. The root of a project holds other things, too."""
    return frozenset(str(PurePosixPath(path).parent) for path in weights) - {"."}


def waiting_folders(readings: Mapping[str, Reading]) -> frozenset[str]:
    """Return the folders of runs of which git-lfs has every checkpoint: these wait for them."""
    folders: dict[bool, set[str]] = {True: set(), False: set()}
    for path, reading in readings.items():
        if is_weights(path, reading):
            folder = PurePosixPath(path).parent
            homes = {str(folder), str(folder.parent if _is_container(folder) else folder)}
            folders[is_pointer(reading)] |= homes
    return frozenset(folders[True] - folders[False]) - {"."}


def under(path: str, folders: Collection[str]) -> bool:
    """Return whether a path lies in one of the folders, or deeper."""
    return any(str(parent) in folders for parent in PurePosixPath(path).parents)
