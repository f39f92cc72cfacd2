"""Files beside their network, from Python."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import edgekit as ek
from edgekit.errors import UsageError
from edgekit.types import Artifact
from tests.shapes import loader, trained


@pytest.fixture(scope="module")
def model() -> ek.Network:
    return ek.load(trained(), example_input=torch.zeros(1, 1, 8, 8))


@pytest.fixture(scope="module")
def data() -> ek.Data:
    return ek.Data(test=loader(30, seed=2))


@pytest.fixture(scope="module")
def file(model: ek.Network, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    [one] = ek.export(
        model,
        target="raspberrypi4",
        precisions=["fp32"],
        runtimes=["onnxruntime"],
        out=tmp_path_factory.mktemp("files"),
    )
    return one


def test_a_file_agrees_with_its_network(
    model: ek.Network, data: ek.Data, file: Artifact
) -> None:
    found = ek.diff(file, model, data=data, count=8)
    assert found.agrees and found.samples == 8
    assert found.divergence is None and found.layers
    assert ek.diff(file.files[0], model, data=data, count=8).outputs == found.outputs


def test_another_network_departs_at_a_layer(data: ek.Data, file: Artifact) -> None:
    changed = ek.load(trained(), example_input=torch.zeros(1, 1, 8, 8))
    with torch.no_grad():
        for weights in changed.module.parameters():
            weights.mul_(1.5)
    found = ek.diff(file, changed, data=data)
    assert not found.agrees
    assert found.outputs[0].distance.relative_error > found.tolerance


def test_a_network_and_samples_from_files(
    model: ek.Network, data: ek.Data, file: Artifact, tmp_path: Path
) -> None:
    import numpy as np

    model.save(tmp_path / "student.pt2")
    inputs, _ = data.part("test", model.program.inputs[0]).arrays()
    np.save(tmp_path / "raw.npy", inputs)
    found = ek.diff(
        file, tmp_path / "student.pt2", samples=tmp_path / "raw.npy", count=4
    )
    assert found.agrees and found.samples == 4


def test_a_network_in_memory_needs_data(model: ek.Network, file: Artifact) -> None:
    with pytest.raises(UsageError, match=r"Give data=edgekit\.Data"):
        ek.diff(file, model)
