"""Losses of int8 are measured on the runtime, and recovered by as little float as possible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from edgekit.export.quantization_accuracy import Validation
from edgekit.types import Artifact, InputSpec, QuantConfig, TaskSpec
from tests.runtime.export.apart import one

HARMED = 2
"""Layers at the ends of the harmed tensor."""


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


def test_openvino_keeps_named_layers_in_float(harmed, apart, tmp_path: Path) -> None:
    program, _, _ = harmed
    plain = made(apart, harmed, tmp_path, "openvino", recover=False).quantized
    kept = QuantConfig(
        float_layers=apart.submit(layers_of, tmp_path, program.inputs).result()[1:3]
    )
    again = tmp_path / "again"
    again.mkdir()
    held = made(
        apart, harmed, again, "openvino", recover=False, quant_config=kept
    ).quantized
    assert (
        plain is not None
        and plain.accuracy_drop is not None
        and plain.accuracy_drop > 0.02
    )
    assert (
        held is not None
        and held.accuracy_drop is not None
        and held.accuracy_drop <= 0.02
    )


def layers_of(place: Path, inputs: tuple[InputSpec, ...]) -> tuple[str, ...]:
    from edgekit.program.program import from_exported
    from edgekit.runtimes import registry

    network = from_exported(torch.export.load(str(place / "net.pt2")), inputs)
    exporter = registry.get("openvino").exporter
    exporter.convert(network, place / "fp32.xml")
    specs, _ = exporter.signature(place / "fp32.xml")
    quantizer = exporter.quantizer(place / "fp32.xml", specs[0], [], place)
    return quantizer.layers()


def test_a_quant_config_is_what_the_file_holds(harmed, apart, tmp_path: Path) -> None:
    unsigned = QuantConfig(activations="unsigned", narrow_weights=True)
    artifact = made(
        apart, harmed, tmp_path, "onnxruntime", recover=False, quant_config=unsigned
    )
    model = onnx.load(str(artifact.files[0]))
    stored = {
        each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer
    }
    zeros = [v.dtype for name, v in stored.items() if name.endswith("_zero_point")]
    assert np.dtype(np.uint8) in zeros
    weights = [v for v in stored.values() if v.dtype == np.int8 and v.ndim == 2]
    assert weights and max(int(np.abs(w.astype(int)).max()) for w in weights) <= 64
