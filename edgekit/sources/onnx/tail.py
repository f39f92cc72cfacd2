"""The part of a file behind `[model] outputs`, as an ONNX model: exports can end with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.program.tail import MARK, OUTPUTS
from edgekit.sources.onnx.file_outputs import Feeds, FileFails, outputs, reads

_FIRST = "NonMaxSuppression"
_NAMED = 4
"""Number of operators that a remark names."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A tensor that the network ends at: `place` is the dimension of its batch in the file."""

    name: str
    dtype: np.dtype
    rank: int
    place: int = 0


@dataclass(frozen=True, kw_only=True)
class Tail:
    """`model` is `None` where what is behind the cuts cannot stand alone."""

    model: bytes | None
    remark: str


def tail(
    model: onnx.ModelProto, cuts: Sequence[Cut], feeds: Feeds, fixed: Feeds
) -> Tail | None:
    """The operators of `model` from `cuts` to its own outputs; `None` where it ends there.

    Its inputs are the cuts in their order, of one sample, which comes first. It is held against
    the file on `feeds`, one sample with the values that are `fixed`. Raises `ModelError` where it
    gives something else.
    """
    names = [output.name for output in model.graph.output]
    ends = {cut.name for cut in cuts}
    if ends.issuperset(names):
        return None
    held = onnx.ModelProto()
    held.CopyFrom(model)
    _hold(held.graph, fixed)
    nodes = _behind(held.graph, names, ends)
    remark = (
        f"The network ends at {', '.join(cut.name for cut in cuts)}: {len(nodes)} operators of "
        f"the file come after ({_kinds(nodes)})"
    )
    try:
        return _whole(held, cuts, feeds, remark)
    except (FileFails, onnx.shape_inference.InferenceError, ValueError) as error:
        why = " ".join(str(error).split())[:200].rstrip(".")
        return Tail(model=None, remark=f"{remark} and are left out of exports: {why}.")


def _whole(
    held: onnx.ModelProto, cuts: Sequence[Cut], feeds: Feeds, remark: str
) -> Tail:
    """The tail of a model with its fixed inputs in it."""
    names = [output.name for output in held.graph.output]
    original = onnx.ModelProto()
    original.CopyFrom(held)
    _replace_shapes(held, feeds)
    nodes = _behind(held.graph, names, {cut.name for cut in cuts})
    taken = {name for node in nodes for name in reads(node)}
    also = [i.name for i in held.graph.input if i.name in taken]
    if also:
        return Tail(
            model=None,
            remark=f"{remark} and are left out of exports, because they take tensors from before "
            f"the cut as well (from the input {', '.join(also)} on).",
        )
    made = _model(held, nodes, names, cuts)
    _check(original, made, cuts, feeds)
    return Tail(
        model=made.SerializeToString(deterministic=True),
        remark=f"{remark}. Exports have them again in files named {MARK}, where the runtime can.",
    )


def _kinds(nodes: Sequence[onnx.NodeProto]) -> str:
    kinds = dict.fromkeys(node.op_type for node in reversed(nodes))
    named = sorted(kinds, key=lambda kind: kind != _FIRST)[:_NAMED]
    return ", ".join(named) + (", ..." if len(kinds) > _NAMED else "")


def _hold(graph: onnx.GraphProto, fixed: Feeds) -> None:
    """Give fixed inputs their values."""
    for name, value in fixed.items():
        graph.initializer.append(numpy_helper.from_array(value, name))
    values = {each.name for each in graph.initializer}
    kept = [each for each in graph.input if each.name not in values]
    del graph.input[:]
    graph.input.extend(kept)


def _replace_shapes(model: onnx.ModelProto, feeds: Feeds) -> None:
    """Put numbers in the place of Shape operators, of one sample of known size."""
    for each in model.graph.input:
        if each.name in feeds:
            kind = each.type.tensor_type.elem_type
            sized = helper.make_tensor_value_info(
                each.name, kind, feeds[each.name].shape
            )
            each.CopyFrom(sized)
    del model.graph.value_info[:]
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    known = {
        each.name: [size.dim_value for size in each.type.tensor_type.shape.dim]
        for each in (*inferred.graph.value_info, *inferred.graph.input)
        if all(s.HasField("dim_value") for s in each.type.tensor_type.shape.dim)
        and each.type.tensor_type.HasField("shape")
    }
    for node in model.graph.node:
        if node.op_type == "Shape" and not node.attribute and node.input[0] in known:
            sizes = np.array(known[node.input[0]], np.int64)
            constant = helper.make_node(
                "Constant",
                [],
                list(node.output),
                name=node.name,
                value=numpy_helper.from_array(sizes),
            )
            node.CopyFrom(constant)


def _behind(
    graph: onnx.GraphProto, names: Sequence[str], ends: set[str]
) -> list[onnx.NodeProto]:
    """The operators that the outputs depend on without passing the cuts."""
    needed, kept = set(names) - ends, list[onnx.NodeProto]()
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed |= set(reads(node)) - ends
            kept.append(node)
    return kept[::-1]


def _model(
    model: onnx.ModelProto,
    nodes: Sequence[onnx.NodeProto],
    names: Sequence[str],
    cuts: Sequence[Cut],
) -> onnx.ModelProto:
    graph = model.graph
    taken = {name for node in nodes for name in reads(node)}
    ends = {cut.name for cut in cuts}
    inputs, turned = [], []
    for cut in cuts:
        kind = helper.np_dtype_to_tensor_dtype(cut.dtype)
        name = cut.name
        if cut.place and name in taken:
            name = f"{cut.name}/batch-first"
            order = [*range(1, cut.place + 1), 0, *range(cut.place + 1, cut.rank)]
            turned.append(helper.make_node("Transpose", [name], [cut.name], perm=order))
        inputs.append(helper.make_tensor_value_info(name, kind, [None] * cut.rank))
    made = helper.make_graph(
        [*turned, *nodes],
        "tail",
        inputs,
        [output for output in graph.output if output.name not in ends],
        [each for each in graph.initializer if each.name in taken],
        sparse_initializer=[
            each for each in graph.sparse_initializer if each.values.name in taken
        ],
    )
    tail = helper.make_model(
        made, opset_imports=model.opset_import, ir_version=model.ir_version
    )
    helper.set_model_props(tail, {OUTPUTS: json.dumps(list(names))})
    return tail


def _check(
    model: onnx.ModelProto, tail: onnx.ModelProto, cuts: Sequence[Cut], feeds: Feeds
) -> None:
    """Raise `ModelError` unless the tail of the file's own tensors gives the file's outputs."""
    names = [output.name for output in tail.graph.output]
    requested = [*names, *(cut.name for cut in cuts)]
    [row] = outputs(model, [feeds], requested)
    given = {
        each.name: np.moveaxis(value, cut.place, 0) if cut.place else value
        for each, cut, value in zip(
            tail.graph.input, cuts, row[len(names) :], strict=True
        )
    }
    [found] = outputs(tail, [given], names)
    for name, ours, theirs in zip(names, found, row, strict=False):
        if not np.array_equal(ours, theirs, equal_nan=ours.dtype.kind == "f"):
            raise ModelError(
                f"The operators behind [model] outputs do not give the file's '{name}' by "
                "themselves. End the network at other tensors."
            )
