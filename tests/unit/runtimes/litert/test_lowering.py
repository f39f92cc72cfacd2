"""Lowering to the operators that LiteRT's converter has."""

from __future__ import annotations

from torch import nn

from edgekit.program.program import trace
from edgekit.runtimes.litert.decompose import LITERT
from edgekit.runtimes.litert.lowering import lowered
from edgekit.types import InputSpec
from tests.unit.runtimes.litert.decompose.checks import IMAGE


def test_what_needs_no_decomposition_is_left_as_it_is() -> None:
    network = nn.Sequential(nn.Conv2d(6, 4, 3), nn.Upsample(scale_factor=2), nn.ReLU())
    program = trace(network, (InputSpec(shape=IMAGE),))
    assert lowered(program, LITERT) is program
