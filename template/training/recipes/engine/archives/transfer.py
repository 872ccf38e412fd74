"""Archives on their way: sent to the stores, fetched back, and proven to be there.

With an archive travel its manifest and its checksum. Beside those a small mark stays here, which
says where the archive is as well: `NAME.remote`, JSON {"remote", "sha256", "size"}.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from engine.archives import archive, catalog
from engine.archives.catalog import MARK, SUFFIX, Packed
from engine.archives.manifest import Damaged, checksum_line, read_manifest
from engine.archives.remote import Remote, is_set, listable, remotes
from engine.changes import disk, history, purge
from engine.changes.lock import project_lock
from engine.changes.preflight import Space, refuse_full_disk
from engine.errors import RemoteError, UserError
from engine.plans.plan import Action, Plan
from engine.project import Project
from log_paths import is_legal_name

FETCHED = ".fetched"  # a folder beside the archives: what is not verified yet
PAPERS = (".json", ".sha256")


@dataclass
class Sent:
    """What is at all stores, what is not and why, by the archives' names."""

    done: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)


def wanted(project: Project, names: Sequence[str]) -> tuple[Packed, ...]:
    """Return the named archives, all if none is named. Raises UserError."""
    found = (catalog.find(project, name) for name in names) if names else catalog.archives(project)
    return tuple({packed.name: packed for packed in found}.values())


def push(project: Project, going: Sequence[Packed]) -> Sent:
    """Send archives to every store, each compared by rclone, and mark those that are there.

    What is there already is left, and never replaced. Raises UserError and RemoteError.
    """
    stores, sent = remotes(project), Sent()
    listable([packed.name for packed in going])
    known = {}
    for packed in going:
        try:
            known[packed.name] = _sha256_of(project, packed)
        except (Damaged, OSError) as problem:
            sent.left[packed.name] = f"is not sent: {problem}"
    for remote in stores:
        names = [name for name in known if name not in sent.left]
        sent.left |= _send(project, remote, names)
    sent.done = [name for name in known if name not in sent.left]
    shown = "; ".join(remote.shown for remote in stores)
    for name in sent.done:
        size = (_folder(project) / f"{name}{SUFFIX}").stat().st_size
        _mark(project, name, {"remote": shown, "sha256": known[name], "size": size})
    return sent


def _sha256_of(project: Project, packed: Packed) -> str:
    """Return the hash of an archive, if it is what its papers say. Raises Damaged and OSError."""
    if packed.problem:
        raise Damaged(packed.problem)
    sha256 = disk.sha256_of(project.root / packed.path)
    if (project.root / packed.checksum).read_bytes() != _line(packed.name, sha256):
        raise Damaged(f"{packed.path}: is not what its checksum says; just verify")
    return sha256


def _send(project: Project, remote: Remote, names: Collection[str]) -> dict[str, str]:
    """Send archives and then their manifests, so that a manifest there is never without its own."""
    left: dict[str, str] = {}
    for suffixes in ((SUFFIX, ".sha256"), (".json",)):
        going = [name for name in names if name not in left]
        files = [f"{name}{suffix}" for name in going for suffix in suffixes]
        problem = remote.send(_folder(project), files) if files else None
        different = remote.differences(_folder(project), files)
        for name in going:
            wrong = [f for f in files if f in different and f.removeprefix(name) in suffixes]
            if wrong:
                why = f"{wrong[0]}: {different[wrong[0]]}"
                left[name] = why if "another" in why else f"{why}: {problem}"
    return left


def pull(project: Project, name: str) -> Path:
    """Fetch an archive with its papers, verified whole before it gets its name; return its path.

    Raises UserError, and RemoteError, also for an archive that is not what its checksum says.
    """
    _refuse_waiting(project, f"{project.folders.archived}/{name}{SUFFIX}")
    if not is_legal_name(f"{name}{SUFFIX}"):
        raise UserError(f"{name!r}: is no name of an archive")
    listable([name])
    problems = []
    for remote in remotes(project):
        try:
            return _pull(project, remote, name)
        except RemoteError as problem:
            problems.append(str(problem))
    raise RemoteError("; ".join(problems))


