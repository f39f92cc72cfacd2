"""Batches of a data set."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.distill import batches
from edgekit.program.program import Program
from tests.unit.distill.test_train import RECIPE, distilled, network


@pytest.fixture(scope="module")
def teacher() -> Program:
    """A network that learned the task from labels alone."""
    start = network(16, 0)
    recipe = replace(RECIPE, soft_weight=0.0, epochs=6)
    return distilled(start, start, recipe=recipe).program


def test_streamed_samples_teach_the_same(
    teacher: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    student = network(4, 1)
    held = distilled(teacher, student)
    monkeypatch.setattr(batches, "MEMORY", 0)
    assert (
        distilled(teacher, student).program.fingerprint() == held.program.fingerprint()
    )
