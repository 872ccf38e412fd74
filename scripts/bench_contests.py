"""What is measured against what: our recipes and the tools that people use, on the same trees."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bench_trees
from bench_measure import Command, Contender, Contest, Failed

CHECKOUT = Path(__file__).resolve().parents[1]
SHIPPED = CHECKOUT / "template" / "training" / "recipes"
ENGINE_PATH = {"PYTHONPATH": f"{SHIPPED}:{SHIPPED.parent}"}
PACKAGES = {"borg": "borgbackup"}  # Debian's, where they are not called as the program is
EXPERIMENT = "2025-01-01_net_bench"
ACTIVE = "training/experiments/active"
ARCHIVED = "training/experiments/archived"


@dataclass(frozen=True)
class Size:
    """How much of everything there is."""

    checkpoints: int  # bytes
    logs: int  # bytes
    files: int
    many_files: int
    experiments: int


MB = 10**6
SIZES = {
    "tiny": Size(2 * MB, MB, 100, 200, 5),
    "small": Size(200 * MB, 50 * MB, 10_000, 50_000, 1000),
    "full": Size(2000 * MB, 500 * MB, 100_000, 1_000_000, 1000),
}


class Ground:
    """A folder to measure in, with the conventions that a project gets by default."""

    def __init__(self, folder: Path, size: Size) -> None:
        self.folder, self.size = folder, size
        self.conventions = folder / "conventions.toml"
        script = "import on_repository, pathlib, sys\n"
        script += "on_repository.default_conventions(pathlib.Path(sys.argv[1]))"
        copied = folder / "copied"  # by a process of its own, which may be large
        here = Path(__file__).parent
        subprocess.run([sys.executable, "-c", script, copied], cwd=here, check=True)
        shutil.copy(copied / "training" / "conventions.toml", self.conventions)
        shutil.rmtree(copied)

    def recipe(self, name: str, root: Path, *words: str) -> Command:
        """Return the command of a recipe on a project."""
        where = ("--project", root, "--conventions", self.conventions)
        return (sys.executable, SHIPPED / f"{name}.py", *words, *where)

    def part(self, name: str, root: Path) -> Command:
        """Return the command of a part of the engine."""
        return (
            sys.executable,
            CHECKOUT / "scripts" / "bench_engine.py",
            name,
            root,
            self.conventions,
        )


# --- pack and restore -----------------------------------------------------------------------------


def restore(ground: Ground) -> Iterator[Contest]:
    """Yield giving back: checkpoints, logs, small files."""
    for kind, root in _trees(ground):
        yield Contest(f"restore {kind}", list(_restorers(ground, root, kind)))


def pack(ground: Ground) -> Iterator[Contest]:
    """Yield packing: checkpoints, logs, small files."""
    for kind, root in _trees(ground):
        yield Contest(f"pack {kind}", [*_archive(ground, root), *_packers(ground, root / ACTIVE)])


def _trees(ground: Ground) -> Iterator[tuple[str, Path]]:
    """Yield what an experiment may hold, and the project with such a one; it is removed then."""
    root = ground.folder / "packing"
    for kind, fill, size in (
        ("checkpoints", bench_trees.checkpoints, ground.size.checkpoints),
        ("logs", bench_trees.logs, ground.size.logs),
        ("small files", bench_trees.small_files, ground.size.files),
    ):
        fill(root / ACTIVE / EXPERIMENT, size)
        yield kind, root
        shutil.rmtree(root)


def _archive(ground: Ground, root: Path) -> Iterator[Contender]:
    """Yield packing what is given, the whole recipe, which reads it for its metrics, and its plan.

    All but the plan pack, hash, verify by reading back, and put the originals into quarantine.
    """
    made = root / ARCHIVED / f"{EXPERIMENT}.tar.gz"

    def after() -> None:
        _quietly(ground.recipe("undo", root))

    for name, part in (("ours: pack, verify, quarantine", "pack"), ("ours, --fast", "pack_fast")):
        packed = [ground.part(part, root)]
        yield Contender(name, packed, root, after=after, makes=made, environment=ENGINE_PATH)
    recipe = ground.recipe("archive", root, EXPERIMENT)
    yield Contender("just archive --apply", [(*recipe, "--apply")], root, after=after, makes=made)
    yield Contender("just archive, the plan alone", [(*recipe, "--json")], root)


def _restorers(ground: Ground, root: Path, kind: str) -> Iterator[Contender]:
    """Yield giving back what was packed to where nothing is.

    What was given back stays until the end of all: ext4 makes new files many times as slowly for
    minutes after many were deleted (fs/ext4/ialloc.c, `recently_deleted`).
    """
    packed, place = ground.folder / f"packed {kind}", ground.folder / "given back"
    archive = packed / "peer.tar.gz"

    def before() -> None:
        if not packed.exists():
            _quietly(ground.recipe("archive", root, EXPERIMENT, "--apply"))
            shutil.copytree(root / ARCHIVED, packed / ARCHIVED)
            _quietly(ground.recipe("undo", root))
            _quietly(("tar", "czf", archive, "-C", root / ACTIVE, EXPERIMENT))
        shutil.copytree(packed, place, copy_function=os.link)

    def after() -> None:
        place.rename(tempfile.mkdtemp(dir=ground.folder))

    restore = ground.recipe("restore", place, EXPERIMENT)
    yield Contender("just restore, verified", [restore], ground.folder, (), before, after)
    untar = ("tar", "xzf", archive, "-C", place)
    yield Contender("tar xzf", [untar], ground.folder, ["tar", "gzip"], before, after)


def _packers(ground: Ground, home: Path) -> Iterator[Contender]:
    archive = ground.folder / "peer.tar"
    for name, needs, options in (
        ("tar czf", ["gzip"], ("-z",)),
        ("tar, pigz", ["pigz"], ("-I", "pigz")),
        ("tar, zstd -T0", ["zstd"], ("-I", "zstd -T0")),
    ):
        command = ("tar", *options, "-cf", archive, EXPERIMENT)
        yield Contender(name, [command], home, ["tar", *needs], after=archive.unlink, makes=archive)
    yield _restic(ground, home)
    yield _borg(ground, home)


def _restic(ground: Ground, home: Path) -> Contender:
    repository, cache = ground.folder / "restic", ground.folder / "restic_cache"
    environment = {"RESTIC_PASSWORD": "bench"}
    restic = ("restic", "-q", "--repo", repository, "--cache-dir", cache)
    return Contender(
        "restic backup, check --read-data",
        [(*restic, "backup", EXPERIMENT), (*restic, "check", "--read-data")],
        home,
        ["restic"],
        before=lambda: _quietly((*restic, "init"), environment),
        after=lambda: _remove(repository, cache),
        makes=repository,
        environment=environment,
    )


def _borg(ground: Ground, home: Path) -> Contender:
    repository, base = ground.folder / "borg", ground.folder / "borg_base"
    environment = {
        "BORG_BASE_DIR": str(base),
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
    }
    create = ("borg", "create", f"{repository}::one", EXPERIMENT)
    return Contender(
        "borg create, check --verify-data",
        [create, ("borg", "check", "--verify-data", repository)],
        home,
        ["borg"],
        before=lambda: _quietly(("borg", "init", "-e", "none", repository), environment),
        after=lambda: _remove(repository, base),
        makes=repository,
        environment=environment,
    )


# --- duplicates, scan, start ----------------------------------------------------------------------


def duplicates(ground: Ground) -> Iterator[Contest]:
    """Yield finding exact copies: large files, small files."""
    root = ground.folder / "copies"
    bench_trees.checkpoints(root, ground.size.checkpoints)
    yield Contest("duplicates among checkpoints", list(_finders(ground, root)))
    shutil.rmtree(root)
    bench_trees.small_files(root, ground.size.files)
    bench_trees.copy_some(root)
    yield Contest("duplicates among small files", list(_finders(ground, root)))
    shutil.rmtree(root)


def _finders(ground: Ground, root: Path) -> Iterator[Contender]:
    ours = ground.part("duplicates", root)
    yield Contender("ours, all bytes compared", [ours], root, environment=ENGINE_PATH)
    yield Contender("jdupes", [("jdupes", "-r", "-q", root)], root, ["jdupes"])
    rmlint = ("rmlint", "--types=df", "-o", f"json:{ground.folder / 'rmlint.json'}", root)
    yield Contender("rmlint", [rmlint], root, ["rmlint"])


def scans(ground: Ground) -> Iterator[Contest]:
    """Yield walking and planning, for the one number of files and for the other."""
    for count in (ground.size.files, ground.size.many_files):
        root = ground.folder / "scanned"
        bench_trees.small_files(root, count)
        find = ("find", root, "-type", "f", "-printf", "%s\n")
        planned, walked = ground.recipe("cleanup", root, "--json"), ground.part("scan", root)
        yield Contest(
            f"scan and plan {count:,} files",
            [
                Contender("just cleanup: scan, read, plan", [planned], root),
                Contender("the scan alone", [walked], root, environment=ENGINE_PATH),
                Contender("find -printf %s", [find], root, ["find"]),
            ],
        )
        shutil.rmtree(root)


def start(ground: Ground) -> Iterator[Contest]:
    """Yield how long it takes until anything happens, and a look at many experiments."""
    root = ground.folder / "started"
    bench_trees.experiments(root / ACTIVE, ground.size.experiments)
    python = Contender("python -c pass", [(sys.executable, "-c", "pass")], root)
    justfile = CHECKOUT / "template" / "training" / "recipes.just"
    yield Contest(
        "start",
        [
            Contender("just archive --help", [ground.recipe("archive", root, "--help")], root),
            Contender("just status --help", [ground.recipe("status", root, "--help")], root),
            Contender("just --list", [("just", "-f", justfile, "--list")], root, ["just"]),
            python,
        ],
    )
    look = ground.recipe("status", root)
    yield Contest(
        f"status of {ground.size.experiments:,} experiments",
        [Contender("just status", [look], root), python],
    )
    shutil.rmtree(root)


# Giving back comes before many files are deleted, see `_restorers`.
KINDS = {
    "restore": restore,
    "pack": pack,
    "duplicates": duplicates,
    "scan": scans,
    "start": start,
}


def _quietly(command: Command, environment: dict[str, str] | None = None) -> None:
    """Run what is not timed. Raises Failed."""
    environment = {**os.environ, **(environment or {})}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"preparing: {command[1]}: {done.stderr.strip()[-500:]}")


def _remove(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
