"""Words of a build before it trains once more."""

from __future__ import annotations

from edgekit.pipeline.closed_loop import Step
from edgekit.pipeline.cutter import step_words
from tests.unit.pipeline.test_closed_loop import point


def test_the_next_training_is_said_with_its_reason_against_fp32() -> None:
    last = point(2.0)
    milder = step_words(Step(kind="milder", demand=1.25), last, 1.6)
    assert "planned for 3.20x loses too much" in milder
    assert milder.endswith("planned again for 2.00x")
    steeper = step_words(Step(kind="steeper", demand=2.5), last, 1.0)
    assert "planned for 2.00x can be faster" in steeper
    assert "trained on" in step_words(Step(kind="longer", demand=2.0), last, 1.0)
