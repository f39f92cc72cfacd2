"""Builds as jobs of Slurm, submitted by submitit; every node reads the shared cache.

Slurm decides where a job runs and when. Its partition, account and time are Slurm's own variables:
SBATCH_PARTITION, SBATCH_ACCOUNT, SBATCH_TIMELIMIT. A job that Slurm lost, preempted or ended is
submitted again, and goes on from its finished stages.
"""

from __future__ import annotations

import logging
import math
import os
import pickle
import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgekit import child
from edgekit.errors import BuildCrashed, EdgeKitError, RuntimeMissing, UsageError
from edgekit.pipeline.fleet import endings
from edgekit.pipeline.fleet.lending import Lease, Lender
from edgekit.pipeline.fleet.records import (
    Attempt,
    Done,
    FleetTask,
    TaskState,
    Watch,
    Work,
)
from edgekit.progress import Logged

_LOOK_S = 1.0
_MINUTES = 24 * 60
"""Of a job, where SBATCH_TIMELIMIT does not have others."""


@dataclass(frozen=True, kw_only=True)
class SlurmOptions:
    """The limits of builds as jobs."""

    logs: Path
    """A folder that every node has, for jobs and what they print."""
    retries: int = 3
    """Repetitions of a build whose job was lost."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of every job."""
    executor: str = "slurm"
    """submitit's: `local` starts processes of this machine."""


def run(
    tasks: Sequence[FleetTask],
    work: Work,
    lender: Lender,
    *,
    options: SlurmOptions,
    watch: Watch,
) -> list[TaskState]:
    """The states of all tasks when each has ended; one that failed does not end the others.

    Raises `UsageError` where there is no Slurm, `RuntimeMissing` without submitit.
    """
    jobs = _Jobs(tasks, work, lender, options)
    try:
        while not all(state.over for state in jobs.states):
            jobs.submit()
            jobs.collect()
            watch(jobs.states)
            time.sleep(_LOOK_S)
    finally:
        jobs.cancel()
    watch(jobs.states)
    return jobs.states


class _Jobs:
    """All builds, and the jobs of those under way."""

    def __init__(
        self,
        tasks: Sequence[FleetTask],
        work: Work,
        lender: Lender,
        options: SlurmOptions,
    ) -> None:
        self._submitit = _library(options.executor)
        self._work, self._lender, self._options = work, lender, options
        self.states = [TaskState(task=task) for task in tasks]
        self._running: dict[str, tuple[TaskState, Lease, Any]] = {}

    def submit(self) -> None:
        """Submit every task that waits and has a device."""
        for state in self.states:
            if state.over or state.task.name in self._running:
                continue
            try:
                choices = self._lender.choices(state.task)
            except EdgeKitError as error:
                state.fail(error)
                continue
            lease = self._lender.lend(state.task, choices)
            if lease is None:
                state.stage = "waits for a device"
                continue
            state.number += 1
            self._running[state.task.name] = state, lease, self._job(state, lease)

    def collect(self) -> None:
        """Take the results of the jobs that ended."""
        for name, (state, lease, job) in list(self._running.items()):
            if not job.done():
                state.stage = f"job {job.job_id}: {str(job.state).lower()}"
                continue
            del self._running[name]
            self._lender.give_back(lease)
            self._end(state, lease, job)

    def cancel(self) -> None:
        """End what runs: nobody waits for it any more."""
        for _, lease, job in self._running.values():
            job.cancel(check=False)
            self._lender.give_back(lease)

    def _job(self, state: TaskState, lease: Lease) -> Any:
        task, node = state.task, lease.device.node if lease.device else None
        executor = self._submitit.AutoExecutor(
            self._options.logs, cluster=self._options.executor
        )
        threads = max(1, math.ceil(task.cpus))
        executor.update_parameters(
            name=f"edgekit-{task.name}",
            timeout_min=_MINUTES,
            cpus_per_task=threads,
            gpus_per_node=math.ceil(task.gpus),
            **({"slurm_additional_parameters": {"nodelist": node}} if node else {}),
        )
        variables = {**self._options.environment, "OMP_NUM_THREADS": str(threads)}
        payload = pickle.dumps((self._work, task, lease.address))
        with child.inherited():
            return executor.submit(
                attempt, payload, variables, state.number, lease.name
            )

    def _end(self, state: TaskState, lease: Lease, job: Any) -> None:
        error, retries = job.exception(), self._options.retries
        if error is None:
            started, done = job.result()
            state.started(started)
            state.closed(time.time())
            endings.ended(state, lease, done, self._lender, retries)
        elif isinstance(error, self._submitit.core.utils.FailedJobError):
            state.fail(BuildCrashed(f"job {job.job_id}: {_last_of_trace(error)}"))
        else:
            reason = f"job {job.job_id} ended without a result ({job.state})"
            endings.lost(state, reason, retries)


def _library(executor: str) -> Any:
    try:
        import submitit
    except ModuleNotFoundError as error:
        raise RuntimeMissing(
            "submitit is not installed. Install it: pip install 'edgekit[slurm]'"
        ) from error
    if executor == "slurm" and shutil.which("sbatch") is None:
        raise UsageError(
            "This machine has no Slurm (sbatch). Run the command where jobs are submitted."
        )
    return submitit


def _last_of_trace(error: Exception) -> str:
    """The line of the error itself: submitit has the trace between two rules."""
    between = str(error).partition("\n---")[2].partition("\n---")[0]
    return between.strip().splitlines()[-1][:200]


# --- on the nodes -----------------------------------------------------------------------------


def attempt(
    payload: bytes, environment: Mapping[str, str], number: int, device: str
) -> tuple[Attempt, Done]:
    """One attempt of a build, as a job."""
    os.environ.update(environment)  # before anything is loaded that reads it
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    started = Attempt(
        number=number,
        machine=platform.node(),
        process=os.getpid(),
        device=device,
        began=time.time(),
    )
    work, task, address = pickle.loads(payload)
    return started, work(task, address, Logged())
