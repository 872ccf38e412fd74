"""The core that the recipes share; README.md beside this file says what lies where."""

import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - $TRAINING_PYTHON may name any interpreter
    sys.stderr.write(f"{sys.executable} is too old: the recipes need Python 3.11 or newer\n")
    sys.exit(2)

# The logging helper is the one implementation of name templates and folder precedence. Its folder
# goes last on the module path, so that nothing of the user's in it can hide a library.
sys.path.append(str(Path(__file__).resolve().parents[2]))
