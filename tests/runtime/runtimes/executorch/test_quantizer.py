"""Files of PyTorch's quantizer for XNNPACK follow the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.types import QuantConfig
from tests.runtime.export.harmed import made

pytestmark = pytest.mark.slow
LAYERS = ("linear", "linear_1", "linear_2", "linear_3")


def test_named_layers_stay_in_float(harmed, apart, tmp_path: Path) -> None:
    plain = made(apart, harmed, tmp_path, "executorch", recover=False).quantized
    again = tmp_path / "again"
    again.mkdir()
    kept = QuantConfig(float_layers=LAYERS[1:3])
    held = made(
        apart, harmed, again, "executorch", recover=False, quant_config=kept
    ).quantized
    assert plain is not None and plain.accuracy_drop is not None
    assert held is not None and held.accuracy_drop is not None
    assert held.accuracy_drop <= 0.02 < plain.accuracy_drop


def test_the_search_finds_the_layers_that_int8_harms(
    harmed, apart, tmp_path: Path
) -> None:
    found = made(apart, harmed, tmp_path, "executorch").quantized
    assert found is not None and found.accuracy_drop is not None
    assert found.accuracy_drop <= 0.02
    assert set(found.quant_config.float_layers) <= set(LAYERS)
