"""Doubts about what comes in, before minutes are spent on it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from edgekit import tasks
from edgekit.data import Dataset
from edgekit.data.memory import at_once
from edgekit.diff.preprocessing_faults import Array, Scene, alternatives
from edgekit.errors import ModelError
from edgekit.program.memory_layout import channels_last
from edgekit.program.program import Program
from edgekit.report.note_words import sentence
from edgekit.tasks.scores import Metric
from edgekit.types import Evaluation, FrontierPoint, Preprocess, TaskSpec
from edgekit.types.data_notes import (
    NetworkAtChance,
    OutputsUnused,
    PreprocessingSuspect,
    ValidationFamiliar,
)
from edgekit.types.notes import Note

_TRIED = 256
"""Samples that other preprocessing is tried on."""
_GAIN = 0.1
"""Gain of a metric from 0 to 1 past which another preprocessing is taken for the right one."""
_SURE = 3.0
"""Standard errors that the gain has to be, too."""
_POINT = 0.01
Doubt = NetworkAtChance | OutputsUnused | PreprocessingSuspect


def at_chance(
    reference: Evaluation, test: Dataset, spec: TaskSpec
) -> NetworkAtChance | None:
    """Doubt about a network that guesses; `None` for others, and without one class a sample.

    Two standard errors of guessing count as guessing.
    """
    task = tasks.of(spec.kind)
    if reference.metric != "accuracy" or not task.labels_samples or not test.classed:
        return None
    known = test.targets[test.targets >= 0]
    classes = max(len(test.labels), len(np.unique(known)))
    if classes < 2:
        return None
    chance = 1 / classes
    spread = (chance * (1 - chance) / len(known)) ** 0.5
    if reference.value > chance + 2 * spread:
        return None
    return NetworkAtChance(
        score=reference.score, samples=reference.samples, chance=chance
    )


def suspect_preprocessing(
    network: Program, test: Dataset, how: Preprocess, metric: Metric
) -> PreprocessingSuspect | None:
    """Another preprocessing with which the network is much better, of the known mistakes.

    `None` where there is none, and for samples that lack a shape of images or labels.
    """
    if len(test.columns) != 1:
        return None
    few = test.subset(np.unique(np.linspace(0, len(test) - 1, _TRIED).astype(np.int64)))
    raw, targets = few.unprepared().arrays()
    given = np.asarray(few.arrays()[0], np.float32)
    scene = Scene(raw=raw, spec=how)
    if raw.ndim != 4 or not few.labeled or not _prepared(scene, given):
        return None

    size = at_once(test.sample_bytes, len(few))

    def judged(inputs: Array) -> Evaluation:
        with torch.inference_mode():
            parts = channels_last(network.module.graph, [torch.from_numpy(inputs)])
            outputs = [network.answer(part) for part in torch.split(parts[0], size)]
        return metric(torch.cat(outputs).numpy(), targets)

    own = judged(given)
    if not own.is_fraction or not own.higher_is_better or own.value > 1 - _GAIN:
        return None
    tried = [
        (judged(np.ascontiguousarray(one.prepared, np.float32)), one.faults)
        for one in alternatives(scene)
        if one.prepared.shape == given.shape
    ]
    best, faults = max(tried, key=lambda pair: pair[0].value, default=(own, ()))
    if best.value - own.value < max(_GAIN, _SURE * best.noise, _SURE * own.noise):
        return None
    return PreprocessingSuspect(
        faults=faults, score=own.score, better=best.score, samples=len(few)
    )


def familiar_validation(
    uncut: Sequence[FrontierPoint], reference: Evaluation
) -> ValidationFamiliar | None:
    """Doubt about validation samples on which the unpruned network is far better than on those that
    judge the build (its `reference`), as it is on those that it was trained on: by three standard
    errors, and a point.

    `uncut` are its files on validation samples; fp32 counts. `None` without such a file, and for
    metrics that do not go from 0 to 1.
    """
    judged = (one.evaluation for one in uncut if one.artifact.endswith("-fp32"))
    own = next(judged, reference)
    error = math.hypot(own.noise, reference.noise)
    better = own.value - reference.value
    comparable = own.metric == reference.metric and own.higher_is_better
    if not (comparable and own.is_fraction and better > max(_SURE * error, _POINT)):
        return None
    return ValidationFamiliar(
        score=own.score,
        samples=own.samples,
        judged=reference.score,
        judged_samples=reference.samples,
    )


def _prepared(scene: Scene, given: Array) -> bool:
    """Return whether the project's own preprocessing is what the samples went through."""
    try:
        right = scene.right()
    except (ValueError, IndexError):  # a mean for other channels than these
        return False
    return right.shape == given.shape and np.allclose(right, given, atol=1e-4)


def refuse_doubtful(notes: Sequence[Note], *, accepted: bool) -> None:
    """Raise `ModelError` where what came in is doubtful, and the caller has not `accepted` it."""
    doubts = [note for note in notes if isinstance(note, Doubt)]
    if doubts and not accepted:
        listed = "; ".join(map(sentence, doubts))
        raise ModelError(
            f"{listed[:1].upper()}{listed[1:]}. Build all the same with --yes."
        )
