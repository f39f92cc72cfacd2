"""The choice of the epoch that is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from edgekit.data import Dataset
from edgekit.data.samples import InMemory
from edgekit.distill.processes import Processes
from edgekit.distill.tasks import of_kind
from edgekit.distill.validator import Validator
from edgekit.evaluate.accuracy import evaluate
from edgekit.program.program import Program
from edgekit.types import TaskKind
from tests.unit.distill.test_train import RECIPE, SIDES, TRAIN, VALIDATION, distilled


def test_training_that_harms_returns_the_student_as_it_was(teacher: Program) -> None:
    """Wrong labels train the copy wrong, and validation detects it."""
    lies = Dataset(
        InMemory(values=TRAIN.arrays()[0]),
        (TRAIN.targets + 1) % SIDES,
        labels=TRAIN.labels,
        preprocess=TRAIN.columns[0].preprocess,
    )
    recipe = replace(RECIPE, soft_weight=0.0, learning_rate=0.5, epochs=2)
    result = distilled(teacher, teacher, train=lies, recipe=recipe)
    assert result.kept_epoch == 0
    assert result.program.fingerprint() == teacher.fingerprint()


def test_no_epoch_is_preferred_for_what_samples_cannot_tell(teacher: Program) -> None:
    """The last is kept where it is about as good: it was trained for longer."""
    recipe = replace(RECIPE, learning_rate=0.01, epochs=4)
    result = distilled(teacher, teacher, recipe=recipe)
    scores = [epoch.validation for epoch in result.epochs]
    assert scores[-1] < max(scores)  # or nothing is shown here
    assert result.best_epoch < result.kept_epoch == recipe.epochs
    assert evaluate(result.program, VALIDATION).value == pytest.approx(scores[-1])


def test_the_best_of_a_training_that_was_cut_short_is_kept(teacher: Program) -> None:
    """Its rate had not come down."""
    recipe = replace(RECIPE, learning_rate=0.01, epochs=40, patience=4)
    result = distilled(teacher, teacher, recipe=recipe)
    scores = [epoch.validation for epoch in result.epochs]
    assert len(scores) < 1 + recipe.epochs and scores[-1] < max(scores)
    assert evaluate(result.program, VALIDATION).value == pytest.approx(max(scores))


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_standard_error_is_borne_where_samples_are_counted(kind: TaskKind) -> None:
    """Of 64 samples at 80 %: the root of 0.8 * 0.2 / 64, which is 5 points."""
    data = VALIDATION
    if kind == "regression":
        targets = torch.nn.functional.one_hot(torch.from_numpy(data.targets), SIDES)
        data = Dataset(
            InMemory(values=data.arrays()[0]),
            targets.float().numpy(),
            labels=(),
            preprocess=data.columns[0].preprocess,
        )
    validator = Validator(data, of_kind(kind), (torch.float32,), Processes())
    validator.validate(lambda x: torch.ones(len(x[0]), SIDES))
    if kind == "classification":
        assert len(data) == 64
        assert validator.about_as_good(0.751, 0.8)
        assert not validator.about_as_good(0.749, 0.8)
        assert validator.about_as_good(0.9, 0.8)
    else:  # an error, of which less is better, and no count
        assert validator.about_as_good(0.8, 0.8)
        assert not validator.about_as_good(0.801, 0.8)
