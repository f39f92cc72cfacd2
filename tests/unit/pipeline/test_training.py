"""Teachers of a training, by weight; and what a training leaves in the store."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from edgekit.pipeline.assemble import _training_notes
from edgekit.pipeline.training import TeacherEnsemble, TrainingSpec, train_student
from edgekit.program.program import Program, trace
from edgekit.types import DistillRecipe, InputSpec
from edgekit.types.notes import LearningRateTested
from tests.unit.distill.test_train import TRAIN, VALIDATION, network
from tests.unit.pipeline.test_norm_statistics import inputs_on


@pytest.fixture(scope="module")
def program() -> Program:
    torch.manual_seed(0)
    return trace(nn.Linear(4, 2), (InputSpec(shape=(4,)),))


@pytest.mark.parametrize(
    ("weights", "expected"),
    [(None, (1 / 3,) * 3), ((1.0, 2.0, 1.0), (0.25, 0.5, 0.25))],
)
def test_weights_are_fractions_of_one(
    program: Program, weights: tuple[float, ...] | None, expected: tuple[float, ...]
) -> None:
    teachers = TeacherEnsemble(
        first=program, others=(program, program), weights=weights
    )
    assert teachers.fractions() == pytest.approx(expected)
    assert len(teachers.programs) == 3


def test_trials_of_rates_are_announced_reported_and_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "edgekit")
    inputs = inputs_on(TRAIN, VALIDATION, tmp_path)
    student = network(4, 1)
    recipe = DistillRecipe(
        epochs=32, batch_size=16, learning_rate="auto", soft_weight=0.0, patience=1
    )
    spec, teachers = TrainingSpec(recipe=recipe), TeacherEnsemble(first=student)
    first, again = (train_student(inputs, teachers, student, spec) for _ in range(2))
    assert [one.kept for one in inputs.store.outcomes] == [False, True]
    assert first.rate_test is not None and first.rate_test == again.rate_test
    rate = f"The learning rate is {first.rate_test.rate:g}, by the validation loss"
    assert caplog.text.count(rate) == 1
    assert [*_training_notes(again)] == [LearningRateTested(test=first.rate_test)]
