"""A network's operators in float and in int8, each as an ONNX file of its own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.runtimes.mixed_precision import Conversions, Material, Step, Tensor

SLOW_EVERYWHERE = False
"""No operator is known to be slower in int8 on every machine: see LiteRT's."""
_FUSED = ("Relu", "Clip")
"""Part of the operator before them in either form."""
_FUSING = ("Conv", "Gemm", "Add")
_QUANTIZE, _DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
_PLANES_LAST, _PLANES_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
_SIZES = (256, 65536)
"""Values of the files that convert."""


def material(fp32: Path, int8: Path, folder: Path) -> Material | None:
    """The operators of `fp32`, as its quantizer names them, beside those of its static form
    `int8`, as files in `folder`.

    `None` where a shape is not known, as in a graph with branches of its own.
    """
    plain, small = _Graph.read(fp32), _Graph.read(int8)
    groups = plain.groups()
    if groups is None:
        return None
    files = _Files(folder, small.model.opset_import)
    steps = []
    for nodes in groups:
        takes, gives = plain.takes(nodes), nodes[-1].output[0]
        part = small.quantized(gives, takes)
        steps.append(
            Step(
                names=tuple(node.name for node in nodes),
                kind=nodes[0].op_type,
                takes=takes,
                gives=(gives,),
                in_float=files.write(plain.alone(nodes)),
                in_int8=None if part is None else files.write(part),
            )
        )
    return Material(
        steps=tuple(steps),
        sizes={name: math.prod(plain.shapes[name]) for name in plain.floats},
        ends=frozenset(plain.ends),
        conversions=_conversions(files),
    )


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Nodes with their inputs and outputs, (name, type, shape) of each, and their constants."""

    nodes: Sequence[Any]
    inputs: Sequence[tuple[str, int, Sequence[int]]]
    outputs: Sequence[tuple[str, int, Sequence[int] | None]]
    constants: Sequence[Any]

    def content(self, opsets: Sequence[Any]) -> bytes:
        """The file's bytes."""
        from onnx import helper

        graph = helper.make_graph(
            self.nodes,
            "operator",
            [helper.make_tensor_value_info(*each) for each in self.inputs],
            [helper.make_tensor_value_info(*each) for each in self.outputs],
            self.constants,
        )
        made = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        return bytes(made.SerializeToString())

    @property
    def cost_key(self) -> str:
        """Equal for operators that cost the same: weights are of no account."""
        kinds = [
            (n.op_type, [a.SerializeToString() for a in n.attribute])
            for n in self.nodes
        ]
        ends = [(kind, tuple(shape)) for _, kind, shape in self.inputs]
        held = [
            (each.data_type, tuple(each.dims), _small(each)) for each in self.constants
        ]
        return str((kinds, ends, held))


def _small(tensor: Any) -> bytes:
    """The values of an integer constant, as axes are; weights do not count."""
    from onnx import TensorProto, numpy_helper

    known = tensor.data_type in (TensorProto.INT64, TensorProto.INT32)
    return numpy_helper.to_array(tensor).tobytes() if known else b""


