"""A network's features are what its last layer with weights is given."""

from __future__ import annotations

import torch
from torch import nn

from edgekit.program.features import features
from edgekit.program.program import trace
from edgekit.types import InputSpec


def test_features_are_the_last_layers_input() -> None:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(6, 5), nn.ReLU())
    network = nn.Sequential(body, nn.Linear(5, 3), nn.Softmax(1))
    program = trace(network, (InputSpec(shape=(6,)),))
    samples = torch.randn(7, 6)
    with torch.no_grad():
        expected = body(samples)
    found = features(program, samples.numpy())
    assert found.shape == (7, 5)
    assert torch.allclose(torch.from_numpy(found), expected)


def test_maps_are_averaged_over_places() -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))
    program = trace(network, (InputSpec(shape=(1, 8, 8)),))
    assert features(program, torch.randn(3, 1, 8, 8).numpy()).shape == (3, 4)


def test_without_layers_the_outputs_are_the_features() -> None:
    program = trace(nn.Softmax(1), (InputSpec(shape=(4,)),))
    assert features(program, torch.randn(2, 4).numpy()).shape == (2, 4)
