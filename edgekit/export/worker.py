"""One format's exports in a process of their own: `python -m edgekit.export.worker JOB.json`.

The libraries print, and crash beside each other. Here what they print goes to standard error,
and standard output carries one `Message` per line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from edgekit.errors import ArtifactError
from edgekit.export.judge import Validation
from edgekit.export.make import Material, Order, make
from edgekit.types import Artifact, Folding, InputSpec, RuntimeName, TaskSpec

SEED = 0


@dataclass(frozen=True, kw_only=True)
class Judging:
    """A `Validation` whose arrays are in the file `samples`."""

    samples: Path
    task: TaskSpec
    root: Path
    allowed: float
    recover: bool
    folding: Folding = field(default_factory=Folding)

    def read(self) -> Validation:
        with np.load(self.samples, allow_pickle=False) as arrays:
            return Validation(
                inputs=arrays["inputs"],
                targets=arrays.get("targets"),
                task=self.task,
                root=self.root,
                allowed=self.allowed,
                recover=self.recover,
                folding=self.folding,
            )


@dataclass(frozen=True, kw_only=True)
class Job:
    """What one format is to make: `fp32` first, from `source`, then `wanted` beside it.

    `source` is the program (`.pt2`), or for OpenVINO an ONNX file.
    """

    runtime: RuntimeName
    source: Path
    inputs: tuple[InputSpec, ...]
    fp32: Path
    wanted: tuple[Order, ...]
    calibration: Path | None
    validation: Judging | None
    labels: tuple[str, ...]
    channels_last: bool = False
    """Whether files are to take images with their channels last."""
    name: str
    """The artefact to name when the conversion fails: one made from it, here or later."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """An artefact that is done, or why the job failed."""

    artifact: Artifact | None = None
    failure: str | None = None


JOB: TypeAdapter[Job] = TypeAdapter(Job)
MESSAGE: TypeAdapter[Message] = TypeAdapter(Message)


def work(job: Job) -> Iterator[Artifact]:
    """The artefacts of `job`, each as soon as its file is written."""
    import torch

    from edgekit.export import EXPORTERS
    from edgekit.export.exporter import blame

    torch.manual_seed(SEED)
    np.random.seed(SEED)
    exporter = EXPORTERS[job.runtime]
    with blame(exporter, job.name):
        _convert(job)
        material = Material(
            calibration=None if job.calibration is None else np.load(job.calibration),
            validation=None if job.validation is None else job.validation.read(),
            labels=job.labels,
            channels_last=job.channels_last,
        )
    for order in job.wanted:
        with blame(exporter, order.name):
            yield make(exporter, job.fp32, order, material)


def _convert(job: Job) -> None:
    from edgekit.export import EXPORTERS, openvino
    from edgekit.source.ends import channels_last
    from edgekit.source.program import load

    if job.source.suffix == ".onnx":
        openvino.convert_onnx(job.source, job.fp32)
    else:
        program = load(job.source, job.inputs)
        if job.channels_last:
            program = channels_last(program)
        EXPORTERS[job.runtime].convert(program, job.fp32)


def main(path: str) -> int:
    with os.fdopen(os.dup(1), "wb", buffering=0) as reply:
        os.dup2(2, 1)

        def send(message: Message) -> None:
            reply.write(MESSAGE.dump_json(message) + b"\n")

        try:
            for artifact in work(JOB.validate_json(Path(path).read_bytes())):
                send(Message(artifact=artifact))
        except ArtifactError as error:
            send(Message(failure=str(error)))
            return ArtifactError.exit_code
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stderr.flush()
    # Not sys.exit: with the answers sent, the libraries' tearing down is seconds lost, or a crash.
    os._exit(code)
