from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.cost import microbenchmark
from edgekit.errors import DeviceError
from edgekit.types.operator_shape import OperatorShape
from tests.unit.runtimes.test_registry import added

LINEAR = OperatorShape(kind="linear", inputs=4, outputs=3)


def test_a_runtime_that_cannot_write_one_operator_is_refused_with_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added(tmp_path, "counting_frame", "counting-frame")
    monkeypatch.setenv("EDGEKIT_PLUGINS", str(tmp_path))
    with pytest.raises(
        DeviceError, match=r'counting-frame: .* cost_provenance = "estimated"'
    ):
        microbenchmark.write(LINEAR, "counting-frame", "fp32", tmp_path)


@pytest.mark.parametrize(
    ("runtime", "form"),
    [("tflite-runtime", "litert"), ("openvino", "onnxruntime"), ("litert", "litert")],
)
def test_the_file_is_of_the_format_that_the_runtime_reads(
    runtime: str, form: str, tmp_path: Path
) -> None:
    from edgekit.runtimes import registry

    path = microbenchmark.write(LINEAR, runtime, "fp32", tmp_path)
    found = registry.recognized(path)
    assert found is not None and found.name == form


def test_runtimes_without_the_part_are_not_among_those_that_time_operators() -> None:
    found = microbenchmark.timed()
    assert "litert" in found and not {"ncnn", "coreml"} & set(found)
