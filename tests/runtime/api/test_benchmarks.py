"""Files timed beside the network that they come from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import edgekit as ek
from edgekit.errors import UsageError
from tests.shapes import loader, trained


@pytest.mark.usefixtures("brief")
def test_files_are_timed_beside_the_network(tmp_path: Path) -> None:
    model = ek.load(trained(), example_input=torch.zeros(1, 1, 8, 8))
    data = ek.Data(test=loader(30, seed=2))
    files = ek.export(
        model,
        target="raspberrypi4",
        precisions=["fp32"],
        runtimes=["onnxruntime"],
        out=tmp_path,
    )
    [found] = ek.benchmark(files[:1], baseline=model, data=data)
    assert found.measurement.latency.p50_ms > 0
    assert found.measurement.provenance == "host"
    assert found.speedup is not None
    assert found.speedup > 0
    assert found.accuracy_drop == 0
    [alone] = ek.benchmark(files[:1])
    assert (alone.speedup, alone.evaluation, alone.accuracy_drop) == (None,) * 3
    with pytest.raises(UsageError, match="no files"):
        ek.benchmark([])
