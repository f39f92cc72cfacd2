"""The table of tflite-runtime 2.14 against the real release for armv7, under emulation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from edgekit.devices.emulated import EmulatedDevice
from edgekit.export.workers import export_all
from edgekit.pipeline.compatibility import _loaded
from edgekit.program.program import trace
from edgekit.runtimes.operators import of_file, table
from edgekit.types import InputSpec
from tests.runtime.shuffled import Shuffled

CORE = "cortex-a7"


@pytest.mark.slow
@pytest.mark.parametrize("scatters", [True, False])
def test_the_table_states_what_the_release_states(
    tmp_path: Path, emulated: Callable[[str], EmulatedDevice], scatters: bool
) -> None:
    device = emulated(CORE)
    middle = Shuffled() if scatters else nn.ReLU()
    network = nn.Sequential(nn.Conv2d(3, 8, 3), middle, nn.Flatten(), nn.Linear(288, 3))
    program = trace(network, (InputSpec(shape=(3, 8, 8)),))
    [artifact] = export_all(
        program, [("litert", "fp32")], calibration=None, folder=tmp_path
    )
    operators = of_file(artifact.runtime, artifact.files[0])
    known = table("tflite-runtime", "2.14.0")
    assert known is not None
    device.prepare()
    incompatibility = _loaded(program, artifact, operators, device)
    assert any(known.lacks(one) for one in operators) == scatters
    assert (incompatibility is not None) == scatters
    if incompatibility is not None:
        assert incompatibility.layer == "1"
