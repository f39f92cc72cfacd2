"""The end of an attempt of a build: its result, another attempt, or an error follows."""

from __future__ import annotations

import logging

from edgekit.errors import (
    DeviceFrozen,
    DeviceUnreachable,
    EdgeKitError,
    LinkLost,
    WorkerLost,
)
from edgekit.pipeline.fleet.lending import Lease, Lender
from edgekit.pipeline.fleet.records import Done, FleetTask, TaskState

_LOG = logging.getLogger("edgekit.progress")
_OF_DEVICE = tuple(
    kind.__name__ for kind in (DeviceUnreachable, LinkLost, DeviceFrozen)
)
"""Errors by which a device is to blame, and not the build."""


def ended(
    state: TaskState, lease: Lease, done: Done, lender: Lender, retries: int
) -> None:
    """An attempt ended by itself. One whose device was lost goes on with another device."""
    failure, device = done.failure, lease.device
    if failure is None or failure.kind not in _OF_DEVICE or device is None:
        state.finished(done)
        return
    lender.set_aside(device, failure.message)
    if _has_another(state.task, lender):
        lost(state, failure.message, retries)
    else:
        state.finished(done)


def lost(state: TaskState, reason: str, retries: int) -> None:
    """Have a task wait for its next attempt, or end it after the last one."""
    name, most = state.task.name, retries + 1
    _LOG.warning("%s: attempt %d of %d: %s", name, state.number, most, reason)
    if state.number < most:
        state.phase, state.lost = "waiting", reason
        return
    machines = dict.fromkeys(one.machine for one in state.attempts)
    where = f" on {', '.join(machines)}" if machines else ""
    state.fail(
        WorkerLost(f"{name} was given up after {most} attempts{where}: {reason}.")
    )


def _has_another(task: FleetTask, lender: Lender) -> bool:
    try:
        return bool(lender.choices(task))
    except EdgeKitError:
        return False
