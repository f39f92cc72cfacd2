"""Micro-models on their real runtimes, and the tables their timings are kept in."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.cost import microbenchmark
from edgekit.cost.table import CostTable
from edgekit.cost.table_key import TableKey
from edgekit.devices.local import LocalDevice
from edgekit.types import Precision, RuntimeName
from edgekit.types.notes import CostsTimedBusy
from edgekit.types.operator_shape import OperatorShape

OPERATORS = (
    OperatorShape(kind="conv", inputs=8, outputs=16, size=(12, 12), kernel=(3, 3), padding=(1, 1)),
    OperatorShape(
        kind="conv", inputs=8, outputs=8, size=(12, 12), kernel=(3, 3), padding=(1, 1),
        stride=(2, 2), groups=8,
    ),
    OperatorShape(kind="conv", inputs=8, outputs=16, size=(12, 12), kernel=(1, 1), groups=2),
    OperatorShape(kind="conv", inputs=4, outputs=4, size=(1, 50), kernel=(1, 5), dilation=(1, 2)),
    OperatorShape(kind="linear", inputs=20, outputs=10, size=(3, 1)),
    OperatorShape(kind="pool", inputs=8, outputs=8, size=(12, 12), kernel=(2, 2), stride=(2, 2)),
    OperatorShape(kind="elementwise", inputs=8, outputs=8, size=(144, 1)),
    OperatorShape(kind="slice", inputs=8, outputs=8, size=(12, 12), stride=(2, 1)),
    OperatorShape(kind="pad", inputs=8, outputs=12, size=(12, 12), padding=(1, 0)),
)  # fmt: skip
LARGE = replace(OPERATORS[0], inputs=64, outputs=64, size=(32, 32))
"""Takes many times an empty call, whatever slows that one down."""


class Counting(LocalDevice):
    """The real device, counting the models it was given.

    It reports an idle machine: cells that were timed beside something else are timed again, and
    these tests count.
    """

    def run(self, job: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        if job["kind"] != "microbenchmark":
            return super().run(job, timeout_s=timeout_s)
        SEEN.extend(job["models"])
        found = super().run(job, timeout_s=timeout_s)
        rows = [{**row, "rounds_us": [row["us"]] * 2} for row in found["results"]]
        for row in rows:
            if ANCHOR in row["path"]:
                row["us"] = 50.0
        return {**found, "results": rows, "processor_fraction": 1.0}


Array = np.ndarray[Any, np.dtype[Any]]
ANCHOR = "conv-16_16_32_32"
"""Timed in every batch, to see whether the machine is slow."""
SEEN: list[str] = []


@pytest.fixture(autouse=True)
def fresh() -> None:
    SEEN.clear()


def table(
    root: Path, runtime: RuntimeName = "litert", precision: Precision = "fp32"
) -> CostTable:
    key = TableKey(
        fingerprint="here",
        runtime=runtime,
        runtime_version="1",
        precision=precision,
        threads=1,
    )
    return CostTable(key, "host", root)


def test_only_missing_cells_are_measured(tmp_path: Path) -> None:
    assert table(tmp_path).measure(OPERATORS[:3], Counting()) == 4  # and the empty call
    again = table(tmp_path)
    kept = again.cost(OPERATORS[0])
    SEEN.clear()
    assert again.measure(OPERATORS, Counting()) == len(OPERATORS) - 3
    assert again.cost(OPERATORS[0]) == kept
    # Each once, or all once more where the machine was slow.
    given = {Path(path).stem for path in SEEN if ANCHOR not in path}
    assert given == {
        microbenchmark.write(operator, "litert", "fp32", tmp_path).stem
        for operator in OPERATORS[3:]
    }


MEASURING = """
import sys
from pathlib import Path
from edgekit.cost import table as costs
from tests.runtime.cost.test_table import OPERATORS, Counting, table

costs._BATCH = 2
table(Path(sys.argv[1])).measure(OPERATORS, Counting())
"""


def test_a_killed_run_keeps_the_batches_it_finished(tmp_path: Path) -> None:
    measuring = subprocess.Popen(
        [sys.executable, "-c", MEASURING, str(tmp_path)], cwd=Path(__file__).parents[3]
    )
    try:
        end = time.monotonic() + 120
        while len(table(tmp_path)) < 4 and time.monotonic() < end:
            time.sleep(0.02)
    finally:
        measuring.kill()
        measuring.wait()
    assert measuring.returncode == -signal.SIGKILL
    kept = table(tmp_path)
    survived = [operator for operator in OPERATORS if operator in kept]
    assert 2 <= len(survived) < len(OPERATORS)
    kept.measure(OPERATORS, Counting())
    timed = {Path(path).stem for path in SEEN}
    for operator in OPERATORS:
        name = microbenchmark.write(operator, "litert", "fp32", tmp_path).stem
        assert (name in timed) == (operator not in survived)


class Shared(Counting):
    """The real device with half of a processor."""

    def run(self, job: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        return {**super().run(job, timeout_s=timeout_s), "processor_fraction": 0.5}


def test_what_was_timed_beside_something_else_is_timed_again(tmp_path: Path) -> None:
    busy = table(tmp_path)
    busy.measure(OPERATORS[:3], Shared())
    assert busy.doubt == CostsTimedBusy(doubtful=4, operators=4, runtime="litert")
    again = table(tmp_path)
    assert again.measure(OPERATORS[:3], Counting()) == 4
    assert again.doubt is None
    SEEN.clear()
    assert table(tmp_path).measure(OPERATORS[:3], Counting()) == 0
    assert SEEN == []


def test_tables_of_different_runtimes_do_not_mix(tmp_path: Path) -> None:
    table(tmp_path, "litert").measure(OPERATORS[:1], LocalDevice())
    assert OPERATORS[0] not in table(tmp_path, "onnxruntime")


class Slow(LocalDevice):
    """The real device; of its first job every figure counts ten times."""

    def run(self, job: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        found = super().run(job, timeout_s=timeout_s)
        slow = 1.0 if LINES else 10.0
        rows = [{**row, "us": slow * row["us"]} for row in found["results"]]
        LINES.append(rows[0]["us"])
        return {**found, "results": rows}


LINES: list[float] = []


def test_networks_are_measured_again_after_a_slow_spell(tmp_path: Path) -> None:
    LINES.clear()
    costs = table(tmp_path)
    costs.measure(OPERATORS[:1], LocalDevice())
    network = microbenchmark.write(OPERATORS[0], "litert", "fp32", tmp_path)
    [sample] = costs.measure_networks([((network,), OPERATORS[:1])], Slow(), "family")
    assert len(LINES) == 2
    assert sample.cost == min(LINES)