def refuse_unknown(project: Project, names: Iterable[str]) -> None:
    """Raise UserError if nothing of one of the archives is here or at any store.

    Where a store does not answer nobody knows.
    """
    stores, known = remotes(project), {path.name for path in _folder(project).glob("*")}
    try:
        known |= {file for store in stores for file in store.sizes()}
    except RemoteError:
        return
    for name in names:
        if known.isdisjoint(f"{name}{suffix}" for suffix in (SUFFIX, *PAPERS)):
            shown = "; ".join(store.shown for store in stores)
            raise UserError(
                f"{name}{SUFFIX}: is not there ({shown}); just pull fetches the manifests of what "
                "is, just status lists it"
            )


def _pull(project: Project, remote: Remote, name: str) -> Path:
    home, sizes = _folder(project), remote.sizes()
    missing = [s for s in (SUFFIX, *PAPERS) if not os.path.lexists(home / f"{name}{s}")]
    files = [f"{name}{suffix}" for suffix in missing]
    if gone := [file for file in files if file not in sizes]:
        raise RemoteError(f"{gone[0]}: is not there ({remote.shown})")
    needed = sum(sizes[file] for file in files)
    refuse_full_disk([Space(home, needed, disk.free_bytes(disk.existing(home)))])
    with _fetched(project, remote, files) as folder:
        papers = {s: (folder if s in missing else home) / f"{name}{s}" for s in (SUFFIX, *PAPERS)}
        try:
            members, _ = read_manifest(papers[".json"])
            sha256 = archive.verify(papers[SUFFIX], members).sha256
            if papers[".sha256"].read_bytes() != _line(name, sha256):
                raise Damaged("is not the archive that its checksum tells of")
        except Damaged as problem:
            why = str(problem).replace(f"{folder}/", "").replace(f"{home}/", "")
            raise RemoteError(f"{name}: is damaged at {remote.shown}: {why}") from None
        size = papers[SUFFIX].stat().st_size
        for file in (*files[1:], *files[:1]):  # the archive last: what it is known by is there
            _take(folder / file, home / file)
    _mark(project, name, {"remote": remote.shown, "sha256": sha256, "size": size})
    return home / f"{name}{SUFFIX}"


def away(project: Project, plan: Plan) -> list[str]:
    """Return the names of the archives that a plan reads and that must be fetched first."""
    archives = dict.fromkeys(str(a.src) for a in plan.actions if a.verb == "restore")
    absent = [path for path in archives if not os.path.lexists(project.root / path)]
    known = [path for path in absent if is_set(project) or catalog.mark(project.root, path)]
    return [Path(path).name.removesuffix(SUFFIX) for path in known]


def pull_papers(project: Project) -> tuple[list[str], list[str]]:
    """Fetch manifest and checksum of every archive at the stores that is unknown here.

    Returns the names, which `status`, `where` and `restore` know then, and a line for each that is
    damaged there, which keeps no other from coming. Raises UserError and RemoteError.
    """
    fetched, damaged = list[str](), list[str]()
    for remote in remotes(project):
        sizes, home = remote.sizes(), _folder(project)
        names = [
            name
            for name in sorted(f.removesuffix(SUFFIX) for f in sizes if f.endswith(SUFFIX))
            if is_legal_name(f"{name}{SUFFIX}") and not name.startswith(".")
            if {f"{name}{s}" for s in PAPERS} <= sizes.keys()
            if not any(os.path.lexists(home / f"{name}{s}") for s in (SUFFIX, *PAPERS))
        ]
        listable(names)
        with _fetched(project, remote, [f"{n}{s}" for n in names for s in PAPERS]) as folder:
            for name in names:
                try:
                    sha256 = _sha256_in(folder, remote, name)
                except RemoteError as problem:
                    damaged.append(str(problem))
                    continue
                for suffix in PAPERS:
                    _take(folder / f"{name}{suffix}", home / f"{name}{suffix}")
                size = sizes[f"{name}{SUFFIX}"]
                _mark(project, name, {"remote": remote.shown, "sha256": sha256, "size": size})
                fetched.append(name)
    return fetched, damaged


