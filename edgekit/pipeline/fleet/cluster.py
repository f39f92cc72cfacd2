"""Builds beside each other on the machines of a cluster of Ray.

Here it is decided what runs, and Ray runs it: a build is given to the cluster when it has its
device, and Ray repeats nothing by itself. A build whose worker was lost is given to the cluster
again, a bounded number of times, and finds its finished stages in the store. A build that only
a lost machine could run ends with an error.
"""

from __future__ import annotations

import logging
import math
import os
import pickle
import platform
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from edgekit.errors import BuildCrashed, EdgeKitError, NoWorker, WorkerLost
from edgekit.pipeline.fleet import endings
from edgekit.pipeline.fleet.lending import Lease, Lender
from edgekit.pipeline.fleet.notes import Board, Noted
from edgekit.pipeline.fleet.records import (
    Attempt,
    Done,
    Feed,
    FleetTask,
    TaskState,
    Watch,
    Work,
    nothing_follows,
)
from edgekit.pipeline.fleet.session import connected
from edgekit.types.farm import FarmDevice

_LOG = logging.getLogger("edgekit.progress")
_LOOK_S = 0.5
_RESULT_S = 60.0
"""For the record of a build that has ended, some kilobytes, to come from its machine."""


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """The cluster, and the limits of builds on it."""

    address: str | None = None
    """`HOST:PORT` of a cluster of Ray, `auto` for this machine's; `None` is one of this machine
    alone."""
    retries: int = 3
    """Repetitions of a build whose worker or device was lost."""
    patience_s: float = 60.0
    """Seconds that a build waits for a machine that the cluster lacks."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of every worker."""


def run(
    tasks: Sequence[FleetTask],
    work: Work,
    lender: Lender,
    *,
    options: ClusterOptions,
    watch: Watch,
    feed: Feed = nothing_follows,
) -> list[TaskState]:
    """The states of all tasks when each has ended; one that failed does not end the others.

    `feed` adds tasks to those that are there from the beginning; an error that it raises ends all.
    Raises `UsageError` where there is no such cluster, `RuntimeMissing` without Ray.
    """
    with connected(options.address) as ray:
        return _Run(ray, tasks, work, lender, options).through(watch, feed)


