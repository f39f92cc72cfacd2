"""Builds one after another in this process."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence

from edgekit.errors import EdgeKitError
from edgekit.pipeline.fleet.lending import Lease, Lender
from edgekit.pipeline.fleet.records import (
    Attempt,
    FleetTask,
    TaskState,
    Watch,
    Work,
)
from edgekit.progress import Progress


def run(
    tasks: Sequence[FleetTask],
    work: Work,
    lender: Lender,
    *,
    progress: Progress,
    watch: Watch,
) -> list[TaskState]:
    """The states of all tasks when each has ended; one that failed does not end the others."""
    states = [TaskState(task=task) for task in tasks]
    for state in states:
        try:
            lease = lender.lend(state.task, lender.choices(state.task))
        except EdgeKitError as error:
            state.fail(error)
            watch(states)
            continue
        if lease is None:
            raise RuntimeError(f"{state.task.name}: a device is lent, and nothing runs")
        state.number += 1
        state.started(_attempt(state.number, lease))
        watch(states)
        try:
            state.finished(work(state.task, lease.address, progress))
        finally:
            lender.give_back(lease)
            state.closed(time.time())
        watch(states)
    return states


def _attempt(number: int, lease: Lease) -> Attempt:
    return Attempt(
        number=number,
        machine=platform.node(),
        process=os.getpid(),
        device=lease.name,
        began=time.time(),
    )
