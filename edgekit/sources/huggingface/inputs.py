"""Inputs of a network, token numbers and their mask or images, and their sizes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import ModelError
from edgekit.program.tokenizer import read_object
from edgekit.sources.huggingface.images import processor, size
from edgekit.types import InputSpec

TOKENS = ("input_ids", "attention_mask", "token_type_ids")
_LENGTH = 128
"""Tokens where the folder names no length."""
_LONGEST = 1 << 16
"""A tokenizer without a limit of its own writes a huge number."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """`specs` are the network's inputs, `fixed` those that have one value for every sample."""

    specs: tuple[InputSpec, ...]
    fixed: Mapping[str, int | float | bool]
    remarks: tuple[str, ...] = ()


def taken(
    folder: Path,
    network: type,
    config: Any,
    given: Sequence[InputSpec],
    fixed: Mapping[str, Any],
) -> Taken:
    """The inputs of a network's class; `given` has their sizes where the project names any.

    Raises `ModelError` where the folder's kind of input is not known, or `given` does not fit.
    """
    known = inspect.signature(network.forward).parameters  # type: ignore[attr-defined]
    main = getattr(network, "main_input_name", "input_ids")
    if {"input_ids", "pixel_values"} <= known.keys():
        raise ModelError(
            f"{folder}: {network.__name__} takes text and images at once. Load one part of it "
            "from a function of your own: source = 'model.py:build'."
        )
    if main == "input_ids":
        return _text(folder, config, [n for n in TOKENS if n in known], given, fixed)
    _check_fixed(folder, fixed, ())
    if main == "pixel_values":
        return _images(folder, config, given)
    if len(given) != 1:
        raise ModelError(
            f"{folder}: {network.__name__} takes {main}, whose shape the folder does not "
            "have. Give it in edgekit.toml: [model] input = { shape = [16000] }."
        )
    return Taken(specs=(InputSpec(name=main, shape=given[0].shape),), fixed={})


def _text(
    folder: Path,
    config: Any,
    known: Sequence[str],
    given: Sequence[InputSpec],
    fixed: Mapping[str, Any],
) -> Taken:
    names = list(_names(folder, config, known))
    _check_fixed(folder, fixed, names)
    free = [name for name in names if name not in fixed]
    length, said = _given_length(folder, given, free) or _length(folder, config)
    kind = given[0].dtype if given else None
    dtype = kind if kind in ("int32", "int64") else "int64"
    return Taken(
        specs=tuple(InputSpec(name=n, shape=(length,), dtype=dtype) for n in free),
        fixed=dict(fixed),
        remarks=said,
    )


def _names(folder: Path, config: Any, known: Sequence[str]) -> Iterator[str]:
    """Inputs that the tokenizer gives and the network takes."""
    listed = read_object(folder / "tokenizer_config.json").get("model_input_names")
    kinds = getattr(config, "type_vocab_size", 0) or 0
    for name in known:
        if name == "token_type_ids":
            if name in listed if isinstance(listed, list) else kinds > 1:
                yield name
        else:
            yield name


def _check_fixed(folder: Path, fixed: Mapping[str, Any], names: Sequence[str]) -> None:
    wrong = [
        name
        for name, value in fixed.items()
        if name not in names[1:] or not isinstance(value, int)
    ]
    if wrong:
        can = f"{', '.join(names[1:])}, as whole numbers" if names[1:] else "no input"
        raise ModelError(
            f"[model.fixed] has {wrong[0]}, and {folder} can have {can} fixed."
        )


def _given_length(
    folder: Path, given: Sequence[InputSpec], names: Sequence[str]
) -> tuple[int, tuple[str, ...]] | None:
    if not given:
        return None
    shapes = {spec.shape for spec in given}
    if (
        len(shapes) != 1
        or len(given) not in (1, len(names))
        or len(given[0].shape) != 1
    ):
        listed = ", ".join(str(list(spec.shape)) for spec in given)
        raise ModelError(
            f"{folder} takes {', '.join(names)}, each of one length, and [model] input has "
            f"{listed}. Give the number of tokens: input = {{ shape = [{_LENGTH}] }}."
        )
    return given[0].shape[0], ()


def _length(folder: Path, config: Any) -> tuple[int, tuple[str, ...]]:
    """The number of tokens that the folder names, and a remark on it."""
    positions = getattr(config, "max_position_embeddings", None)
    most = positions if isinstance(positions, int) and positions > 0 else _LONGEST
    named = (
        ("sentence_bert_config.json", "max_seq_length"),
        ("tokenizer_config.json", "model_max_length"),
    )
    for file, key in named:
        value = read_object(folder / file).get(key)
        if isinstance(value, int) and 0 < value <= min(most, _LONGEST):
            return value, (_said(value, f"as {file} has it"),)
    length = min(_LENGTH, most)
    return length, (_said(length, "as the folder names no length"),)


def _said(length: int, why: str) -> str:
    return (
        f"Sequences are of {length} tokens, {why}; [model] input = {{ shape = [{length}] }} "
        "gives another."
    )


def _images(folder: Path, config: Any, given: Sequence[InputSpec]) -> Taken:
    if given and (len(given) != 1 or len(given[0].shape) != 3):
        raise ModelError(
            f"{folder} takes images, and [model] input has {list(given[0].shape)}. Give "
            "channels, height and width: input = { shape = [3, 224, 224] }."
        )
    channels = getattr(config, "num_channels", 3)
    shape = given[0].shape if given else (channels, *size(processor(folder), config))
    return Taken(specs=(InputSpec(name="pixel_values", shape=shape),), fixed={})
