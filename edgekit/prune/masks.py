"""Zeros inside weights: unstructured by magnitude, or at most n in every m.

A mask is a Boolean tensor beside a parameter, true where the weight stays. Zeros leave shapes as
they are: what they gain depends on the runtime, and on most it is nothing but a file that
compresses well (`benchmarks/sparsity.py` measures it).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, cast, get_args

import torch
from torch import Tensor, fx, nn
from torch.utils.hooks import RemovableHandle

from edgekit.errors import UsageError
from edgekit.program.program import Program
from edgekit.prune.consumers import Consumer, consumers

Masks = Mapping[str, Tensor]
Scope = Literal["global", "layer"]


def magnitude_masks(
    program: Program, sparsity: float, scope: Scope = "global"
) -> dict[str, Tensor]:
    """Keep the largest weights: all but a fraction `sparsity` of the network's, or of each layer's.

    Han et al., 2015, arXiv:1506.02626. Covers what layers read their inputs with; biases, norms
    and embeddings stay whole. With one threshold for all, every layer keeps its largest weight.
    """
    if not 0 <= sparsity < 1:
        raise UsageError(
            f"Sparsity {sparsity:g} is not a fraction of weights to remove. Give 0 up to below 1."
        )
    if scope not in get_args(Scope):
        raise UsageError(f"No scope {scope!r} for a sparsity. Known: global, layer.")
    sizes = {name: w.detach().abs() for name, (w, _) in _weights(program).items()}
    if scope == "layer":
        return {name: _largest(size, sparsity) for name, size in sizes.items()}
    if not sizes:
        return {}
    everything = torch.cat([size.reshape(-1) for size in sizes.values()])
    chosen = _largest(everything, sparsity)
    parts = torch.split(chosen, [size.numel() for size in sizes.values()])
    return {
        name: part.reshape(size.shape) | (size == size.max())
        for (name, size), part in zip(sizes.items(), parts, strict=True)
    }


def n_m_masks(program: Program, n: int, m: int) -> dict[str, Tensor]:
    """Keep the `n` largest of every `m` weights that follow each other in a layer's sum.

    Fine-grained structured sparsity (Mishra et al., 2021, arXiv:2104.08378): `m` neighbors along
    the input channels, at the same kernel position. A rest of fewer than `m` channels, and a layer
    with fewer altogether, stay whole.
    """
    if not 0 < n < m:
        raise UsageError(
            f"A pattern of {n} in {m} weights: give 0 < n < m, such as 2 in 4."
        )
    return {
        name: _n_in_m(weights.detach().abs(), consumer.dim, n, m)
        for name, (weights, consumer) in _weights(program).items()
        if weights.shape[consumer.dim] >= m
    }


def zero(program: Program, masks: Masks) -> Program:
    """The program with masked weights set to zero."""
    result = program.copy()
    zero_(result.module, masks)
    return result


@torch.no_grad()
def zero_(module: nn.Module, masks: Masks) -> None:
    """Set masked weights to zero in place: after an optimizer's step, for one.

    Raises `UsageError` where a mask is of another network.
    """
    for name, mask in masks.items():
        parameter = _parameter(module, name)
        if parameter.shape != mask.shape:
            raise UsageError(
                f"The mask of '{name}' has shape {tuple(mask.shape)} and the parameter "
                f"{tuple(parameter.shape)}. Make masks from the network they are for."
            )
        parameter.mul_(mask.to(parameter.device))


@contextmanager
def held(
    module: fx.GraphModule, masks: Masks, optimizer: torch.optim.Optimizer | None = None
) -> Iterator[None]:
    """Masked weights are zero, and stay so, while `module` trains inside the `with`.

    Their gradients are zeroed as they arrive. That alone holds them where the optimizer moves
    weights by gradients and decay; with `optimizer`, whatever else moves them (momentum gathered
    before) is undone after each step. On leaving, nothing remains on the module but zeros.
    """
    zero_(module, masks)
    hooks = [
        _on_gradient(_parameter(module, name), mask) for name, mask in masks.items()
    ]
    if optimizer is not None:
        hooks.append(optimizer.register_step_post_hook(lambda *_: zero_(module, masks)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        zero_(module, masks)


def density(masks: Masks) -> float:
    """Fraction of the masked parameters' weights that stay."""
    total = sum(mask.numel() for mask in masks.values())
    return sum(int(mask.sum()) for mask in masks.values()) / total if total else 1.0


def _weights(program: Program) -> dict[str, tuple[Tensor, Consumer]]:
    """Weights of layers that multiply their inputs, by name, tied ones once."""
    found: dict[str, tuple[Tensor, Consumer]] = {}
    seen: set[int] = set()
    for consumer in consumers(program):
        weights = program.module.get_parameter(consumer.parameter)
        if id(weights) not in seen:
            seen.add(id(weights))
            found[consumer.parameter] = (weights, consumer)
    return found


def _largest(sizes: Tensor, sparsity: float) -> Tensor:
    """True for all but the smallest fraction `sparsity`; exact in number where sizes are equal."""
    removed = round(sizes.numel() * sparsity)
    mask = torch.ones(sizes.numel(), dtype=torch.bool, device=sizes.device)
    mask[sizes.reshape(-1).argsort(stable=True)[:removed]] = False
    return mask.reshape(sizes.shape)


def _n_in_m(sizes: Tensor, dim: int, n: int, m: int) -> Tensor:
    rows = sizes.movedim(dim, -1)
    whole = rows.shape[-1] // m * m
    blocks = rows[..., :whole].reshape(*rows.shape[:-1], -1, m)
    best = blocks.argsort(dim=-1, descending=True, stable=True)[..., :n]
    mask = torch.ones_like(rows, dtype=torch.bool)
    mask[..., :whole] = (
        torch.zeros_like(blocks, dtype=torch.bool).scatter(-1, best, True).flatten(-2)
    )
    return mask.movedim(-1, dim).contiguous()


def _parameter(module: nn.Module, name: str) -> nn.Parameter:
    try:
        return module.get_parameter(name)
    except AttributeError as error:
        raise UsageError(
            f"The network has no parameter '{name}' to mask. "
            "Make masks from the network they are for."
        ) from error


def _on_gradient(parameter: nn.Parameter, mask: Tensor) -> RemovableHandle:
    hook = parameter.register_hook(lambda gradient: gradient * mask.to(gradient))  # type: ignore[no-untyped-call]
    return cast(RemovableHandle, hook)
