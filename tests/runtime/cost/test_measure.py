"""Operators measured on every runtime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.agent.schema import SCHEMA
from edgekit.cost import microbenchmark
from edgekit.devices.local import LocalDevice
from edgekit.types import Precision, RuntimeName
from edgekit.types.operator_shape import OperatorShape
from tests.runtime.cost.test_table import LARGE, OPERATORS, table


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("runtime", ["litert", "onnxruntime", "openvino"])
def test_every_kind_of_operator_runs_on_every_runtime(
    tmp_path: Path, runtime: RuntimeName, precision: Precision
) -> None:
    costs = table(tmp_path, runtime, precision)
    rectified = [replace(o, relu=True) for o in OPERATORS if o.kind != "pool"]
    costs.measure([*OPERATORS, *rectified, LARGE], LocalDevice())
    assert all(costs.cost(operator) >= 0 for operator in OPERATORS)
    assert costs.cost(LARGE) > 0


def test_more_work_costs_more(tmp_path: Path) -> None:
    costs = table(tmp_path)
    small = OperatorShape(kind="linear", inputs=64, outputs=64, size=(16, 1))
    large = OperatorShape(kind="linear", inputs=512, outputs=512, size=(16, 1))
    costs.measure([small, large], LocalDevice())
    assert costs.cost(large) > 4 * costs.cost(small)
    assert large.macs == 64 * small.macs


def test_a_process_states_how_much_of_a_processor_it_had(tmp_path: Path) -> None:
    model = microbenchmark.write(OPERATORS[0], "litert", "fp32", tmp_path)
    job = {
        "schema": SCHEMA,
        "kind": "microbenchmark",
        "runtime": "litert",
        "models": [str(model)],
    }
    fraction = LocalDevice().run(job, timeout_s=60)["processor_fraction"]
    assert 0 < fraction < 1.1
