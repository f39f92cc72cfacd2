"""Deep cuts: at once, or through pruned networks as teacher assistants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from benchmarks.distillation_setting import RECIPE, Setting
from edgekit.data import Dataset
from edgekit.distill import Distilled
from edgekit.graph.graph import analyze
from edgekit.program.program import Program
from edgekit.prune.importance import importance
from edgekit.prune.objective import keep_best
from edgekit.prune.reconstruct import reconstruct

HALF, DEEP = 0.5, 0.25
"""Shares of the units that a chain's links keep; a single step goes to the second at once."""
LINK = replace(RECIPE, learning_rate=0.05, losses={"attention-transfer": 50.0})
LINKS = (2, 6)
"""Epochs of the chain's links; the single step has as many together."""
HALVES = ((1 / 2, 4), (1 / 4, 4), (1 / 8, 8))
"""Shares and epochs of a longer chain to a deeper cut: a half is left each time, and half of the
epochs are the last one's. Chosen over a single step by validation, on a seed of its own (10)."""
HALVED = replace(LINK, losses={})
"""Train as a build does: with soft targets and labels."""
SCORING_IMAGES = 256
Links = Sequence[tuple[float, int]]


def narrowed(network: Program, fraction: float, images: Dataset) -> Program:
    """`network` with this fraction of the units of every group, the most important ones, and what
    reads them fitted to it, as a build does."""
    graph = analyze(network)
    inputs, labels = images.arrays(np.arange(SCORING_IMAGES))
    batches = [(torch.from_numpy(inputs), torch.from_numpy(labels))]
    scores = importance(graph, "activation", batches=batches)
    widths = {g.id: max(1, round(fraction * g.units)) for g in graph.groups}
    plan = keep_best(graph.groups, widths, scores)
    return reconstruct(graph, plan, (torch.from_numpy(inputs),))


def single_step(setting: Setting, seed: int) -> Distilled:
    """The deep cut at once, with the epochs of both links."""
    recipe = replace(LINK, epochs=sum(LINKS))
    student = narrowed(setting.teacher, DEEP, setting.images[0])
    return setting.teach(setting.teacher, student, recipe, seed)


def chain(setting: Setting, seed: int) -> Distilled:
    """Half of the way first; the network there is then the teacher of its cut."""
    half = narrowed(setting.teacher, HALF, setting.images[0])
    first, second = (replace(LINK, epochs=epochs) for epochs in LINKS)
    assistant = setting.teach(setting.teacher, half, first, seed).program
    student = narrowed(assistant, DEEP / HALF, setting.images[0])
    return setting.teach(assistant, student, second, seed)


def down_to(setting: Setting, seed: int, links: Links) -> Distilled:
    """Fractions and epochs, one after another, each distilled from the one before."""
    fraction, network, distilled = 1.0, setting.teacher, None
    for expected, epochs in links:
        student = narrowed(network, expected / fraction, setting.images[0])
        recipe = replace(HALVED, epochs=epochs)
        distilled = setting.teach(network, student, recipe, seed)
        fraction, network = expected, distilled.program
    assert distilled is not None
    return distilled


def eighth_at_once(setting: Setting, seed: int) -> Distilled:
    """The deepest cut at once, with the epochs of all links."""
    epochs = sum(each for _, each in HALVES)
    return down_to(setting, seed, [(HALVES[-1][0], epochs)])


def eighth_by_halves(setting: Setting, seed: int) -> Distilled:
    return down_to(setting, seed, HALVES)


Cut = Callable[[Setting, int], Distilled]
CUTS: Mapping[str, Mapping[str, Cut]] = {
    "cut": {"single_step": single_step, "chain": chain},
    "eighth": {"single_step": eighth_at_once, "chain": eighth_by_halves},
}
