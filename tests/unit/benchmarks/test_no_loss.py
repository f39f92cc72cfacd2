"""The strength of peers' cuts, and points of accuracy lost by seed."""

from __future__ import annotations

import pytest

from benchmarks.no_loss import NEAR, bisected, summarize


def test_a_peer_is_cut_as_mildly_as_the_speed_allows() -> None:
    tried: list[float] = []

    def measured(ratio: float) -> float:
        tried.append(ratio)
        return 1 / (1 - ratio)

    found = bisected(2.0, measured)
    assert found >= 0.5 and 2.0 <= 1 / (1 - found) <= NEAR * 2.0
    assert found in tried and len(tried) < 7


def test_a_staircase_ends_at_the_mildest_step_that_is_fast_enough() -> None:
    found = bisected(2.0, lambda ratio: 3.0 if ratio > 0.6 else 1.2)
    assert 0.6 < found < 0.62


def test_points_lost_are_those_beside_the_uncut_network() -> None:
    rows = [
        {"network": "resnet20", "method": "uncut", "seed": 0, "accuracy": 0.9},
        *(
            {
                "network": "resnet20",
                "method": "edgekit",
                "seed": seed,
                "speedup": 2.01,
                "accuracy": accuracy,
            }
            for seed, accuracy in enumerate((0.89, 0.9, 0.91))
        ),
    ]
    found = summarize(rows)
    [ours] = found["resnet20"]["methods"].values()
    assert ours["points_lost"] == pytest.approx(0) and ours["points_std"] == 1.0
    assert (ours["speedup"], ours["seeds"]) == (2.01, 3)
    assert found["resnet56"]["methods"] == {}