class _Run:
    """All builds on one cluster."""

    def __init__(
        self,
        ray: Any,
        tasks: Sequence[FleetTask],
        work: Work,
        lender: Lender,
        options: ClusterOptions,
    ) -> None:
        self._ray, self._work, self._options = ray, work, options
        self._lender = lender
        self._states = {task.name: TaskState(task=task) for task in tasks}
        self._fed: set[str] = set()
        """Tasks whose end the feed has seen."""
        self._running: dict[Any, tuple[TaskState, Lease]] = {}
        self._stuck: dict[str, float] = {}
        """Since when no machine has been there for a task, by the monotonic clock."""
        self._machines = Machines()
        self._attempt = ray.remote(max_calls=1, max_retries=0)(attempt)
        self._board = Board()

    def through(self, watch: Watch, feed: Feed) -> list[TaskState]:
        """Run every task to its end."""
        try:
            while True:
                self._machines.look(self._ray.nodes())
                self._take(feed)
                states = list(self._states.values())
                if all(state.over for state in states):
                    break
                for state in states:
                    if not state.over:
                        self._advance(state)
                self._collect()
                self._read_notes()
                watch(states)
        except self._ray.exceptions.RayError as error:
            raise WorkerLost(
                f"The connection to the cluster was lost ({_short(error)}). Run the same command "
                "again: stages that were finished are kept."
            ) from error
        finally:
            self._cancel()
            self._board.clear()
        watch(states)
        return states

    def _take(self, feed: Feed) -> None:
        """Add the tasks that follow those that have ended."""
        over = [one for one in self._states.values() if one.over]
        ended = [one for one in over if one.task.name not in self._fed]
        self._fed |= {one.task.name for one in ended}
        for task in feed(ended, self._room):
            self._states[task.name] = TaskState(task=task)

    def _room(self, needs: Mapping[str, float]) -> int:
        """The number of further tasks that could start now, all tasks here having these needs.

        One where nothing is under way: it waits for whoever has the processors.
        """
        left = [state for state in self._states.values() if not state.over]
        waiting = sum(state.current is None for state in left)
        free = _times(self._ray.available_resources(), needs) - waiting
        # Processors of a task that has just started may still be among the free.
        most = self._machines.times(needs) - len(left)
        return max(min(free, most), 0 if left else 1)

    def _advance(self, state: TaskState) -> None:
        """Give a waiting task to the cluster; end one that no machine can run."""
        if state.current is not None:
            return
        task, given = state.task, self._lease_of(state)
        try:
            choices = [given.device] if given else self._lender.choices(task)
        except EdgeKitError as error:
            state.fail(error)
            return
        possible = [one for one in choices if self._machines.can(task.needs(one))]
        if not possible:
            self._wait_for_machine(state, choices)
            return
        self._stuck.pop(task.name, None)
        if given is not None:
            return
        lease = self._lender.lend(task, possible)
        state.stage = "waits for a worker"
        if lease is None:
            names = ", ".join(one.name for one in possible if one is not None)
            state.stage = f"waits for {names}"
            return
        self._submit(state, lease)

    def _submit(self, state: TaskState, lease: Lease) -> None:
        state.number += 1
        task = state.task
        needs = task.needs(lease.device)
        cpus, gpus = needs.pop("CPU", 0), needs.pop("GPU", 0)
        options = {"num_cpus": cpus, "num_gpus": gpus, "resources": needs}
        started = self._attempt.options(scheduling_strategy="SPREAD", **options)
        reference = started.remote(
            pickle.dumps((self._work, task, lease.address)),
            {**self._options.environment, "OMP_NUM_THREADS": str(max(1, int(cpus)))},
            (self._board.name, task.name, state.number, lease.name),
        )
        self._running[reference] = state, lease

    def _collect(self) -> None:
        """Take the results of the tasks that ended, or wait a little."""
        if not self._running:
            time.sleep(_LOOK_S)
            return
        ready, _ = self._ray.wait(list(self._running), timeout=_LOOK_S)
        if ready:
            self._read_notes()
        for reference in ready:
            state, lease = self._running.pop(reference)
            self._lender.give_back(lease)
            self._end(state, lease, reference)

    def _end(self, state: TaskState, lease: Lease, reference: Any) -> None:
        errors = self._ray.exceptions
        try:
            started, done = self._ray.get(reference, timeout=_RESULT_S)
        except (errors.RayTaskError, errors.RuntimeEnvSetupError) as error:
            state.closed(time.time())
            state.fail(BuildCrashed(_short(error)))
        except errors.RayError as error:
            machine = state.current.machine if state.current else "a machine"
            state.closed(time.time(), lost=True)
            reason = f"the worker on {machine} was lost ({_short(error)})"
            endings.lost(state, reason, self._options.retries)
        else:
            if state.current is None:  # its notes were lost
                state.started(started)
            state.closed(time.time())
            endings.ended(state, lease, done, self._lender, self._options.retries)

    def _wait_for_machine(
        self, state: TaskState, choices: Sequence[FarmDevice | None]
    ) -> None:
        """Wait for a machine that is not there; end the task when patience does."""
        task, now = state.task, time.monotonic()
        missing = self._machines.missing(task.needs(choices[0]))
        state.stage = f"waits for {missing}"
        since = self._stuck.setdefault(task.name, now)
        if now - since < self._options.patience_s:
            return
        state.fail(
            NoWorker(
                f"No machine of the cluster can build {task.name}: there is none with {missing}. "
                "Start it again, or one like it: ray start --address HOST:6379 --resources ..."
            )
        )
        for reference, (other, lease) in list(self._running.items()):
            if other is state:
                self._drop(reference, lease)

    def _drop(self, reference: Any, lease: Lease) -> None:
        del self._running[reference]
        self._lender.give_back(lease)
        with suppress(self._ray.exceptions.RayError):
            self._ray.cancel(reference, force=True)

    def _cancel(self) -> None:
        """End what runs: nobody waits for it any more."""
        for reference, (_, lease) in list(self._running.items()):
            self._drop(reference, lease)

    def _lease_of(self, state: TaskState) -> Lease | None:
        return next((x for each, x in self._running.values() if each is state), None)

    def _read_notes(self) -> None:
        running = [state for state, _ in self._running.values()]
        for state, note in self._board.read(running):
            for line in note.lines:
                _LOG.info("%s: %s", state.task.name, line)
            if state.current is None:
                state.started(note.started)
            state.stage = note.stage


