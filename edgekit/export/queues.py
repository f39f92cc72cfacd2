"""Queues of export jobs, each job in a process; a crash takes one artifact with it."""

from __future__ import annotations

import errno
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from edgekit import child
from edgekit.errors import ArtifactError
from edgekit.export import warm
from edgekit.export.produce import ExportRequest
from edgekit.export.worker import JOB, MESSAGE, Job, Message
from edgekit.runtimes import registry
from edgekit.runtimes.record import Runtime
from edgekit.types import Artifact, RuntimeName

_PATIENCE_S = 7200.0
"""A worker that sends nothing for longer hangs: the search for one file is shorter."""


_SHORT = (
    os.strerror(errno.ENOSPC),
    os.strerror(errno.ENOMEM),
    "MemoryError",
    "bad_alloc",
)
"""Parts of messages where memory or space ran out."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An artifact that cannot be made."""

    request: ExportRequest
    error: ArtifactError
    converting: bool
    """True where the format cannot hold the network at all, in fp32 neither."""
    passing: bool = False
    """True where another try may succeed: its process was killed or silent, or space ran out."""


def chain_of(runtime: Runtime) -> list[Runtime]:
    """The format and those that start from it, each after its own start."""
    starting = [one for one in registry.formats() if one.starts_from == runtime.name]
    return [runtime, *(each for one in starting for each in chain_of(one))]


@dataclass(kw_only=True)
class Worker:
    """One job's process. `left` are the requests that it has not answered."""

    job: Job
    rest: list[Job]
    process: subprocess.Popen[bytes] | warm.Fork
    log: Path
    left: list[ExportRequest] = field(init=False)
    converted: bool = field(init=False)
    heard: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.left, self.converted = list(self.job.requested), self.job.converted

    @property
    def output(self) -> IO[bytes]:
        """Replies of the process; raises `ValueError` where it was started without a pipe."""
        if self.process.stdout is None:
            raise ValueError("The worker was started without a pipe.")
        return self.process.stdout

    @property
    def unanswered(self) -> bool:
        """Return whether there are requests without a reply."""
        return bool(self.left) or not self.converted

    @property
    def overdue(self) -> bool:
        """Return whether it was silent for so long that it hangs."""
        return time.monotonic() - self.heard > _PATIENCE_S


def run(queues: list[list[Job]], place: Path) -> Iterator[Artifact | Failure]:
    """Work the queues side by side; whatever ends this ends the workers."""
    running: list[Worker] = []
    child.make_room()
    with selectors.DefaultSelector() as selector:

        def begin(jobs: list[Job], *, alone: bool = False) -> None:
            worker = start(jobs, place, len(queues), alone=alone)
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
                    if worker.unanswered and isinstance(worker.process, warm.Fork):
                        begin(_rest(worker), alone=True)
                        continue
                    yield from _died(worker)
                    if again := _again(worker):
                        begin(again)
                for worker in running:
                    if worker.overdue:
                        _end(worker)
        finally:
            for worker in running:
                kill(worker)


def _heard(worker: Worker, message: Message) -> Iterator[Artifact | Failure]:
    worker.heard = time.monotonic()
    if message.artifact is not None:
        worker.left.pop(0)
        yield message.artifact
    elif message.failure is None:
        worker.converted = True
    else:
        yield from _failed(worker, message.failure)


def _died(worker: Worker) -> Iterator[Failure]:
    """The fault of the artifact in work, from the end of a process without an answer."""
    if worker.unanswered:
        title = registry.get(worker.job.runtime).title
        name = worker.left[0].name if worker.left else worker.job.name
        failure = f"{title} export of {name} failed: {_death(worker)}"
        yield from _failed(worker, failure)


def _failed(worker: Worker, failure: str) -> Iterator[Failure]:
    """The artifact at work fails; in the conversion all do, with what starts from its file."""
    error = ArtifactError(failure)
    error.add_note(worker.log.read_text(errors="replace")[-4000:])
    if worker.converted:
        failed, worker.left = worker.left[:1], worker.left[1:]
    else:
        chain = {one.name for one in chain_of(registry.get(worker.job.runtime))}
        lost = [job for job in worker.rest if job.runtime in chain]
        failed = [*worker.left, *(request for job in lost for request in job.requested)]
        worker.left = []
        worker.rest = [job for job in worker.rest if job not in lost]
    for request in failed:
        yield Failure(
            request=request,
            error=error,
            converting=not worker.converted,
            passing=_passing(worker, failure),
        )


def _passing(worker: Worker, failure: str) -> bool:
    killed = worker.process.returncode == -signal.SIGKILL
    return killed or worker.overdue or any(sign in failure for sign in _SHORT)


def _again(worker: Worker) -> list[Job]:
    """The variants for another process: a crash takes one artifact with it."""
    if worker.left:
        job = replace(worker.job, requested=tuple(worker.left), converted=True)
        return [job, *worker.rest]
    return worker.rest


def _rest(worker: Worker) -> list[Job]:
    """The jobs that a process left as it ended early: its own from where it was, and the others."""
    left = tuple(worker.left)
    job = replace(worker.job, requested=left, converted=worker.converted)
    return [job, *worker.rest]


def start(jobs: list[Job], place: Path, queues: int, *, alone: bool = False) -> Worker:
    """A process for the first of `jobs`, beside those of `queues` in all.

    It is forked from the one with the format's libraries, where these are kept and it is not to
    be `alone`.
    """
    name = jobs[0].runtime
    request, log = place / f"{name}.json", place / f"{name}.log"
    request.write_bytes(JOB.dump_json(jobs[0]))
    # Files that a library leaves in TMPDIR are removed with `place`, also where this process is
    # killed.
    environment = {**_environment(queues), "TMPDIR": str(place)}
    fork = None if alone else warm.start(name, request, log, environment)
    if fork is not None:
        return Worker(job=jobs[0], rest=jobs[1:], process=fork, log=log)
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
    return Worker(job=jobs[0], rest=jobs[1:], process=process, log=log)


def warm_up(lanes: Sequence[Sequence[RuntimeName]]) -> None:
    """Start the processes with the libraries of formats that are exported soon, side by side."""
    for name in (one for lane in lanes for one in lane):
        warm.prepare(name, _environment(len(lanes)))


def _environment(queues: int) -> dict[str, str]:
    """Of a process beside those of `queues` in all."""
    return {
        "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // queues)),
        **child.environment(),
        # Sets that the libraries iterate over decide names and order in the files.
        "PYTHONHASHSEED": "0",
        # NNCF reports its use elsewhere.
        "NNCF_CI": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }


def _death(worker: Worker) -> str:
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


def kill(worker: Worker) -> None:
    """End a worker and all that it started."""
    _end(worker)
    worker.process.wait()
    worker.output.close()


def _end(worker: Worker) -> None:
    if isinstance(worker.process, warm.Fork):
        worker.process.kill_all()
        return
    with suppress(ProcessLookupError):
        os.killpg(worker.process.pid, signal.SIGKILL)
