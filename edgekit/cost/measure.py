"""Fill cells of a cost table: operators timed, counted, or estimated, a batch at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edgekit.agent.schema import MicrobenchmarkSettings
from edgekit.cost import microbenchmark
from edgekit.cost.table_key import TableKey
from edgekit.devices import Device, jobs
from edgekit.errors import DeviceError
from edgekit.scratch import folder as scratch_folder
from edgekit.types import Provenance
from edgekit.types.operator_shape import OperatorShape

# The cheapest thing a runtime can do: what remains is the cost of being called at all.
NOTHING = OperatorShape(kind="elementwise", inputs=1, outputs=1)
# Timed in every batch: a batch in which it is slow fell into a slow spell of the machine.
ANCHOR = OperatorShape(
    kind="conv",
    inputs=16,
    outputs=16,
    size=(32, 32),
    kernel=(3, 3),
    padding=(1, 1),
)

_PATIENCE_S = 300.0
"""A busy machine starts an emulated Python in minutes; a hung one is ended all the same."""


@dataclass(frozen=True, kw_only=True)
class OperatorCost:
    """Cost of one inference of an operator, the empty call included."""

    cost: float
    rounds: tuple[float, ...]
    energy_mj: float | None = None
    """At the power that a meter read while the operator was repeated (`power.py`)."""
    anchor: float | None = None
    """Cost of the anchor in the same batch; `None` where none was timed beside it."""
    fraction: float | None = None
    """Processor time over wall time of its batch; less than 1 where others ran meanwhile."""


Fill = Callable[[Sequence[OperatorShape]], Mapping[str, OperatorCost]]


def measure(
    key: TableKey, provenance: Provenance, device: Device | None, tile: int = 1
) -> Fill:
    """The meter that fills a table of this provenance; `tile` is the profile's channel multiple."""
    if provenance == "estimated":
        return partial(estimate, tile=tile)
    if device is None:
        raise DeviceError(
            f"Costs of provenance '{provenance}' need a device to run on."
        )
    return partial(run, key=key, device=device, counted=provenance == "counted")


def estimate(batch: Sequence[OperatorShape], *, tile: int) -> dict[str, OperatorCost]:
    """Arithmetic operations with widths rounded up to the kernels' tile, and values moved."""
    return {operator.key: _estimated(operator, tile) for operator in batch}


def _estimated(operator: OperatorShape, tile: int) -> OperatorCost:
    outputs = tile * math.ceil(operator.outputs / tile)
    padded = operator.macs * outputs / operator.outputs
    if operator.kind == "attention":
        queries, keys = operator.size
        moved = operator.groups * (operator.inputs * (queries + keys) + queries * keys)
    else:
        read = operator.inputs * math.prod(operator.size)
        moved = read + operator.outputs * math.prod(operator.output_size)
    return OperatorCost(cost=padded + moved, rounds=())


def run(
    batch: Sequence[OperatorShape], *, key: TableKey, device: Device, counted: bool
) -> dict[str, OperatorCost]:
    """One-operator models in one agent process of the device: what each costs."""
    with scratch_folder() as folder:
        paths = [
            microbenchmark.write(operator, key.runtime, key.precision, Path(folder))
            for operator in batch
        ]
        results = _measured(paths, key=key, device=device, counted=counted)
    cells = {}
    for operator, result in zip(batch, results, strict=True):
        if isinstance(result, str):
            raise DeviceError(
                f"{key.runtime} on {device.name} cannot run a {operator.kind} in "
                f"{key.precision} ({operator.key}): {result}"
            )
        cells[operator.key] = result
    return cells


def run_networks(
    networks: Sequence[Sequence[Path]], *, key: TableKey, device: Device, counted: bool
) -> list[OperatorCost]:
    """Whole exported networks, measured as operators are; the first file of each is opened."""
    results = _measured(
        [files[0] for files in networks],
        key=key,
        device=device,
        counted=counted,
        companions=[file for files in networks for file in files[1:]],
    )
    cells = []
    for files, result in zip(networks, results, strict=True):
        if isinstance(result, str):
            raise DeviceError(
                f"{key.runtime} on {device.name} cannot run {files[0].name}: {result}"
            )
        cells.append(result)
    return cells


def _measured(
    paths: Sequence[Path],
    *,
    key: TableKey,
    device: Device,
    counted: bool,
    companions: Sequence[Path] = (),
) -> list[OperatorCost | str]:
    """For each model what it costs, or why it cannot be run."""
    # Instructions repeat: two rounds show by how much. Times need more, and several sessions.
    effort: MicrobenchmarkSettings = (
        {"rounds": 2, "sessions": 1, "min_round_runs": 3}
        if counted
        else {"rounds": 5, "min_round_ms": 1.0}
    )
    unit = "instructions" if counted else "us"
    job = jobs.microbenchmark(
        key.runtime, paths, threads=key.threads, companions=companions, **effort
    )
    reply = device.run(job, timeout_s=_PATIENCE_S + 5.0 * len(paths))
    return [
        str(result["error"])
        if result[unit] is None
        else OperatorCost(
            cost=float(result[unit]),
            rounds=tuple(result[f"rounds_{unit}"]),
            fraction=None if counted else reply.get("processor_fraction"),
        )
        for result in reply["results"]
    ]
