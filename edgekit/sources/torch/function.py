"""From a function of the user's and a checkpoint to a program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from edgekit.config import user_code
from edgekit.errors import ModelError
from edgekit.program import program
from edgekit.program.batches import kept
from edgekit.program.keywords import in_order
from edgekit.program.plain import refuse_meta, unwrapped
from edgekit.program.program import Program
from edgekit.sources import inputs_of
from edgekit.sources.torch import weights
from edgekit.types import InputSpec, ModelSpec


def load(
    model: ModelSpec,
    *,
    root: Path,
    allow_pickle: bool = False,
    inputs: Sequence[InputSpec] = (),
    dtypes: Sequence[torch.dtype] = (),
) -> Program:
    """The network that the function `model.source` returns, its file relative to `root`.

    Without weights the network is used as its function returns it, built with seed 0. `inputs`,
    of the dtypes they name unless `dtypes` overrides them, take the place of `model.input`.
    Raises `ModelError` for anything that cannot be found, read or exported.
    """
    function = user_code.locate(model.source, root, ModelError)
    inputs = inputs_of(model, inputs)
    if not inputs:
        raise ModelError(
            f"The input shape of {model.source} is not known. Say it in edgekit.toml: "
            "[model] input = { shape = [3, 224, 224] }, without the batch dimension."
        )
    dtypes = dtypes or tuple(getattr(torch, spec.dtype or "float32") for spec in inputs)
    built = _built(model, function, root, allow_pickle)
    module = in_order(built, [spec.name for spec in inputs])
    _try_once(module, inputs, dtypes, function)
    with function.running():
        return _trainable(
            program.trace(module, tuple(inputs), tuple(dtypes), owned=True)
        )


def _built(
    model: ModelSpec, function: user_code.UserFunction, root: Path, allow_pickle: bool
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


def _try_once(
    module: nn.Module,
    inputs: Sequence[InputSpec],
    dtypes: Sequence[torch.dtype],
    function: user_code.UserFunction,
) -> None:
    """Run the network eagerly first: its own error has more detail than the exporter's."""
    tensors = [
        torch.zeros(2, *spec.shape, dtype=dtype)
        for spec, dtype in zip(inputs, dtypes, strict=True)
    ]
    try:
        with function.running(), kept(module), torch.no_grad():
            module(*tensors)
    except ModelError as error:
        shapes = ", ".join(str(list(spec.shape)) for spec in inputs)
        raise ModelError(
            f"The network fails on input shape {shapes}: "
            f"{user_code.where(error.__cause__ or error, function.file)}. "
            "Check [model] input or --input: shapes without the batch dimension, and dtypes."
        ) from error


def _trainable(loaded: Program) -> Program:
    """The program with every parameter a trainable leaf, as a fresh network has them."""
    for parameter in loaded.module.parameters():
        parameter.requires_grad_(True)
    return loaded
