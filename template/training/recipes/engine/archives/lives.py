"""Follow files through however many runs, by the plans and journals of the history."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from engine.archives import catalog
from engine.archives.catalog import Packed
from engine.changes import history
from engine.changes.history import PastRun
from engine.plans.plan import Action
from engine.project import Project

# Which journal entry proves that an action was carried out, and whether its id is `src` or `dst`.
PROOF = {
    "move": (("move", "src"), ("quarantine", "src")),
    "pack": (("quarantine", "src"),),
    "drop": (("quarantine", "src"),),
    "delete": (("quarantine", "src"),),
    "offload": (("quarantine", "src"),),
    "copy": (("create", "dst"),),
    "write": (("create", "dst"),),
    "restore": (("create", "dst"),),
}
QUARANTINED = ("pack", "drop", "delete", "offload")


@dataclass(frozen=True)
class Step:
    """What one run did to a file, and why. `purged`: its original was deleted from quarantine."""

    run: str
    verb: str
    src: str | None
    dst: str | None
    reason: str
    member: str | None = None  # of the archive `src`, for a restore
    purged: bool = False


@dataclass
class Life:
    """A file from where a run first met it to where its bytes are now."""

    origin: str
    place: str | None = None  # of the file, if it is one
    packed: tuple[str, str] | None = None  # the archive that holds it, and its name in there
    deleted: bool = False  # as the user asked
    remote: str | None = None  # the stores that have it, for an archive that was dropped here
    steps: list[Step] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)  # all that it was ever called
    same_as: "Life | None" = None  # it was dropped, because this one has its bytes
    checkpoint: Mapping[str, Any] | None = None  # as the plan or the manifest describes it

    @property
    def kept(self) -> "Life":
        """Return the life whose bytes are these: another one if this was a copy."""
        return self.same_as.kept if self.same_as else self


def lives(project: Project) -> tuple[Life, ...]:
    """Return the life of every file that a run, not taken back, met, and of all that is packed."""
    known = _Lives()
    for past in history.past_runs(project):
        if not past.undone:
            for step in _steps(past):
                known.take(step)
            known.describe(past.plan.checkpoints, past.id)
    for packed in catalog.archives(project):
        known.add_packed(packed)
    return tuple(known.all)


def called(found: Iterable[Life], path: str) -> tuple[Life, ...]:
    """Return the lives of files that ever had this path, in the order in which runs met them."""
    return tuple(life for life in found if path in life.paths)


def below(found: Iterable[Life], folder: str) -> tuple[Life, ...]:
    """Return the lives of files that runs met in a folder; "." is the root, in which all lie."""
    start = "" if folder == "." else f"{folder}/"
    return tuple(life for life in found if life.origin.startswith(start))


def named(found: Iterable[Life], name: str) -> dict[str, Life]:
    """Return the lives of files of this name, each by the path with it that they had first."""
    return {
        min((p for p in life.paths if PurePosixPath(p).name == name), key=len): life
        for life in found
        if any(PurePosixPath(path).name == name for path in life.paths)
    }


def _steps(past: PastRun) -> Iterator[Step]:
    """Yield what a run did, in the order in which it does things."""
    latest = {(record.op, record.id): record.state for record in past.records}
    order = ("drop", "delete", "offload", "move", "copy", "pack", "restore", "write")
    done = [a for a in past.plan.actions if a.verb in order and _is_done(a, latest)]
    for action in sorted(done, key=lambda action: order.index(action.verb)):
        yield Step(
            past.id,
            action.verb,
            action.src,
            action.dst,
            action.reason,
            action.facts.get("member"),
            latest.get(("purge", str(action.src))) == "done",
        )


def _is_done(action: Action, latest: Mapping[tuple[Any, str], str]) -> bool:
    ids = {"src": str(action.src), "dst": str(action.dst)}
    return any(latest.get((op, ids[end])) == "done" for op, end in PROOF[action.verb])


class _Lives:
    """Collects lives, step by step, oldest first."""

    def __init__(self) -> None:
        self.all: list[Life] = []
        self._at: dict[str, Life] = {}  # by the place of the file
        self._in: dict[tuple[str, str], Life] = {}  # by archive and member
        self._called: dict[str, list[Life]] = defaultdict(list)  # by any path it ever had

    def take(self, step: Step) -> None:
        """Go on with the life of the file that a step was done to."""
        src, dst = str(step.src), str(step.dst)
        if step.verb == "restore":
            packed = (src, str(step.member))
            kept = self._in.get(packed) or self._begin(packed=packed)
            life = self._copy_of(kept, dst) or self._restored(kept, packed, dst)
        elif step.verb in ("write", "copy"):
            life = self._begin(dst)
        else:
            life = self._at.get(src) or self._begin(src)
            del self._at[src]
            life.place = None
        life.steps.append(step)
        if step.verb == "drop":
            life.same_as = self._at.get(dst) or self._begin(dst)
        elif step.verb == "delete":
            life.deleted = True
        elif step.verb == "offload":
            life.remote = dst
        elif step.verb == "pack":
            self._put(life, packed=(dst, src))
        else:
            self._put(life, dst)
        if step.verb == "move" and src.endswith(".json"):  # an archive may be at a store
            old, new = (path.removesuffix(".json") + catalog.SUFFIX for path in (src, dst))
            for archive, member in [key for key in self._in if key[0] == old]:
                self._put(self._in.pop((archive, member)), packed=(new, member))

    def _copy_of(self, kept: Life, origin: str) -> Life | None:
        """Return the life of a copy that was dropped and now has the bytes of `kept` again."""
        copies = (life for life in self._called[origin] if life.same_as is kept)
        if copy := next(copies, None):
            copy.same_as, copy.packed = None, kept.packed
        return copy

    def describe(self, checkpoints: Iterable[Mapping[str, Any]], run: str | None = None) -> None:
        """Note what the plan of a run, or a manifest, tells of checkpoints."""
        for checkpoint in checkpoints:
            for life in self._called.get(checkpoint["path"], ()):
                if not life.checkpoint or (life.steps and life.steps[-1].run == run):
                    life.checkpoint = checkpoint

    def add_packed(self, packed: Packed) -> None:
        """Add what no history tells of: a colleague's, or one that was removed."""
        for member in packed.members:
            if (packed.path, member) not in self._in:
                self._begin(packed=(packed.path, member))
        listed = packed.about.get("checkpoints")
        if isinstance(listed, list):
            self.describe(c for c in listed if isinstance(c, dict) and "path" in c)

    def _begin(self, place: str | None = None, packed: tuple[str, str] | None = None) -> Life:
        life = Life(packed[1] if packed else str(place))
        self.all.append(life)
        self._put(life, place, packed)
        return life

    def _put(
        self, life: Life, place: str | None = None, packed: tuple[str, str] | None = None
    ) -> None:
        if place:
            life.place = place
            self._at[place] = life
        if packed:
            life.packed = packed
            self._in[packed] = life
        self._call(life, packed[1] if packed else str(place))

    def _restored(self, life: Life, packed: tuple[str, str], place: str) -> Life:
        """Return the life of what came out of an archive: a new one if the old is elsewhere."""
        if life.place not in (None, place):
            life = self._begin(place)
            life.packed = packed
            self._call(life, packed[1])
        life.deleted, life.same_as = False, None
        return life

    def _call(self, life: Life, path: str) -> None:
        if path not in life.paths:
            life.paths.add(path)
            self._called[path].append(life)
