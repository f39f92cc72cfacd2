"""A faulty OpenVINO file, layer by layer."""

from __future__ import annotations

from pathlib import Path

from tests.runtime.diff import plant
from tests.runtime.diff.exported import compared


def test_a_bad_layer_in_openvino_is_named(
    exported_project: Path, tmp_path: Path, apart
) -> None:
    bad = tmp_path / "bad.xml"
    source = exported_project / "files/openvino-fp32.xml"
    apart.submit(plant.in_openvino, source, "node_Conv_61/WithoutBiases", bad).result()
    found = compared(exported_project, bad)
    assert not found.agrees
    assert found.divergence is not None
    assert (found.divergence.kind, found.divergence.layer) == ("Convolution", "3.plain")
