"""A network whose second branch adds nothing."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from edgekit.graph.graph import WidthGraph, analyze
from edgekit.program.program import trace
from edgekit.types import InputSpec
from tests.unit.prune.test_sensitivity import Branch


@pytest.fixture(scope="session")
def graph() -> WidthGraph:
    torch.manual_seed(0)
    network = nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), Branch(8, 3.0), Branch(8, 0.0)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)),
    )
    network(
        torch.randn(256, 3, 8, 8)
    )  # statistics of its inputs, as training leaves them
    return analyze(trace(network.eval(), (InputSpec(shape=(3, 8, 8)),)))
