"""A model split into its operators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgekit.bench.artifact import artifact_at
from edgekit.bench.profile import profile
from edgekit.devices.local import LocalDevice
from edgekit.errors import ArtifactError
from edgekit.runtimes.litert.operator_split import split


def test_a_model_is_split_into_operators_that_run(
    requantizing_model: Any, tmp_path: Path
) -> None:
    [part] = split(requantizing_model.path, tmp_path)
    assert part.kind == "QUANTIZE"
    found = profile(artifact_at(part.path), LocalDevice(), threads=1)
    assert len(found.operators) == 1
    (tmp_path / "bad.tflite").write_bytes(b"not a model")
    with pytest.raises(ArtifactError, match="is not a TFLite model"):
        split(tmp_path / "bad.tflite", tmp_path)
