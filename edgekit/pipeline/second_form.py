"""Costs and damage of int8 beside those of float, for plans that choose between them."""

from __future__ import annotations

from collections.abc import Callable

from edgekit.cost.table import CostTable
from edgekit.data import Dataset
from edgekit.graph.graph import WidthGraph
from edgekit.pipeline.cost_provider import CostProvider
from edgekit.pipeline.unit_scores import int8_damage
from edgekit.progress import Progress
from edgekit.prune.joint import Forms
from edgekit.runtimes import registry
from edgekit.store import Store
from edgekit.types import RuntimeName
from edgekit.types.operator_shape import OperatorShape

_SIZES = (1 << 10, 1 << 16)
"""Values of the conversions that others are interpolated from."""


def second_form(
    graph: WidthGraph,
    runtime: RuntimeName,
    costs: CostProvider,
    train: Dataset,
    progress: Progress,
    store: Store | None = None,
) -> Forms:
    """The int8 form of a network's operators on a runtime.

    Those that its int8 kernels are slow at stay in float: tables have one cost for all operators
    that go through a tensor value by value.
    """
    slow = registry.get(runtime).slow_in_int8
    kinds = {node.name: str(node.target) for node in graph.program.module.graph.nodes}
    damage = int8_damage(graph, train, progress, store)
    convert = _conversion(costs.table(runtime, "fp32"), costs)
    return Forms(
        int8=costs.table(runtime, "int8"),
        to_int8=convert,
        to_float=convert,
        damage={
            name: value
            for name, value in damage.items()
            if not any(kind in kinds[name] for kind in slow)
        },
    )


def _conversion(table: CostTable, costs: CostProvider) -> Callable[[int], float]:
    """Cost by the number of values: a conversion goes through them once, as an addition does."""
    ends = [
        OperatorShape(kind="elementwise", inputs=64, outputs=64, size=(size // 64, 1))
        for size in _SIZES
    ]
    table.measure(ends, costs.device)
    small, large = map(table.cost, ends)
    slope = max(large - small, 0.0) / (_SIZES[1] - _SIZES[0])
    start = max(small - slope * _SIZES[0], 0.0)
    return lambda values: start + slope * values
