"""A build in several processes: the first does everything, all of them train.

Started by `accelerate launch` or `torchrun -m edgekit build ...` on one machine or on several that
share the store's folder. The first process writes the training request down; all processes read it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from edgekit.distill import Distilled, Hooks, distill
from edgekit.distill.heartbeat import Heartbeat
from edgekit.distill.network import losses_named
from edgekit.distill.processes import Processes
from edgekit.errors import UsageError, WorkerLost
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.samples import read_samples
from edgekit.pipeline.training_inputs import TrainingInputs, task_of
from edgekit.program.program import Program
from edgekit.program.program import load as load_program
from edgekit.types import DistillRecipe

_MIDWAY = threading.Event()
"""Set while the others are in a training with this process: they handle no other request
then."""


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """One training, in which every process takes part."""

    folder: Path
    """Holds `teacher-0.pt2`, ... and `student.pt2`, where every process can read them."""
    teachers: int
    recipe: DistillRecipe
    training_folder: Path
    outputs_folder: Path
    weights: tuple[float, ...] | None = None
    qat: bool = False


def is_distributed() -> bool:
    """Return whether a launcher started more processes than this one."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def is_main_process() -> bool:
    """Return whether this process is the one that builds."""
    return int(os.environ.get("RANK", "0")) == 0


def trained_together(
    teachers: tuple[Program, ...],
    student: Program,
    call: TrainingRequest,
    *,
    inputs: TrainingInputs,
    hooks: Hooks,
) -> Distilled:
    """Distill in all processes. Raises `UsageError` for a penalty, which only this one has."""
    if hooks.penalty is not None:
        raise UsageError(
            "Training with a sparsity penalty runs in one process. Set [recipe.prune] "
            'sparsity = "none", or start edgekit without a launcher.'
        )
    for number, teacher in enumerate(teachers):
        teacher.save(call.folder / f"teacher-{number}.pt2")
    student.save(call.folder / "student.pt2")
    Processes().tell(call)
    _MIDWAY.set()
    distilled = _take_part(call, inputs, hooks)
    _MIDWAY.clear()
    return distilled


def worker_loop(request: BuildRequest, env: Environment) -> None:
    """Loop of every process but the first: join each training until the first
    one ends."""
    processes = Processes()
    inputs: TrainingInputs | None = None
    while (call := processes.tell(None)) is not None:
        if inputs is None:
            network = load_program(call.folder / "student.pt2")
            samples = read_samples(request.project, network, env.held, env.progress)
            task = task_of(request, env)
            inputs = TrainingInputs.of(request, env, samples, task)
        _take_part(call, inputs, Hooks())


@contextmanager
def joined(lost: Callable[[WorkerLost], None]) -> Iterator[None]:
    """All processes of a launcher together while the block lasts; nothing without a launcher.

    Raises `WorkerLost` where another process was lost. Where this one's main thread cannot, as it
    waits for that one or has other work, `lost` is called from a thread with the error.
    """
    if not is_distributed():
        yield
        return
    with losses_named():
        processes = Processes()
        heartbeat = Heartbeat(processes, lost)
        try:
            yield
        except BaseException:
            # In the middle of a training its end is what ends the others.
            on_purpose = processes.first and not _MIDWAY.is_set()
            _part(processes, heartbeat, on_purpose=on_purpose)
            raise
        _part(processes, heartbeat, on_purpose=True)


@contextmanager
def watched(lost: Callable[[WorkerLost], None]) -> Iterator[None]:
    """The processes of a launcher in one training while the block lasts, each of its own accord;
    nothing without a launcher.

    Raises `WorkerLost`, and calls `lost`, as `joined` does.
    """
    if not is_distributed():
        yield
        return
    with losses_named():
        heartbeat = Heartbeat(Processes(), lost)
        on_purpose = False
        try:
            yield
            on_purpose = True
        finally:
            heartbeat.end(on_purpose=on_purpose)


def _part(processes: Processes, heartbeat: Heartbeat, *, on_purpose: bool) -> None:
    heartbeat.end(on_purpose=on_purpose)
    if processes.first and on_purpose:
        with suppress(RuntimeError):  # of one that has gone: all work is done
            processes.tell(None)


def _take_part(
    call: TrainingRequest, inputs: TrainingInputs, hooks: Hooks
) -> Distilled:
    return distill(
        [
            load_program(call.folder / f"teacher-{number}.pt2")
            for number in range(call.teachers)
        ],
        load_program(call.folder / "student.pt2"),
        train=inputs.samples.train,
        validation=inputs.samples.validation,
        recipe=call.recipe,
        seed=inputs.seed,
        task=inputs.task,
        hooks=hooks,
        folder=call.training_folder,
        outputs_folder=call.outputs_folder,
        qat=call.qat,
        weights=call.weights,
    )