@dataclass(kw_only=True)
class _Graph:
    """A file's graph; tensors are by name."""

    model: Any
    shapes: Mapping[str, tuple[int, ...]]
    types: Mapping[str, int]
    _count: int = field(default=0, init=False)

    @classmethod
    def read(cls, path: Path) -> _Graph:
        import onnx

        model = onnx.shape_inference.infer_shapes(onnx.load(str(path)))
        graph = model.graph
        known = [*graph.input, *graph.value_info, *graph.output]
        types = {one.name: one.type.tensor_type for one in known}
        return cls(
            model=model,
            shapes={
                name: tuple(dim.dim_value for dim in kind.shape.dim)
                for name, kind in types.items()
                if all(dim.dim_value > 0 for dim in kind.shape.dim)
            },
            types={name: kind.elem_type for name, kind in types.items()},
        )

    @cached_property
    def _constants(self) -> dict[str, Any]:
        return {one.name: one for one in self.model.graph.initializer}

    @cached_property
    def _makers(self) -> dict[str, Any]:
        return {name: node for node in self.model.graph.node for name in node.output}

    @cached_property
    def floats(self) -> tuple[str, ...]:
        """Tensors of float, without constants."""
        from onnx import TensorProto

        made = [*(one.name for one in self.model.graph.input), *self._makers]
        return tuple(
            name
            for name in made
            if name in self.shapes
            and self.types[name] == TensorProto.FLOAT
            and name not in self._constants
        )

    @property
    def ends(self) -> set[str]:
        """The network's inputs and outputs."""
        graph = self.model.graph
        return {one.name for one in (*graph.input, *graph.output)}

    def takes(self, nodes: Sequence[Any]) -> tuple[Tensor, ...]:
        """Tensors of float that nodes take and do not make."""
        made = {name for node in nodes for name in node.output}
        read = [name for node in nodes for name in node.input]
        real = set(self.floats)
        return tuple(
            name for name in dict.fromkeys(read) if name in real and name not in made
        )

    def groups(self) -> list[list[Any]] | None:
        """The operators in order, each with what the runtime fuses into it."""
        readers: dict[str, list[Any]] = {
            one.name: [None] for one in self.model.graph.output
        }
        for node in self.model.graph.node:
            if any(each.HasField("g") for each in node.attribute):
                return None
            for name in node.input:
                readers.setdefault(name, []).append(node)
        found: dict[str, list[Any]] = {}
        for node in self.model.graph.node:
            if not set(node.output) & {*self.floats}:
                if any(name not in self.shapes for name in node.output if name):
                    return None
                continue  # shapes and the like, which no form changes
            before = found.get(node.input[0] if node.input else "")
            fused = (
                before is not None
                and node.op_type in _FUSED
                and before[0].op_type in _FUSING
                and len(readers[node.input[0]]) == 1
            )
            if fused and before is not None:
                found[node.output[0]] = [*before, node]
                del found[node.input[0]]
            else:
                found[node.output[0]] = [node]
        return list(found.values())

    def alone(self, nodes: Sequence[Any]) -> _Part:
        """Nodes of float as a file of their own."""
        made = {name for node in nodes for name in node.output}
        read = dict.fromkeys(name for node in nodes for name in node.input if name)
        given = [n for n in read if n not in made and n not in self._constants]
        return _Part(
            nodes=nodes,
            inputs=[(n, self.types[n], self.shapes[n]) for n in given],
            outputs=[(nodes[-1].output[0], self.types[nodes[-1].output[0]], None)],
            constants=[self._constants[n] for n in read if n in self._constants],
        )

    def quantized(self, gives: str, takes: Iterable[Tensor]) -> _Part | None:
        """The operator from the tensors `takes` to `gives`, each in int8 as inside of a
        network; `None` where `gives` is not made in int8."""
        maker = self._makers.get(gives)
        if maker is not None and maker.op_type == _DEQUANTIZE:
            maker = self._makers.get(maker.input[0])  # an output of the network
        else:
            maker = self._reader(gives)
        if maker is None or maker.op_type != _QUANTIZE:
            return None
        own = _Int8(graph=self, takes={*takes})
        return own.part(maker)

    def _reader(self, name: str) -> Any:
        found = (n for n in self.model.graph.node if n.input and n.input[0] == name)
        return next((node for node in found if node.op_type == _QUANTIZE), None)

    def constant(self, name: str) -> Any:
        """An initializer; `None` where the tensor is computed."""
        return self._constants.get(name)

    def maker(self, name: str) -> Any:
        """The node that writes a tensor; `None` for an input."""
        return self._makers.get(name)


