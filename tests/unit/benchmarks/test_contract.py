"""The benchmark of contracts: its pairs, its budgets, and what is counted."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.contract import (
    MINUTES,
    NETWORKS,
    PAIRS,
    Pair,
    outcome_of,
    pairs,
    row_of,
    summarize,
    with_budget,
)

EXAMPLES = Path(__file__).parents[3] / "examples"
PAIR = Pair(number=1, network="digits", speedup=3.5, accuracy_drop=0.02)
REPORT: dict[str, Any] = {
    "candidates": [
        {"chosen": False, "speedup": 1.0, "accuracy_drop": 0.0, "artifact": {}},
        {
            "chosen": True,
            "speedup": 3.6,
            "accuracy_drop": 0.001,
            "artifact": {"name": "litert-int8"},
        },
    ],
    "outlook": {
        "expected": {"low": 0.9, "high": 0.95, "trained": 2},
        "outcome": 0.96,
    },
}


def test_the_pairs_are_the_same_each_time_and_of_every_network() -> None:
    assert pairs() == pairs() and len(pairs()) == PAIRS
    assert set(Counter(pair.network for pair in pairs())) == set(NETWORKS)
    assert all(1.2 <= pair.speedup <= 10 for pair in pairs())


@pytest.mark.parametrize("network", NETWORKS)
def test_a_budget_takes_the_place_of_the_projects_and_of_its_targets(
    network: str,
) -> None:
    before = (EXAMPLES / network / "edgekit.toml").read_text()
    found = tomllib.loads(with_budget(before, PAIR))
    assert found.pop("budget") == {"speedup": 3.5, "accuracy_drop": 0.02}
    expected = tomllib.loads(before)
    del expected["budget"]
    for target in expected.get("target", {}).values():
        target.pop("budget", None)
    left = {name: one for name, one in expected.get("target", {}).items() if one}
    assert found.pop("target", {}) == left
    expected.pop("target", None)
    recipe = found.setdefault("recipe", {})
    assert recipe.pop("minutes") == MINUTES
    expected.setdefault("recipe", {}).pop("minutes", None)
    assert found == {"recipe": {}, **expected}
    older = tomllib.loads(with_budget(before, PAIR, None))
    assert older.get("recipe", {}) == expected.get("recipe", {}), "its own recipe"


def test_what_a_build_ended_as() -> None:
    assert outcome_of(0, REPORT) == "met"
    assert outcome_of(1, None) == "refused"
    assert outcome_of(1, REPORT) == "missed"
    assert outcome_of(4, None) == "failed"


def test_rows_are_counted_by_commit() -> None:
    met = row_of(PAIR, "present", 0, REPORT)
    assert (met["found_speedup"], met["artifact"]) == (3.6, "litert-int8")
    assert met["inside"] is False and met["came_to"] == 0.96
    refused = row_of(PAIR, "present", 1, None)
    missed = row_of(PAIR, "abc", 1, {**REPORT, "outlook": None})
    assert "inside" not in missed
    assert summarize([met, refused, missed]) == {
        "pairs": 2,
        "met_or_refused": 2,
        "met_or_refused_before": 0,
        "pairs_before": 1,
        "band_coverage": 0.0,
        "bands": 1,
    }
    assert summarize([met])["met_or_refused_before"] is None
