"""One format's exports in a process of their own: `python -m edgekit.export.worker JOB.json`.

The libraries print, and crash beside each other. Here what they print goes to standard error,
and standard output carries one `Message` per line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import numpy as np
from pydantic import TypeAdapter

from edgekit.errors import ArtifactError
from edgekit.export.produce import ExportInputs, ExportRequest, produce
from edgekit.export.quantization_accuracy import Validation
from edgekit.export.verify import Reference
from edgekit.program import feeds
from edgekit.program.named_outputs import Reads
from edgekit.program.program import Program
from edgekit.runtimes import registry
from edgekit.types import Artifact, InputSpec, IOFusion, RuntimeName, TaskSpec

SEED = 0


@dataclass(frozen=True, kw_only=True)
class Judging:
    """A `Validation` whose arrays are in the file `samples`."""

    samples: Path
    task: TaskSpec
    root: Path
    allowed: float
    recover: bool
    folding: IOFusion = field(default_factory=IOFusion)
    reads: Reads = ()

    def read(self) -> Validation:
        """The validation samples from their file."""
        inputs, known = feeds.read(self.samples)
        return Validation(
            inputs=inputs,
            targets=known.get("targets"),
            task=self.task,
            root=self.root,
            allowed=self.allowed,
            recover=self.recover,
            folding=self.folding,
            reads=self.reads,
        )


@dataclass(frozen=True, kw_only=True)
class Job:
    """A worker's job for one format: `fp32` first, from `source`, then `requested` beside it.

    `source` is the program (`.pt2`), or where it is `chained` another runtime's file in fp32.
    """

    runtime: RuntimeName
    source: Path
    inputs: tuple[InputSpec, ...]
    fp32: Path
    requested: tuple[ExportRequest, ...]
    calibration: Path | None
    validation: Judging | None
    labels: tuple[str, ...]
    chained: bool = False
    channels_last: bool = False
    """True where files are to take images with their channels last."""
    name: str
    """The artifact to name when the conversion fails: one made from it, here or later."""
    reference: Path | None = None
    """Samples with the network's outputs, which every file in float has to give too."""
    converted: bool = False
    """True where `fp32` is there already."""
    tail: Path | None = None
    """An ONNX file of what comes behind the network's outputs."""
    suspected: str | None = None
    """Why the network cannot be converted: each of its operators is tried alone instead."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """A result of a job: `fp32` is written, an artifact is done, or the reason why one cannot
    be.

    A failure without an artifact to be made is of the conversion, and the job's last message.
    """

    artifact: Artifact | None = None
    failure: str | None = None
    name: str | None = None
    """The artifact that is not made, or the operator that is tried or cannot be written."""
    layer: str | None = None
    """The author's module which the operator belongs to."""


JOB: TypeAdapter[Job] = TypeAdapter(Job)
MESSAGE: TypeAdapter[Message] = TypeAdapter(Message)


def work(job: Job) -> Iterator[Message]:
    """Convert, then make every artifact of `job`: one that fails does not end the others."""
    import torch

    from edgekit.export.checks import attribute_layer

    torch.manual_seed(SEED)
    np.random.seed(SEED)
    runtime = registry.get(job.runtime)
    try:
        with attribute_layer(runtime, job.name):
            if not job.converted:
                _convert(job)
            export_inputs = _export_inputs(job)
    except ArtifactError as error:
        yield Message(failure=str(error))
        return
    yield Message()
    for request in job.requested:
        try:
            with attribute_layer(runtime, request.name):
                yield Message(
                    artifact=produce(runtime, job.fp32, request, export_inputs)
                )
        except ArtifactError as error:
            yield Message(failure=str(error), name=request.name)


def suspects(job: Job, suspected: str) -> Iterator[Message]:
    """Name each operator of `job.source` before it is tried alone, and end at one that fails."""
    from edgekit.export import alone
    from edgekit.export.checks import attribute_layer
    from edgekit.program.module_path import layer

    runtime = registry.get(job.runtime)
    request = ExportRequest(name="alone", runtime=job.runtime, precision="fp32")
    for one in alone.operators(_program(job), suspected):
        about = Message(name=str(one.node.target), layer=layer(one.node))
        yield about
        try:
            with attribute_layer(runtime, job.name):
                runtime.exporter.convert(one.program, job.fp32)
                reference = Reference.of(one.program)
                produce(runtime, job.fp32, request, ExportInputs(reference=reference))
        except ArtifactError as error:
            yield replace(about, failure=str(error))
            return


def _export_inputs(job: Job) -> ExportInputs:
    return ExportInputs(
        calibration=None if job.calibration is None else feeds.read(job.calibration)[0],
        validation=None if job.validation is None else job.validation.read(),
        labels=job.labels,
        channels_last=job.channels_last,
        reference=None if job.reference is None else Reference.read(job.reference),
        tail=job.tail,
    )


def _convert(job: Job) -> None:
    from edgekit.program.io_fusion import channels_last

    exporter = registry.get(job.runtime).exporter
    if job.chained:
        exporter.convert_file(job.source, job.fp32)
    else:
        program = _program(job)
        if job.channels_last:
            program = channels_last(program)
        exporter.convert(program, job.fp32)


def _program(job: Job) -> Program:
    from edgekit.program.program import load

    return load(job.source, job.inputs)


def main(path: str) -> int:
    """Do the job of a pickled file; write a reply for each step to standard output."""
    with os.fdopen(os.dup(1), "wb", buffering=0) as reply:
        os.dup2(2, 1)
        end_me_first()
        answer(Path(path), reply)
    return 0


def answer(path: Path, reply: IO[bytes]) -> None:
    """Do the job of a file; write a message for each step to `reply`."""
    job = JOB.validate_json(path.read_bytes())
    why = job.suspected
    for message in work(job) if why is None else suspects(job, why):
        reply.write(MESSAGE.dump_json(message) + b"\n")


def end_me_first() -> None:
    """Let the system end this process, and not the build, where memory runs out."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stderr.flush()
    # Not sys.exit: with the answers sent, the libraries' tearing down is seconds lost, or a crash.
    os._exit(code)
