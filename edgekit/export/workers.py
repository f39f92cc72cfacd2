"""All of a build's exports, each format in a fresh process, two at a time.

PyTorch's exporters, OpenVINO, NNCF and LiteRT have crashed in one process, and each prints at
length; here a crash is an error by name, and the printing stays out of sight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.errors import ArtifactError
from edgekit.export import conversions
from edgekit.export.checks import check
from edgekit.export.equalization import equalized
from edgekit.export.produce import ExportRequest
from edgekit.export.publish import publish, scratch
from edgekit.export.quantization_accuracy import Validation
from edgekit.export.queues import Failure, chain_of, run, warm_up
from edgekit.export.verify import Reference
from edgekit.export.worker import Job, Judging
from edgekit.program.feeds import Given, feeds_of, save
from edgekit.program.io_fusion import is_image
from edgekit.program.program import Program
from edgekit.runtimes import registry
from edgekit.runtimes.protocol import CALIBRATED
from edgekit.runtimes.record import Runtime
from edgekit.types import Artifact, Precision, QuantConfig, QuantResult, RuntimeName

Variant = tuple[RuntimeName, Precision] | tuple[RuntimeName, Precision, QuantConfig]
"""An artifact by its runtime and precision, and the configuration to try first, where it is another
than the format's own."""

_CALIBRATION = "calibration.npz"
_REFERENCE = "reference.npz"
_TAIL = "tail.onnx"


def export_all(  # noqa: PLR0913
    program: Program,
    requested: Sequence[Variant | ExportRequest],
    *,
    calibration: Given | None,
    folder: Path,
    labels: tuple[str, ...] = (),
    validation: Validation | None = None,
    channels_last: bool = False,
    on_done: Callable[[str], None] | None = None,
    on_failure: Callable[[Failure], None] | None = None,
) -> list[Artifact]:
    """The artifacts of `requested` in `folder`, in that order, named like `litert-int8`.

    Each format is converted once and quantized from there, as little as `validation` allows
    lost; where that fails or takes layers in float, once more with channels equalized.
    `channels_last` makes files of runtimes that compute so (LiteRT) take images (batch, height,
    width, channels); `calibration` and `validation` have channels first in any case. `on_done`
    gets each name as its artifact is made; the files appear together at the end. `on_failure`
    gets each variant that cannot be made, and the others are made all the same; without it the
    first one raises `ArtifactError` by name.
    """
    requests = [
        each if isinstance(each, ExportRequest) else export_request(*each)
        for each in dict.fromkeys(requested)
    ]
    for request in requests:
        target, calibrated = registry.get(request.runtime), calibration is not None
        check(target, request.name, request.precision, calibrated=calibrated)
    if channels_last:
        _check_image(program)
    with scratch(folder.resolve()) as place:
        program.save(place / "student.pt2")
        if calibration is not None:
            save(place / _CALIBRATION, feeds_of(calibration))
        judging = None if validation is None else _judging(validation, place)
        Reference.of(program).save(place / _REFERENCE)
        made: dict[str, Artifact] = {}
        export_inputs = _export_inputs(program, place, labels, judging)
        network = conversions.name_of(program)
        queues = [
            [conversions.lent(job, network) for job in jobs]
            for jobs in _queues(requests, export_inputs, place, turned=channels_last)
        ]
        for found in run(queues, place):
            if isinstance(found, Artifact):
                made[found.name] = found
                if on_done:
                    on_done(found.name)
            elif on_failure is None:
                raise found.error
            else:
                on_failure(found)
        done = {registry.get(one.runtime).format for one in made.values()}
        conversions.keep((o for q in queues for o in q if o.runtime in done), network)
        requests = [request for request in requests if request.name in made]
        recover = validation is not None and validation.recover
        harmed = [
            one
            for one in requests
            if one.equalized or (recover and _harmed(made[one.name]))
        ]
        if harmed and calibration is not None:
            twin = equalized(program, calibration)
            if twin is not None:
                again = place / "equalized"
                again.mkdir()
                twin.save(again / "student.pt2")
                for found in run(
                    _queues(harmed, export_inputs, again, turned=channels_last), again
                ):
                    # One that fails leaves the file there is.
                    if isinstance(found, Artifact):
                        made[found.name] = _better(made[found.name], found)
        return [publish(made[request.name], folder) for request in requests]


def prepare(runtimes: Sequence[RuntimeName]) -> None:
    """Have the libraries of exports for `runtimes` imported meanwhile, inside of `warm.kept`."""
    requested = [export_request(name, "fp32") for name in runtimes]
    lanes = [
        [
            one.name
            for one in chain_of(start)
            if any(_fraction(each, requested) for each in chain_of(one))
        ]
        for start in registry.formats()
        if start.starts_from is None
    ]
    warm_up([lane for lane in lanes if lane])


def _harmed(artifact: Artifact) -> bool:
    """Return whether static int8 loses too much, or holds only with layers in float."""
    how = artifact.quantized
    if how is None or artifact.precision not in CALIBRATED:
        return False
    return how.missed is not None or bool(how.quant_config.float_layers)


