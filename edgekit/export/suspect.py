"""Find the operator of a network that a format cannot hold: each is tried alone, in another
process."""

from __future__ import annotations

import selectors
import time
from dataclasses import dataclass
from pathlib import Path

from edgekit.export import queues
from edgekit.export.publish import scratch
from edgekit.export.queues import Failure
from edgekit.export.worker import MESSAGE, Job, Message
from edgekit.program.program import Program
from edgekit.runtimes import registry

_ALL_S = 300.0
"""For all operators together; after that the failure is reported without the operator."""


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """An operator that cannot be written, or crashes or stalls its converter, when alone."""

    operator: str
    """With its overload: `aten.sort.default`."""
    layer: str
    why: str


def suspect(program: Program, failure: Failure, folder: Path) -> Suspect | None:
    """The first operator that fails alone as the network does; `None` where every one is written.

    Those that the failure names are tried first.
    """
    runtime = failure.request.runtime
    with scratch(folder) as place:
        program.save(place / "student.pt2")
        job = Job(
            runtime=runtime,
            source=place / "student.pt2",
            inputs=program.inputs,
            fp32=place / f"fp32{registry.get(runtime).suffix}",
            requested=(),
            calibration=None,
            validation=None,
            labels=(),
            name=failure.request.name,
            suspected=str(failure.error),
        )
        found, ended = _last(job, place)
    if found is None or found.name is None or (found.failure is None and ended):
        return None
    return Suspect(
        operator=found.name,
        layer=found.layer or "",
        why=found.failure or "its converter crashes",
    )


def _last(job: Job, place: Path) -> tuple[Message | None, bool]:
    """The last reply, and whether the process ended by itself."""
    worker = queues.start([job], place, 1)
    last, deadline = None, time.monotonic() + _ALL_S
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(worker.output, selectors.EVENT_READ)
            while selector.select(timeout=max(0.0, deadline - time.monotonic())):
                line = worker.output.readline()
                if not line:
                    return last, worker.process.wait() == 0
                last = MESSAGE.validate_json(line)
        return None, False
    finally:
        queues.kill(worker)
