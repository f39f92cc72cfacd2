"""Tiers of a benchmark."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.bench.tiers import TIERS, planning, tailored, tier_called
from edgekit.errors import UsageError


def test_a_tier_is_found_by_name() -> None:
    assert tier_called("quick") is TIERS["quick"]
    assert tier_called(TIERS["report"]).strict
    with pytest.raises(UsageError, match=r"No benchmark tier 'fast'\. Known: quick"):
        tier_called("fast")


def test_plans_are_timed_as_often_as_a_quick_benchmark_and_never_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quick, ours = TIERS["quick"], planning()
    assert (ours.launches, ours.min_runs) == (quick.launches, quick.min_runs)
    assert ours.min_s < quick.min_s and ours.warmup_min_s < quick.warmup_min_s
    assert ours.name not in TIERS
    monkeypatch.setitem(TIERS, "quick", replace(quick, min_s=0.1))  # type: ignore[arg-type]
    assert planning().min_s == 0.1


def test_other_amounts_are_in_the_name() -> None:
    found = tailored("quick", launches=3, seconds=2.0, cooldown_s=0.5)
    assert (found.launches, found.min_s, found.cooldown_s) == (3, 2.0, 0.5)
    assert found.name == "quick, 3 launches, 2 s each, 0.5 s between"
    assert tailored("report", forced=True).name == "report, forced"
    assert tailored("quick", forced=True) == TIERS["quick"]


@pytest.mark.parametrize(
    "amounts", [{"launches": 0}, {"seconds": -1.0}, {"cooldown_s": -0.1}]
)
def test_amounts_that_measure_nothing_are_refused(amounts: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="--"):
        tailored("quick", **amounts)  # type: ignore[arg-type]
