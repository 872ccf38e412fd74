"""What is known when an experiment starts: code, interpreter, packages, hardware."""

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine import cores
from engine.launch.interpreter import installed

SECONDS = 20  # git in a large repository; a GPU that hangs


def start_facts(root: Path, python: str | None, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what can be told of the code at `root`, the interpreter and the machine.

    What is not known is None. Memory is in GB, of 10**9 bytes; `git_dirty` counts new files.
    """
    status = _output("git", "-C", str(root), "status", "--porcelain")
    found = installed(python, environ)
    return {
        "git_commit": _output("git", "-C", str(root), "rev-parse", "HEAD"),
        "git_dirty": None if status is None else status != "",
        "python": found["python"],
        "interpreter": python,
        "host": platform.node(),
        "system": platform.platform(),
        "cpu": _processor(),
        "cpus": cores.usable(),
        "memory_gb": _memory(),
        "gpus": _gpus(),
        "packages": found["packages"],
    }


def _output(*command: str) -> str | None:
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace").strip()


def _processor() -> str | None:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        text = ""
    model = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return model[1] if model else platform.processor() or platform.machine() or None


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError, OSError):  # Windows has no such call
        return None


def _gpus() -> list[str] | None:
    query = "--query-gpu=name,memory.total,driver_version"
    listed = _output("nvidia-smi", query, "--format=csv,noheader")
    return listed.splitlines() if listed else None
