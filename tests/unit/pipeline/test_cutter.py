"""Words of a build before it trains once more."""

from __future__ import annotations

import pytest

from edgekit.errors import BudgetInfeasible
from edgekit.pipeline.closed_loop import Step
from edgekit.pipeline.cutter import refuse_hopeless, step_words
from edgekit.pipeline.expected_accuracy import ALONE, Expectations
from edgekit.types import Evaluation
from tests.unit.pipeline.test_closed_loop import point


def test_the_next_training_is_said_with_its_reason_against_fp32() -> None:
    last = point(2.0)
    milder = step_words(Step(kind="milder", demand=1.25), last, 1.6)
    assert "planned for 3.20x loses too much" in milder
    assert milder.endswith("planned again for 2.00x")
    steeper = step_words(Step(kind="steeper", demand=2.5), last, 1.0)
    assert "planned for 2.00x can be faster" in steeper
    assert "trained on" in step_words(Step(kind="longer", demand=2.0), last, 1.0)


def test_a_hopeless_plan_is_refused_before_it_is_trained_with_the_way_out() -> None:
    reference = Evaluation(metric="accuracy", value=0.91, samples=2000)
    known = Expectations(
        outcomes=(), family="mine", reference=reference, relative=False
    )
    refuse_hopeless(known, 0.2, ALONE, 0.01, 2.0)
    with pytest.raises(
        BudgetInfeasible, match=r"of 9\.70 with accuracy_drop = 0\.01"
    ) as said:
        refuse_hopeless(known, 20.0, ALONE, 0.01, 9.7)
    assert "expected accuracy" in str(said.value) and "--yes" in str(said.value)
