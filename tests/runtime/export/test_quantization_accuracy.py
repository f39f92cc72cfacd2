"""Losses of quantized files, measured on their runtime."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import ArtifactError
from edgekit.report.export_words import quantized
from tests.runtime.export.harmed import made


def test_without_recovery_the_loss_is_reported(harmed, apart, tmp_path: Path) -> None:
    found = made(apart, harmed, tmp_path, "onnxruntime", recover=False).quantized
    assert found is not None and found.missed is not None
    assert len(found.trials) == 1
    assert found.accuracy_drop == pytest.approx(0.02 + found.missed)
    assert "training has to recover" in quantized(found)


def test_validation_of_another_shape_is_refused(harmed, apart, tmp_path: Path) -> None:
    program, samples, _ = harmed
    with pytest.raises(ArtifactError, match="takes float32"):
        short = (program, samples[:, :8], None)
        made(apart, short, tmp_path, "onnxruntime", calibration=samples)
