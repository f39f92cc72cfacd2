"""`config.json` of a folder: which network of the transformers package it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edgekit.errors import ModelError, RuntimeMissing
from edgekit.safe_io import read_json, reading
from edgekit.sources.huggingface.files import CONFIG
from edgekit.suggestions import suggest_path

KIND = "a Hugging Face configuration"
_REFUSED = {
    "auto_map": "names Python code of its author's, and a folder's code is never run. "
    "Load the network from a function of your own: source = 'model.py:build'.",
    "quantization_config": "is of quantized weights. Take the folder of the "
    "network before quantization.",
    "peft_type": "belongs to an adapter. Merge it into its network first.",
}
_DROPPED = re.compile(
    r"(attn|experts)_implementation(_internal)?|_?commit_hash|fusion_config|"
    r"distributed_config|(torch_)?dtype|use_kernels|_name_or_path|transformers_version|"
    r"gradient_checkpointing"
)
"""Keys that select how a network is run, not what it computes."""
_STEPS = re.compile(r"num_\w*(layers|blocks|stages)|n_layers?|\w*depths?|layers")
_CLASSES = re.compile(r"num_labels|num_classes")
_MOST_CLASSES = 1 << 20
_LARGEST = 1 << 40


def read(folder: Path) -> dict[str, Any]:
    """The configuration, without what selects code to run it with.

    Raises `ModelError` for damaged ones, and for those that ask for code of the folder's.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise ModelError(f"No file {path}.{suggest_path(path)} Check [model] source.")
    found = read_json(path, ModelError)
    with reading(path, ModelError, kind=KIND):
        if not isinstance(found, dict):
            raise ValueError("it is not an object")
        _refuse(path, found)
        cleaned: dict[str, Any] = _cleaned(found)
        return cleaned


def bounded(config: Mapping[str, Any], tensors: int, path: Path) -> None:
    """Raise `ModelError` for sizes that no folder with this many tensors has."""
    with reading(path, ModelError, kind=KIND):
        for key, value in _numbers(config):
            most = _LARGEST
            if _STEPS.fullmatch(key):
                most = tensors
            elif _CLASSES.fullmatch(key):
                most = _MOST_CLASSES
            if abs(value) > most:
                raise ValueError(
                    f"{key} is {value}, and the folder has {tensors} tensors"
                )


def configuration(found: Mapping[str, Any], path: Path) -> Any:
    """The configuration as transformers has it, for attention that can be traced."""
    if find_spec("transformers") is None:
        raise RuntimeMissing(
            "Hugging Face folders are read with transformers: "
            "pip install 'edgekit[huggingface]'."
        )
    from transformers import __version__
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    kind = found.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        raise ModelError(
            f"{path}: transformers {__version__} has no model_type {kind!r:.60}. Install a "
            "release that has it, or load the network from a function of your own."
        )
    with reading(path, ModelError, kind=KIND):
        made = CONFIG_MAPPING[kind].from_dict(dict(found))
        made.return_dict = True
        made.use_cache = False
        made.output_hidden_states = made.output_attentions = False
        made._attn_implementation = "eager"
    if made.is_encoder_decoder:
        raise ModelError(
            f"{path}: {kind} has an encoder and a decoder, which take turns. Load one of the "
            "two from a function of your own: source = 'model.py:build'."
        )
    return made


def network_class(config: Any, found: Mapping[str, Any], path: Path) -> Any:
    """The network's class by the name that the configuration gives."""
    import transformers

    listed = found.get("architectures")
    if listed is None:
        return base_class(config, path)
    name = listed[0] if isinstance(listed, list) and listed else listed
    made = _part(transformers, name) if isinstance(name, str) else None
    network = isinstance(made, type) and issubclass(made, transformers.PreTrainedModel)
    if not network or getattr(made, "config_class", None) is not type(config):
        raise ModelError(
            f"{path}: transformers {transformers.__version__} has no architecture "
            f"{name!r:.60} of the model_type {config.model_type}. Load the network from a "
            "function of your own: source = 'model.py:build'."
        )
    return made


def _part(package: Any, name: str) -> Any:
    """The object that a name stands for in transformers; `None` for nothing that is installed."""
    try:
        return getattr(package, name, None)
    except (ImportError, RuntimeError):  # raised for parts that lack a library
        return None


def base_class(config: Any, path: Path) -> Any:
    """The class of the network without a head."""
    from transformers import MODEL_MAPPING

    with reading(path, ModelError, kind=KIND):
        return MODEL_MAPPING[type(config)]


def _refuse(path: Path, found: Any) -> None:
    for key, value in _entries(found):
        if value and key in _REFUSED:
            raise ModelError(f"{path}: {key} {_REFUSED[key]}")
        if value and key == "use_pretrained_backbone":
            raise ModelError(
                f"{path}: {key} asks for weights from elsewhere, and folders are read offline. "
                "Save the entire network with save_pretrained()."
            )


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _cleaned(inner)
            for key, inner in value.items()
            if not _DROPPED.fullmatch(key.lstrip("_")) and not _DROPPED.fullmatch(key)
        }
    return [_cleaned(inner) for inner in value] if isinstance(value, list) else value


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, at any depth."""
    inner = value.items() if isinstance(value, dict) else ()
    yield from inner
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, dict | list):
            yield from _entries(each)


def _numbers(config: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for key, value in _entries(config):
        for each in value if isinstance(value, list) else (value,):
            if isinstance(each, int):
                yield key, each
