"""Teachers of a training, by weight."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from edgekit.pipeline.training import TeacherEnsemble
from edgekit.program.program import Program, trace
from edgekit.types import InputSpec


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
