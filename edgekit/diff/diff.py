"""The comparison itself: outputs, layers, preprocessing, and what runs beside the fast path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit.bench.profile import profile
from edgekit.data import predictions
from edgekit.devices import Device
from edgekit.diff import counts as counting
from edgekit.diff import match, preprocessing, run
from edgekit.diff.inputs import Question, Subject, subject
from edgekit.diff.run import Probed
from edgekit.errors import ArtifactError, DataError, DeviceError
from edgekit.evaluate.parity import TOLERANCES, compare
from edgekit.program import reference
from edgekit.progress import Progress
from edgekit.scratch import folder as scratch_folder
from edgekit.types import (
    DEFAULT_TASK,
    VALUES_TASK,
    IOFusion,
    OperatorProfile,
    Precision,
    TaskKind,
    TensorSpec,
)
from edgekit.types.data_notes import InputTransposed
from edgekit.types.diff import Diff, Distance, Divergence, OutputDiff
from edgekit.types.notes import Note

Array = NDArray[np.float32]
_INT8_OPERATOR = 0.03
"""Relative error that one operator in int8 may add."""
_TRACED_BYTES = 256 * 2**20
_TRACED_MOST = 8


def diff(question: Question, device: Device, progress: Progress) -> Diff:
    """Compare an artifact with its network; raises the errors of `subject` and `diff_sides`."""
    return diff_sides(question, partial(subject, question), device, progress)


def diff_sides(
    question: Question,
    read: Callable[[], Subject],
    device: Device,
    progress: Progress,
) -> Diff:
    """Compare the two sides that `read` returns, with the options of `question`.

    Raises `DataError` and `ArtifactError` where the artifact was made from another network,
    `DeviceError` where the device lacks its runtime.
    """
    with scratch_folder() as scratch:
        with progress.step("Read both sides"):
            sides = read()
            one = run.probed(sides.artifact, Path(scratch))
        feeds, notes = _arranged(sides, one)
        with progress.step("Compare answers"):
            want = reference.answers(sides.program, sides.feeds)
            got = run.answers(one, feeds, device)
        order = _order(sides, one)
        answered = [got[number] for number in order]
        specs = [one.opened.outputs[number] for number in order]
        pairs = list(zip(specs, answered, want, strict=True))
        outputs = _outputs(sides, one, pairs, question.tolerance)
        tolerance = question.tolerance
        if tolerance is None:
            tolerance = TOLERANCES[one.opened.precision].layers
        right = all(each.fault is None for each in outputs)
        with progress.step("Compare layer by layer"):
            layers = _layers(sides, one, feeds, device, tolerance, got)
        with progress.step("Check preprocessing"):
            prepared = preprocessing.check(
                question, sides, one, device, None if right else got
            )
        with progress.step("Look for what is slow"):
            executed = _executed(one, device)
    explained = any(each.where == "expected" and each.faults for each in prepared)
    divergence = layers.divergence
    if explained or (right and not _stands_out(divergence, tolerance)):
        divergence = None
    return Diff(
        artifact=sides.artifact.name,
        reference=sides.reference,
        runtime=sides.artifact.runtime,
        device=device.name,
        precision=one.opened.precision,
        samples=len(sides.feeds[0]),
        samples_traced=layers.samples,
        tolerance=tolerance,
        agrees=right and not any(one.differs for one in prepared),
        outputs=outputs,
        divergence=divergence,
        preprocessing=prepared,
        layers=layers.rows,
        unmatched=layers.unmatched,
        probing=layers.probing,
        counts=counting.counts(sides.program, one.opened, executed),
        off_path=None if executed is None else counting.off_path(one.opened, executed),
        accuracy=preprocessing.accuracies(question, sides, want, answered),
        notes=notes,
    )


def _arranged(sides: Subject, one: Probed) -> tuple[list[Array], tuple[Note, ...]]:
    """The samples as the artifact takes them, and what had to be turned around."""
    specs = one.opened.inputs
    if len(specs) != len(sides.feeds):
        raise DataError(
            f"{sides.artifact.name} takes {len(specs)} inputs and the network "
            f"{len(sides.feeds)}: it was not made from this network."
        )
    feeds: list[Array] = []
    notes: list[Note] = []
    for feed, spec in zip(sides.feeds, specs, strict=True):
        shape = feed.shape[1:]
        if spec.shape[1:] == (*shape[1:], shape[0]) != shape:
            feeds.append(np.ascontiguousarray(np.moveaxis(feed, 1, -1)))
            notes.append(
                InputTransposed(
                    input=spec.name,
                    artifact_shape=spec.shape[1:],
                    network_shape=tuple(shape),
                )
            )
        elif spec.shape[1:] == shape:
            feeds.append(feed)
        else:
            raise DataError(
                f"'{spec.name}' of {sides.artifact.name} takes {list(spec.shape[1:])}; the "
                f"network takes {list(shape)}: it was not made from this network."
            )
    return feeds, tuple(notes)


# --- answers ----------------------------------------------------------------------------------


def _order(sides: Subject, one: Probed) -> list[int]:
    """Numbers of the artifact's outputs in the order of the network's: by name where both have
    the same names. Raises `ArtifactError` where there are more of one."""
    names = [spec.name for spec in one.opened.outputs]
    known = sides.program.output_names
    if len(names) != len(known):
        raise ArtifactError(
            f"{one.artifact.name} returns {len(names)} outputs and the network {len(known)}: "
            "it was not made from this network."
        )
    if sorted(names) == sorted(known):
        return [names.index(name) for name in known]
    return list(range(len(names)))


def _outputs(
    sides: Subject,
    one: Probed,
    outputs: Sequence[tuple[TensorSpec, Array, Array]],
    tolerance: float | None,
) -> tuple[OutputDiff, ...]:
    """Each output of the artifact against the network's, in the network's order."""
    found = []
    reads = sides.program.reads or ((0,) if len(outputs) == 1 else ())
    for number, (spec, mine, theirs) in enumerate(outputs):
        if mine.size != theirs.size:
            raise ArtifactError(
                f"'{spec.name}' of {one.artifact.name} has shape {list(mine.shape[1:])} and "
                f"the network returns {list(theirs.shape[1:])}: it was not made from this "
                "network."
            )
        folding = sides.folding if number in reads else IOFusion()
        compared = compare(
            predictions.scores(theirs, folding),
            predictions.scores(mine.reshape(theirs.shape), folding),
            one.opened.precision,
            _decides(sides, theirs, read=reads == (number,)),
            decided=folding.postprocess == "argmax",
            tolerance=tolerance,
        )
        found.append(
            OutputDiff(
                name=spec.name,
                distance=match.distance(mine, theirs),
                parity=compared.parity,
                fault=compared.fault,
            )
        )
    return tuple(found)


def _decides(sides: Subject, output: Array, *, read: bool) -> TaskKind:
    """The kind by which an output is compared: the task's where that reads it alone, else a
    classification where it has the shape of one."""
    if sides.kind is not None and read:
        return sides.kind
    decides = output.ndim == 2 and output.shape[1] > 1
    return DEFAULT_TASK if decides else VALUES_TASK


# --- layers -----------------------------------------------------------------------------------


class _Layers:
    def __init__(
        self,
        samples: int,
        probing: float,
        found: tuple[match.Sides, list[match.Pair]],
    ) -> None:
        sides, pairs = found
        self.samples, self.probing = samples, probing
        self.rows = tuple(match.layers(sides, pairs))
        self.unmatched = sum(pair.node is None for pair in pairs)
        self.divergence = match.first_divergence(sides, pairs)


def _layers(
    sides: Subject,
    one: Probed,
    feeds: Sequence[Array],
    device: Device,
    tolerance: float,
    got: Sequence[Array],
) -> _Layers:
    each = 8 * reference.elements(sides.program)
    samples = max(1, min(_TRACED_MOST, len(feeds[0]), _TRACED_BYTES // max(1, each)))
    network = reference.nodes(sides.program, [feed[:samples] for feed in sides.feeds])
    ends, values = run.tensors(one, [feed[:samples] for feed in feeds], device)
    both = match.Sides(
        steps=one.opened.steps,
        values=values,
        ends=one.opened.ends,
        network=network,
        tolerance=tolerance,
        floor=min(tolerance, _added(one.opened.precision)),
    )
    probing = max(
        match.distance(mine, whole[:samples]).relative_error
        for mine, whole in zip(ends, got, strict=True)
    )
    return _Layers(samples, probing, (both, match.pairs(both)))


def _added(precision: Precision) -> float:
    """Relative error that one operator of this precision may add to any."""
    return _INT8_OPERATOR if precision == "int8" else TOLERANCES[precision].layers


def _stands_out(found: Divergence | None, tolerance: float) -> bool:
    """Return whether an operator is far off though the outputs are right all the same."""
    apart: Distance | None = found.distance if found is not None else None
    return apart is not None and apart.relative_error > tolerance


# --- what ran ---------------------------------------------------------------------------------


def _executed(one: Probed, device: Device) -> Sequence[OperatorProfile] | None:
    """The operators as they ran; `None` where the device or the runtime does not report
    them."""
    try:
        return profile(one.artifact, device, threads=1).operators
    except (DeviceError, ArtifactError):
        return None
