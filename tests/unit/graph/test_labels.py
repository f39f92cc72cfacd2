"""Labels that networks tie and freeze."""

from __future__ import annotations

from tests.unit.graph.test_graph import groups_of


def test_depthwise_grouped_and_gated_channels() -> None:
    assert groups_of("mobile") == {
        "stem.group": ("group", 4, True),
        "stem": ("channel", 2, True),
        "expand": ("channel", 24, True),
        "squeeze": ("channel", 6, True),
        "grouped": ("channel", 3, True),
        "branch": ("channel", 6, True),
    }


def test_query_heads_share_key_heads_and_rotary_pairs_go_together() -> None:
    assert groups_of("decoder") == {
        "head": ("embedding", 32, False),
        "q.head": ("head", 2, True),
        "q.head.2": ("head", 2, True),
        "q.head_dim": ("head_dim", 4, True),
        "v.head_dim": ("head_dim", 8, True),
        "gate": ("hidden", 40, True),
    }
