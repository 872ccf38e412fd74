"""Build a realistic legacy repository: a research project whose training outputs lie everywhere.

The facts are data in `legacy_data/`: the paths that git tracked, the checkpoints and what is known
of them, and, under `tree/`, results, logs and other files byte for byte. Checkpoints have the
real formats and keys with small random weights. The same bytes and times come out at each run.
"""

import argparse
import json
import os
import pickle
import random
import re
import struct
import subprocess
import sys
import zipfile
import zlib
from datetime import UTC, datetime
from pathlib import Path

from legacy_checkpoints import CHECKPOINTS, DATA, TREE, rows, write_checkpoint

NOT_FOR_GIT = {"gitignore": ".gitignore"}  # under its own name it would rule this repository too
PRETRAINED = {"PAT-S": 48_000, "PAT-M": 160_000, "PAT-L": 310_000}  # bytes of weights
PRETRAINED_PATH = "model_weights/pat/pretrained/{}_29k_weights.h5"
PUBLISHED = ("DE", "HME", "ME")  # the models of another study, which the application loads
FUNCTION = "\ndef main() -> None:\n    return None\n"
REFERENCES = 151  # lines of source and scripts that name a training output
COMMITTED = datetime(2025, 7, 25, 11, 30, tzinfo=UTC)
UNDATED = {  # results that tell no time: when their checkpoints were saved
    "pat_s_depression_final_results.json": "2025-07-23 23:34:41",
    "pat_depression_training_fixed_results.json": "2025-07-23 22:20:03",
}
STAMP = re.compile(r"(2025)-(07)-(\d\d)[ T](\d\d):(\d\d):(\d\d)")
STAMP_IN_NAME = re.compile(r"results_\w+_(2025)(07)(\d\d)_(\d\d)(\d\d)(\d\d)\.json$")


TRACKED = tuple(row["path"] for row in rows("tracked_files.tsv"))
EMPTY = frozenset(row["path"] for row in rows("tracked_files.tsv") if row["bytes"] == "0")
EXPECTED: dict[str, float | None] = {
    **{checkpoint.path: checkpoint.metric for checkpoint in CHECKPOINTS},
    **{PRETRAINED_PATH.format(name): None for name in PRETRAINED},
}
"""Every checkpoint, and the validation AUC that the best evidence for it gives; None: nowhere."""


def build(dest: Path) -> None:
    """Write the legacy repository, without `.git`, into `dest`, a new or empty folder."""
    for source in sorted(path for path in TREE.rglob("*") if path.is_file()):
        _write(dest, source.relative_to(TREE).as_posix(), source.read_bytes())
    for name, target in NOT_FOR_GIT.items():
        _write(dest, target, (DATA / name).read_bytes())
    references = _references()
    for path in TRACKED:
        if not (dest / path).exists():
            _write(dest, path, _content(path, references.get(path, [])).encode())
    for checkpoint in CHECKPOINTS:
        write_checkpoint(dest, checkpoint)
        _settle(dest / checkpoint.path, checkpoint.saved)
    _write_published_weights(dest)
    _write_cache(dest / "data/cache/nhanes_pat_data_subsetNone.npz")
    _date_folders(dest)


def _write(dest: Path, path: str, data: bytes, when: datetime | None = None) -> None:
    (dest / path).parent.mkdir(parents=True, exist_ok=True)
    (dest / path).write_bytes(data)
    _settle(dest / path, when or _dated(path, data))


def _settle(path: Path, when: datetime) -> None:
    path.chmod(0o755 if path.suffix == ".sh" else 0o644)
    os.utime(path, (when.timestamp(), when.timestamp()))


def _dated(path: str, data: bytes) -> datetime:
    """Return the last time that the text tells, else a day in July that depends on the name."""
    text = UNDATED.get(Path(path).name) or data.decode("utf-8", "replace")
    named = STAMP_IN_NAME.search(path)
    stamps = [named.groups()] if named else STAMP.findall(text)
    if stamps:
        year, month, day, hour, minute, second = map(int, stamps[-1])
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    draw = zlib.crc32(path.encode())
    return datetime(2025, 7, 10 + draw % 13, 8 + draw % 14, draw % 60, draw % 59, tzinfo=UTC)


def _references() -> dict[str, list[str]]:
    """Spread the paths of training outputs over the sources that read or write them."""
    logs = [f"logs/pat_training/{path.name}" for path in sorted(TREE.glob("logs/*/*.log"))]
    outputs = [path for path in EXPECTED if path.startswith("model_weights/pat")] + logs
    source = re.compile(r"(scripts|src)/.*(pat|train|weights)[^/]*\.(py|sh)")
    sources = [path for path in TRACKED if source.fullmatch(path)]
    spread: dict[str, list[str]] = {path: [] for path in sources}
    for number in range(REFERENCES):
        spread[sources[number % len(sources)]].append(outputs[number % len(outputs)])
    return spread