def _better(plain: Artifact, twin: Artifact) -> Artifact:
    """The one that loses less, or that has fewer layers in float where both hold."""

    def harm(how: QuantResult) -> tuple[float, int]:
        return how.missed or 0.0, len(how.quant_config.float_layers)

    before, after = plain.quantized, twin.quantized
    if before is None or after is None:
        return plain
    judged = before.accuracy_drop is not None
    if judged and harm(after) >= harm(before):
        return plain
    return replace(twin, quantized=replace(after, without_equalization=before))


def artifact_name(
    runtime: RuntimeName, precision: Precision, quant_config: QuantConfig | None = None
) -> str:
    """The name of an artifact: runtime, precision and differences from the first
    configuration."""
    parts: list[str] = [runtime, precision]
    if quant_config and quant_config.activations == "unsigned":
        parts.append("unsigned")
    elif quant_config and quant_config.narrow_weights:
        parts.append("narrow")
    if quant_config and quant_config.operators != "all":
        parts.append(quant_config.operators)
    return "-".join(parts)


def offered(runtime: RuntimeName, precision: Precision) -> bool:
    """Return whether the runtime's format can be written in that precision."""
    return precision in registry.get(runtime).precisions


def conversions_for(runtimes: Sequence[RuntimeName]) -> list[Variant]:
    """Files of runtimes that run nowhere here: every precision, as no figure chooses one."""
    return [
        (runtime, precision)
        for runtime in registry.converted(runtimes)
        for precision in registry.get(runtime).precisions
    ]


def export_request(
    runtime: RuntimeName, precision: Precision, quant_config: QuantConfig | None = None
) -> ExportRequest:
    """The request of a variant by its name."""
    return ExportRequest(
        name=artifact_name(runtime, precision, quant_config),
        runtime=runtime,
        precision=precision,
        quant_config=quant_config,
    )


def _check_image(program: Program) -> None:
    if not any(map(is_image, program.inputs)):
        listed = ", ".join(str(list(spec.shape)) for spec in program.inputs)
        raise ArtifactError(
            "Channels last is a layout of images [channels, height, width], and the network "
            f"takes {listed}. Leave out [recipe.export] litert_layout."
        )


def _judging(validation: Validation, place: Path) -> Judging:
    samples = place / "validation.npz"
    validation.save(samples)
    return Judging(
        samples=samples,
        task=validation.task,
        root=validation.root.resolve(),
        allowed=validation.allowed,
        recover=validation.recover,
        folding=validation.folding,
        reads=validation.reads,
    )


def _export_inputs(
    program: Program, place: Path, labels: tuple[str, ...], judging: Judging | None
) -> dict[str, Any]:
    """The fields that every worker's job has alike."""
    calibration, tail = place / _CALIBRATION, place / _TAIL
    if program.tail is not None:
        tail.write_bytes(program.tail)
    return {
        "inputs": program.inputs,
        "calibration": calibration if calibration.exists() else None,
        "validation": judging,
        "labels": labels,
        "reference": place / _REFERENCE,
        "tail": None if program.tail is None else tail,
    }


def _queues(
    requested: Sequence[ExportRequest],
    export_inputs: dict[str, Any],
    place: Path,
    *,
    turned: bool,
) -> list[list[Job]]:
    """Lanes of formats that wait for each other. A format that nobody wants is still made where
    a wanted one starts from it; where `turned`, those that can take channels last."""
    queues = []
    for start in registry.formats():
        if start.starts_from is None:
            jobs = [
                _job(one, requested, export_inputs, place, turned)
                for one in chain_of(start)
            ]
            queues.append([job for job in jobs if job is not None])
    return [jobs for jobs in queues if jobs]


def _job(
    runtime: Runtime,
    requested: Sequence[ExportRequest],
    export_inputs: dict[str, Any],
    place: Path,
    turned: bool,
) -> Job | None:
    """The job of one format; `None` where neither it nor a variant that starts from it is
    requested."""
    served = [
        request for one in chain_of(runtime) for request in _fraction(one, requested)
    ]
    if not served:
        return None
    start = runtime.starts_from
    return Job(
        runtime=runtime.name,
        source=_fp32(registry.get(start), place) if start else place / "student.pt2",
        chained=start is not None,
        fp32=_fp32(runtime, place),
        requested=tuple(_fraction(runtime, requested)),
        channels_last=turned and runtime.channels_last,
        name=served[0].name,
        **export_inputs,
    )


def _fraction(
    runtime: Runtime, requested: Sequence[ExportRequest]
) -> list[ExportRequest]:
    return [o for o in requested if registry.get(o.runtime).format == runtime.name]


def _fp32(runtime: Runtime, place: Path) -> Path:
    """Where its fp32 file is made: two formats may have one suffix."""
    return place / f"start-{runtime.name}{runtime.suffix}"
