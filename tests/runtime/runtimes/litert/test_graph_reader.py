"""A faulty TFLite file, layer by layer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.diff import plant
from tests.runtime.diff.exported import compared


@pytest.mark.parametrize(
    ("name", "kind", "number", "layer"),
    [
        ("litert-fp32.tflite", "CONV_2D", 2, "3.pointwise"),
        ("litert-int8.tflite", "CONV_2D", 1, "3.plain"),
    ],
)
def test_a_bad_layer_in_tflite_is_named(
    exported_project: Path,
    tmp_path: Path,
    name: str,
    kind: str,
    number: int,
    layer: str,
) -> None:
    bad = tmp_path / "bad.tflite"
    plant.in_tflite(exported_project / "files" / name, kind, number, bad)
    found = compared(exported_project, bad)
    assert found.divergence is not None
    assert (found.divergence.kind, found.divergence.layer) == (kind, layer)
