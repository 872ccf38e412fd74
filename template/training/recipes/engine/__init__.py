"""The core that the recipes share; README.md beside this file says what lies where."""

import sys
from pathlib import Path

# The logging helper is the one implementation of name templates and folder precedence. Its folder
# goes last on the module path, so that nothing of the user's in it can hide a library.
sys.path.append(str(Path(__file__).resolve().parents[2]))
