"""The search for a quantized file that keeps the metric."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.devices.local import LocalDevice
from edgekit.evaluate.run import infer
from edgekit.export.quantization_accuracy import Validation
from edgekit.export.workers import export_all
from edgekit.report.export_words import quantized
from edgekit.types import TaskSpec
from tests.runtime.export.apart import sure
from tests.runtime.export.conftest import CLASSES
from tests.runtime.export.harmed import HARMED, made, priced


@pytest.mark.parametrize("runtime", ["onnxruntime", "litert"])
def test_the_harmed_layers_are_kept_in_float_and_said(
    runtime, harmed, apart, tmp_path: Path
) -> None:
    quant_config = sure(runtime, "int8")
    found = made(apart, harmed, tmp_path, runtime, quant_config=quant_config).quantized
    assert found is not None and found.accuracy_drop is not None
    assert found.trials[0].accuracy_drop is not None
    assert found.trials[0].accuracy_drop > 0.02, (
        "the plain configuration must fail for this to be a test"
    )
    assert found.accuracy_drop <= 0.02 and found.missed is None
    assert len(found.quant_config.float_layers) == HARMED
    assert "kept in float" in quantized(found)
    assert found.quant_config.float_layers[0][:40] in quantized(found)


@pytest.mark.parametrize("runtime", ["onnxruntime", "litert"])
def test_a_mixture_spares_the_harmed_layers(
    runtime, harmed, apart, tmp_path: Path
) -> None:
    program, samples, classes = harmed
    program.save(tmp_path / "net.pt2")
    given = runtime, tmp_path, program.inputs, samples, classes
    result = apart.submit(priced, *given).result()
    found = result.found
    assert found.trials[0].accuracy_drop > 0.02 >= found.accuracy_drop
    assert not found.trials[0].quant_config.float_operators
    assert len(result.layers) == HARMED and result.ranked > HARMED
    count = len(found.quant_config.float_operators)
    assert f"{count} operators more in float" in quantized(found)


@pytest.mark.parametrize("recover", [True, False])
def test_equal_ranges_spare_the_layers_in_float(
    harmed, tmp_path: Path, recover: bool
) -> None:
    """The wide channel is made narrow where it is written: all layers are int8, and hold."""
    program, samples, classes = harmed
    on_openvino = ("openvino", "int8", sure("openvino", "int8"))
    validation = Validation(
        inputs=samples, targets=classes, task=TaskSpec(), root=tmp_path, allowed=0.02,
        recover=recover,
    )  # fmt: skip
    artifacts = export_all(
        program,
        [("litert", "int8"), *([on_openvino] if recover else [])],
        calibration=samples[:64],
        folder=tmp_path / "out",
        validation=validation,
    )
    for artifact in artifacts:
        found = artifact.quantized
        assert found is not None and found.accuracy_drop is not None
        assert (found.missed is None) == recover
        assert not found.quant_config.float_layers
        assert found.samples == len(samples)
        assert ("equal ranges" in quantized(found)) == recover
        assert infer(artifact, samples, LocalDevice()).shape == (160, CLASSES)
