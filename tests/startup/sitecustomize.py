"""Share bytecode among all processes of a test run: the same source is compiled once.

Python keeps bytecode by path, and the tests make a thousand projects with the same recipes. Here it
is found by what the source says. `conftest.py` has whatever process the tests start come by here.
"""

import _imp
import hashlib
import marshal
import os
import sys
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

compiled = SourceFileLoader.source_to_code
kind = f"{sys.implementation.cache_tag}-{sys.flags.optimize}"


def shared(self: SourceFileLoader, data: Any, path: Any, **options: Any) -> CodeType:
    """Compile a source, or take what it was compiled to before, elsewhere."""
    kept = Path(os.environ["SHARED_BYTECODE"], f"{hashlib.sha256(data).hexdigest()}.{kind}")
    with suppress(OSError):
        code: CodeType = marshal.loads(kept.read_bytes())
        _imp._fix_co_filename(code, path)  # type: ignore[attr-defined]
        return code
    code = compiled(self, data, path, **options)
    with suppress(OSError):
        mine = kept.with_suffix(f".{os.getpid()}")
        mine.write_bytes(marshal.dumps(code))
        mine.replace(kept)
    return code


if "SHARED_BYTECODE" in os.environ:
    SourceFileLoader.source_to_code = shared  # type: ignore[assignment, method-assign]
