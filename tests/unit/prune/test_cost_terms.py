"""Costs over widths."""

from __future__ import annotations

from pathlib import Path

from edgekit.prune.cost_terms import operator_terms
from tests.unit.prune.test_planner import graph_of, planner_for, residual
from tests.zoo.vision import ResNet20


def test_operators_carry_their_layers_names(tmp_path: Path) -> None:
    planner = planner_for(graph_of(residual()), tmp_path)
    names = [name for name, _ in planner.operators()]
    assert names[:4] == ["0", "2.up", "2.depthwise", "2.down"]


def test_no_padding_takes_channels_away() -> None:
    graph = graph_of(ResNet20())
    options = {
        group.id: tuple(sorted({max(1, group.units * n // 8) for n in range(1, 9)}))
        for group in graph.groups
    }
    cells = [c for t in operator_terms(graph, options) for c in t.cells.values()]
    pads = [cell for cell in cells if cell.kind == "pad"]
    assert len(pads) > 100 and all(cell.outputs >= cell.inputs for cell in pads)
