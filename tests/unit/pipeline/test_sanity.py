"""Networks and data that look wrong are reported before minutes are spent on them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.data import Dataset
from edgekit.data.samples import InMemory
from edgekit.errors import ModelError
from edgekit.pipeline.sanity import (
    at_chance,
    familiar_validation,
    refuse_doubtful,
    suspect_preprocessing,
)
from edgekit.program.program import Program, trace
from edgekit.tasks.scores import accuracy
from edgekit.types import Evaluation, FrontierPoint, InputSpec, Preprocess, TaskSpec
from edgekit.types.data_notes import NetworkAtChance, OutputsUnused, WeightsUnnamed

RIGHT = Preprocess(scale=255.0, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


class Reddest(nn.Module):
    """Class 0 where there is more red than blue, 1 elsewhere; blind to dark images."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        red, _, blue = x.mean((2, 3)).unbind(1)
        # Values out of the range of training saturate and decide for class 0.
        loud = (x.abs().amax((1, 2, 3)) > 2.5).float() * 100
        return torch.stack([red + loud, blue], 1)


@pytest.fixture(scope="module")
def network() -> Program:
    return trace(Reddest(), (InputSpec(shape=(3, 4, 4)),))


def images(
    how: Preprocess, *, count: int = 200, labeled: bool = True, bgr: bool = False
) -> Dataset:
    """Noise that is a little redder (0) or bluer (1), as `how` prepares it."""
    draw = np.random.default_rng(0)
    targets = np.arange(count) % 2
    raw = draw.integers(60, 120, (count, 3, 4, 4))
    raw[np.arange(count), 2 * targets] += 100
    values = (raw[:, ::-1] if bgr else raw).astype(np.float32)
    known = targets if labeled else np.full(count, -1)
    return Dataset(
        InMemory(values=values), known, labels=("red", "blue"), preprocess=how
    )


def test_the_right_preprocessing_is_not_doubted(network: Program) -> None:
    assert suspect_preprocessing(network, images(RIGHT), RIGHT, accuracy) is None


def test_a_known_fault_of_preprocessing_is_named(network: Program) -> None:
    loud = Preprocess(scale=1.0)
    found = suspect_preprocessing(network, images(loud), loud, accuracy)
    assert found is not None and found.faults == ("0-1 for 0-255",)
    assert found.better.value == 1.0 and found.score.value < 0.8
    swapped = images(RIGHT, bgr=True)
    found = suspect_preprocessing(network, swapped, RIGHT, accuracy)
    assert found is not None and found.faults == ("BGR for RGB",)
    assert found.better.value == 1.0 and found.score.value == 0.0


def test_a_network_that_nothing_could_better_is_not_tried_again(
    network: Program,
) -> None:
    taken: list[int] = []

    def counting(outputs: np.ndarray, targets: np.ndarray) -> Evaluation:
        taken.append(len(outputs))
        return accuracy(outputs, targets)

    assert suspect_preprocessing(network, images(RIGHT), RIGHT, counting) is None
    assert taken == [200]
    swapped = images(RIGHT, bgr=True)
    assert suspect_preprocessing(network, swapped, RIGHT, counting) is not None
    assert len(taken) > 2


def test_without_labels_nothing_is_tried(network: Program) -> None:
    wrong = Preprocess(scale=1.0)
    dark = images(wrong, labeled=False)
    assert suspect_preprocessing(network, dark, wrong, accuracy) is None


@pytest.mark.parametrize(
    ("value", "doubted"), [(0.3, True), (0.5, True), (0.56, True), (0.6, False)]
)
def test_no_better_than_guessing_is_doubted(value: float, doubted: bool) -> None:
    """Two classes, 200 samples: two standard errors of guessing are seven points."""
    found = at_chance(
        Evaluation(metric="accuracy", value=value, samples=200),
        images(RIGHT),
        TaskSpec(),
    )
    assert (found is not None) == doubted
    assert found is None or found.chance == 0.5


def test_other_tasks_have_no_chance() -> None:
    bad = Evaluation(metric="mean IoU", value=0.0, samples=200)
    assert at_chance(bad, images(RIGHT), TaskSpec(kind="segmentation")) is None


def uncut(artifact: str, value: float, *, metric: str = "accuracy") -> FrontierPoint:
    return FrontierPoint(
        name="uncut",
        artifact=artifact,
        speedup=1.0,
        p50_ms=1.0,
        evaluation=Evaluation(metric=metric, value=value, samples=1000),
        accuracy_drop=0.0,
        loss_unit="points",
        within=True,
        final=False,
    )


def test_validation_samples_that_the_network_knows_are_noticed() -> None:
    """Of 1000 at 96 % and 1600 at 92 %: errors of 0.62 and 0.68, together 0.92 points."""
    judged = Evaluation(metric="accuracy", value=0.92, samples=1600)
    files = [uncut("litert-int8", 0.92), uncut("litert-fp32", 0.96)]
    found = familiar_validation(files, judged)
    assert found is not None
    assert (found.score.value, found.samples) == (0.96, 1000)
    assert (found.judged.value, found.judged_samples) == (0.92, 1600)
    assert familiar_validation([uncut("litert-fp32", 0.946)], judged) is None
    assert familiar_validation([uncut("litert-fp32", 0.88)], judged) is None
    assert familiar_validation([uncut("litert-int8", 0.96)], judged) is None
    other = uncut("litert-fp32", 0.96, metric="agreement")
    assert familiar_validation([other], judged) is None


def test_doubts_end_the_build_unless_they_are_accepted() -> None:
    chance = NetworkAtChance(
        score=Evaluation(metric="accuracy", value=0.5, samples=9).score,
        samples=9,
        chance=0.5,
    )
    others = OutputsUnused(outputs=1000, classes=10)
    with pytest.raises(ModelError) as caught:
        refuse_doubtful([chance, others], accepted=False)
    words = str(caught.value)
    assert words.startswith("The network has accuracy 50.00%") and "\n" not in words
    assert "1000 outputs" in words
    assert words.endswith("Build all the same with --yes.")
    refuse_doubtful([chance, others], accepted=True)
    refuse_doubtful([WeightsUnnamed(source="model.py:build")], accepted=False)
