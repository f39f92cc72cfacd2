"""From a program to the files that runtimes run, in fp32 and in less.

A build calls `isolation.export_all`, which gives every format a process of its own.
"""

from __future__ import annotations

from pathlib import Path

from edgekit.export.checks import attribute_layer, check
from edgekit.export.produce import ExportInputs, ExportRequest, produce
from edgekit.export.publish import publish, scratch
from edgekit.export.quantization_accuracy import Validation
from edgekit.program.feeds import Given, feeds_of
from edgekit.program.program import Program
from edgekit.runtimes import registry
from edgekit.types import Artifact, Precision, QuantConfig, RuntimeName


def export(  # noqa: PLR0913
    program: Program,
    *,
    runtime: RuntimeName,
    precision: Precision,
    calibration: Given | None,
    folder: Path,
    name: str,
    labels: tuple[str, ...] = (),
    quant_config: QuantConfig | None = None,
    validation: Validation | None = None,
) -> Artifact:
    """Write `program` for `runtime` into `folder`, in this process.

    `calibration` is (n, *shape) of each input, preprocessed; int8 needs it. `validation` judges
    what int8 loses, and starts the search for a configuration that loses less; `quant_config` is
    tried first. The files appear whole or not at all. Raises `ArtifactError` for what the format
    cannot hold, `RuntimeMissing` without its libraries.
    """
    target = registry.get(runtime)
    check(target, name, precision, calibrated=calibration is not None)
    with scratch(folder) as place:
        fp32 = place / f"fp32{target.suffix}"
        with attribute_layer(target, name):
            target.exporter.convert(program, fp32)
            request = ExportRequest(
                name=name,
                runtime=runtime,
                precision=precision,
                quant_config=quant_config,
            )
            export_inputs = ExportInputs(
                calibration=None if calibration is None else feeds_of(calibration),
                validation=validation,
                labels=labels,
            )
            made = produce(target, fp32, request, export_inputs)
        return publish(made, folder)
