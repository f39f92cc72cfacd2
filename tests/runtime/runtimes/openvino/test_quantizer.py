"""Files of NNCF follow the configuration."""

from __future__ import annotations

from pathlib import Path

import torch

from edgekit.types import InputSpec, QuantConfig
from tests.runtime.export.harmed import made


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
    quantizer = exporter.quantizer(place / "fp32.xml", specs, [], place)
    return quantizer.layers()
