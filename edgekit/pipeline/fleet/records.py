"""A build of many, and what became of it: values that any process can be given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from edgekit import errors
from edgekit.errors import BudgetMissed, BuildCrashed, EdgeKitError
from edgekit.pipeline.request import BuildRequest
from edgekit.progress import Progress
from edgekit.types import Report
from edgekit.types.farm import FarmDevice

LOCAL = "local"
ENGINES = (LOCAL, "ray", "slurm")
EngineName = Literal["local", "ray", "slurm"]
Phase = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True, kw_only=True)
class FleetTask:
    """One build of many."""

    name: str
    """Differs from that of every other."""
    request: BuildRequest
    out: Path
    """The folder of the bundle, on the machine that asked for it."""
    project: str | None = None
    """The store's entry with the project's files; `None` where they are read in place."""
    cpus: float = 1.0
    gpus: float = 0.0

    def needs(self, device: FarmDevice | None) -> dict[str, float]:
        """The resources that a worker's machine must have, by Ray's names of them."""
        found = {"CPU": self.cpus, "GPU": self.gpus}
        if device is not None and device.node is not None:
            found[device.node] = AT_NODE
        return {name: amount for name, amount in found.items() if amount > 0}


AT_NODE = 0.001
"""Of a node's own resource: it places a build. Devices are lent one by one."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An error as a record: its class by name, and its line."""

    kind: str
    message: str

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """The record of an error; one that is not EdgeKit's own is a fault of EdgeKit."""
        if isinstance(error, EdgeKitError):
            known = (kind.__name__ for kind in type(error).__mro__)
            kind = next(name for name in known if hasattr(errors, name))
            return cls(kind=kind, message=str(error))
        line = " ".join(f"{type(error).__name__}: {error}".split())
        return cls(kind=BuildCrashed.__name__, message=line[:300])

    def error(self, report: Report | None = None) -> EdgeKitError:
        """The error again; `report` is that of a bundle over its budget."""
        kind: type[EdgeKitError] = getattr(errors, self.kind)
        if issubclass(kind, BudgetMissed):
            return kind(self.message, report)
        return kind(self.message)


@dataclass(frozen=True, kw_only=True)
class Done:
    """The end of one attempt."""

    bundle: str | None = None
    """The store's entry with the bundle; `None` where there is none, or it lies in place."""
    failure: Failure | None = None
    stages_kept: int = 0
    stages_run: int = 0

    @property
    def missed(self) -> bool:
        """Return whether there is a bundle, and it is over its budget."""
        return self.failure is not None and self.failure.kind == BudgetMissed.__name__


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One run of a build, from its start on a worker."""

    number: int
    """From 1."""
    machine: str
    process: int
    device: str
    """Name in the farm, or the address."""
    began: float
    """Seconds since 1970, by the worker's clock."""
    ended: float | None = None
    """Seconds since 1970, by the clock of whoever waits for it."""
    lost: bool = False
    """True where the worker or its machine was lost before the end."""


@dataclass(kw_only=True)
class TaskState:
    """Where one build of many stands."""

    task: FleetTask
    phase: Phase = "waiting"
    number: int = 0
    """Of attempts that were begun."""
    attempts: list[Attempt] = field(default_factory=list)
    """Those that started on a worker."""
    stage: str = ""
    """The step under way, or what the build waits for."""
    lost: str = ""
    """Why an attempt before was lost."""
    done: Done | None = None

    @property
    def current(self) -> Attempt | None:
        """The attempt under way; `None` where none has started."""
        last = self.attempts[-1] if self.attempts else None
        if last is None or last.ended is not None or last.number != self.number:
            return None
        return last

    def started(self, attempt: Attempt) -> None:
        """An attempt runs on a worker."""
        self.phase, self.stage = "running", ""
        self.attempts.append(attempt)

    def closed(self, now: float, *, lost: bool = False) -> None:
        """The attempt under way, if any, is over."""
        if (last := self.current) is not None:
            self.attempts[-1] = replace(last, ended=now, lost=lost)

    def finished(self, done: Done) -> None:
        """No attempt follows."""
        self.done, self.stage = done, ""
        self.phase = "done" if done.failure is None or done.missed else "failed"

    @property
    def over(self) -> bool:
        """Return whether no attempt follows."""
        return self.done is not None

    def fail(self, error: Exception) -> None:
        """No attempt follows, because of an error."""
        self.finished(Done(failure=Failure.of(error)))


Work = Callable[[FleetTask, str, Progress], Done]
"""Builds a task with the device at an address. Every error of the build is in its result."""
Watch = Callable[[Sequence[TaskState]], None]
"""Called whenever a state may have changed."""


Room = Callable[[Mapping[str, float]], int]
"""The number of further builds of such needs that the cluster could start now."""
Feed = Callable[[Sequence[TaskState], Room], Sequence[FleetTask]]
"""Further builds, by those that ended since the last call. None while nothing runs ends the run."""


def unwatched(states: Sequence[TaskState]) -> None:
    """Show nothing."""


def nothing_follows(ended: Sequence[TaskState], room: Room) -> Sequence[FleetTask]:
    """No further builds."""
    return ()
