"""Faults of many samples in one line."""

from __future__ import annotations

from edgekit.data.faults import NAMED, listed


def test_the_first_are_named_and_the_others_counted() -> None:
    faults = [(f"{number}.png", "torn") for number in range(NAMED + 2)]
    assert listed(faults[:1]) == "0.png (torn)"
    assert listed(faults[:NAMED]).endswith("3.png (torn); 4.png (torn)")
    assert listed(faults).endswith("4.png (torn); and 2 more")
