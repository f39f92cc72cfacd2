"""Statistics of batch norm, against those of the batches by arithmetic."""

from __future__ import annotations

import torch
from torch import nn

from edgekit.program.program import Program, trace
from edgekit.prune.batch_norm import normalizes, reestimated
from edgekit.types import InputSpec


def network() -> Program:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(2, 3, 3),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Conv2d(3, 4, 1),
        nn.BatchNorm2d(4),
    )
    return trace(module, (InputSpec(shape=(2, 6, 6)),))


def batches() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [
        3 * torch.randn(size, 2, 6, 6, generator=generator) + 1 for size in (8, 8, 4)
    ]


def test_statistics_are_the_means_of_the_batches() -> None:
    """Of the first layer's outputs, and of the second's on batches that the first normalized."""
    program = network()
    before = program.fingerprint()
    found = reestimated(program, [(x,) for x in batches()])
    weights = dict(program.module.named_parameters())
    state = found.module.state_dict()
    first = [torch.conv2d(x, weights["0.weight"], weights["0.bias"]) for x in batches()]
    second = []
    for x in first:
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
        spread = (variance + 1e-5).sqrt()[:, None, None]
        normal = ((x - mean[:, None, None]) / spread).relu()
        second.append(torch.conv2d(normal, weights["4.weight"], weights["4.bias"]))
    for name, values in (("1", first), ("5", second)):
        means = torch.stack([x.mean((0, 2, 3)) for x in values]).mean(0)
        variances = torch.stack([x.var((0, 2, 3)) for x in values]).mean(0)
        torch.testing.assert_close(state[f"{name}.running_mean"], means)
        torch.testing.assert_close(state[f"{name}.running_var"], variances)
    assert program.fingerprint() == before
    x = batches()[0]
    torch.testing.assert_close(found.module(x)[:1], found.module(x[:1]))


def test_networks_without_statistics_are_named() -> None:
    plain = trace(nn.Linear(4, 2), (InputSpec(shape=(4,)),))
    assert normalizes(network()) and not normalizes(plain)
