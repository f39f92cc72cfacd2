"""Shapes after a cut."""

from __future__ import annotations

import pytest
from torch import Tensor

from edgekit.graph.graph import analyze
from edgekit.graph.surgery import shrink
from tests.unit.graph.test_surgery import NAMES, drop, graph_of


@pytest.mark.parametrize("name", NAMES)
def test_shapes_follow_the_extents(name: str) -> None:
    graph = graph_of(name)
    plan = drop(graph.groups)
    small = shrink(graph, plan)
    widths = {group: len(units) for group, units in plan.kept.items()}
    now = {n.name: n for n in small.module.graph.nodes}
    again = analyze(small)
    for node in graph.program.module.graph.nodes:
        if isinstance(node.meta.get("val"), Tensor) and node.name in now:
            assert graph.shape(node, widths) == again.shape(now[node.name])
            assert now[node.name].meta["val"].dtype == node.meta["val"].dtype
