"""The Python that the tests start recipes with does what Python does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import warm_python

SCRIPT = """
import os, sys
print(sys.argv[1:], os.getcwd(), os.environ.get("OWN"), sys.path[0], __name__, __file__)
print(sys.executable, sys.stdout.encoding, sys.stdin.read(), sorted(sys.flags))
print([name for name in sys.modules if name.partition(".")[0] in ("engine", "log_paths")])
print("to the other", file=sys.stderr)
"""
ENDS = {
    "": 0,
    "sys.exit()": 0,
    "sys.exit(3)": 3,
    "sys.exit('why')": 1,
    "raise ValueError('why')": 1,
    "os.kill(os.getpid(), 9)": -9,
    "import atexit; atexit.register(print, 'last'); sys.exit(2)": 2,
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("variables", [{}, {"OWN": "a b"}, {"PYTHONIOENCODING": "latin-1"}])
def test_it_is_as_python(end: str, variables: dict[str, str], tmp_path: Path) -> None:
    """Arguments, folder, environment, streams and status are the same, and nothing is ours."""
    script = tmp_path / "a script.py"
    script.write_text(SCRIPT + end)
    environ = {**os.environ, **variables}
    plain, warm = (
        subprocess.run(
            [python, str(script), "-x", "a b\udcff"],
            cwd=tmp_path,
            env=environ,
            input="typed",
            capture_output=True,
            text=True,
        )
        for python in (sys.executable, warm_python.interpreter(environ))
    )
    assert warm.stdout == plain.stdout
    assert warm.stderr.splitlines()[-1] == plain.stderr.splitlines()[-1]
    assert warm.returncode == plain.returncode == ENDS[end]
