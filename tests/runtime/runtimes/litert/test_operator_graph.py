"""TFLite models that are written through the schema."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from edgekit.runtimes.litert.operator_graph import OperatorGraph


def test_the_interpreter_runs_the_operators_in_the_order_of_their_steps() -> None:
    graph = OperatorGraph(schema)
    given = graph.tensor((2, 3))
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    made, doubled = graph.tensor((2, 3)), graph.tensor((2, 3))
    known, kinds = schema.BuiltinOperator, schema.BuiltinOptions
    options = kinds.AddOptions, schema.AddOptionsT()
    graph.step(known.ADD, [given, graph.tensor(weight.shape, weight)], made, options)
    graph.step(known.ADD, [made, made], doubled, options)
    interpreter = Interpreter(model_content=graph.written(doubled))
    interpreter.allocate_tensors()
    [place], [end] = interpreter.get_input_details(), interpreter.get_output_details()
    x = np.ones((2, 3), np.float32)
    interpreter.set_tensor(place["index"], x)
    interpreter.invoke()
    assert np.array_equal(interpreter.get_tensor(end["index"]), 2 * (x + weight))


def test_quantized_tensors_have_a_scale_for_each_channel() -> None:
    graph = OperatorGraph(schema)
    weight = np.array([[1.27, -0.5], [0.1, 2.54]], np.float32)
    pair = weight, np.zeros(2, np.float32)
    stored, steps = graph.constants(pair, 0, True)
    model = schema.ModelT.InitFromObj(
        schema.Model.GetRootAsModel(graph.written(stored), 0)
    )
    tensor = model.subgraphs[0].tensors[stored]
    np.testing.assert_allclose(tensor.quantization.scale, [0.01, 0.02], rtol=1e-6)
    values = model.buffers[tensor.buffer].data.view(np.int8)
    assert values.tolist() == [127, -50, 5, 127]
    assert model.subgraphs[0].tensors[steps].type == schema.TensorType.INT32
