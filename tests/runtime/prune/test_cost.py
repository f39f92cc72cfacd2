"""Micro-models on their real runtimes, and the tables their timings are kept in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from edgekit.devices.local import LocalDevice
from edgekit.errors import DeviceError
from edgekit.prune.cost import CostTable, TableKey
from edgekit.prune.workload import Operator
from edgekit.types import RuntimeName

OPERATORS = (
    Operator(kind="conv", inputs=8, outputs=16, size=(12, 12), kernel=(3, 3), padding=(1, 1)),
    Operator(
        kind="conv", inputs=8, outputs=8, size=(12, 12), kernel=(3, 3), padding=(1, 1),
        stride=(2, 2), groups=8,
    ),
    Operator(kind="conv", inputs=8, outputs=16, size=(12, 12), kernel=(1, 1), groups=2),
    Operator(kind="conv", inputs=4, outputs=4, size=(1, 50), kernel=(1, 5), dilation=(1, 2)),
    Operator(kind="linear", inputs=20, outputs=10, size=(3, 1)),
    Operator(kind="pool", inputs=8, outputs=8, size=(12, 12), kernel=(2, 2), stride=(2, 2)),
    Operator(kind="elementwise", inputs=8, outputs=8, size=(144, 1)),
)  # fmt: skip


class Counting(LocalDevice):
    """The real device, counting the models it was given."""

    def run(self, job: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        SEEN.extend(job["models"])
        if len(SEEN) > STOP_AFTER[0]:
            raise DeviceError("the link was lost")
        return super().run(job, timeout_s=timeout_s)


SEEN: list[str] = []
STOP_AFTER = [10**9]


@pytest.fixture(autouse=True)
def fresh() -> None:
    SEEN.clear()
    STOP_AFTER[0] = 10**9


def table(root: Path, runtime: RuntimeName = "litert") -> CostTable:
    key = TableKey(
        fingerprint="here",
        runtime=runtime,
        runtime_version="1",
        precision="fp32",
        threads=1,
    )
    return CostTable(key, "host", root)


@pytest.mark.parametrize("runtime", ["litert", "onnxruntime", "openvino"])
def test_every_kind_of_operator_runs_on_every_runtime(
    tmp_path: Path, runtime: RuntimeName
) -> None:
    costs = table(tmp_path, runtime)
    costs.measure(OPERATORS, LocalDevice())
    assert all(costs.us(operator) >= 0 for operator in OPERATORS)
    assert costs.us(OPERATORS[0]) > 0


def test_more_work_costs_more(tmp_path: Path) -> None:
    costs = table(tmp_path)
    small = Operator(kind="linear", inputs=64, outputs=64, size=(16, 1))
    large = Operator(kind="linear", inputs=512, outputs=512, size=(16, 1))
    costs.measure([small, large], LocalDevice())
    assert costs.us(large) > 4 * costs.us(small)
    assert large.macs == 64 * small.macs


def test_only_missing_cells_are_measured(tmp_path: Path) -> None:
    assert table(tmp_path).measure(OPERATORS[:3], Counting()) == 4  # and the empty call
    again = table(tmp_path)
    kept = again.us(OPERATORS[0])
    assert again.measure(OPERATORS, Counting()) == len(OPERATORS) - 3
    assert again.us(OPERATORS[0]) == kept
    assert len(SEEN) == len(OPERATORS) + 1


def test_a_killed_run_keeps_the_batches_it_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgekit.prune.cost._BATCH", 2)
    STOP_AFTER[0] = 4
    with pytest.raises(DeviceError):
        table(tmp_path).measure(OPERATORS, Counting())
    STOP_AFTER[0] = 10**9
    assert table(tmp_path).measure(OPERATORS, Counting()) == len(OPERATORS) + 1 - 4


def test_tables_of_different_runtimes_do_not_mix(tmp_path: Path) -> None:
    table(tmp_path, "litert").measure(OPERATORS[:1], LocalDevice())
    assert OPERATORS[0] not in table(tmp_path, "onnxruntime")
