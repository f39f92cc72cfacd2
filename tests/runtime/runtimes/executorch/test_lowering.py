"""Layers are given to XNNPACK, and nothing of PyTorch's own use is printed."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow
PROGRAM = """
import torch
from torch import nn

from edgekit.runtimes.executorch.lowering import lowered

network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
content = lowered(torch.export.export(network.eval(), (torch.zeros(1, 1, 8, 8),)))
print(content[4:8] == b"ET12", content.count(b"XnnpackBackend"))
"""


def test_a_network_of_layers_is_one_program_for_xnnpack() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "1"]
    assert "FutureWarning" not in done.stderr
