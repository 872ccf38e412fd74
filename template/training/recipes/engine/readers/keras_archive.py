"""Models in the `.keras` format of Keras 3: a zip of two JSON files and the weights as HDF5.

The format: https://keras.io/guides/serialization_and_saving. No metric is stored in it.
"""

import json
import re
import zipfile
from pathlib import Path
from typing import Any

from engine.readers import Broken, dates
from engine.readers.bounded import BoundedFile
from engine.recognition.evidence import Noted, Reading

MAX_MEMBER = 16 << 20
_UNNAMED = re.compile(r"(?:sequential|functional|model)(?:_\d+)?\Z", re.IGNORECASE)


def read(path: Path, name: str) -> Reading | None:
    """Return the model's name, and when it was saved."""
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(BoundedFile(file, MAX_MEMBER)) as archive:
                about, model = (_object(archive, f"{n}.json") for n in ("metadata", "config"))
                is_whole = "model.weights.h5" in archive.NameToInfo
        except (zipfile.BadZipFile, KeyError) as error:
            raise Broken(f"damaged or truncated: {error}") from error
    if not is_whole:
        raise Broken("damaged: no weights in it")
    saved = dates.of_value(str(about.get("date_saved", "")).replace("@", "T"))
    inner = model.get("config")
    called = str(inner.get("name", "")) if isinstance(inner, dict) else ""
    notes = [Noted("finished", saved, "date_saved in metadata.json")] if saved else []
    notes += (
        [Noted("model_type", called, "config.json")]
        if called and not _UNNAMED.match(called)
        else []
    )
    return Reading("Keras", "model", notes=tuple(notes))


def _object(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    if archive.getinfo(name).file_size > MAX_MEMBER:
        raise Broken(f"too complex: {name} is larger than {MAX_MEMBER >> 20} MB")
    value = json.loads(archive.read(name))
    return value if isinstance(value, dict) else {}
