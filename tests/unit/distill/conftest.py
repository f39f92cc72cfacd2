"""A teacher that has learned."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.program.program import Program
from tests.unit.distill.test_train import RECIPE, distilled, network


@pytest.fixture(scope="session")
def teacher() -> Program:
    """A network that learned the task from labels alone."""
    start = network(16, 0)
    recipe = replace(RECIPE, soft_weight=0.0, epochs=6)
    return distilled(start, start, recipe=recipe).program
