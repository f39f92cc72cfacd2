"""Cost tables: what an operator takes on the runtime that will run it, measured and kept.

A table belongs to one (device, runtime and version, precision, threads, provenance). Cells are
measured when somebody asks for them and stay on disk; those that follow from their neighbors are
not measured (`refine`).
"""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edgekit.cost import doubt, interpolate, microbenchmark, network_model, power
from edgekit.cost.cost_file import CostFile
from edgekit.cost.doubt import cheaper
from edgekit.cost.measure import (
    ANCHOR,
    NOTHING,
    Fill,
    OperatorCost,
    measure,
    run_networks,
)
from edgekit.cost.network_model import Correction, Sample
from edgekit.cost.power import Metered, Power
from edgekit.cost.table_key import TableKey
from edgekit.devices import Device
from edgekit.scratch import folder as scratch_folder
from edgekit.types import CostUnit, Provenance
from edgekit.types.measurement_notes import OperatorsUnmetered
from edgekit.types.notes import CostsTimedBusy
from edgekit.types.operator_shape import OperatorShape, operator_of

UNITS: Mapping[Provenance, CostUnit] = {
    "device": "us",
    "host": "us",
    "counted": "instructions",
    "estimated": "operations",
}
# One agent process measures this many operators: few enough that a crash loses little.
_BATCH = 96
# Fewer where each is metered for half a second at least.
_METERED_BATCH = 16
# Costs nearer to each other than this fraction are one step of the staircase, at least and at most;
# in between it is what the table itself repeats within.
_LEAST_TOLERANCE: Mapping[CostUnit, float] = {
    "us": 0.02,
    "instructions": 0.003,
    "operations": 0.0,
}
_MOST_TOLERANCE = 0.05


@dataclass(frozen=True, kw_only=True)
class TableState:
    """A table at one time: its cells, those inferred, and the networks that correct it."""

    cells: Mapping[str, OperatorCost]
    inferred: Mapping[str, float]
    samples: Mapping[str, tuple[Sample, ...]]


