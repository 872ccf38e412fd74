"""Files that only name the checkpoint to resume from, as detectron2, mmengine, TensorFlow and
DeepSpeed write them: `last_checkpoint`, `checkpoint`, `latest`.
"""

import re
from pathlib import Path, PurePosixPath

from engine.readers import HEAD
from engine.recognition.evidence import Noted, Reading

_TENSORFLOW = re.compile(r'\Amodel_checkpoint_path: "([^"\n]+)"')
_PLAIN = re.compile(r"\A([^\n\0\ufffd]{1,1000})\n?\Z")


def read(path: Path, name: str) -> Reading | None:
    """Return the name of the checkpoint; None for what is more than a path."""
    with path.open("rb") as file:
        text = file.read(HEAD).decode("utf-8", "replace")
    found = _TENSORFLOW.match(text) or _PLAIN.match(text)
    if found is None:
        return None
    named = PurePosixPath(found[1].replace("\\", "/")).name
    return Reading("pointer", "config", (), (Noted("names", named, "line 1"),))
