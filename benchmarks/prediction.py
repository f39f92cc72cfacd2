"""Prediction of whole exported networks by operators' costs: LiteRT, fp32, one thread.

    python -m benchmarks.prediction --provenance host
    python -m benchmarks.prediction --provenance host --busy
    python -m benchmarks.prediction --provenance counted

Two networks (the digits example; ResNet-20 for 32 x 32 images), each whole and cut at random to
four sizes, are exported and measured as their operators were: timed here, or counted in the real
aarch64 LiteRT as a Cortex-A72. `error` is that of a prediction fitted to the other sizes of the
same network (`edgekit.cost.network_model`), `error_of_sum` that of the plain sum of operators.
Where the machine is `busy`, two processes burn a processor each all the while, and operators are
timed again; `doubtful` counts those that a build would name, and `promises` is false where it warns
that predictions from this table promise nothing.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.false_alarms import load
from benchmarks.results import Row, Table
from benchmarks.staircase import device_of
from edgekit.config.resources import shipped
from edgekit.cost import network_model
from edgekit.cost.operator_shape import describe
from edgekit.cost.table import CostTable
from edgekit.cost.table_key import TableKey
from edgekit.export.workers import export_all
from edgekit.graph.graph import WidthGraph, analyze
from edgekit.graph.surgery import shrink
from edgekit.program.program import Program, trace
from edgekit.sources import load as read_network
from edgekit.store import Store
from edgekit.types import InputSpec, ModelSpec, Provenance
from edgekit.types.operator_shape import OperatorShape
from tests.zoo.exactness import random_plan
from tests.zoo.models import ZOO

FRACTIONS = (0.0, 0.2, 0.4, 0.55, 0.7)
"""Of every group's units dropped; each rounded to its own count, so sums of widths vary."""


BURNING = 2
_BURN = "import os, sys\nwhile os.getppid() == int(sys.argv[2]): sum(range(10000))"


def networks() -> dict[str, Program]:
    digits = read_network(
        ModelSpec(source="model.py:build", input=InputSpec(shape=(1, 8, 8))),
        root=shipped("examples/digits"),
    )
    torch.manual_seed(0)
    entry = ZOO["resnet20"]
    return {"digits": digits, "resnet20": trace(entry.build(), entry.inputs)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--provenance", choices=("host", "counted"), required=True)
    parser.add_argument("--network", choices=("digits", "resnet20"))
    parser.add_argument("--busy", action="store_true", help="beside burning processes")
    arguments = parser.parse_args()
    if arguments.busy:
        with tempfile.TemporaryDirectory() as empty, load(_BURN, BURNING):
            measure(arguments.provenance, arguments.network, Path(empty), busily=True)
    else:
        measure(arguments.provenance, arguments.network, Store().root, busily=False)


def measure(
    provenance: Provenance, only: str | None, root: Path, *, busily: bool
) -> None:
    """Rows of the networks, by operators whose costs are kept below `root`."""
    device, version = device_of(provenance)
    key = TableKey(
        fingerprint=device.fingerprint(),
        runtime="litert",
        runtime_version=version,
        precision="fp32",
        threads=1,
    )
    costs = CostTable(key, provenance, root)
    table = Table(
        "prediction", ("provenance", "network", "dropped"), ("ai-edge-litert", "torch")
    )
    for name, program in networks().items():
        if only not in (None, name):
            continue
        graph = analyze(program)
        cut = {
            fraction: shrink(graph, random_plan(graph.groups, fraction))
            for fraction in FRACTIONS
        }
        files = {
            fraction: _exported(name, fraction, cut[fraction]) for fraction in FRACTIONS
        }
        operators = {
            fraction: _operators(analyze(cut[fraction])) for fraction in FRACTIONS
        }
        costs.measure([o for some in operators.values() for o in some], device)
        samples = costs.measure_networks(
            [(files[fraction], operators[fraction]) for fraction in FRACTIONS],
            device,
            name,
        )
        found = network_model.errors(samples, costs.cost_alone)
        for fraction, sample, error in zip(FRACTIONS, samples, found, strict=True):
            plain = sum(map(costs.cost_alone, sample.operators))
            row: Row = {
                "provenance": f"{provenance}, busy" if busily else provenance,
                "network": name,
                "dropped": fraction,
                "unit": costs.unit,
                "measured": round(sample.cost, 1),
                "error": round(error, 4),
                "error_of_sum": round(abs(plain - sample.cost) / sample.cost, 4),
                "operators": len(sample.operators),
                "device": key.fingerprint,
            }
            if busily:
                doubt = costs.doubt
                row["doubtful"] = doubt.doubtful if doubt else 0
                row["promises"] = doubt is None
            table.add(row, summarize)
            print(row, flush=True)
    print(summarize(list(table.rows.values())))


def summarize(rows: list[Row]) -> dict[str, Any]:
    found: dict[str, Any] = {"prediction_error_median": {}, "prediction_error_most": {}}
    for provenance in sorted({row["provenance"] for row in rows}):
        errors = [row["error"] for row in rows if row["provenance"] == provenance]
        found["prediction_error_median"][provenance] = statistics.median(errors)
        found["prediction_error_most"][provenance] = max(errors)
    return found


def _operators(graph: WidthGraph) -> list[OperatorShape]:
    nodes = graph.program.module.graph.nodes
    return [o for node in nodes if (o := describe(graph, node)) is not None]


def _exported(name: str, fraction: float, program: Program) -> tuple[Path, ...]:
    """The network's LiteRT file, kept: a conversion takes seconds."""
    entry = f"{name}-{fraction:g}-{program.fingerprint()[:12]}"

    def write(folder: Path) -> None:
        export_all(program, [("litert", "fp32")], calibration=None, folder=folder)

    return tuple(Store().keep("prediction", entry, write).rglob("*.tflite"))


if __name__ == "__main__":
    main()
