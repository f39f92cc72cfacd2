"""Numbers of groups in which layers are tried for int8."""

from __future__ import annotations

import pytest

from edgekit.export.quantization_search import GROUPS, groups_of

MIB = 1 << 20


@pytest.mark.parametrize(
    ("size", "groups"),
    [(0, GROUPS), (98 * MIB, GROUPS), (418 * MIB, 14), (10_000 * MIB, 8)],
)
def test_large_networks_are_tried_in_fewer_groups(size: int, groups: int) -> None:
    assert groups_of(size) == groups
