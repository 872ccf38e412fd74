"""A Python that starts in a third of the time, for the hundreds of recipes that the tests run.

A server imports once what recipes import of others, and nothing of ours. For each recipe it forks a
process, which takes over standard streams, folder, environment and arguments of the caller and runs
the script as Python does. `client.py` is the caller: it waits for the exit status.
"""

import atexit
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
AT_START = ("PYTHON", "LANG", "LC_")  # variables that Python reads before there is a script


def interpreter(environ: Mapping[str, str]) -> str:
    """Return the path of a program that runs scripts as Python does in this environment."""
    if not hasattr(os, "fork"):
        return sys.executable
    return _served(frozenset((k, v) for k, v in environ.items() if k.startswith(AT_START)))


@cache
def _served(variables: frozenset[tuple[str, str]]) -> str:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    program, socket = folder / "python", folder / "socket"
    client = shlex.join([sys.executable, "-I", "-S", str(HERE / "client.py"), str(socket)])
    program.write_text(f'#!/bin/sh\nexec {client} "$@"\n')
    program.chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, HERE / "server.py", socket],
        env={"PATH": os.environ["PATH"], "SHARED_BYTECODE": os.environ["SHARED_BYTECODE"]}
        | dict(variables),
        stdin=subprocess.PIPE,  # closed by whatever ends this process, and that ends the server
        stdout=subprocess.PIPE,  # as those of a recipe are: Python has looked at them by then
        stderr=subprocess.PIPE,
    )
    assert server.stdin and server.stdout and server.stderr
    assert server.stdout.readline() == b"ready\n", server.stderr.read()
    atexit.register(server.wait)
    atexit.register(server.stdin.close)
    return str(program)
