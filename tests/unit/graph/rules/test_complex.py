"""Complex views and Fourier transforms: groups found."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.unit.graph.small import Net, check, found, widths


def rotated(n: Net, x: Tensor) -> Tensor:
    y = n.one(x).unflatten(-1, (-1, 2))
    return n.last(torch.view_as_real(torch.view_as_complex(y) * 1j).flatten(-2))


def test_real_and_imaginary_parts_stay_together() -> None:
    graph = found(Net(rotated, one=nn.Linear(5, 8), last=nn.Linear(8, 3)), 5)
    assert widths(graph) == {"one": (4, True)}
    check(graph)


def test_a_transform_over_places_leaves_channels_free() -> None:
    def run(n: Net, x: Tensor) -> Tensor:
        return n.last(torch.fft.fft(n.one(x), dim=2).real)

    layers = {"one": nn.Conv1d(2, 6, 1), "last": nn.Conv1d(6, 3, 1)}
    graph = found(Net(run, **layers), 2, 8)
    assert widths(graph) == {"one": (6, True)}
    check(graph)
