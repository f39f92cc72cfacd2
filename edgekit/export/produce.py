"""An artifact from the network's file in fp32: its precision, its scheme, its own words."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.export.checks import attribute_layer
from edgekit.export.quantization_accuracy import QuantizationAccuracy, Validation
from edgekit.export.quantization_search import Search, search
from edgekit.export.verify import Reference, verify
from edgekit.runtimes.protocol import (
    CALIBRATED,
    QUANTIZED,
    Border,
    channels_last,
    feeds,
)
from edgekit.runtimes.record import Runtime
from edgekit.types import Artifact, Precision, QuantConfig, QuantResult, RuntimeName


@dataclass(frozen=True, kw_only=True)
class Order:
    """One artifact to make."""

    name: str
    runtime: RuntimeName
    precision: Precision
    scheme: QuantConfig | None = None
    """Where another than the format's first is to be tried first."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ExportInputs:
    """Materials of artifacts of one network, besides its file in fp32."""

    calibration: np.ndarray | None = None
    validation: Validation | None = None
    """Without it the first scheme is taken as it is."""
    labels: tuple[str, ...] = ()
    channels_last: bool = False
    """True where the file takes images with their channels last."""
    reference: Reference | None = None
    """The reference of every file: it is opened and compared."""

    def border(self, runtime: Runtime, path: Path) -> Border:
        """Inputs and outputs of a file of this network."""
        found = runtime.exporter.border(path)
        return channels_last(found) if self.channels_last else found


def produce(
    runtime: Runtime, fp32: Path, order: Order, material: ExportInputs
) -> Artifact:
    """The artifact beside `fp32`, whose file it starts from."""
    paths = tuple(fp32.with_name(order.name + suffix) for suffix in runtime.suffixes)
    quantized = None
    with tempfile.TemporaryDirectory(dir=fp32.parent) as name:
        source = fp32
        if order.precision != "fp32":
            place = Path(name)
            source, quantized = _reduced(runtime, fp32, order, material, place)
        runtime.exporter.write(source, material.labels, paths[0])
    inputs, outputs = material.border(runtime, paths[0])
    artifact = Artifact(
        name=order.name,
        runtime=order.runtime,
        precision=order.precision,
        files=paths,
        inputs=inputs,
        outputs=outputs,
        quantized=quantized,
    )
    if material.reference is not None:
        verify(artifact, material.reference)
    return artifact


def _reduced(
    runtime: Runtime, fp32: Path, order: Order, material: ExportInputs, place: Path
) -> tuple[Path, QuantResult | None]:
    """The file in less than fp32, and how it came about."""
    inputs, _ = material.border(runtime, fp32)
    samples: list[np.ndarray] = []
    if order.precision in CALIBRATED:
        assert material.calibration is not None
        samples = feeds(material.calibration, inputs)
    quantizer = runtime.exporter.quantizer(fp32, inputs[0], samples, place)
    suffix = runtime.suffix
    if order.precision not in QUANTIZED:
        quantizer.quantize(order.precision, QuantConfig(), place / f"plain{suffix}")
        return place / f"plain{suffix}", None

    def write(scheme: QuantConfig, path: Path) -> None:
        with attribute_layer(runtime, order.name):
            quantizer.quantize(order.precision, scheme, path)

    scheme = order.scheme or quantizer.first(order.precision)
    if material.validation is None or len(inputs) != 1:
        write(scheme, place / f"plain{suffix}")
        return place / f"plain{suffix}", _unjudged(scheme)
    work = Search(
        write=write,
        judge=QuantizationAccuracy(
            fp32, order.runtime, material.validation, inputs[0].layout
        ),
        layers=quantizer.layers,
        place=place,
        suffix=suffix,
    )
    found = search(work, scheme, runtime.ranges, order.precision)
    return work.file(found.scheme), found


def _unjudged(scheme: QuantConfig) -> QuantResult:
    return QuantResult(
        scheme=scheme,
        lost=None,
        allowed=None,
        metric=None,
        samples=0,
        trials=(),
    )
