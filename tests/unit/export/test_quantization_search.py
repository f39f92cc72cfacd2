"""Numbers of groups and of samples in which layers are tried for int8."""

from __future__ import annotations

import pytest

from edgekit.export.quantization_search import GROUPS, groups_of, samples_to_rank

MIB = 1 << 20


@pytest.mark.parametrize(
    ("size", "groups", "samples"),
    [
        (0, GROUPS, None),
        (98 * MIB, GROUPS, None),
        (418 * MIB, 14, 8),
        (10_000 * MIB, 8, 8),
    ],
)
def test_large_networks_are_tried_in_fewer_groups_on_fewer_samples(
    size: int, groups: int, samples: int | None
) -> None:
    assert groups_of(size) == groups
    assert samples_to_rank(size) == samples
