"""The planner's objective."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.graph.graph import WidthGraph
from edgekit.prune.objective import PlanObjective
from edgekit.types import Sensitivity


def test_the_objective_runs_through_what_was_measured(graph: WidthGraph) -> None:
    group = graph.groups[0]
    scores = {g.id: np.linspace(1, 2, g.units) for g in graph.groups}
    measured = Sensitivity(groups={group.id: ((4, 0.1), (2, 0.7))}, blocks={})
    objective = PlanObjective(graph=graph, importance=scores, sensitivity=measured)
    assert objective.of_width(group, group.units) == 0
    assert objective.of_width(group, 4) == pytest.approx(0.1)
    assert objective.of_width(group, 2) == pytest.approx(0.7)
    losses = [objective.of_width(group, width) for width in range(group.units, 0, -1)]
    assert losses == sorted(losses)
    assert objective.expected_loss_increase({group.id: 4}) == pytest.approx(0.1)
