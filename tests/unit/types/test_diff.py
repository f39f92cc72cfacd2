"""Records of a comparison."""

from __future__ import annotations

import pytest

from edgekit.types.diff import Counts


@pytest.mark.parametrize(
    ("network", "file", "expected"), [(3, 5, 2), (5, 3, 0), (2, 2, 0)]
)
def test_inserted_operators_are_those_beyond_the_network(
    network: int, file: int, expected: int
) -> None:
    counts = Counts(sort="transpose", network=network, file=file, executed=None)
    assert counts.inserted == expected
