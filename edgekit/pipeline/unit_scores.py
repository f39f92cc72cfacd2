"""Importance of units and sensitivity to cuts, on training samples; both are kept."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edgekit.cost.operator_shape import describe
from edgekit.data import Dataset
from edgekit.graph.graph import WidthGraph
from edgekit.pipeline import stage_inputs
from edgekit.pipeline.stage_records import ArraysRecord
from edgekit.program.memory_layout import channels_last
from edgekit.program.named_outputs import tensors
from edgekit.progress import Progress
from edgekit.prune.importance import importance
from edgekit.prune.planner import Planner
from edgekit.prune.quantization_damage import quantization_damage
from edgekit.prune.sensitivity import sensitivity
from edgekit.store import Json, Stage, Store, kept
from edgekit.types import Sensitivity

Scores = npt.NDArray[Any]

# Samples to weigh units by: fewer where they would cost more, but enough.
_SAMPLES_WEIGHED, _WEIGH_MACS, _LEAST_WEIGHED = 256, 2e12, 64
# Trials of cuts: their cost in all, numbers of the outputs that are enough to judge one by (few
# samples of maps have as many), and samples that are worth four times that cost.
_TRIAL_MACS, _TRIAL_VALUES = 2e12, 1 << 20
_FEW_SAMPLES, _FEW_MACS = 16, 4 * _TRIAL_MACS
_LEAST_SAMPLES = 4
_TRIAL_BATCH = 64
_SENSITIVITY = Json[Sensitivity](Sensitivity)
_DAMAGE = Json[dict[str, float]](dict[str, float])


def batches(
    train: Dataset, count: int
) -> list[tuple[tuple[torch.Tensor, ...], torch.Tensor | None]]:
    """Samples to weigh units by, with their labels where all have one."""
    step = max(1, len(train) // count)
    chosen = np.arange(0, len(train), step)[:count]
    feeds, targets = train.feeds(chosen)
    labels = (
        torch.from_numpy(targets) if (targets >= 0).all() and train.classed else None
    )
    return [(tuple(map(torch.from_numpy, feeds)), labels)]


def score_importance(
    graph: WidthGraph,
    train: Dataset,
    criterion: str,
    progress: Progress,
    store: Store | None = None,
) -> dict[str, Scores]:
    """Importance of every unit, by the recipe's criterion."""
    title, count = f"Weigh the units ({criterion})", _weighed(graph)

    def make() -> dict[str, Scores]:
        with progress.step(title):
            [(inputs, labels)] = batches(train, count)
            known = (
                repeat(None) if labels is None else torch.split(labels, _TRIAL_BATCH)
            )
            parts = list(zip(_parts(graph, inputs), known, strict=False))
            return importance(graph, criterion, batches=parts)

    inputs = {**_of(graph, train), "criterion": criterion, "count": count}
    stage = Stage[dict[str, Scores]](
        kind="importance", title=title, inputs=inputs, record=ArraysRecord()
    )
    return kept(store, stage, make, progress)


def _weighed(graph: WidthGraph) -> int:
    found = (describe(graph, node) for node in graph.program.module.graph.nodes)
    macs = sum(operator.macs for operator in found if operator is not None)
    affordable = max(_LEAST_WEIGHED, _WEIGH_MACS / max(1, macs))
    return int(min(_SAMPLES_WEIGHED, affordable))


def _trial_samples(planner: Planner) -> int:
    """Number of samples that cuts are tried on: enough to compare them, and affordable."""
    trials = 2 * len(planner.graph.groups) + len(planner.blocks)
    each = max(1, planner.macs() * trials)
    program = planner.graph.program
    with torch.no_grad():
        found = tensors(program.module(*program.example()))
    enough = _TRIAL_VALUES / max(1, sum(each.numel() for each in found))
    few = min(_FEW_SAMPLES, _FEW_MACS / each)
    count = max(_LEAST_SAMPLES, few, min(_TRIAL_MACS / each, enough))
    return int(min(_SAMPLES_WEIGHED, count))


def probe(
    planner: Planner,
    scores: Mapping[str, Scores],
    train: Dataset,
    progress: Progress,
    store: Store | None = None,
) -> Sensitivity:
    """Sensitivity of the outputs to cutting each group and dropping each block."""
    count = min(len(train), _trial_samples(planner))
    title = f"Try every cut alone, on {count} samples"
    stage = Stage(
        kind="sensitivity",
        title=title,
        inputs={
            **_of(planner.graph, train),
            "count": count,
            "importance": {
                name: stage_inputs.of_samples(each) for name, each in scores.items()
            },
            "blocks": [block.id for block in planner.blocks],
        },
        record=_SENSITIVITY,
    )
    make = partial(_tried, planner, scores, train, count, title, progress)
    return kept(store, stage, make, progress)


def int8_damage(
    graph: WidthGraph,
    train: Dataset,
    progress: Progress,
    store: Store | None = None,
) -> dict[str, float]:
    """Expected loss increase of each operator alone in int8, by its node's name."""
    count = min(len(train), _TRIAL_BATCH)
    title = f"Try every operator alone in int8, on {count} samples"

    def make() -> dict[str, float]:
        [(inputs, _)] = batches(train, count)
        with progress.step(title) as step:
            parts = _parts(graph, inputs)
            return quantization_damage(graph, parts, on_progress=step.update)

    stage = Stage[dict[str, float]](
        kind="int8-damage",
        title=title,
        inputs={**_of(graph, train), "count": count},
        record=_DAMAGE,
    )
    return kept(store, stage, make, progress)


def _tried(
    planner: Planner,
    scores: Mapping[str, Scores],
    train: Dataset,
    count: int,
    title: str,
    progress: Progress,
) -> Sensitivity:
    [(inputs, _)] = batches(train, count)
    graph = planner.graph
    parts = _parts(graph, inputs)
    with progress.step(title) as step:
        return sensitivity(
            graph, scores, parts, blocks=planner.blocks, on_progress=step.update
        )


def _parts(
    graph: WidthGraph, inputs: tuple[torch.Tensor, ...]
) -> list[tuple[torch.Tensor, ...]]:
    """As many samples as run at once: activations of large images fill the memory."""
    laid_out = channels_last(graph.program.module.graph, inputs)
    split = (torch.split(each, _TRIAL_BATCH) for each in laid_out)
    return list(zip(*split, strict=True))


def _of(graph: WidthGraph, train: Dataset) -> dict[str, Any]:
    return {
        "network": stage_inputs.of_network(graph.program),
        "samples": train.fingerprint(),
        "versions": stage_inputs.training_versions(),
    }
