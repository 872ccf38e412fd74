"""Pickles and joblib files: which class was saved, by the names in it. Nothing is loaded.

joblib writes arrays between the opcodes: https://joblib.readthedocs.io/en/stable/persistence.html
"""

import bz2
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from pickletools import genops

from engine.readers import Broken, keys, result_json
from engine.readers.bounded import BoundedFile
from engine.readers.hdf5 import NAMED
from engine.readers.pickle_values import load
from engine.recognition.evidence import FileRole, Noted, Reading

SEARCHED = 4 << 20  # bytes, once unpacked
MAX_OPCODES = 200_000
COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
_LIBRARIES = re.compile(
    r"(?:sklearn|xgboost|lightgbm|catboost|imblearn|statsmodels|hmmlearn|lifelines|sksurv|skorch|"
    r"prophet|pmdarima|surprise|implicit|river|autogluon|pycaret|flaml|tpot|mlxtend|pyod|interpret|"
    r"econml|ngboost|pgmpy|hdbscan|keras|torch\.nn|torch\._utils)\b"
)
_PREPARES = re.compile(
    r"sklearn\.(?:preprocessing|feature_extraction|impute|decomposition|feature_selection|compose|"
    r"random_projection|manifold)\b|(?:Scaler|Encoder|Binarizer|Vectorizer|Tokenizer|Imputer|"
    r"Normali[sz]er?|Discretizer|Vocab(?:ulary)?|Preprocessor|Selector|Hasher)\Z"
)
_NOT_FITTED = re.compile(
    r"sklearn\.(?:metrics|utils|datasets|model_selection\._split)\b|.*Wrapper\Z"
)
_OWN_MODEL = re.compile(
    r"(?:Model|Classifier|Regressor|Estimator|Predictor|Detector|Forest|Net|Network|Ensemble)\Z"
)
# Arrays are a model only where name and folder say so: of a network that is written with numpy.
_ARRAYS = re.compile(r"numpy\._?core\.(?:multiarray\._reconstruct|numeric\._frombuffer)")
_PLACES = frozenset("checkpoint checkpoints ckpt ckpts weights".split())
_PREPARING_NAME = re.compile(
    r"(?:^|[_-])(?:preprocess\w*|scalers?|encoders?|tokenizer|vectorizer|vocab)"
)


def read(path: Path, name: str) -> Reading | None:
    """Return a model, or training state for what prepares data; None for data."""
    content = _unpacked(path)
    names = list(dict.fromkeys(_names(content)))
    found = next(((role, n) for n in names if (role := _role(n))), None)
    if found is None and path.parent.name.lower() in _PLACES and NAMED.search(name):
        found = next((("model", n) for n in names if _ARRAYS.fullmatch(n)), None)
    value = _value(content) if len(content) < SEARCHED and not _is_inlined(names) else None
    if found is None:
        return (
            result_json.of_value(value, is_named=result_json.is_named(name)) if not names else None
        )
    if isinstance(value, dict | list | tuple):  # of several: the model is what it is saved for
        found = next(((r, n) for n in names if (r := _role(n)) == "model"), found)
    role, called = found
    if called.startswith("torch._utils") and b"weight" not in content:
        return None  # tensors that someone prepared
    if _PREPARING_NAME.search(name.lower()):
        role = "training_state"
    facts = keys.collect(value, "own") if isinstance(value, dict) else keys.Facts()
    typed = [Noted("model_type", called.rpartition(".")[2], "name of its class")]
    if _ARRAYS.fullmatch(called):
        return Reading("arrays (pickle)", role, tuple(facts.measurements), tuple(facts.notes))
    if called.startswith("torch._utils"):  # a function that makes tensors
        typed.clear()
    notes = (*facts.notes, *typed) if role == "model" else ()
    return Reading(f"pickle ({called.partition('.')[0]})", role, tuple(facts.measurements), notes)


def _role(name: str) -> FileRole | None:
    if _PREPARES.search(name):
        return "training_state"
    if _NOT_FITTED.match(name):
        return None
    is_model = _LIBRARIES.match(name) or _OWN_MODEL.search(name)
    return "model" if is_model else None


def _unpacked(path: Path) -> bytes:
    with path.open("rb") as file:
        start = file.read(6)
        file.seek(0)
        if start[:1] == b"x":
            return zlib.decompressobj().decompress(file.read(SEARCHED), SEARCHED)
        kinds = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ", lzma.open))
        unpack = next((opener for magic, opener in kinds if start.startswith(magic)), None)
        try:
            return unpack(file).read(SEARCHED) if unpack else file.read(SEARCHED)
        except (EOFError, lzma.LZMAError) as error:
            raise Broken(f"damaged or truncated: {error}") from error


def _names(content: bytes) -> Iterator[str]:
    """Yield the names of classes and functions up to the first array that joblib wrote."""
    texts: list[str] = []
    memo: dict[int, str] = {}
    try:
        for count, (opcode, argument, _) in enumerate(genops(content)):
            if count > MAX_OPCODES:
                return
            if opcode.name in ("GLOBAL", "INST"):
                yield str(argument).replace(" ", ".")
            elif opcode.name == "STACK_GLOBAL" and len(texts) > 1:
                yield f"{texts[-2]}.{texts[-1]}"
            elif opcode.name.endswith("UNICODE"):
                texts = [*texts[-1:], str(argument)]
            elif opcode.name == "MEMOIZE":
                memo[len(memo)] = texts[-1] if texts else ""
            elif "GET" in opcode.name and isinstance(argument, int) and argument in memo:
                texts = [*texts[-1:], memo[argument]]
    except (ValueError, IndexError, KeyError):  # an array stands between the opcodes, or the end
        return


def _is_inlined(names: list[str]) -> bool:
    return any(name.startswith("joblib.") for name in names)


def _value(content: bytes) -> object:
    try:
        return load(BoundedFile(io.BytesIO(content), SEARCHED))
    except Broken:
        return None
