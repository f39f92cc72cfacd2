"""Check that data and network fit the task, and derive targets where the data have none."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, fx

from edgekit import tasks
from edgekit.agent import machine
from edgekit.data import Dataset
from edgekit.errors import DataError, ModelError
from edgekit.evaluate.accuracy import predict
from edgekit.pipeline import stage_inputs
from edgekit.pipeline.samples import BuildData
from edgekit.pipeline.stage_records import ArraysRecord
from edgekit.program.program import Program
from edgekit.progress import Progress, Silent
from edgekit.report.note_words import sentence
from edgekit.store import Stage, Store, kept
from edgekit.tasks.scores import Metric, Outputs
from edgekit.types import Evaluation, TaskKind, TaskSpec
from edgekit.types.data_notes import BaselineIsReference, OutputsUnused
from edgekit.types.notes import Note

_TOKENS = 4096
"""Samples whose tokens are looked at together."""


def judged(
    network: Program,
    samples: BuildData,
    spec: TaskSpec,
    metric: Metric,
    store: Store,
    progress: Progress,
) -> tuple[BuildData, Evaluation, tuple[Note, ...]]:
    """The samples to evaluate by, how good the unpruned network is on them, and notes.

    Embeddings need no labels: the unpruned network's outputs are the targets then. Raises
    `DataError` or `ModelError` where network, data and task do not fit, before anything is
    trained.
    """
    kind, notes = spec.kind, list[Note]()
    task = tasks.of(kind)
    for dataset in (samples.train, samples.validation, samples.test):
        outputs = check(network, dataset, kind)
    known = len(samples.train.labels)
    if task.labels_samples and outputs and 0 < known < outputs:
        note = OutputsUnused(outputs=outputs, classes=known)
        progress.say(f"Note: {sentence(note)}.")
        notes.append(note)
    answers = _answers(network, samples.test, store)
    if task.answered_by_network and not samples.test.labeled:
        samples = replace(samples, test=samples.test.answered(answers))
        notes.append(BaselineIsReference())
    reference = metric(answers, samples.test.targets)
    if not math.isfinite(reference.value):
        raise DataError(
            f"The unpruned network's {reference.metric} is {reference.value}: there is nothing "
            "that a student could be compared with. Check [data] test and [task] metric."
        )
    if relative(spec, reference) and reference.value == 0:
        raise DataError(
            f"The unpruned network's {reference.metric} is 0, so that no loss is a "
            'fraction of it. Set [task] drop = "absolute".'
        )
    return samples, reference, tuple(notes)


def _answers(network: Program, test: Dataset, store: Store) -> Outputs:
    """The network's outputs (n, ...), those of an earlier build where it had both."""
    stage = Stage(
        kind="outputs",
        title="Outputs of the network",
        inputs={
            "network": stage_inputs.of_network(network),
            "samples": test.fingerprint(),
            "versions": stage_inputs.training_versions(),
            "processor": machine.facts()["cpu"],
            "threads": torch.get_num_threads(),
        },
        record=ArraysRecord(),
        portable=False,
    )

    def make() -> dict[str, Outputs]:
        return {"outputs": predict(network, test)}

    return kept(store, stage, make, Silent())["outputs"]


def relative(spec: TaskSpec, reference: Evaluation) -> bool:
    """Return whether what is lost of the metric counts as a fraction of the unpruned network's
    value."""
    return not reference.is_fraction if spec.drop is None else spec.drop == "relative"


def check(network: Program, dataset: Dataset, kind: TaskKind) -> int | None:
    """Number of classes that the network decides between, where it does and labels are known.

    Raises where the network's output is not the task's, or its size not that of the targets.
    """
    task = tasks.of(kind)
    _check_tokens(network, dataset)
    feeds, targets = dataset.feeds(np.array([0]))
    with torch.no_grad():
        output = network.answer(*network.tensors(feeds))
    if not output.is_floating_point():
        raise ModelError(
            f"The network returns {str(output.dtype).removeprefix('torch.')} where {kind} reads "
            "it, which nothing can be learned from. Name another in [task] output, or end the "
            "network before it decides."
        )
    if task.dimensions not in (None, output.ndim):
        raise ModelError(
            f"The network returns shape {list(output.shape)}. {kind.capitalize()} needs one "
            f"tensor of {task.output}. Check [task] kind and [model] source."
        )
    if not dataset.labeled:
        return None
    ours = tuple(output.shape)
    if task.class_axis is not None:
        axis = task.class_axis % output.ndim
        places = tuple(size for d, size in enumerate(ours) if d != axis)
        classes = ours[axis]
        if targets.shape != places:
            raise DataError(
                f"The data have targets of shape {list(targets.shape[1:])} a sample, and the "
                f"network decides {list(places[1:])}. Make them the same."
            )
        highest = max(int(part.max()) for part in dataset.target_parts())
        if highest >= classes:
            known = (part[part >= 0] for part in dataset.target_parts())
            lowest = min(int(part.min()) for part in known if part.size)
            from_one = highest == classes and lowest == 1
            raise DataError(
                f"The data have class {highest}, but the network has {classes} outputs. "
                + (
                    "Classes count from 0: subtract 1 from every label."
                    if from_one
                    else "Classes count from 0. Check [model] source and [data]."
                )
            )
        return classes
    for part in dataset.target_parts():
        fault = task.fits(ours, part)
        if fault is not None:
            raise DataError(fault)
    if task.targets.each_output and targets.size != output.numel():
        raise DataError(
            f"The data have targets of shape {list(targets.shape[1:])} a sample, and the "
            f"network returns {list(ours[1:])}. Make them the same."
        )
    return None


def _check_tokens(network: Program, dataset: Dataset) -> None:
    """Raise `DataError` for tokens that an embedding of the network has no row for."""
    taken = network.module.graph.find_nodes(op="placeholder")
    pairs = zip(taken, dataset.columns, strict=False)
    rows = {
        number: min(found)
        for number, (node, column) in enumerate(pairs)
        if column.tokens and (found := [*_rows(node)])
    }
    if not rows:
        return
    for part in np.array_split(np.arange(len(dataset)), -(-len(dataset) // _TOKENS)):
        feeds, _ = dataset.feeds(part)
        for number, count in rows.items():
            highest = int(feeds[number].max(initial=0))
            if highest >= count:
                raise DataError(
                    f"The data have the token {highest}, and the network has embeddings of the "
                    f"tokens 0 to {count - 1}. Check [data], its tokenizer, or [model] source."
                )


def _rows(taken: fx.Node) -> Iterator[int]:
    """Numbers of rows of the embeddings that look up an input."""
    for node in taken.users:
        if node.target is torch.ops.aten.embedding.default and node.args[1] is taken:
            table = node.args[0]
            if isinstance(table, fx.Node) and isinstance(table.meta.get("val"), Tensor):
                yield int(table.meta["val"].shape[0])
