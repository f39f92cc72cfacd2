"""A served model."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.agent.arrays import quantize
from edgekit.agent.errors import AgentError
from edgekit.agent.session import TensorInfo
from tests.runtime.agent.serving.test_server import INFER, Served, request


def test_real_numbers_are_quantized_in_and_out(served: Served) -> None:
    status, reply = served.ask(INFER, request([1.0, -2.5, 0.26, 0.0]))
    assert status == 200 and reply["id"] == "7"
    [output] = reply["outputs"]
    assert output["datatype"] == "FP32"
    assert output["data"] == [1.0, -2.5, 0.5, 0.0], "0.26 is nearest to a step of 0.5"


def test_stored_integers_go_in_and_out_as_they_are(served: Served) -> None:
    status, reply = served.ask(INFER, request([[3, 5, 1, 3]], "INT8"))
    assert status == 200
    assert reply["outputs"][0]["datatype"] == "INT8"
    assert reply["outputs"][0]["data"] == [-5, -1, -9, -5]


def test_numbers_that_a_type_cannot_hold_are_refused() -> None:
    """A token of an int64 network in a file that takes int32 would become another one."""
    info = TensorInfo("ids", (1, 2), "int32")
    assert quantize(np.array([[7, -8]]), info).dtype == np.int32
    with pytest.raises(AgentError, match=r"'ids' .* int32") as caught:
        quantize(np.array([[7, 2**31]]), info)
    assert caught.value.kind == "inputs_invalid"
