"""Hyper-parameters in files called config, args, hparams or params."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.readers import Broken, keys
from engine.recognition.evidence import Noted, Reading

MAX_BYTES = 1 << 20
MAX_ALIASES = 20  # few enough that no nesting of them can grow without bound
_ALIAS = re.compile(rb"(?:^|[\s\[{,])\*\w", re.MULTILINE)
# A config of a training names at least two of these; a config of something else hardly does.
_VOCABULARY = re.compile(
    r"(?:^|[._])(?:lr|learning_rate|batch_size|n?_?epochs|max_epochs|optimi[sz]er|weight_decay|"
    r"dropout|momentum|scheduler|warmup|loss|criterion|seed|patience|hidden_(?:size|dim)|"
    r"num_layers|num_hidden_layers|num_attention_heads|embed_dim|model_type|model|arch|"
    r"architectures?|num_classes|pretrained|dataset|vocab_size|gradient_accumulation_steps|"
    r"learning_rate_init|max_depth|n_estimators)(?:$|[._])"
)

_OF_TRAINING = re.compile(
    r"(?:hparams|train\w*_args|args|adapter_config)\."
)  # called so by trainers


def read(path: Path, name: str) -> Reading | None:
    """Return the hyper-parameters with dotted keys; None if they are not those of a training."""
    mapping = keys.as_mapping(load(path, name))
    if mapping is None:
        return None
    flat = keys.flatten(mapping)
    is_plain = _OF_TRAINING.match(name.lower()) or path.parent.name == ".hydra"
    if len({found for key in flat for found in _VOCABULARY.findall(key.lower())}) < 2 - bool(
        is_plain
    ):
        return None
    notes = [*keys.collect({"config": mapping}, "own").notes, *_packages(mapping)]
    return Reading("config", "config", (), tuple(notes), flat)


def _packages(mapping: Mapping[Any, object]) -> Iterator[Noted]:
    """Yield the packages that were installed, as a recipe notes them when a run begins."""
    listed = mapping.get("packages")
    if isinstance(listed, list) and listed and all(isinstance(each, str) for each in listed):
        yield Noted("packages", " ".join(listed), "key packages")


def load(path: Path, name: str) -> Any:
    """Return what a JSON or YAML file says. Raises Broken, and ValueError if it is no JSON."""
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise Broken("too complex: a config of more than 1 MB")
    return json.loads(data) if name.lower().endswith(".json") else _yaml(data)


def _yaml(data: bytes) -> Any:
    if len(_ALIAS.findall(data)) > MAX_ALIASES:
        raise Broken("too complex: too many YAML aliases")
    import yaml

    class Loader(yaml.SafeLoader):
        """Takes the tuples that Lightning writes for lists."""

    def as_list(loader: Loader, node: yaml.SequenceNode) -> list[Any]:
        return loader.construct_sequence(node)

    Loader.add_constructor("tag:yaml.org,2002:python/tuple", as_list)
    try:
        return yaml.load(data, Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise Broken(f"not plain YAML: {getattr(error, 'problem', None) or error}") from error
