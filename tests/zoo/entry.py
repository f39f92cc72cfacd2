"""The zoo's entry of one architecture, and the draw of its random weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from edgekit.program.program import Program, trace
from edgekit.types import InputSpec


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One architecture: how it is built, and what it takes in (shapes without the batch)."""

    build: Callable[[], nn.Module]
    inputs: tuple[InputSpec, ...]
    dtypes: tuple[torch.dtype, ...] = ()
    tokens: int = 2
    """Number of values that an integer input may take."""
    needs: str | None = None
    """The package, beyond torch, that the definition comes from."""

    def network(self, seed: int = 0) -> nn.Module:
        """Seeded random weights, none of them degenerate, in evaluation mode."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = self.build()
            _wake(network)
            _settle(network, self.sample(32, seed))
        return network.eval()

    def program(self, seed: int = 0) -> Program:
        return trace(self.network(seed), self.inputs, self.dtypes)

    def sample(self, batch: int = 2, seed: int = 0) -> tuple[torch.Tensor, ...]:
        """Seeded inputs, each (batch, *shape)."""
        generator = torch.Generator().manual_seed(seed)
        dtypes = self.dtypes or (torch.float32,) * len(self.inputs)
        return tuple(
            torch.randn(batch, *spec.shape, generator=generator)
            if dtype.is_floating_point
            else torch.randint(
                self.tokens, (batch, *spec.shape), generator=generator, dtype=dtype
            )
            for spec, dtype in zip(self.inputs, dtypes, strict=True)
        )


def image(size: int, channels: int = 3) -> tuple[InputSpec, ...]:
    return (InputSpec(shape=(channels, size, size)),)


@torch.no_grad()
def _wake(network: nn.Module) -> None:
    """Draw again the parameters that start at a constant, and enlarge matrices that start near
    zero.

    Zero biases, layer scales of 1e-6 and attention that is all but uniform would hide a wrong cut:
    what is multiplied by nothing may be cut anywhere.
    """
    for name, parameter in network.named_parameters():
        if parameter.dim() < 2 or float(parameter.std()) < 1e-3:
            scale = "bias" not in name and float(parameter.abs().max()) > 0
            parameter.uniform_(*((0.5, 1.5) if scale else (-0.1, 0.5)))
        else:
            unit_gain = (parameter.numel() / parameter.shape[0]) ** -0.5
            parameter.mul_(max(1.0, unit_gain / float(parameter.std())))


@torch.no_grad()
def _settle(network: nn.Module, sample: tuple[torch.Tensor, ...]) -> None:
    """Give batch norms the statistics of their inputs, so that activations keep their size."""
    norms = [
        m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)
    ]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    network.train()
    network(*sample)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