class Machines:
    """The machines of a cluster, those that were lost among them."""

    def __init__(self) -> None:
        self._there: list[tuple[str, Mapping[str, float]]] = []
        self._lost: dict[str, tuple[str, Mapping[str, float]]] = {}
        self._known: dict[str, tuple[str, Mapping[str, float]]] = {}

    def look(self, nodes: Sequence[Mapping[str, Any]]) -> None:
        """Note what `ray.nodes()` lists; a lost machine has no resources there any more."""
        alive = {one["NodeID"]: one for one in nodes if one["Alive"]}
        for name, one in alive.items():
            self._known[name] = _shown(one), one["Resources"]
        self._there = [self._known[name] for name in alive]
        self._lost = {n: one for n, one in self._known.items() if n not in alive}

    def can(self, needs: Mapping[str, float]) -> bool:
        """Return whether a machine has all of it, in use or not."""
        return any(_has(resources, needs) for _, resources in self._there)

    def times(self, needs: Mapping[str, float]) -> int:
        """The number of tasks of these needs that all machines have place for, in use or not."""
        return sum(_times(resources, needs) for _, resources in self._there)

    def missing(self, needs: Mapping[str, float]) -> str:
        """The needs in words, with the lost machines that met them."""
        words = [_worded(name, amount) for name, amount in needs.items()]
        had = [name for name, each in self._lost.values() if _has(each, needs)]
        lost = f" ({', '.join(had)} had that, and was lost)" if had else ""
        return f"{' and '.join(words)}{lost}"


def _has(resources: Mapping[str, float], needs: Mapping[str, float]) -> bool:
    return all(resources.get(name, 0.0) >= amount for name, amount in needs.items())


def _times(resources: Mapping[str, float], needs: Mapping[str, float]) -> int:
    return min(
        math.floor(resources.get(name, 0.0) / amount + 1e-9)
        for name, amount in needs.items()
    )


def _worded(name: str, amount: float) -> str:
    if name in ("CPU", "GPU"):
        return f"{amount:g} {name.lower()}{'' if amount == 1 else 's'}"
    return f"the resource '{name}'"


def _shown(node: Mapping[str, Any]) -> str:
    return f"{node.get('NodeManagerHostname') or 'a machine'}/{node['NodeID'][:6]}"


def _short(error: BaseException) -> str:
    """The first sentence of the last line: Ray begins with the remote traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = lines[-1] if lines else type(error).__name__
    return line.partition(". ")[0][:200]


# --- on the workers ---------------------------------------------------------------------------


def attempt(
    payload: bytes, environment: Mapping[str, str], called: tuple[str, str, int, str]
) -> tuple[Attempt, Done]:
    """One attempt of a build, in a process of its own on a worker.

    `called` is the name of the board for notes, the task's name, the attempt's number and the
    device's name.
    """
    os.environ.update(environment)  # before anything is loaded that reads it
    board, name, number, device = called
    import ray

    node = ray.get_runtime_context().get_node_id()
    started = Attempt(
        number=number,
        machine=f"{platform.node()}/{node[:6]}",
        process=os.getpid(),
        device=device,
        began=time.time(),
    )
    progress = Noted(board, name, started)
    work, task, address = pickle.loads(payload)
    return started, work(task, address, progress)
