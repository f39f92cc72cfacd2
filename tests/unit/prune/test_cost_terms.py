"""Costs over widths."""

from __future__ import annotations

from pathlib import Path

from tests.unit.prune.test_planner import graph_of, planner_for, residual


def test_operators_carry_their_layers_names(tmp_path: Path) -> None:
    planner = planner_for(graph_of(residual()), tmp_path)
    names = [name for name, _ in planner.operators()]
    assert names[:4] == ["0", "2.up", "2.depthwise", "2.down"]
