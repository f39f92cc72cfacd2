"""A trained PyTorch network: a function that builds it plus weights, or a `.pt2` file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from edgekit.config import user_code
from edgekit.errors import ModelError
from edgekit.program import program
from edgekit.program.batches import kept
from edgekit.program.plain import refuse_meta, unwrapped
from edgekit.program.program import Program
from edgekit.sources import weights
from edgekit.types import InputSpec, ModelSpec


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
    function = user_code.locate(model.source, root, ModelError)
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
        return _trainable(
            program.trace(module, tuple(inputs), tuple(dtypes), owned=True)
        )


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
        weights.apply(loaded.module, model.weights, root, allow_pickle=allow_pickle)
    weights.check_finite(loaded.module, str(path))
    return loaded


def _built(
    model: ModelSpec, function: user_code.Authored, root: Path, allow_pickle: bool
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
    module = _on_cpu(unwrapped(module)).eval()
    if model.weights is not None:
        with function.running():
            weights.apply(module, model.weights, root, allow_pickle=allow_pickle)
    refuse_meta(module)
    weights.check_finite(module, function.name)
    return _on_cpu(module)


def _on_cpu(module: nn.Module) -> nn.Module:
    """The network in float32 on the CPU; on the meta device, it waits for its weights there."""
    if any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers())):
        return module
    return module.cpu().float()


def unweighted(model: ModelSpec) -> str | None:
    """What to say where no weights are named: the network may have been trained nowhere."""
    if model.weights is not None or model.source.endswith(".pt2"):
        return None
    return (
        f"No weights are named: {model.source} is used as it is built, with random weights "
        "unless it loads its own. Name a file in [model] weights or with --weights."
    )


def _try_once(
    module: nn.Module,
    inputs: Sequence[InputSpec],
    dtypes: Sequence[torch.dtype],
    function: user_code.Authored,
) -> None:
    """Run the network eagerly first: its own error says more than the exporter's."""
    tensors = [
        torch.zeros(2, *spec.shape, dtype=dtype)
        for spec, dtype in zip(inputs, dtypes, strict=True)
    ]
    try:
        with function.running(), kept(module), torch.no_grad():
            module(*tensors)
    except ModelError as error:
        assert error.__cause__ is not None
        shapes = ", ".join(str(list(spec.shape)) for spec in inputs)
        raise ModelError(
            f"The network fails on input shape {shapes}: "
            f"{user_code.where(error.__cause__, function.file)}. "
            "Check [model] input or --input: shapes without the batch dimension, and dtypes."
        ) from error


def _trainable(loaded: Program) -> Program:
    """The program with every parameter a trainable leaf, as a fresh network has them."""
    for parameter in loaded.module.parameters():
        parameter.requires_grad_(True)
    return loaded