def _sha256_in(folder: Path, remote: Remote, name: str) -> str:
    """Return the hash that fetched papers tell of. Raises RemoteError if they are damaged."""
    line = (folder / f"{name}.sha256").read_bytes()
    sha256 = line[:64].decode("ascii", "replace")
    try:
        read_manifest(folder / f"{name}.json")
    except Damaged as problem:
        said = str(problem).replace(f"{folder}/", "")
        raise RemoteError(f"{said} ({remote.shown})") from None
    if line != _line(name, sha256):
        raise RemoteError(f"{name}.sha256: is no checksum ({remote.shown})")
    return sha256


@contextlib.contextmanager
def _fetched(project: Project, remote: Remote, files: Sequence[str]) -> Iterator[Path]:
    """Yield a folder that holds the files as they came, and remove it. Raises RemoteError."""
    folder = _folder(project) / FETCHED
    with project_lock(project.root / project.folders.history):
        shutil.rmtree(folder, ignore_errors=True)  # of an interrupted call
        try:
            disk.make_folders(folder, disk.existing(folder))
            problem = remote.fetch(files, folder) if files else None
            if missing := [file for file in files if not (folder / file).is_file()]:
                raise RemoteError(f"{missing[0]}: was not fetched: {problem}")
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _take(fetched: Path, place: Path) -> None:
    disk.sync_file(fetched)
    disk.rename_no_replace(fetched, place)
    disk.sync_folder(place.parent)


def _refuse_waiting(project: Project, path: str) -> None:
    """Raise UserError if an archive need not be fetched: it waits in quarantine."""
    for past in history.past_runs(project):
        if not past.undone and any(record.src == path for record in purge.waiting(past)):
            raise UserError(f"{path}: waits in quarantine: just undo {past.id} brings it back")


# --- local copies that may go ---------------------------------------------------------------------


def offload(project: Project, names: Sequence[str], now: datetime, send: bool) -> Plan:
    """Return the plan that drops the local copies of archives which are at the stores.

    Of all archives, or the named. With `send` they are pushed first; else nothing is asked of the
    stores. Raises UserError and RemoteError.
    """
    history.refuse_unfinished(project)
    enough, stores = project.conventions.archive.min_copies, remotes(project)
    if len(stores) < enough:
        raise UserError(
            f"archive.min_copies asks for {enough} copies elsewhere and ARCHIVE_REMOTE names "
            f"{len(stores)}; name more there, separated by ;"
        )
    needed = _needed(project)
    here = [packed for packed in wanted(project, names) if packed.here]
    left = {
        packed.name: f"originals that it keeps wait: just purge {needed[packed.path]} first"
        for packed in here
        if packed.path in needed
    }
    if send:
        left |= push(project, [packed for packed in here if packed.name not in left]).left
    shown = "; ".join(store.shown for store in stores)
    actions = (_offload(project, packed, shown, left.get(packed.name)) for packed in here)
    return Plan("archive", now.isoformat(sep=" ", timespec="seconds"), tuple(actions))


def _offload(project: Project, packed: Packed, shown: str, why: str | None) -> Action:
    status = (project.root / packed.path).lstat()
    line = ""  # with no checksum it was left
    with contextlib.suppress(OSError):
        line = (project.root / packed.checksum).read_text("utf-8", "surrogateescape")
    return Action(
        "skip" if why else "offload",
        packed.path,
        None if why else shown,
        status.st_size,
        why or "pushed, and compared by rclone, before it goes",
        project.folders.archived,
        status.st_mtime_ns,
        facts={"checksum": line},
    )


def _needed(project: Project) -> dict[str, str]:
    """Return the archives that keep the bytes of what waits in quarantine, with the run of that."""
    return {
        str((record.kept or {})["archive"]): past.id
        for past in history.past_runs(project)
        if not past.undone
        for record in purge.waiting(past)
        if "archive" in (record.kept or {})
    }


# --- papers ---------------------------------------------------------------------------------------


def _folder(project: Project) -> Path:
    return project.root / project.folders.archived


def _line(name: str, sha256: str) -> bytes:
    return checksum_line(sha256, f"{name}{SUFFIX}")


def _mark(project: Project, name: str, said: Mapping[str, object]) -> None:
    """Note where an archive is as well. Raises OSError."""
    place = _folder(project) / f"{name}{MARK}"
    partial = disk.partial_of(place)
    partial.write_text(json.dumps(said, indent=1) + "\n", encoding="ascii")
    os.replace(partial, place)  # noqa: PTH105 - replaces on Windows as well
