"""A few mutations of every kind of file; `make fuzz` tries hundreds."""

from __future__ import annotations

import pytest

from tests.robustness.fuzz import fuzz
from tests.robustness.readers import KINDS, Kind


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_damage_is_refused_in_one_line_or_read(kind: Kind) -> None:
    tries = 2 if kind.slow else 8
    found = fuzz(kind, tries, seed=1)
    assert found.sound, found.faults
    assert found.counts["refused"] + found.counts["loaded"] == tries
