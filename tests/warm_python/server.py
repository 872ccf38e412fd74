"""Run scripts, each in a process of its own that need not import what all of them do.

Usage: server.py SOCKET; it ends when its standard input is closed.
"""

import atexit
import gc
import importlib
import marshal
import os
import re
import runpy
import select
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

RECIPES = Path(__file__).resolve().parents[2] / "template/training/recipes"
IMPORTED = re.compile(r"(?m)^ *(?:import|from(?= \S+ import)) ([\w.]+)")


def import_libraries() -> None:
    """Import what the recipes import, then forget what is theirs: each project has its own.

    Regular expressions stay in Python's memory, so that they need not be compiled again.
    """
    sys.path[0] = str(RECIPES)
    sources = "".join(path.read_text(encoding="utf-8") for path in RECIPES.rglob("*.py"))
    for name in sorted(set(IMPORTED.findall(sources))):
        with suppress(ImportError):  # of another system, or no import at all
            importlib.import_module(name)
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(RECIPES.parent)):
            del sys.modules[name]
    sys.path = [place for place in sys.path if not place.startswith(str(RECIPES.parent))]
    gc.freeze()  # or each process would copy all of it when it ends


def serve(path: str) -> socket.socket:
    """Return the connection to a caller, in a process that is for it alone."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(path)
        listening.listen()
        os.write(1, b"ready\n")
        both: list[socket.socket | int] = [listening, 0]
        while listening in select.select(both, [], [])[0]:
            connection, _ = listening.accept()
            if not os.fork():
                return connection
            connection.close()
            bury(os.WNOHANG)
    bury(0)
    sys.exit()


def bury(how: int) -> None:
    """Take the exit status of those processes that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, how)[0]:
            pass


def script(caller: socket.socket) -> str:
    """Return the script that a caller asks for, in its place; another process tells it the end."""
    size, streams, _, _ = socket.recv_fds(caller, 8, 3)
    with caller.makefile("rb") as reader:
        words, folder, environ = marshal.loads(reader.read(int.from_bytes(size, sys.byteorder)))
    if child := os.fork():
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        caller.sendall(status.to_bytes(4, sys.byteorder, signed=True))
        os._exit(0)
    caller.close()
    for place, stream in enumerate(streams):
        os.dup2(stream, place)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    sys.argv = words
    sys.path.insert(0, str(Path(words[0]).parent))
    return str(words[0])


def run(path: str) -> None:
    """Run a script; once it exits, leave without taking down all that was imported."""
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code)


if __name__ == "__main__":
    import_libraries()
    run(script(serve(sys.argv[1])))
