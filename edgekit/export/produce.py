"""An artifact from the network's file in fp32: its precision, its configuration, its own words."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edgekit.export.checks import attribute_layer
from edgekit.export.mixing import PART, Mixture, mixture
from edgekit.export.publish import complete_files
from edgekit.export.quantization_accuracy import QuantizationAccuracy, Validation
from edgekit.export.quantization_search import (
    Search,
    groups_of,
    samples_to_rank,
    search,
)
from edgekit.export.verify import Reference, verify
from edgekit.program.feeds import Feeds
from edgekit.runtimes.protocol import (
    CALIBRATED,
    QUANTIZED,
    Quantizer,
    Sample,
    Signature,
    calibration_samples,
    channels_last,
)
from edgekit.runtimes.record import Runtime
from edgekit.types import (
    Artifact,
    Precision,
    QuantConfig,
    QuantResult,
    RuntimeName,
)


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """One artifact to make."""

    name: str
    runtime: RuntimeName
    precision: Precision
    quant_config: QuantConfig | None = None
    """Where another than the format's first is to be tried first."""
    equalized: bool = False
    """True where the file is to be made with channels of equal ranges."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ExportInputs:
    """Materials of artifacts of one network, besides its file in fp32."""

    calibration: Feeds | None = None
    validation: Validation | None = None
    """Without it the first configuration is taken as it is."""
    labels: tuple[str, ...] = ()
    channels_last: bool = False
    """True where the file takes images with their channels last."""
    reference: Reference | None = None
    """The reference of every file: it is opened and compared."""
    tail: Path | None = None
    """An ONNX file of what comes behind the network's outputs: see `Program.tail`."""

    @property
    def ranged(self) -> Feeds:
        """Samples that ranges are taken from; raises `ValueError` without them."""
        if self.calibration is None:
            raise ValueError("A calibrated precision was requested without samples.")
        return self.calibration

    def signature(self, runtime: Runtime, path: Path) -> Signature:
        """Inputs and outputs of a file of this network."""
        found = runtime.exporter.signature(path)
        return channels_last(found) if self.channels_last else found


def produce(
    runtime: Runtime, fp32: Path, request: ExportRequest, export_inputs: ExportInputs
) -> Artifact:
    """The artifact beside `fp32`, whose file it starts from."""
    paths = tuple(fp32.with_name(request.name + suffix) for suffix in runtime.suffixes)
    quantized = None
    with tempfile.TemporaryDirectory(dir=fp32.parent) as name:
        source = fp32
        if request.precision != "fp32":
            place = Path(name)
            source, quantized = _reduced(runtime, fp32, request, export_inputs, place)
        runtime.exporter.write(source, export_inputs.labels, paths[0])
    inputs, outputs = export_inputs.signature(runtime, paths[0])
    artifact = Artifact(
        name=request.name,
        runtime=request.runtime,
        precision=request.precision,
        files=paths,
        inputs=inputs,
        outputs=outputs,
        quantized=quantized,
    )
    if export_inputs.reference is not None and not runtime.export_only:
        verify(artifact, export_inputs.reference)
    if export_inputs.tail is not None and runtime.takes_tails:
        _complete(runtime, paths, export_inputs.tail)
    return artifact


def _complete(runtime: Runtime, files: Sequence[Path], tail: Path) -> None:
    """Write the artifact's twin that ends with the tail, or none."""
    twin = complete_files(files)
    try:
        runtime.exporter.complete(files[0], tail, twin[0])
    except Exception:  # noqa: BLE001 (a library's; the artifact is there, and a note names the lack)
        for file in twin:
            file.unlink(missing_ok=True)


def _reduced(
    runtime: Runtime,
    fp32: Path,
    request: ExportRequest,
    export_inputs: ExportInputs,
    place: Path,
) -> tuple[Path, QuantResult | None]:
    """The file in less than fp32, and how it came about."""
    inputs, _ = export_inputs.signature(runtime, fp32)
    samples: Sequence[Sample] = ()
    if request.precision in CALIBRATED:
        samples = calibration_samples(export_inputs.ranged, inputs)
    quantizer = runtime.exporter.quantizer(fp32, inputs, samples, place)
    suffix = runtime.suffix
    if request.precision not in QUANTIZED:
        quantizer.quantize(request.precision, QuantConfig(), place / f"plain{suffix}")
        return place / f"plain{suffix}", None

    def write(quant_config: QuantConfig, path: Path, by: Quantizer = quantizer) -> None:
        with attribute_layer(runtime, request.name):
            by.quantize(request.precision, quant_config, path)

    quant_config, found_mixture = _first(runtime, quantizer, fp32, request)
    slow = found_mixture.slow if found_mixture else ()
    if export_inputs.validation is None or runtime.export_only:
        write(quant_config, place / f"plain{suffix}")
        return place / f"plain{suffix}", replace(_unjudged(quant_config), slow=slow)
    size = _bytes(runtime, fp32)
    few, write_to_rank = samples_to_rank(size), None
    if few is not None:
        ranking = runtime.exporter.quantizer(fp32, inputs, samples[:few], place)
        write_to_rank = partial(write, by=ranking)
    work = Search(
        write=write,
        write_to_rank=write_to_rank,
        accuracy=QuantizationAccuracy(
            fp32,
            request.runtime,
            export_inputs.validation,
            [each.layout for each in inputs],
        ),
        layers=quantizer.layers,
        groups=groups_of(size),
        mixture=found_mixture if quant_config.operators == "mixed" else None,
        place=place,
        suffix=suffix,
    )
    found = search(work, quant_config, runtime.ranges, request.precision)
    return work.file(found.quant_config), replace(found, slow=slow)


def _bytes(runtime: Runtime, fp32: Path) -> int:
    """Of a file and those beside it."""
    files = [fp32.with_suffix(suffix) for suffix in runtime.suffixes]
    return sum(file.stat().st_size for file in files if file.is_file())


def _first(
    runtime: Runtime, quantizer: Quantizer, fp32: Path, request: ExportRequest
) -> tuple[QuantConfig, Mixture | None]:
    """The configuration to try before any other, with what it leaves in float for its speed."""
    quant_config = request.quant_config or quantizer.first(request.precision)
    can_mix = request.precision == "int8" and runtime.has(PART)
    if not can_mix or quant_config.operators == "weighted":
        return quant_config, None
    with attribute_layer(runtime, request.name):
        found = mixture(runtime, quantizer, fp32, quant_config)
    if found is None:
        return quant_config, None
    return replace(quant_config, float_operators=found.in_float()), found


def _unjudged(quant_config: QuantConfig) -> QuantResult:
    return QuantResult(
        quant_config=quant_config,
        accuracy_drop=None,
        allowed=None,
        metric=None,
        samples=0,
        trials=(),
    )
