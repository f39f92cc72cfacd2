"""Cost tables: what an operator takes on the runtime that will run it, measured and kept.

A table belongs to one (device, runtime and version, precision, threads). Cells are measured
when somebody asks for them and stay on disk; between measured widths the cost is interpolated
(Yang et al., "NetAdapt", 2018, arXiv:1804.03230, plans against such tables).
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit import store
from edgekit.devices import Device
from edgekit.errors import DeviceError, OutputError
from edgekit.prune import micro
from edgekit.prune.workload import Operator
from edgekit.types import CostSource, Precision, RuntimeName

# One agent process measures this many operators: few enough that a crash loses little.
_BATCH = 96
_ROUNDS = 5
_MIN_ROUND_MS = 1.0
# The cheapest thing a runtime can do: what remains is the cost of being called at all.
_NOTHING = Operator(kind="elementwise", inputs=1, outputs=1)


@dataclass(frozen=True, kw_only=True)
class TableKey:
    """What a table's figures depend on besides the operator."""

    fingerprint: str
    runtime: RuntimeName
    runtime_version: str
    precision: Precision
    threads: int


class CostTable:
    """Microseconds by operator, net of the runtime's cost of an empty call."""

    def __init__(self, key: TableKey, source: CostSource, root: Path) -> None:
        self.key = key
        self.source = source
        self._us: dict[str, float] = {}
        name = store.key(*(str(value) for value in vars(key).values()))
        self._path = root / "costs" / f"{name}.sqlite"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._open().close()
        except (OSError, sqlite3.Error) as error:
            raise OutputError(
                f"Cannot write the cost tables in {self._path.parent} ({error}). "
                "Set EDGEKIT_CACHE to a folder that can be written."
            ) from error
        with self._open() as rows:
            self._us = dict(rows.execute("SELECT operator, us FROM cells"))

    def __contains__(self, operator: Operator) -> bool:
        return operator.key in self._us

    def us(self, operator: Operator) -> float:
        """Cost in microseconds; `KeyError` where it was never measured."""
        empty = self._us.get(_NOTHING.key, 0.0)
        return max(0.0, self._us[operator.key] - empty)

    @property
    def empty_call_us(self) -> float:
        return self._us.get(_NOTHING.key, 0.0)

    def measure(
        self,
        operators: Iterable[Operator],
        device: Device,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> int:
        """Measure the cells that are missing, a batch at a time; returns how many.

        Each batch is on disk before the next begins, so a killed run loses at most one.
        """
        wanted = {o.key: o for o in (_NOTHING, *operators) if o not in self}
        missing = list(wanted.values())
        for start in range(0, len(missing), _BATCH):
            batch = missing[start : start + _BATCH]
            self._record(_run(batch, self.key, device))
            if on_progress:
                on_progress(min(start + _BATCH, len(missing)), len(missing))
        return len(missing)

    def _record(self, cells: Mapping[str, tuple[float, Sequence[float]]]) -> None:
        rows = [
            (name, us, json.dumps(list(rounds))) for name, (us, rounds) in cells.items()
        ]
        with self._open() as table:
            table.executemany("INSERT OR REPLACE INTO cells VALUES (?, ?, ?)", rows)
        self._us.update({name: us for name, (us, _) in cells.items()})

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=30)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS cells "
            "(operator TEXT PRIMARY KEY, us REAL NOT NULL, rounds_us TEXT NOT NULL)"
        )
        return connection


def _run(
    batch: Sequence[Operator], key: TableKey, device: Device
) -> dict[str, tuple[float, Sequence[float]]]:
    """Time one-operator models in one agent process: operator key -> (us, us of each round)."""
    with tempfile.TemporaryDirectory(prefix="edgekit-micro-") as folder:
        paths = [micro.write(operator, key.runtime, Path(folder)) for operator in batch]
        job: dict[str, Any] = {
            "schema": 1,
            "kind": "micro",
            "runtime": key.runtime,
            "threads": key.threads,
            "models": [str(path) for path in paths],
            "rounds": _ROUNDS,
            "min_round_ms": _MIN_ROUND_MS,
        }
        results = device.run(job, timeout_s=60 + 2.0 * len(batch))["results"]
    cells = {}
    for operator, result in zip(batch, results, strict=True):
        if result["us"] is None:
            raise DeviceError(
                f"{key.runtime} on {device.name} cannot run a {operator.kind} "
                f"({operator.key}): {result['error']}"
            )
        cells[operator.key] = (float(result["us"]), result["rounds_us"])
    return cells
