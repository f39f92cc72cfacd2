"""All of a build's exports, each format in a fresh process, two at a time.

PyTorch's exporters, OpenVINO, NNCF and LiteRT have crashed in one process, and each prints at
length; here a crash is an error by name, and the printing stays out of sight.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from edgekit import child
from edgekit.errors import ArtifactError
from edgekit.export.checks import check
from edgekit.export.equalization import equalized
from edgekit.export.produce import ExportRequest
from edgekit.export.publish import publish, scratch
from edgekit.export.quantization_accuracy import Validation
from edgekit.export.verify import Reference
from edgekit.export.worker import JOB, MESSAGE, Job, Judging, Message
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
_PATIENCE_S = 7200.0
"""A worker that sends nothing for longer hangs: the search for one file is shorter."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An artifact that cannot be made."""

    request: ExportRequest
    error: ArtifactError
    converting: bool
    """True where the format cannot hold the network at all, in fp32 neither."""


def export_all(  # noqa: PLR0913
    program: Program,
    requested: Sequence[Variant],
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
    requests = [_request(*each) for each in dict.fromkeys(requested)]
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
        queues = _queues(requests, export_inputs, place, turned=channels_last)
        for found in _run(queues, place):
            if isinstance(found, Artifact):
                made[found.name] = found
                if on_done:
                    on_done(found.name)
            elif on_failure is None:
                raise found.error
            else:
                on_failure(found)
        requests = [request for request in requests if request.name in made]
        harmed = [request for request in requests if _harmed(made[request.name])]
        if harmed and calibration is not None and validation and validation.recover:
            twin = equalized(program, calibration)
            if twin is not None:
                again = place / "equalized"
                again.mkdir()
                twin.save(again / "student.pt2")
                for found in _run(
                    _queues(harmed, export_inputs, again, turned=channels_last), again
                ):
                    # One that fails leaves the file there is.
                    if isinstance(found, Artifact):
                        made[found.name] = _better(made[found.name], found)
        return [publish(made[request.name], folder) for request in requests]


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
    if before is None or after is None or harm(after) >= harm(before):
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


def _request(
    runtime: RuntimeName, precision: Precision, quant_config: QuantConfig | None = None
) -> ExportRequest:
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
                for one in _chain(start)
            ]
            queues.append([job for job in jobs if job is not None])
    return [jobs for jobs in queues if jobs]


def _chain(runtime: Runtime) -> list[Runtime]:
    """The format and those that start from it, each after its own start."""
    starting = [one for one in registry.formats() if one.starts_from == runtime.name]
    return [runtime, *(each for one in starting for each in _chain(one))]


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
        request for one in _chain(runtime) for request in _fraction(one, requested)
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


@dataclass(kw_only=True)
class _Worker:
    """One job's process. `left` are the requests that it has not answered."""

    job: Job
    rest: list[Job]
    process: subprocess.Popen[bytes]
    log: Path
    left: list[ExportRequest] = field(init=False)
    converted: bool = field(init=False)
    heard: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.left, self.converted = list(self.job.requested), self.job.converted

    @property
    def output(self) -> IO[bytes]:
        if self.process.stdout is None:
            raise ValueError("The worker was started without a pipe.")
        return self.process.stdout

    @property
    def overdue(self) -> bool:
        return time.monotonic() - self.heard > _PATIENCE_S


def _run(queues: list[list[Job]], place: Path) -> Iterator[Artifact | Failure]:
    """Work the queues side by side; whatever ends this ends the workers."""
    running: list[_Worker] = []
    with selectors.DefaultSelector() as selector:

        def begin(jobs: list[Job]) -> None:
            worker = start(jobs, place, len(queues))
            running.append(worker)
            selector.register(worker.output, selectors.EVENT_READ, worker)

        try:
            for jobs in queues:
                begin(jobs)
            while running:
                for event, _ in selector.select(timeout=_PATIENCE_S / 10):
                    worker = event.data
                    line = worker.output.readline()
                    if line:
                        yield from _heard(worker, MESSAGE.validate_json(line))
                        continue
                    selector.unregister(worker.output)
                    worker.process.wait()
                    worker.output.close()
                    running.remove(worker)
                    yield from _died(worker)
                    if again := _again(worker):
                        begin(again)
                for worker in running:
                    if worker.overdue:
                        os.killpg(worker.process.pid, signal.SIGKILL)
        finally:
            for worker in running:
                kill(worker)


