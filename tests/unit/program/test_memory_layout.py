"""Images lie with their channels last where no operator looks at their place in memory."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgekit.program.memory_layout import channels_last
from edgekit.program.program import trace
from edgekit.types import InputSpec


class Viewed(nn.Module):
    """The same bytes as other numbers: the order in memory is the meaning."""

    def forward(self, x: Tensor) -> Tensor:
        return x.view(torch.int32).float() * 2


def is_last(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last)


def test_images_lie_with_channels_last_and_mean_the_same() -> None:
    layers = (nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4))
    program = trace(nn.Sequential(*layers), (InputSpec(shape=(3, 8, 8)),))
    graph = program.module.graph
    x, tokens = torch.randn(5, 3, 8, 8), torch.zeros(5, 3, 8, 8, dtype=torch.int64)
    (given, same, row) = channels_last(graph, [x, tokens, x[:, 0]])
    assert is_last(given) and not is_last(x)
    assert torch.equal(given, x) and same is tokens and row.ndim == 3
    torch.testing.assert_close(program.module(given), program.module(x))


def test_a_network_that_reads_bytes_takes_images_as_they_lie() -> None:
    program = trace(Viewed(), (InputSpec(shape=(3, 4, 4)),))
    [given] = channels_last(program.module.graph, [torch.randn(5, 3, 4, 4)])
    assert not is_last(given)
