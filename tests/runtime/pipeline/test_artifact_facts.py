"""Facts of files that real runtimes read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.devices.local import LocalDevice
from edgekit.pipeline import artifact_facts
from edgekit.progress import Silent
from tests.runtime.conftest import TinyModel


def test_what_a_file_is_made_of_is_counted(onnx_model: TinyModel) -> None:
    found = artifact_facts.look(onnx_model.path, "now")
    assert found.size_bytes == onnx_model.path.stat().st_size
    counted = artifact_facts.count(found)
    # 4 to 8 features: a weight and a product for each pair, then both vectors in float32.
    assert (counted.macs, counted.parameters) == (32, 32)
    assert counted.activation_bytes == (4 + 8) * 4
    described = artifact_facts.described(found).contract
    assert described is not None
    assert [one["name"] for one in described["inputs"]] == ["x"]
    assert [one["shape"] for one in described["outputs"]] == [[1, 8]]


def test_a_format_that_no_source_reads_is_not_counted(
    exported_project: Path,
) -> None:
    found = artifact_facts.look(exported_project / "files/openvino-fp32.xml", "now")
    assert artifact_facts.count(found) == found


@pytest.mark.slow
def test_a_file_beside_its_network_has_parity_and_accuracy(
    exported_project: Path,
) -> None:
    file = exported_project / "files/onnxruntime-int8.onnx"
    assert artifact_facts.has_network(file, exported_project)
    assert not artifact_facts.has_network(file, file.parent)
    found = artifact_facts.compared(
        artifact_facts.look(file, "now"),
        exported_project,
        24,
        LocalDevice(),
        Silent(),
    )
    assert found.parity is not None and found.parity.agrees
    assert found.parity.samples == 24
    held = np.load(exported_project / "data.npz")
    assert found.evaluation is not None
    assert found.evaluation.value * len(held["y"]) % 1 == pytest.approx(0, abs=1e-9)
