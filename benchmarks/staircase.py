"""Cost of a 3x3 convolution from 16 channels at each width it writes, at 32 x 32, in LiteRT.

    python -m benchmarks.staircase --provenance host
    python -m benchmarks.staircase --provenance counted

`host` times it on this machine; `counted` counts the instructions that the real aarch64 LiteRT
executes under emulation as a Cortex-A72 (needs qemu-user, gcc and Debian's packages; no board).
Every width from 2 to 32 in steps of 2, fp32 with a rectifier and int8, one thread. `steps` names
the widths just past which cost rises by a tenth; `dips` those that cost less than a narrower one.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import metadata
from itertools import pairwise
from typing import Any

from benchmarks.results import Row, Table
from edgekit.cost.measure import run
from edgekit.cost.table_key import TableKey
from edgekit.devices import Device
from edgekit.devices.emulated import EmulatedDevice, missing
from edgekit.devices.local import LocalDevice
from edgekit.store import Store
from edgekit.types import Precision
from edgekit.types.operator_shape import OperatorShape

CORE = "cortex-a72"
WIDTHS = tuple(range(2, 33, 2))
PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
REPEATS = 3
"""Processes; of a width's costs in them the least is taken, their spread is its noise."""
_RISE = 1.1


def conv(outputs: int) -> OperatorShape:
    return OperatorShape(
        kind="conv",
        inputs=16,
        outputs=outputs,
        size=(32, 32),
        kernel=(3, 3),
        padding=(1, 1),
        relu=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--provenance", choices=("host", "counted"), required=True)
    provenance = parser.parse_args().provenance
    device, version = device_of(provenance)
    table = Table(
        "staircase", ("provenance", "precision", "width"), ("ai-edge-litert",)
    )
    for precision in PRECISIONS:
        key = TableKey(
            fingerprint=device.fingerprint(),
            runtime="litert",
            runtime_version=version,
            precision=precision,
            threads=1,
        )
        found = [
            run(
                list(map(conv, WIDTHS)),
                key=key,
                device=device,
                counted=provenance == "counted",
            )
            for _ in range(REPEATS)
        ]
        for width in WIDTHS:
            costs = [cells[conv(width).key].cost for cells in found]
            row: Row = {
                "provenance": provenance,
                "precision": precision,
                "width": width,
                "unit": "instructions" if provenance == "counted" else "us",
                "cost": round(min(costs), 2),
                "spread": round(max(costs) / min(costs) - 1, 5),
                "device": key.fingerprint,
            }
            table.add(row, summarize)
    _show([row for row in table.rows.values() if row["provenance"] == provenance])


def summarize(rows: list[Row]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for provenance, precision in sorted(
        {(r["provenance"], r["precision"]) for r in rows}
    ):
        costs = {
            row["width"]: row["cost"]
            for row in rows
            if (row["provenance"], row["precision"]) == (provenance, precision)
        }
        found[f"{provenance}_{precision}"] = {
            "steps": steps(costs),
            "dips": dips(costs),
            "spread_most": max(
                row["spread"]
                for row in rows
                if (row["provenance"], row["precision"]) == (provenance, precision)
            ),
        }
    return found


def steps(costs: dict[int, float]) -> list[int]:
    """The widths after which the next is dearer by a tenth."""
    widths = sorted(costs)
    return [low for low, high in pairwise(widths) if costs[high] > _RISE * costs[low]]


def dips(costs: dict[int, float]) -> list[int]:
    """The widths that cost a tenth less than one that is narrower."""
    widths = sorted(costs)
    return [
        width
        for number, width in enumerate(widths)
        if any(costs[narrow] > _RISE * costs[width] for narrow in widths[:number])
    ]


def device_of(provenance: str) -> tuple[Device, str]:
    """Device of a provenance, and the version of its LiteRT."""
    if provenance == "host":
        return LocalDevice(), metadata.version("ai-edge-litert")
    lacking = missing(CORE)
    if lacking:
        raise SystemExit(f"Cannot count instructions of a {CORE}: {lacking}.")
    device = EmulatedDevice(core=CORE, kept=Store())
    device.prepare(lambda done, total, note: print(f"{done}/{total} {note}"))
    return device, device.runtimes["litert"]


def _show(rows: Sequence[Row]) -> None:
    print("width " + "".join(f"{precision:>12}" for precision in PRECISIONS))
    for width in WIDTHS:
        cells = {row["precision"]: row["cost"] for row in rows if row["width"] == width}
        print(f"{width:5} " + "".join(f"{cells[p]:12,.1f}" for p in PRECISIONS))


if __name__ == "__main__":
    main()
