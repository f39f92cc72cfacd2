"""Every error EdgeKit raises on purpose, and the exit code of each.

    EdgeKitError                 the root; never raised itself
    |- UsageError           2    a command, project file, model or data set that cannot be used
    |  |- ProjectError           edgekit.toml: file, line, key, value, and the fix
    |  |- TargetError            no such target, or a target file that cannot be read
    |  |- ModelError             the trained network cannot be loaded or exported
    |  |- DataError              samples that are missing or of the wrong shape
    |  |- TrainingError          training that diverged: the recipe has to change
    |  |- LockError              edgekit.lock: missing, unreadable, or made from something else
    |  |- FarmError              devices.toml: file, line, key, value, and the fix
    |  |- OutputError            a folder or file that cannot be written
    |  `- OutOfMemory            this machine's memory is too small for the request
    |- BudgetError          1    the contract
    |  |- BudgetInfeasible       refused before training: no network inside the budget
    |  `- BudgetMissed           built and measured, and over
    |- DeviceError          3    the device or its runtime is missing or failed
    |  |- RuntimeMissing         a runtime's package is not installed
    |  |- DeviceUnreachable      no connection: refused, unknown host, no such serial, no login
    |  |- HostKeyError           the device's host key is unknown, or not the pinned one
    |  |- LinkLost               the connection ended in the middle of a job
    |  |- DeviceFrozen           the connection stands, and nothing answers
    |  |- DiskFull               no space left on the device
    |  |- DeviceOutOfMemory      the device ended the agent because memory ran out
    |  |- AgentKilled            somebody on the device ended the agent
    |  |- DeviceBusy             another job holds the device
    |  |- WorkerLost             a cluster's workers were lost more often than a build is repeated
    |  `- NoWorker               no machine of a cluster has what a build needs
    |- TargetsFailed            of several targets: the highest code among them
    |- MeasurementError     4    a run that is invalid or inconclusive
    |- GateUnproven         6    a limit of a gate that nothing here can prove
    |- ArtifactError        5    an operator a runtime lacks, or outputs that differ
    |  `- ParityError            an artifact outside tolerance, by name
    `- BuildCrashed        70    a fault of EdgeKit's own, in a process of a cluster

Any other exception is a fault of EdgeKit's own: the command exits with 70, and writes a crash
report. A command that a signal ends exits with 128 and the signal's number, as shells expect:
129 hung up, 130 interrupted, 141 nobody reads its output any more, 143 terminated.
"""

from __future__ import annotations

from collections.abc import Mapping

INTERNAL = 70


class EdgeKitError(Exception):
    """An error line: the event, the value, and the fix."""

    exit_code = INTERNAL


class Terminated(BaseException):
    """A signal ends the command. `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


SIGNALS = (Terminated, KeyboardInterrupt)
"""Exceptions that signals raise, in any code."""


def signal_behind(error: BaseException | None) -> BaseException | None:
    """The `Terminated` or `KeyboardInterrupt` that `error` is, or that it followed from."""
    while error is not None:
        if isinstance(error, SIGNALS):
            return error
        error = error.__cause__ or error.__context__
    return None


class UsageError(EdgeKitError):
    """A command, project file, model or data set that cannot be used."""

    exit_code = 2


class ProjectError(UsageError):
    """A fault in `edgekit.toml`."""


class TargetError(UsageError):
    """An unknown target, or an unreadable target file."""


class ModelError(UsageError):
    """A trained network that cannot be loaded or exported."""


class DataError(UsageError):
    """Samples that are missing or of the wrong shape."""


class TrainingError(UsageError):
    """A training that diverged."""


class LockError(UsageError):
    """A lock file that is missing, unreadable, or made from something else."""


class FarmError(UsageError):
    """A fault in `devices.toml`."""


class OutputError(UsageError):
    """A folder or file that cannot be written."""


class OutOfMemory(UsageError):
    """A request that exceeds this machine's memory."""


class BudgetError(EdgeKitError):
    """A budget that is not met."""

    exit_code = 1


class BudgetInfeasible(BudgetError):
    """A budget that no network keeps, found before training."""


class BudgetMissed(BudgetError):
    """`report` is what was built and measured all the same."""

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message)
        self.report = report


class DeviceError(EdgeKitError):
    """A device or runtime that is missing or failed."""

    exit_code = 3


class RuntimeMissing(DeviceError):
    """A runtime whose package is not installed."""


class DeviceUnreachable(DeviceError):
    """A device without a connection."""


class HostKeyError(DeviceError):
    """A host key that is unknown or has changed."""


class LinkLost(DeviceError):
    """A connection that ended in the middle of a job."""


class DeviceFrozen(DeviceError):
    """A device that is connected and does not answer."""


class DiskFull(DeviceError):
    """A device without space."""


class DeviceOutOfMemory(DeviceError):
    """A device that ended the agent because memory ran out."""


class AgentKilled(DeviceError):
    """An agent that was killed on the device."""


class DeviceBusy(DeviceError):
    """A device that another job holds."""


class WorkerLost(DeviceError):
    """A build whose workers were lost again and again, or a training that lost a process."""


class NoWorker(DeviceError):
    """A build that no machine of the cluster can run any more."""


class MeasurementError(EdgeKitError):
    """A measurement that is invalid or inconclusive."""

    exit_code = 4


class GateUnproven(EdgeKitError):
    """A limit of a gate that nothing here can prove."""

    exit_code = 6


class ArtifactError(EdgeKitError):
    """An artifact that its runtime refuses, or whose outputs differ."""

    exit_code = 5


class ParityError(ArtifactError):
    """`fault` has by what the artifact is outside tolerance, as `types.ParityFault`."""

    def __init__(self, message: str, fault: object = None) -> None:
        super().__init__(message)
        self.fault = fault


class BuildCrashed(EdgeKitError):
    """An exception in another process that EdgeKit did not raise on purpose."""


class TargetsFailed(EdgeKitError):
    """Some of several targets failed; the others are finished, and what they made is kept.

    Its exit code is the highest of theirs.
    """

    def __init__(self, failed: Mapping[str, EdgeKitError], of: int) -> None:
        lines = "; ".join(f"{name}: {error}" for name, error in failed.items())
        super().__init__(f"{len(failed)} of {of} targets failed. {lines}")
        self.exit_code = max(error.exit_code for error in failed.values())


EXIT_CODES: dict[int, str] = {
    0: "the build met its budget, or what could not be proved here is marked unproven",
    1: "a budget is infeasible or was missed",
    2: "wrong usage, project file, model, data or output folder, or too little memory",
    3: "the device or runtime is not available",
    4: "a measurement is invalid or inconclusive",
    5: "an operator is unsupported, or an artifact's outputs differ from the network's",
    6: "a limit of a gate is unproven: no device was named, or nothing here shows it",
    INTERNAL: "an internal error, with a crash report",
    129: "hung up",
    130: "interrupted",
    141: "nobody reads the output any more",
    143: "terminated",
}
