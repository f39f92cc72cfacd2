"""The choice of the best epoch."""

from __future__ import annotations

from dataclasses import replace

from edgekit.data import Dataset
from edgekit.data.samples import InMemory
from edgekit.program.program import Program
from tests.unit.distill.test_train import RECIPE, SIDES, TRAIN, distilled


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
    assert result.best_epoch == 0
    assert result.program.fingerprint() == teacher.fingerprint()