def _heard(worker: _Worker, message: Message) -> Iterator[Artifact | Failure]:
    worker.heard = time.monotonic()
    if message.artifact is not None:
        worker.left.pop(0)
        yield message.artifact
    elif message.failure is None:
        worker.converted = True
    else:
        yield from _failed(worker, message.failure)


def _died(worker: _Worker) -> Iterator[Failure]:
    """The fault of the artifact in work, from the end of a process without an answer."""
    if worker.left or not worker.converted:
        title = registry.get(worker.job.runtime).title
        name = worker.left[0].name if worker.left else worker.job.name
        failure = f"{title} export of {name} failed: {_death(worker)}"
        yield from _failed(worker, failure)


def _failed(worker: _Worker, failure: str) -> Iterator[Failure]:
    """The artifact at work fails; in the conversion all do, with what starts from its file."""
    error = ArtifactError(failure)
    error.add_note(worker.log.read_text(errors="replace")[-4000:])
    if worker.converted:
        failed, worker.left = worker.left[:1], worker.left[1:]
    else:
        chain = {one.name for one in _chain(registry.get(worker.job.runtime))}
        lost = [job for job in worker.rest if job.runtime in chain]
        failed = [*worker.left, *(request for job in lost for request in job.requested)]
        worker.left = []
        worker.rest = [job for job in worker.rest if job not in lost]
    for request in failed:
        yield Failure(request=request, error=error, converting=not worker.converted)


def _again(worker: _Worker) -> list[Job]:
    """The variants for another process: a crash takes one artifact with it."""
    if worker.left:
        job = replace(worker.job, requested=tuple(worker.left), converted=True)
        return [job, *worker.rest]
    return worker.rest


def start(jobs: list[Job], place: Path, queues: int) -> _Worker:
    """A process for the first of `jobs`, beside those of `lanes` in all."""
    name = jobs[0].runtime
    request, log = place / f"{name}.json", place / f"{name}.log"
    request.write_bytes(JOB.dump_json(jobs[0]))
    threads = str(max(1, (os.cpu_count() or 1) // queues))
    environment = {
        "OMP_NUM_THREADS": threads,
        # Files that a library leaves there are removed with `place`, also where this
        # process is killed.
        **child.environment(TMPDIR=str(place)),
        # Sets that the libraries iterate over decide names and order in the files.
        "PYTHONHASHSEED": "0",
        # NNCF reports its use elsewhere.
        "NNCF_CI": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    with log.open("wb") as stream:
        process = subprocess.Popen(
            child.python("-m", f"{__package__}.worker", str(request)),
            cwd=place,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stream,
            env=environment,
            bufsize=0,
            start_new_session=True,
        )
    return _Worker(job=jobs[0], rest=jobs[1:], process=process, log=log)


def _death(worker: _Worker) -> str:
    code = worker.process.returncode
    if worker.overdue:
        return f"its process gave no answer for {_PATIENCE_S / 60:.0f} minutes."
    if code == -signal.SIGKILL:
        return "its process was killed; the machine may be short of memory."
    if code < 0:
        return f"its process crashed with {signal.Signals(-code).name}."
    log = worker.log.read_text(errors="replace")
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1] if lines else f"its process ended with code {code}."


def kill(worker: _Worker) -> None:
    """End a worker and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(worker.process.pid, signal.SIGKILL)
    worker.process.wait()
    worker.output.close()
