"""The operator that a format lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import ArtifactError
from edgekit.export.workers import export_all
from edgekit.program.program import Program, trace
from edgekit.types import InputSpec
from tests.runtime.export.test_workers import Unsupported, workers


@pytest.fixture(scope="module")
def unsupported() -> Program:
    return trace(Unsupported(), (InputSpec(shape=(4,)),))


@pytest.mark.parametrize(
    ("runtime", "title"), [("openvino", "ONNX"), ("litert", "LiteRT")]
)
def test_an_operator_a_format_lacks_is_one_line_by_name(
    unsupported, folder: Path, runtime, title
) -> None:
    words = rf"^{title} export of {runtime}-fp32 failed: .*bessel_j0"
    with pytest.raises(ArtifactError, match=words) as caught:
        export_all(unsupported, [(runtime, "fp32")], calibration=None, folder=folder)
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert not list(folder.iterdir())
    assert not workers()
