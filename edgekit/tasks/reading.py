"""Choice of the outputs that a task reads, of a network with several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgekit import tasks
from edgekit.errors import ProjectError
from edgekit.program.named_outputs import Reads
from edgekit.program.program import Program
from edgekit.types import OutputRef, TaskSpec


def selected(network: Program, task: TaskSpec) -> Program:
    """The network with the outputs that `task` reads; as it is where the task names none.

    Raises `ProjectError` for an output that is not there.
    """
    reads = numbers(task, network.output_names)
    return replace(network, reads=reads) if reads else network


def numbers(task: TaskSpec, known: Sequence[str]) -> Reads:
    """Numbers of the outputs that `task` reads, of those with the names `known`; none where it
    names none. Raises `ProjectError`."""
    _check(task)
    keys = ("output",) if task.output is not None else ("boxes", "scores")
    refs = {key: getattr(task, key) for key in keys}
    return tuple(
        _number(key, ref, known) for key, ref in refs.items() if ref is not None
    )


def _check(task: TaskSpec) -> None:
    apart = [ref for ref in (task.boxes, task.scores) if ref is not None]
    if apart and not tasks.of(task.kind).located:
        raise ProjectError(
            f"[task] boxes and scores are outputs of a detector, and the kind is {task.kind}. "
            "Name what it reads in [task] output."
        )
    if len(apart) == 1 or (apart and task.output is not None):
        raise ProjectError(
            "[task] boxes and scores name a detector's two outputs, both or neither, and output "
            "a single one that holds both. Correct [task]."
        )


def _number(key: str, ref: OutputRef, known: Sequence[str]) -> int:
    if isinstance(ref, int) and ref < len(known):
        return ref
    if ref in known:
        return known.index(str(ref))
    listed = ", ".join(f"{name} ({number})" for number, name in enumerate(known))
    raise ProjectError(
        f"[task] {key} = {ref!r} names none of the outputs, which are {listed}. Name one of "
        "them, or its number."
    )