def _content(path: str, references: list[str]) -> str:
    title = Path(path).stem.replace("_", " ").replace("-", " ").strip()
    if path in EMPTY:
        return ""
    match Path(path).suffix:
        case ".py":
            outputs = "".join(f'    "{reference}",\n' for reference in references)
            body = f"OUTPUTS = [\n{outputs}]\n" if references else FUNCTION
            return f'"""{title.capitalize()}."""\n\n{body}'
        case ".md":
            return f"# {title.title()}\n\nNotes on {title.lower()}.\n{_boast(path)}"
        case ".json":
            return json.dumps({"name": title, "path": path}, indent=2) + "\n"
        case ".yml" | ".yaml":
            return f"# {path}\nname: {title}\nversion: 1\n"
        case ".toml":
            return '[project]\nname = "big-mood-detector"\nversion = "0.4.0"\n'
        case ".sh":
            outputs = "".join(f'ls -l "{reference}"\n' for reference in references)
            return f"#!/usr/bin/env bash\n# {title}\nset -euo pipefail\n{outputs}"
        case ".js" | ".css":
            return f"/* {title} */\n"
    return f"# {path}\n"


def _boast(path: str) -> str:
    """Return what documents say of results: evidence for nothing, and theirs to keep."""
    if "pat" not in path.lower():
        return ""
    best = "`model_weights/pat/pytorch/pat_l_corrected_best.pth`"
    return f"\nBest so far: {best} with Val AUC=0.5888. Target: 0.625 AUC.\n"


def _write_published_weights(dest: Path) -> None:
    published = datetime(2025, 7, 14, 9, 30, tzinfo=UTC)
    hdf5 = (DATA / "empty_root_group.h5").read_bytes()  # valid; nothing refers to what follows it
    for name, size in PRETRAINED.items():
        weights = b"keras_version\0backend\0tensorflow\0" + random.Random(name).randbytes(size)
        _write(dest, PRETRAINED_PATH.format(name), hdf5 + weights, published)
    for name in PUBLISHED:
        model = {"study": f"XGBoost_{name}", "booster": random.Random(name).randbytes(20_000)}
        path = f"model_weights/xgboost/pretrained/XGBoost_{name}.pkl"
        _write(dest, path, pickle.dumps(model, protocol=4), published)


def _write_cache(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, shape in {"X_train": (24, 1440), "X_val": (8, 1440), "y_train": (24, 1)}.items():
            described = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
            header = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + f"{described:<117}\n".encode()
            data = random.Random(name).randbytes(shape[0] * shape[1])
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), header + data)
    _settle(path, datetime(2025, 7, 24, 15, 58, 12, tzinfo=UTC))


def _date_folders(dest: Path) -> None:
    """Give each folder the time of the newest thing in it, so that none looks just changed."""
    folders = [dest, *(path for path in dest.rglob("*") if path.is_dir())]
    for folder in sorted(folders, reverse=True):  # the inner ones first
        if ".git" not in folder.relative_to(dest).parts:
            inside = [child for child in folder.iterdir() if child.name != ".git"]
            newest = max(child.stat().st_mtime for child in inside)
            folder.chmod(0o755)
            os.utime(folder, (newest, newest))


def commit(dest: Path) -> None:
    """Make `dest` a git repository in which the tracked files, and no others, are committed."""
    identity = ("-c", "user.name=Legacy Fixture", "-c", "user.email=fixture@example.invalid")
    steady = ("-c", "commit.gpgsign=false", "-c", f"core.hooksPath={os.devnull}")
    when = COMMITTED.isoformat()
    ours = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when, "GIT_CONFIG_NOSYSTEM": "1"}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environ = kept | ours | {"GIT_CONFIG_GLOBAL": os.devnull}

    def git(*arguments: str, paths: str | None = None) -> None:
        command = ["git", *identity, *steady, *arguments]
        subprocess.run(command, cwd=dest, env=environ, check=True, input=paths, text=True)

    git("init", "--quiet", "--initial-branch=main", "--template=")
    git("add", "--pathspec-from-file=-", paths="\n".join(TRACKED))
    git("commit", "--quiet", "--message=State before the clean-up")
    _date_folders(dest)


def main(arguments: list[str] | None = None) -> int:
    """Build the repository that the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("dest", type=Path, help="a folder that is new or empty")
    parser.add_argument("--git", action="store_true", help="commit what git tracked")
    options = parser.parse_args(arguments)
    if not _is_free(options.dest):
        print(f"{options.dest}: not an empty folder; name a new one", file=sys.stderr)
        return 2
    build(options.dest)
    if options.git:
        commit(options.dest)
    return 0


def _is_free(dest: Path) -> bool:
    return not any(dest.iterdir()) if dest.is_dir() else not os.path.lexists(dest)


if __name__ == "__main__":
    sys.exit(main())
