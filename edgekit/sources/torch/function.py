"""From a function of the user's and a checkpoint to a program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from torch import nn

from edgekit.config import user_code
from edgekit.errors import ModelError
from edgekit.program import program
from edgekit.program.batches import kept
from edgekit.program.keywords import ByKeyword, in_order
from edgekit.program.plain import refuse_compiled, refuse_meta, unwrapped
from edgekit.program.program import Program
from edgekit.sources import inputs_of
from edgekit.sources.torch import weights
from edgekit.types import InputSpec, ModelSpec

_CHECK = (
    " Check [model] input or --input: shapes without the batch dimension, and dtypes."
)


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
    module = unwrapped(module)
    refuse_compiled(module)
    module = _on_cpu(module).eval()
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
        cause = error.__cause__ or error
        shapes = ", ".join(str(list(spec.shape)) for spec in inputs)
        fix = user_code.advice(cause) or _other_shape(module, tensors) or _check(module)
        raise ModelError(
            f"The network fails on input shape {shapes}: "
            f"{user_code.where(cause, function.file)}.{fix}"
        ) from error


def _check(module: nn.Module) -> str:
    if not isinstance(module, ByKeyword):
        return _CHECK
    return (
        f" forward() was given {', '.join(module.names)} by name: name the inputs after its "
        "arguments in [[model.inputs]] name."
    )


def _other_shape(module: nn.Module, tensors: Sequence[torch.Tensor]) -> str:
    """` Try [3, 32, 32]` and why, where the network takes the only input in that shape; else
    nothing."""
    if len(tensors) != 1:
        return ""
    (given,) = tensors
    for shape, why in _likely(tuple(given.shape[1:]), module):
        with suppress(Exception), kept(module), torch.no_grad():
            module(torch.zeros(len(given), *shape, dtype=given.dtype))
            return f" Try {list(shape)} in [model] input: {why}."
    return ""


def _likely(
    shape: tuple[int, ...], module: nn.Module
) -> Iterator[tuple[tuple[int, ...], str]]:
    """Shapes that a person may have meant, and how they differ."""
    batch = "a shape here has no batch dimension"
    first = "channels come before height and width"
    if len(shape) == 4:
        yield shape[1:], batch
        yield (shape[3], *shape[1:3]), f"{batch}, and {first}"
    if len(shape) == 3:
        yield (shape[2], *shape[:2]), first
    convolutions = (m for m in module.modules() if isinstance(m, nn.Conv2d))
    channels = next((one.in_channels for one in convolutions), None)
    if channels is not None and len(shape) in (2, 3):
        size = shape[-2:]
        yield (channels, *size), f"the network takes {channels} channels"


def _trainable(loaded: Program) -> Program:
    """The program with every parameter a trainable leaf, as a fresh network has them."""
    for parameter in loaded.module.parameters():
        parameter.requires_grad_(True)
    return loaded
