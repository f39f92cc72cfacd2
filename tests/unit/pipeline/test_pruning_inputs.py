"""Planners of later builds see the table that the first one saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.cost import table as cost_table
from edgekit.cost.measure import OperatorCost
from edgekit.devices.local import LocalDevice
from edgekit.pipeline.cost_provider import CostProvider, Origin
from edgekit.pipeline.loading import Loaded
from edgekit.pipeline.pruning_inputs import PruningInputs
from edgekit.pipeline.request import BuildRequest
from edgekit.types.operator_shape import OperatorShape
from tests.unit.pipeline.test_locked import inputs_of


def on_host(inputs: PruningInputs) -> PruningInputs:
    origin = Origin(
        provenance="host",
        device=LocalDevice(),
        fingerprint="here",
        runtimes={"litert": "1"},
        why="a test",
    )
    root = inputs.training.store.root
    costs = CostProvider(origin=origin, threads=1, tiles={}, root=root)
    return replace(inputs, costs=costs)


def test_widths_and_costs_are_those_of_the_first_build(
    request_: BuildRequest,
    loaded: Loaded,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured: list[str] = []

    def machine(spread: float) -> None:
        def fill(batch: Sequence[OperatorShape]) -> dict[str, OperatorCost]:
            measured.extend(o.key for o in batch)
            steps = {o.key: 10.0 + (o.outputs + 3) // 4 for o in batch}
            return {
                k: OperatorCost(cost=v, rounds=(v, spread * v))
                for k, v in steps.items()
            }

        monkeypatch.setattr(cost_table, "measure", lambda *_: fill)

    machine(1.0)
    first = on_host(inputs_of(request_, loaded, tmp_path)).planner(loaded.teacher)
    operators = [o for _, o in first.operators()]
    costs = [first.table.cost(o) for o in operators]
    machine(1.3)  # cells that do not repeat: another tolerance, other steps
    others = [replace(operators[0], outputs=n, inputs=999) for n in range(1, 60)]
    first.table.measure(others, first.device)
    measured.clear()
    inputs = on_host(inputs_of(request_, loaded, tmp_path))
    again = inputs.planner(loaded.teacher)
    assert measured == []
    assert again.options == first.options
    assert [again.table.cost(o) for o in operators] == costs
    assert [one.kept for one in inputs.training.store.outcomes] == [True]
