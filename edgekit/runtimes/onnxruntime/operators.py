"""The operators of an ONNX file."""

from __future__ import annotations

from pathlib import Path

from edgekit.runtimes.operators import Operator


def read(path: Path) -> list[Operator]:
    """The operators of the file's graph, in order; subgraphs of its own left out."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    graph = onnx.shape_inference.infer_shapes(model).graph
    known = {v.name: v.type.tensor_type for v in (*graph.value_info, *graph.output)}
    versions = {one.domain: one.version for one in model.opset_import}
    found = []
    for node in graph.node:
        shapes = [known[n].shape.dim for n in node.output if n in known]
        try:
            since = onnx.defs.get_schema(
                node.op_type, versions.get(node.domain, 1), node.domain
            ).since_version
        except onnx.defs.SchemaError:  # of a runtime's own domain
            since = 1
        found.append(
            Operator(
                kind=node.op_type,
                code=None,
                version=since,
                names=(*node.output, *node.input),
                in_float=any(
                    known[n].elem_type in (1, 10, 11) for n in node.output if n in known
                ),
                static=all(
                    dim.HasField("dim_value") for dims in shapes for dim in dims
                ),
            )
        )
    return found


def opset(path: Path) -> int:
    """The version of ONNX's own operators that a file asks for."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    own = [int(o.version) for o in model.opset_import if o.domain in ("", "ai.onnx")]
    return max(own, default=1)
