"""Losses of int8 are measured on the runtime, and recovered by as little float as possible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from edgekit.devices.local import LocalDevice
from edgekit.errors import ArtifactError
from edgekit.evaluate.run import infer
from edgekit.export.quantization_accuracy import Validation
from edgekit.export.workers import export_all
from edgekit.program.program import Program, trace
from edgekit.report.export_words import quantized
from edgekit.types import Artifact, InputSpec, QuantConfig, TaskSpec
from tests.runtime.export.apart import one, sure

CLASSES = 4
HARMED = 2
"""Layers at the ends of the harmed tensor."""


class Harmed(nn.Module):
    """Four layers; between the second and the third one channel is a thousand times as large.

    The third takes that back, so that the network is sound in float, and the other channels have
    nothing left of the 256 steps of an int8 tensor.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(16, 16) for _ in range(3))
        self.head = nn.Linear(16, CLASSES)
        with torch.no_grad():
            for layer in self.layers:
                nn.init.orthogonal_(layer.weight, gain=1.4)
            nn.init.normal_(self.head.weight)
            self.layers[1].weight[0] *= 3000
            self.layers[1].bias[0] *= 3000
            self.layers[2].weight[:, 0] /= 3000

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.head(x)


@pytest.fixture(scope="module")
def harmed() -> tuple[Program, np.ndarray, np.ndarray]:
    """The network, samples, and the class it gives each of them."""
    torch.manual_seed(0)
    program = trace(Harmed(), (InputSpec(shape=(16,), name="x"),))
    samples = torch.randn(160, 16)
    with torch.no_grad():
        classes = program.module(samples).argmax(1)
    assert len(classes.unique()) == CLASSES
    return program, samples.numpy(), classes.numpy()


def made(
    apart: Any, harmed: Any, place: Path, runtime: str, **options: Any
) -> Artifact:
    program, samples, classes = harmed
    program.save(place / "net.pt2")
    validation = Validation(
        inputs=samples,
        targets=classes,
        task=TaskSpec(),
        root=place,
        allowed=0.02,
        recover=options.pop("recover", True),
    )
    given = {
        "precision": "int8",
        "calibration": samples[:64],
        "validation": validation,
        **options,
    }
    source = place / "net.pt2"
    artifact: Artifact = apart.submit(
        one, runtime, place / "out", source, program.inputs, given
    ).result()
    return artifact


@pytest.mark.parametrize("runtime", ["onnxruntime", "litert"])
def test_the_harmed_layers_are_kept_in_float_and_said(
    runtime, harmed, apart, tmp_path: Path
) -> None:
    scheme = sure(runtime, "int8")
    found = made(apart, harmed, tmp_path, runtime, scheme=scheme).quantized
    assert found is not None and found.lost is not None
    assert found.trials[0].lost is not None
    assert found.trials[0].lost > 0.02, (
        "the plain scheme must fail for this to be a test"
    )
    assert found.lost <= 0.02 and found.missed is None
    assert len(found.scheme.float_layers) == HARMED
    assert "kept in float" in quantized(found)
    assert found.scheme.float_layers[0][:40] in quantized(found)


def test_without_recovery_the_loss_is_reported(harmed, apart, tmp_path: Path) -> None:
    found = made(apart, harmed, tmp_path, "onnxruntime", recover=False).quantized
    assert found is not None and found.missed is not None
    assert len(found.trials) == 1
    assert found.lost == pytest.approx(0.02 + found.missed)
    assert "training has to recover" in quantized(found)


def test_openvino_keeps_named_layers_in_float(harmed, apart, tmp_path: Path) -> None:
    program, _, _ = harmed
    plain = made(apart, harmed, tmp_path, "openvino", recover=False).quantized
    kept = QuantConfig(
        float_layers=apart.submit(layers_of, tmp_path, program.inputs).result()[1:3]
    )
    again = tmp_path / "again"
    again.mkdir()
    held = made(apart, harmed, again, "openvino", recover=False, scheme=kept).quantized
    assert plain is not None and plain.lost is not None and plain.lost > 0.02
    assert held is not None and held.lost is not None and held.lost <= 0.02


def layers_of(place: Path, inputs: tuple[InputSpec, ...]) -> tuple[str, ...]:
    from edgekit.program.program import from_exported
    from edgekit.runtimes import registry

    network = from_exported(torch.export.load(str(place / "net.pt2")), inputs)
    exporter = registry.get("openvino").exporter
    exporter.convert(network, place / "fp32.xml")
    specs, _ = exporter.border(place / "fp32.xml")
    quantizer = exporter.quantizer(place / "fp32.xml", specs[0], [], place)
    return quantizer.layers()


def test_a_scheme_is_what_the_file_holds(harmed, apart, tmp_path: Path) -> None:
    unsigned = QuantConfig(activations="unsigned", narrow_weights=True)
    artifact = made(
        apart, harmed, tmp_path, "onnxruntime", recover=False, scheme=unsigned
    )
    model = onnx.load(str(artifact.files[0]))
    stored = {
        each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer
    }
    zeros = [v.dtype for name, v in stored.items() if name.endswith("_zero_point")]
    assert np.dtype(np.uint8) in zeros
    weights = [v for v in stored.values() if v.dtype == np.int8 and v.ndim == 2]
    assert weights and max(int(np.abs(w.astype(int)).max()) for w in weights) <= 64


def test_validation_of_another_shape_is_refused(harmed, apart, tmp_path: Path) -> None:
    program, samples, _ = harmed
    with pytest.raises(ArtifactError, match="takes float32"):
        short = (program, samples[:, :8], None)
        made(apart, short, tmp_path, "onnxruntime", calibration=samples)


@pytest.mark.parametrize("recover", [True, False])
def test_equal_ranges_spare_the_layers_in_float(
    harmed, tmp_path: Path, recover: bool
) -> None:
    """The wide channel is made narrow where it is written: all layers are int8, and hold."""
    program, samples, classes = harmed
    validation = Validation(
        inputs=samples, targets=classes, task=TaskSpec(), root=tmp_path, allowed=0.02,
        recover=recover,
    )  # fmt: skip
    artifacts = export_all(
        program,
        [("litert", "int8"), ("openvino", "int8")] if recover else [("litert", "int8")],
        calibration=samples[:64],
        folder=tmp_path / "out",
        validation=validation,
    )
    for artifact in artifacts:
        found = artifact.quantized
        assert found is not None and found.lost is not None
        assert (found.missed is None) == recover
        assert not found.scheme.float_layers
        assert ("equal ranges" in quantized(found)) == recover
        assert infer(artifact, samples, LocalDevice()).shape == (160, CLASSES)
