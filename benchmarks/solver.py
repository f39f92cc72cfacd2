"""Planning time of a ResNet-50, by measured sensitivity, blocks included, and its exactness.

    python -m benchmarks.solver
    python -m benchmarks.solver --source host

Widths of all groups at 224 x 224, with and without whole residual blocks (`blocks` that may be
dropped), for speed-ups from 1.2 to 6, and for one with budgets of size, activation memory and
operations besides. Sensitivity is measured on the network with random weights and one random
image: the solver's work depends on the spread of the values, not on training. Costs are
`estimated` from channel multiples of 8, or of this machine's LiteRT (`host`: minutes the first
time). `seconds` is processor time, one thread; `gap` is the solver's own bound on what a better
plan could save, as a fraction of the damage.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

import torch

from benchmarks.results import Row, Table
from edgekit.cost.table import CostTable
from edgekit.cost.table_key import TableKey
from edgekit.devices.local import LocalDevice
from edgekit.graph.graph import WidthGraph, analyze
from edgekit.program.program import trace
from edgekit.prune.importance import importance
from edgekit.prune.planner import Planner
from edgekit.prune.sensitivity import sensitivity
from edgekit.prune.solution import Limits
from edgekit.store import Store
from edgekit.types import InputSpec, Provenance
from tests.zoo.models import ZOO

SPEEDUPS = (1.2, 1.5, 2.0, 3.0, 4.0, 6.0)
ALLOWED_S = 20.0
TOGETHER = "2.0 with size, memory and operations"
_SIDE, _SAMPLES = 224, 1


def planner_of(graph: WidthGraph, provenance: Provenance, *, blocks: bool) -> Planner:
    device = LocalDevice()
    key = TableKey(
        fingerprint=device.fingerprint() if provenance == "host" else "tile 8",
        runtime="litert",
        runtime_version=metadata.version("ai-edge-litert"),
        precision="fp32",
        threads=1,
    )
    table = CostTable(key, provenance, Store().root, tile=8)
    planner = Planner(graph, table, multiple=8, min_keep=0.1, drop_blocks=blocks)
    planner.measure(device, lambda done, total: print(f"{done}/{total}", end="\r"))
    return planner


def limits(planner: Planner) -> Iterator[tuple[str, Limits]]:
    full = planner.cost({}, LocalDevice())
    for speedup in SPEEDUPS:
        yield f"{speedup:g}", Limits(cost=full / speedup)
    yield (
        TOGETHER,
        Limits(
            cost=full / 2,
            parameters=planner.parameters() // 2,
            activation_bytes=planner.activation_bytes() * 3 // 4,
            macs=planner.macs() * 2 // 5,
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--provenance", choices=("estimated", "host"), default="estimated"
    )
    provenance: Provenance = parser.parse_args().provenance
    table = Table("solver", ("provenance", "blocks", "asked"), ("scipy", "torch"))
    torch.manual_seed(0)
    network = ZOO["resnet50"].build()
    graph = analyze(trace(network, (InputSpec(shape=(3, _SIDE, _SIDE)),)))
    scores = importance(graph, "l2")
    start = time.process_time()
    senses = sensitivity(
        graph,
        scores,
        [(torch.randn(_SAMPLES, 3, _SIDE, _SIDE),)],
        blocks=graph.blocks,
    )
    print(f"damage of each cut measured in {time.process_time() - start:.0f} s")
    for blocks in (True, False):
        planner = planner_of(graph, provenance, blocks=blocks)
        for asked, limit in limits(planner):
            if table.find(
                provenance=provenance, blocks=len(planner.blocks), asked=asked
            ):
                continue
            start, wall = time.process_time(), time.perf_counter()
            solution = planner.solve(scores, limit, senses)
            row: Row = {
                "provenance": provenance,
                "blocks": len(planner.blocks),
                "asked": asked,
                "seconds": round(time.process_time() - start, 2),
                "wall_seconds": round(time.perf_counter() - wall, 2),
                "gap": solution.gap,
                "optimal": solution.optimal,
                "speedup": round(planner.whole().cost / solution.cost, 3),
                "blocks_dropped": len(solution.dropped),
                "groups": len(graph.groups),
            }
            table.add(row, summarize)
            print(row, flush=True)


def summarize(rows: list[Row]) -> Mapping[str, Any]:
    return {
        "seconds_most": max(row["seconds"] for row in rows),
        "seconds_allowed": ALLOWED_S,
        "gap_most": max(row["gap"] for row in rows),
    }


if __name__ == "__main__":
    main()