@dataclass(kw_only=True)
class _Int8:
    """One operator of a file of int8, collected backwards from what it gives.

    Its ends are unsigned and have their planes last: so the runtime computes on x86, and an
    operator inside of a network converts neither.
    """

    graph: _Graph
    takes: set[Tensor]
    nodes: list[Any] = field(default_factory=list)
    inputs: list[tuple[str, int, Sequence[int]]] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)

    def part(self, quantize: Any) -> _Part | None:
        """The operator whose output `quantize` converts."""
        from onnx import TensorProto, helper

        for name in quantize.input:
            self._reach(name)
        if not any(kind == TensorProto.UINT8 for _, kind, _ in self.inputs):
            return None
        end, [made] = self._unsigned(quantize), quantize.output
        self.nodes.append(end)
        if len(self.graph.shapes.get(made, ())) == len(_PLANES_LAST):
            turned = helper.make_node("Transpose", [made], ["end"], perm=_PLANES_LAST)
            self.nodes.append(turned)
            made = "end"
        return _Part(
            nodes=self.nodes,
            inputs=self.inputs,
            outputs=[(made, TensorProto.UINT8, None)],
            constants=[*self.constants.values()],
        )

    def _reach(self, name: str) -> None:
        if not name or any(name in node.output for node in self.nodes):
            return
        constant, node = self.graph.constant(name), self.graph.maker(name)
        if constant is not None:
            self.constants[name] = constant
            return
        if node is None or name in self.takes:
            given = name, self.graph.types[name], self.graph.shapes[name]
            if given not in self.inputs:
                self.inputs.append(given)
            return
        source = (
            self.graph.maker(node.input[0]) if node.op_type == _DEQUANTIZE else None
        )
        if source is not None and source.input[0] in self.takes:
            self._enter(node)
            return
        for each in node.input:
            self._reach(each)
        self.nodes.append(node)

    def _enter(self, dequantize: Any) -> None:
        """A tensor that another operator gives in int8."""
        from onnx import TensorProto, helper

        node, name = self._unsigned(dequantize), dequantize.input[0]
        shape = self.graph.shapes[name]
        if len(shape) == len(_PLANES_LAST):
            turned = helper.make_node(
                "Transpose", [f"{name}.last"], [name], perm=_PLANES_FIRST
            )
            if not any(name in each.output for each in self.nodes):
                self.nodes.append(turned)
            shape, name = tuple(shape[axis] for axis in _PLANES_LAST), f"{name}.last"
        given = name, TensorProto.UINT8, shape
        if given not in self.inputs:
            self.inputs.append(given)
        self.nodes.append(node)

    def _unsigned(self, node: Any) -> Any:
        """A conversion at an end; signed and unsigned values take the same time."""
        from onnx import NodeProto, numpy_helper

        copy, zero = NodeProto(), "zero"
        copy.CopyFrom(node)
        copy.input[2] = zero
        self.constants[zero] = numpy_helper.from_array(np.array(128, np.uint8), zero)
        scale = node.input[1]
        self.constants[scale] = self.graph.constant(scale)
        return copy


class _Files:
    """Files of one operator each; those that cost the same are one."""

    def __init__(self, folder: Path, opsets: Sequence[Any]) -> None:
        self._folder, self._opsets = folder, opsets
        self._known: dict[str, Path] = {}

    def write(self, part: _Part) -> Path:
        key = part.cost_key
        if key not in self._known:
            path = self._folder / f"{len(self._known):04}.onnx"
            path.write_bytes(part.content(self._opsets))
            self._known[key] = path
        return self._known[key]


def _conversions(files: _Files) -> Conversions:
    return Conversions(
        to_int8={size: files.write(_conversion(_QUANTIZE, size)) for size in _SIZES},
        to_float={size: files.write(_conversion(_DEQUANTIZE, size)) for size in _SIZES},
    )


def _conversion(kind: str, size: int) -> _Part:
    from onnx import TensorProto, helper, numpy_helper

    ends = [TensorProto.FLOAT, TensorProto.UINT8]
    taken, given = ends if kind == _QUANTIZE else reversed(ends)
    return _Part(
        nodes=[helper.make_node(kind, ["x", "scale", "zero"], ["y"])],
        inputs=[("x", taken, (1, size))],
        outputs=[("y", given, None)],
        constants=[
            numpy_helper.from_array(np.array(0.05, np.float32), "scale"),
            numpy_helper.from_array(np.array(128, np.uint8), "zero"),
        ],
    )