class CostTable:
    """Cost by operator in `unit`, net of the runtime's cost of an empty call."""

    def __init__(
        self, key: TableKey, provenance: Provenance, root: Path, *, tile: int = 1
    ) -> None:
        """`tile` is the profile's channel multiple, which estimates go by."""
        self.key = key
        self._tile = tile
        self.provenance = provenance
        self.unit = UNITS[provenance]
        self._cells: dict[str, OperatorCost] = {}
        self._inferred: dict[str, float] = {}
        self.correction = Correction()
        """From operators to a network; the plain sum until `correct` was called."""
        own = {k: str(v) for k, v in vars(key).items()}
        facts = {**own, "provenance": provenance, "models": microbenchmark.VERSION}
        self._file = CostFile(root / "costs", facts)
        self._cells = {
            name: OperatorCost(
                cost=cost,
                energy_mj=energy,
                rounds=tuple(json.loads(text)),
                anchor=anchor,
                fraction=fraction,
            )
            for name, cost, energy, text, anchor, fraction in self._file.rows("cells")
        }
        found = self._file.facts()
        self.meter: str | None = found.get("meter")
        """The meter of the energy, and its boundary; `None` where none was read."""
        self.boundary: str | None = found.get("boundary")
        self._power = self._powers()
        self._used: set[str] = {NOTHING.key}
        self._stale = {name for name, cell in self._cells.items() if self._doubts(cell)}
        """Cells that builds before this one measured, and that are to be measured again."""
        self._shelf: dict[str, OperatorCost] = {}
        """Cells on disk besides those that a restored state had."""
        self._samples: dict[str, tuple[Sample, ...]] = {}
        """The whole networks of each family that correct the table."""
        self.interpolated = 0
        """Number of costs that were inferred because time was over."""

    def __contains__(self, operator: OperatorShape) -> bool:
        return operator.key in self._cells or operator.key in self._inferred

    def __len__(self) -> int:
        """Number of measured cells."""
        return len(self._cells)

    def cost(self, operator: OperatorShape) -> float:
        """Cost of the operator inside a network, in `unit`: its own cost, corrected by the
        networks given to `correct`; `KeyError` where it was never measured nor inferred."""
        return self.correction.operator(operator, self.cost_alone(operator))

    def cost_alone(self, operator: OperatorShape) -> float:
        """Cost in `unit` of the operator by itself."""
        name = operator.key
        whole = self._cells[name].cost if name in self._cells else self._inferred[name]
        return max(0.0, whole - self.empty_call)

    def energy_mj(self, operator: OperatorShape) -> float | None:
        """Energy of the operator inside a network in millijoules: its cost in time at its
        power, or at that of those near to it; `None` where no meter was read."""
        watts = self._power.watts(operator)
        return None if watts is None else self.cost(operator) * watts / 1e3

    @property
    def metered(self) -> int:
        """Number of cells with energy of their own."""
        return sum(cell.energy_mj is not None for cell in self._cells.values())

    @property
    def empty_call(self) -> float:
        """Cost of a nearly empty call, in `unit`."""
        return self._cells[NOTHING.key].cost if NOTHING.key in self._cells else 0.0

    @property
    def repeatability(self) -> float | None:
        """Repeatability of cells: median over cells of their two least rounds' difference."""
        spreads = [
            (low[1] - low[0]) / low[0]
            for cell in self._cells.values()
            if len(low := sorted(cell.rounds)[:2]) == 2 and low[0] > 0
        ]
        return statistics.median(spreads) if spreads else None

    @property
    def doubt(self) -> CostsTimedBusy | None:
        """Why a plan by the cells in use promises nothing; `None` where they were timed at rest."""
        cells = [cell for name, cell in self._cells.items() if name in self._used]
        if not doubt.many(cells, self._doubts):
            return None
        count = sum(map(self._doubts, cells))
        return CostsTimedBusy(
            doubtful=count, operators=len(cells), runtime=self.key.runtime
        )

    @property
    def _least_anchor(self) -> float | None:
        """The least that the anchor ever took."""
        anchor = self._cells.get(ANCHOR.key)
        return anchor.cost if anchor else None

    def _doubts(self, cell: OperatorCost) -> bool:
        return self.unit == "us" and doubt.doubtful(cell, self._least_anchor)

    @property
    def tolerance(self) -> float:
        """Costs within this fraction of each other count as equal."""
        least = _LEAST_TOLERANCE[self.unit]
        return min(max(least, 2 * (self.repeatability or 0.0)), _MOST_TOLERANCE)

    def measure(
        self,
        operators: Iterable[OperatorShape],
        device: Device | None,
        on_progress: Callable[[int, int], None] | None = None,
        deadline: float = math.inf,
    ) -> int:
        """Measure what is missing and does not follow from its neighbors; returns how many.

        Each batch is on disk before the next begins, so a killed run loses at most one. Cells
        that a build before this one measured on a busy machine are measured again. Past the
        `deadline` (of `time.monotonic`) the ends of each operator's widths are still measured,
        and the rest is interpolated.
        """
        requested = list({o.key: o for o in operators}.values())
        self._used.update(operator.key for operator in requested)
        asked = sum(operator not in self for operator in requested)
        again = [o for o in (NOTHING, *requested) if o.key in self._stale]
        if not asked and not again:
            return 0
        fill = measure(self.key, self.provenance, device, self._tile)
        measured = self._refill(fill, again)
        first = True
        while missing := self._turn(requested):
            missing = self._off_the_shelf(missing)
            for start in range(0, len(missing), _BATCH):
                if not first and time.monotonic() >= deadline:
                    self._interpolate(requested)
                    return measured
                batch = missing[start : start + _BATCH]
                self._record(self._steadily(fill, batch))
                measured += len(batch)
                if on_progress:
                    on_progress(sum(o in self for o in requested), len(requested))
            first = False
        return measured

    def meter_power(
        self,
        operators: Iterable[OperatorShape],
        device: Device,
        meter: str = "auto",
        on_progress: Callable[[int, int], None] | None = None,
    ) -> OperatorsUnmetered | None:
        """Meter the corners of what is wanted, as far as it was not; why there is no energy.

        `None` where there is. Readings of another meter are dropped. The cells must be
        measured, in time.
        """
        if self.unit != "us":
            return OperatorsUnmetered(kind="costs_without_power", value=self.unit)
        if meter not in ("auto", self.meter):
            self._forget_energy()
        requested = [
            operator
            for operator in power.corners(operators)
            if (cell := self._cells.get(operator.key)) and cell.energy_mj is None
        ]
        for start in range(0, len(requested), _METERED_BATCH):
            batch = requested[start : start + _METERED_BATCH]
            found = power.metered(batch, key=self.key, device=device, meter=meter)
            if found.missing is not None:
                return found.missing
            self._record_energy(found)
            if on_progress:
                on_progress(start + len(batch), len(requested))
        if not self.metered:
            name = self.meter or meter
            return OperatorsUnmetered(kind="none_resolved", value=name)
        return None

    def measure_networks(
        self,
        networks: Sequence[tuple[Sequence[Path], Sequence[OperatorShape]]],
        device: Device,
        family: str,
    ) -> list[Sample]:
        """Measure whole exported networks, files and operators each, and keep what they cost.

        `family` names the network they were cut from: networks of one family explain each other.
        """
        self.measure([o for _, operators in networks for o in operators], device)
        cells, busy = self._steady_networks([files for files, _ in networks], device)
        samples = [
            Sample(operators=tuple(operators), cost=cell.cost)
            for (_, operators), cell in zip(networks, cells, strict=True)
        ]
        rows = [(family, sample.text, sample.cost) for sample in samples]
        if not busy:  # else a later build measures them again
            self._file.put("networks", rows)
        return samples

    def networks(self, family: str) -> list[Sample]:
        """The whole networks of a family that were measured, here or by builds before.

        Of a restored state those that corrected it.
        """
        if family in self._samples:
            return [*self._samples[family]]
        return [Sample.read(*row) for row in self._file.networks(family)]

    def state(self) -> TableState:
        """All that plans by this table depend on, as it is now."""
        return TableState(
            cells=self._cells, inferred=self._inferred, samples=self._samples
        )

    def restore(self, state: TableState) -> None:
        """From now on plans are made by this state, as they were when it was taken.

        Cells that were measured since are used where they are asked for; nothing is measured
        again for having been measured on a busy machine.
        """
        self._shelf = {k: c for k, c in self._cells.items() if k not in state.cells}
        self._cells, self._inferred = dict(state.cells), dict(state.inferred)
        self._samples, self._stale = dict(state.samples), set()

    def correct(
        self, samples: Sequence[Sample], device: Device | None, family: str = ""
    ) -> None:
        """From now on `cost` is what explains these whole networks of a family best.

        Operators of theirs that were not measured are; those that followed from their neighbors
        in the process that measured the networks are not on disk.
        """
        self.measure([o for sample in samples for o in sample.operators], device)
        self.correction = network_model.fit(samples, self.cost_alone)
        self._samples[family] = tuple(samples)

    def _steadily(
        self, fill: Fill, batch: Sequence[OperatorShape]
    ) -> Mapping[str, OperatorCost]:
        """The batch, and once more where the machine was slower than it has been."""
        if self.unit != "us":
            return fill(batch)
        cells = doubt.beside_anchor(fill, batch)
        least = self._least_anchor
        if doubt.many(cells.values(), partial(doubt.unsteady, least=least)):
            again = doubt.beside_anchor(fill, batch)
            cells = {name: cheaper(cell, again[name]) for name, cell in cells.items()}
        if least is not None:
            before = self._cells[ANCHOR.key]
            cells = {**cells, ANCHOR.key: cheaper(cells[ANCHOR.key], before)}
        return cells

    def _refill(self, fill: Fill, stale: Sequence[OperatorShape]) -> int:
        """Measure doubtful cells again until the machine is seen to be busy still."""
        self._stale.difference_update(operator.key for operator in stale)
        for start in range(0, len(stale), _BATCH):
            batch = stale[start : start + _BATCH]
            found = self._steadily(fill, batch)
            busy = doubt.many(found.values(), self._doubts)
            kept = {o.key: self._cells[o.key] for o in batch} if busy else {}
            self._record({k: cheaper(c, kept.get(k, c)) for k, c in found.items()})
            if busy:
                return start + len(batch)
        return len(stale)

    def _steady_networks(
        self, networks: Sequence[Sequence[Path]], device: Device
    ) -> tuple[list[OperatorCost], bool]:
        """The networks, once more where the machine was slower than for its cells, and whether
        it still was."""
        counted = self.provenance == "counted"
        run = partial(run_networks, key=self.key, device=device, counted=counted)
        least = self._least_anchor
        if counted or least is None:
            return run(networks), False
        with scratch_folder() as folder:
            key = self.key
            anchor = microbenchmark.write(
                ANCHOR, key.runtime, key.precision, Path(folder)
            )
            *cells, beside = run([*networks, (anchor,)])
            if doubt.slow(beside.cost, least):
                *again, beside = run([*networks, (anchor,)])
                cells = [cheaper(*pair) for pair in zip(cells, again, strict=True)]
        return cells, doubt.slow(beside.cost, least)

    @property
    def _known(self) -> dict[str, float]:
        return {**self._inferred, **{k: c.cost for k, c in self._cells.items()}}

    def _turn(self, requested: Sequence[OperatorShape]) -> Sequence[OperatorShape]:
        if all(operator in self for operator in requested):
            return ()
        turn = interpolate.step(requested, self._known, self.tolerance)
        self._inferred.update(turn.inferred)
        first = [] if NOTHING in self else [NOTHING]
        return [*first, *(o for o in turn.missing if o != NOTHING)]

    def _interpolate(self, requested: Sequence[OperatorShape]) -> None:
        """Infer what is missing, without another look whether that holds."""
        found = interpolate.rest(requested, self._known)
        self._inferred.update(found)
        self.interpolated += len(found)

    def _off_the_shelf(
        self, operators: Sequence[OperatorShape]
    ) -> Sequence[OperatorShape]:
        """Take what was measured already; the rest."""
        there = {
            o.key: self._shelf.pop(o.key) for o in operators if o.key in self._shelf
        }
        self._cells.update(there)
        return [o for o in operators if o.key not in there]

    def _record(self, cells: Mapping[str, OperatorCost]) -> None:
        rows = [
            (
                *(name, cell.cost, cell.energy_mj, json.dumps(cell.rounds)),
                *(cell.anchor, cell.fraction),
            )
            for name, cell in cells.items()
        ]
        self._file.put("cells", rows)
        self._cells.update(cells)

    def _record_energy(self, found: Metered) -> None:
        drawn = {
            operator.key: self._cells[operator.key].cost * watts / 1e3
            for operator, watts in found.watts.items()
        }
        self._record(
            {k: replace(self._cells[k], energy_mj=mj) for k, mj in drawn.items()}
        )
        self.meter, self.boundary = found.meter, found.boundary
        facts = [("meter", found.meter), ("boundary", found.boundary)]
        self._file.put("facts", facts)
        self._power = self._powers()

    def _forget_energy(self) -> None:
        self._cells = {k: replace(c, energy_mj=None) for k, c in self._cells.items()}
        self._file.forget_energy()
        self._power = self._powers()

    def _powers(self) -> Power:
        return Power(
            {
                operator_of(name): 1e3 * cell.energy_mj / cell.cost
                for name, cell in self._cells.items()
                if cell.energy_mj is not None and cell.cost > 0
            }
        )

    @property
    def path(self) -> Path:
        """Where the table is kept."""
        return self._file.path
