"""A trained PyTorch network: a function that builds it plus weights, or a `.pt2` file."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgekit import authored
from edgekit.errors import ModelError
from edgekit.safe_io import reading
from edgekit.source import program
from edgekit.source.program import Program
from edgekit.types import InputSpec, ModelSpec

Weights = Mapping[str, torch.Tensor]

_WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts commonly put a state dict in a checkpoint."""
_NAMED = 3
"""How many offending keys an error names."""


def load(
    model: ModelSpec,
    *,
    root: Path,
    allow_pickle: bool = False,
    inputs: Sequence[InputSpec] = (),
    dtypes: Sequence[torch.dtype] = (),
) -> Program:
    """The network that `model` names, its paths relative to `root`.

    Without weights the network is used as its function returns it, built with seed 0. `inputs`,
    of the dtypes they name unless `dtypes` says otherwise, take the place of `model.input`.
    Raises `ModelError` for anything that cannot be found, read or exported.
    """
    if model.source.endswith(".pt2"):
        return _load_pt2(model, root, allow_pickle)
    if ".py:" not in model.source:
        raise ModelError(
            f"Cannot load a network from '{model.source}'. "
            "[model] source is 'file.py:function' or a file ending in .pt2."
        )
    function = authored.locate(model.source, root, ModelError)
    if not inputs and model.input is not None:
        inputs = (model.input,)
    if not inputs:
        raise ModelError(
            f"The input shape of {model.source} is not known. Say it in edgekit.toml: "
            "[model] input = { shape = [3, 224, 224] }, without the batch dimension."
        )
    dtypes = dtypes or tuple(getattr(torch, spec.dtype or "float32") for spec in inputs)
    module = _built(model, function, root, allow_pickle)
    _try_once(module, inputs, dtypes, function)
    with function.running():
        return _trainable(program.trace(module, tuple(inputs), tuple(dtypes)))


def _load_pt2(model: ModelSpec, root: Path, allow_pickle: bool) -> Program:
    path = root / model.source
    if not path.is_file():
        raise ModelError(f"No file {path}. Check [model] source.")
    loaded = program.load(path, allow_pickle=allow_pickle)
    if model.input and model.input.shape != loaded.inputs[0].shape:
        raise ModelError(
            f"{path} takes input shape {list(loaded.inputs[0].shape)}, but [model] input says "
            f"{list(model.input.shape)}. Remove [model] input or correct it."
        )
    if model.weights is not None:
        _apply(loaded.module, root / model.weights, allow_pickle)
    return loaded


def _built(
    model: ModelSpec, function: authored.Authored, root: Path, allow_pickle: bool
) -> nn.Module:
    """The network as its function makes it, with its weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = function.call()
    if not isinstance(module, nn.Module):
        raise ModelError(
            f"{function.name} returned {type(module).__name__}, not a torch.nn.Module. "
            "Return the network itself."
        )
    module = module.cpu().float().eval()
    if model.weights is not None:
        with function.running():
            _apply(module, root / model.weights, allow_pickle)
    return module


def _try_once(
    module: nn.Module,
    inputs: Sequence[InputSpec],
    dtypes: Sequence[torch.dtype],
    function: authored.Authored,
) -> None:
    """Run the network eagerly first: its own error says more than the exporter's."""
    tensors = [
        torch.zeros(2, *spec.shape, dtype=dtype)
        for spec, dtype in zip(inputs, dtypes, strict=True)
    ]
    try:
        with function.running(), torch.no_grad():
            module(*tensors)
    except ModelError as error:
        assert error.__cause__ is not None
        shapes = ", ".join(str(list(spec.shape)) for spec in inputs)
        raise ModelError(
            f"The network fails on input shape {shapes}: "
            f"{authored.where(error.__cause__, function.file)}. "
            "Check [model] input or --input: shapes without the batch dimension, and dtypes."
        ) from error


def _trainable(loaded: Program) -> Program:
    """The program with every parameter a trainable leaf, as a fresh network has them."""
    for parameter in loaded.module.parameters():
        parameter.requires_grad_(True)
    return loaded


def _apply(module: nn.Module, path: Path, allow_pickle: bool) -> None:
    """Copy the weights in `path` into `module`, every one of them."""
    with reading(path, ModelError, kind="weights"):
        stored = _read(path, allow_pickle)
    weights = _without_prefix(stored, module)
    _compare(module, weights, path)
    module.load_state_dict(weights, strict=False)


def _read(path: Path, allow_pickle: bool) -> Weights:
    if not path.is_file():
        raise ModelError(f"No weights at {path}. Check [model] weights.")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if not allow_pickle:
            raise ModelError(
                f"{path} is a pickle with more than tensors in it, and opening one runs code "
                "from the file. Save the state dict as .safetensors, or, if you trust the "
                "file, pass --allow-pickle."
            ) from error
        stored = _unpickle(path)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise _unreadable(path, error) from error
    return _state_dict(stored, path)


def _read_safetensors(path: Path) -> Weights:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights: Weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from error
    return weights


def _unpickle(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ModelError:
    reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
    return ModelError(
        f"Cannot read weights from {path} ({reason}). "
        "Write them with safetensors.torch.save_file or torch.save(model.state_dict())."
    )


def _state_dict(stored: Any, path: Path) -> Weights:
    if isinstance(stored, nn.Module):
        return stored.state_dict()
    for key in _WRAPPERS:
        if isinstance(stored, Mapping) and isinstance(
            stored.get(key), Mapping | nn.Module
        ):
            return _state_dict(stored[key], path)
    if isinstance(stored, Mapping) and any(
        isinstance(value, torch.Tensor) for value in stored.values()
    ):
        return {k: v for k, v in stored.items() if isinstance(v, torch.Tensor)}
    raise ModelError(
        f"{path} holds {type(stored).__name__}, not a state dict. "
        "Write it with torch.save(model.state_dict())."
    )


def _without_prefix(weights: Weights, module: nn.Module) -> Weights:
    """Names without what DistributedDataParallel and torch.compile put before them."""
    for prefix in ("module.", "_orig_mod."):
        wrapped = all(name.startswith(prefix) for name in weights)
        if (
            weights
            and wrapped
            and not any(n.startswith(prefix) for n in module.state_dict())
        ):
            weights = {name.removeprefix(prefix): t for name, t in weights.items()}
    return weights


def _compare(module: nn.Module, weights: Weights, path: Path) -> None:
    """Raise unless `weights` has exactly the network's tensors, in its shapes."""
    own = module.state_dict()
    given = {own[name].data_ptr() for name in weights if name in own}
    missing = [
        f"{name} {list(tensor.shape)}"
        for name, tensor in own.items()
        if name not in weights
        and not name.endswith("num_batches_tracked")
        and tensor.data_ptr() not in given  # tied weights are stored once
    ]
    unexpected = [
        f"{name} {list(tensor.shape)}"
        for name, tensor in weights.items()
        if name not in own and not name.endswith("num_batches_tracked")
    ]
    different = [
        f"{name} {list(tensor.shape)} instead of {list(own[name].shape)}"
        for name, tensor in weights.items()
        if name in own and tensor.shape != own[name].shape
    ]
    problems = [
        f"{kind} {_few(names)}"
        for kind, names in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", different),
        )
        if names
    ]
    if problems:
        raise ModelError(
            f"{path} does not fit the network: {'; '.join(problems)}. "
            "Check that [model] source builds the network these weights were trained in."
        )


def _few(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
