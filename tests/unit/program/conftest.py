"""A small network, and its program."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from edgekit.program.program import Program, trace
from tests.unit.program.test_program import IMAGE, Net


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return Net().eval()


@pytest.fixture(scope="module")
def program(network: nn.Module) -> Program:
    return trace(network, IMAGE)
