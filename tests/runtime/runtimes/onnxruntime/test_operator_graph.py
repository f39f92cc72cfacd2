"""ONNX models that are written node by node."""

from __future__ import annotations

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from edgekit.runtimes.onnxruntime.operator_graph import OperatorGraph


def test_values_go_to_eight_bits_and_back_around_their_middle() -> None:
    graph = OperatorGraph()
    real = graph.dequantized("x", 0.5, np.uint8)
    doubled = graph.node("Add", [real, real], "doubled")
    graph.node("QuantizeLinear", [doubled, *graph.scale(np.float32(1.0))], "y")
    made = helper.make_graph(
        graph.nodes,
        "operators",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, (3,))],
        [helper.make_tensor_value_info("y", TensorProto.INT8, None)],
        graph.constants,
    )
    model = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    )
    session = onnxruntime.InferenceSession(model.SerializeToString())
    [found] = session.run(None, {"x": np.array([128, 130, 100], np.uint8)})
    assert found.tolist() == [0, 2, -28]
