"""Time to build the width graph and to cut, and its growth with depth.

    python -m benchmarks.graph_speed

ResNet-50, and chains of 50, 100 and 200 residual blocks, all on one stream, and of twice as many
plain convolutions. Processor time of one thread, the least of three; tracing is not counted.
`growth` is the ratio of times to the shallowest over the ratio of nodes: 1 is linear.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn

from benchmarks.results import Row, Table
from edgekit.graph.graph import analyze
from edgekit.graph.surgery import shrink
from edgekit.program.program import trace
from edgekit.types import InputSpec
from tests.zoo.exactness import random_plan
from tests.zoo.models import ZOO

FRACTION = 0.3
REPEATS = 3
DEPTHS = (50, 100, 200)
ALLOWED = {"analyze_s": 2.0, "cut_s": 1.0}
"""Seconds for ResNet-50."""
T = TypeVar("T")


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.branch(x))


def residual(depth: int, width: int = 32) -> nn.Module:
    """All blocks add to one stream, and each has a width of its own."""
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1),
        *(Block(width) for _ in range(depth)),
        nn.Conv2d(width, 4, 1),
    )


def plain(depth: int, width: int = 32) -> nn.Module:
    """Twice `depth` convolutions, a width of their own between each two."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1)]
    for _ in range(2 * depth):
        layers += [
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
        ]
    return nn.Sequential(*layers)


def measure(name: str, network: nn.Module, size: int) -> Row:
    program = trace(network, (InputSpec(shape=(3, size, size)),))
    built, cut = [], []
    for _ in range(REPEATS):  # again, for a graph caches its results
        seconds, graph = _timed(partial(analyze, program))
        built.append(seconds)
        plan = random_plan(graph.groups, FRACTION)
        cut.append(_timed(partial(shrink, graph, plan))[0])
    return {
        "name": name,
        "nodes": len(program.module.graph.nodes),
        "groups": len(graph.groups),
        "analyze_s": round(min(built), 3),
        "cut_s": round(min(cut), 3),
    }


def _timed(run: Callable[[], T]) -> tuple[float, T]:
    """Seconds this process computed, whatever else the machine did."""
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


def _growth(row: Row, before: Row, column: str) -> float:
    nodes = row["nodes"] / before["nodes"]
    return round(row[column] / before[column] / nodes, 2)


def _summary(rows: list[Row]) -> Row:
    by_name = {row["name"]: row for row in rows}
    resnet = by_name.get("resnet50", {})
    return {
        "resnet50": {column: resnet.get(column) for column in ALLOWED},
        "resnet50_allowed": ALLOWED,
        "growth": {
            f"{kind} {depth}": {
                column: _growth(by_name[f"{kind} {depth}"], before, column)
                for column in ALLOWED
            }
            for kind in ("residual", "plain")
            for depth in DEPTHS[1:]
            if (before := by_name.get(f"{kind} {DEPTHS[0]}"))
            and f"{kind} {depth}" in by_name
        },
        "threads": 1,
        "repeats": REPEATS,
    }


def main() -> None:
    torch.set_num_threads(1)
    table = Table("graph_speed", ("name",), ("torch", "timm"))
    networks: dict[str, tuple[Callable[[], nn.Module], int]] = {
        "resnet50": (ZOO["resnet50"].build, 224)
    }
    for depth in DEPTHS:
        networks[f"residual {depth}"] = partial(residual, depth), 16
        networks[f"plain {depth}"] = partial(plain, depth), 16
    for name, (build, size) in networks.items():
        table.add(row := measure(name, build().eval(), size), _summary)
        print(row, flush=True)
    print(_summary(list(table.rows.values())))


if __name__ == "__main__":
    main()
