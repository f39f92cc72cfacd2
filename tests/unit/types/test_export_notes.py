"""Times of a runtime's options are the median over the turns."""

from __future__ import annotations

import pytest

from edgekit.types import RuntimeOptions
from edgekit.types.export_notes import OptionTrial


@pytest.mark.parametrize(
    ("ratios", "expected"), [((3.0, 2.0, 2.5), 2.5), ((0.8,), 0.8), ((), None)]
)
def test_the_ratio_of_a_trial(
    ratios: tuple[float, ...], expected: float | None
) -> None:
    trial = OptionTrial(options=RuntimeOptions(threads=1), time_ratios=ratios)
    assert trial.time_ratio == expected
