"""Statistics of batch norm taken again after a cut, and kept unless the network is worse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from edgekit import tasks
from edgekit.data import Dataset
from edgekit.data.read_ahead import read_ahead
from edgekit.evaluate.accuracy import predict
from edgekit.pipeline import stage_inputs
from edgekit.pipeline.stage_records import NetworkRecord
from edgekit.pipeline.training_inputs import TrainingInputs
from edgekit.program.memory_layout import channels_last
from edgekit.program.program import Program
from edgekit.prune.batch_norm import normalizes, reestimated
from edgekit.report.note_words import sentence
from edgekit.store import Json, Stage, kept
from edgekit.types import Evaluation
from edgekit.types.notes import BatchNormReestimated

SAMPLES = 4096
"""Most training samples that statistics are taken over."""
_NOTE = Json[BatchNormReestimated](BatchNormReestimated)


@dataclass(frozen=True, kw_only=True)
class Renormalized:
    """The network with the better statistics, and how each did on validation samples."""

    network: Program
    note: BatchNormReestimated


def renormalized(
    inputs: TrainingInputs, teacher: Program, student: Program, batch: int
) -> Renormalized | None:
    """An untrained student with statistics of training samples as they are, without augmentation.

    Batches of `batch` samples, as in its training. Where validation samples, by their labels or
    else by the `teacher`, find it worse, it stays as it was; `None` where it has no batch norm.
    """
    if not normalizes(student):
        return None
    samples = inputs.samples
    title = "Take the statistics of batch norm again"
    stage = Stage(
        kind="batch-norm",
        title=title,
        inputs={
            "student": stage_inputs.of_network(student),
            "teacher": stage_inputs.of_network(teacher),
            "train": samples.train.fingerprint(),
            "validation": samples.validation.fingerprint(),
            "task": stage_inputs.of_task(inputs.spec, inputs.root, inputs.mark),
            "samples": SAMPLES,
            "batch": batch,
            "versions": stage_inputs.training_versions(),
        },
        record=_Record(),
    )

    def make() -> Renormalized:
        with inputs.progress.step(title):
            return _tried(inputs, teacher, student, batch)

    found = kept(inputs.store, stage, make, inputs.progress)
    words = sentence(found.note)
    inputs.progress.say(words[:1].upper() + words[1:])
    return found


class _Record:
    """The network, and the note."""

    def write(self, value: Renormalized, folder: Path) -> None:
        """Write both."""
        NetworkRecord().write(value.network, folder)
        _NOTE.write(value.note, folder)

    def read(self, folder: Path) -> Renormalized:
        """Both as they were written."""
        return Renormalized(
            network=NetworkRecord().read(folder), note=_NOTE.read(folder)
        )


def _tried(
    inputs: TrainingInputs, teacher: Program, student: Program, batch: int
) -> Renormalized:
    parts = _parts(len(inputs.samples.train), batch)
    other = reestimated(student, _batches(student, inputs.samples.train, parts))
    before, after = (_judged(inputs, teacher, one) for one in (student, other))
    better = before.drop(after, relative=False) <= 0
    note = BatchNormReestimated(
        samples=sum(map(len, parts)),
        before=before.score,
        after=after.score,
        kept=better,
    )
    return Renormalized(network=other if better else student, note=note)


def _parts(count: int, batch: int) -> list[np.ndarray]:
    """Samples spread over all in whole batches, which weigh the same; or all in one."""
    chosen = np.unique(np.linspace(0, count - 1, min(count, SAMPLES)).astype(np.int64))
    whole = len(chosen) // batch
    return np.split(chosen[: whole * batch], whole) if whole else [chosen]


def _batches(
    network: Program, train: Dataset, parts: list[np.ndarray]
) -> Iterator[tuple[Tensor, ...]]:
    for feeds, _ in read_ahead(train, parts):
        yield tuple(channels_last(network.module.graph, network.tensors(feeds)))


def _judged(inputs: TrainingInputs, teacher: Program, network: Program) -> Evaluation:
    """The task's metric where there are labels, agreement with the teacher elsewhere."""
    validation, metric = inputs.samples.validation, inputs.task.metric
    outputs = predict(network, validation)
    if validation.labeled and metric is not None:
        return metric(outputs, validation.targets)
    return tasks.of(inputs.task.spec).agree(outputs, predict(teacher, validation))
