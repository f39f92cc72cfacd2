"""A network's operators in float and in int8, each as a file of OpenVINO's own.

OpenVINO fuses most operators into the layer before them, by the precision: those that it runs as
one, in either file, are one step.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.runtimes.mixed_precision import Conversions, Material, Step
from edgekit.runtimes.openvino.quantizer import WEIGHTED

SLOW_EVERYWHERE = False
"""No operator is known to be slower in int8 on every machine: see LiteRT's."""
_QUANTIZED = "FakeQuantize"
_APART = ("Parameter", "Result", "Constant", "ShapeOf", _QUANTIZED)
"""Operators apart from steps."""
_MOVING = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "MaxPool", "StridedSlice")
"""Operators that give in 8 bits what they take in 8 bits."""
_FUSED = "originalLayersNames"
_SIZES = (256, 65536)
"""Values of the files that convert."""
_STEPS = 255
"""Between the values that 8 bits hold."""


def material(fp32: Path, int8: Path, folder: Path) -> Material | None:
    """The operators of `fp32` beside those of its static form `int8`, as files in `folder`.

    `None` where a shape is not known.
    """
    plain, small = _Graph.read(fp32), _Graph.read(int8)
    if plain is None or small is None:
        return None
    files = _Files(folder)
    steps = []
    for names in _steps(plain, small):
        own, other = plain.cut(names), small.cut(names, in_int8=True)
        steps.append(
            Step(
                names=names,
                kind=plain.kind(names),
                takes=own.takes,
                gives=own.gives,
                in_float=files.write(own.model),
                in_int8=files.write(other.model) if other.in_int8 else None,
            )
        )
    return Material(
        steps=tuple(steps),
        sizes=dict(plain.sizes.items()),
        ends=frozenset(plain.ends),
        conversions=_conversions(files),
    )


def _steps(plain: _Graph, small: _Graph) -> list[tuple[str, ...]]:
    """Names of the operators that run as one in either file, in the order of the graph."""
    homes = {name: {name} for name in plain.nodes}

    def join(names: Iterable[str]) -> None:
        together = set[str]().union(*(homes[name] for name in names))
        homes.update(dict.fromkeys(together, together))

    for fused in (*plain.fused, *small.fused):
        # Some kernels are several layers, each of which may be in a form of its own.
        layer: list[str] = []
        for name in (name for name in fused if name in homes):
            if plain.weighted(name):
                join(layer)
                layer = []
            layer.append(name)
        join(layer)
    for name, node in plain.nodes.items():
        # A part of a kernel that does not name it, as the half of a clipping.
        before = [homes[each] for each in map(_name, _sources(node)) if each in homes]
        after = [homes[each] for each in map(_name, _readers(node)) if each in homes]
        for home in before:
            if any(home is each for each in after):
                join([name, *home])
    order = {name: place for place, name in enumerate(plain.nodes)}
    groups = {tuple(sorted(home, key=order.__getitem__)) for home in homes.values()}
    return sorted(groups, key=lambda group: order[group[-1]])


@dataclass(frozen=True, kw_only=True)
class _Cut:
    model: Any
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    in_int8: bool
    """True where an end is in int8."""


@dataclass(kw_only=True)
class _Graph:
    """A model that is cut into pieces, each at its inputs; tensors are by name."""

    model: Any
    nodes: dict[str, Any]
    """Operators of activations by name, in the order of the graph."""
    quantized: Mapping[str, Any]
    """The conversion of each tensor that is given in int8."""
    ends: tuple[str, ...]
    sizes: Mapping[str, int]

    @classmethod
    def read(cls, path: Path) -> _Graph | None:
        model = _library().Core().read_model(str(path))
        if model.is_dynamic():
            return None
        reached = {_name(port.get_node()) for port in model.inputs}
        nodes, values = {}, [*model.inputs]
        for node in model.get_ordered_ops():
            reads = {*map(_name, _sources(node))}
            if reads & reached and node.get_type_name() != "ShapeOf":
                reached.add(_name(node))
                values += node.outputs()
                if node.get_type_name() not in _APART:
                    nodes[_name(node)] = node
        return cls(
            model=model,
            nodes=nodes,
            quantized=_quantized(model, nodes.values()),
            ends=(
                *map(_tensor, model.inputs),
                *(_tensor(port.get_node().input_value(0)) for port in model.outputs),
            ),
            sizes={
                _tensor(port): math.prod(port.get_shape())
                for port in values
                if port.get_element_type().get_type_name() == "f32"
            },
        )

    @cached_property
    def fused(self) -> list[list[str]]:
        """Names of the operators that each kernel stands for."""
        hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
        compiled = _library().Core().compile_model(self.model, "CPU", hints)
        kernels = [
            node.get_rt_info() for node in compiled.get_runtime_model().get_ops()
        ]
        return [
            each[_FUSED].astype(str).split(",") for each in kernels if _FUSED in each
        ]

    def kind(self, names: Sequence[str]) -> str:
        """The first operator's, or that of the first with weights."""
        heavy = [name for name in names if self.weighted(name)]
        return str(self.nodes[(heavy or names)[0]].get_type_name())

    def weighted(self, name: str) -> bool:
        """Return whether the named operator is a layer."""
        return self.nodes[name].get_type_name() in WEIGHTED

    def cut(self, names: Sequence[str], *, in_int8: bool = False) -> _Cut:
        """The named operators as a model; with `in_int8` tensors that are quantized are taken
        and given as 8 bits."""
        ops = _library().opset13
        quantized = self.quantized if in_int8 else {}
        entered: dict[str, Any] = {}
        parameters, results, gives, small = [], [], [], False
        for name in names:
            for port in self.nodes[name].inputs():
                given, conversion = _given(port, quantized)
                tensor = _tensor(given)
                if _name(given.get_node()) in names or tensor not in self.sizes:
                    continue
                if tensor not in entered:
                    small |= conversion is not None
                    kind = np.float32 if conversion is None else np.uint8
                    end = ops.parameter([*given.get_shape()], kind)
                    parameters.append(end)
                    entered[tensor] = _widened(end, conversion) if conversion else end
                port.replace_source_output(entered[tensor].output(0))
        for name in names:
            for port in self.nodes[name].outputs():
                readers = [each.get_node() for each in port.get_target_inputs()]
                read = {_name(r) for r in readers if r.get_type_name() != "ShapeOf"}
                tensor = _tensor(port)
                if not read or read <= {*names}:
                    continue
                gives.append(tensor)
                conversion = quantized.get(tensor)
                small |= conversion is not None
                end = _narrowed(port, conversion) if conversion else port
                results.append(ops.result(end))
        return _Cut(
            model=_library().Model(results, parameters),
            takes=tuple(entered),
            gives=tuple(gives),
            in_int8=small,
        )


def _library() -> Any:
    # Importing OpenVINO reports the fact to its maker; without this it uses a stub.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino
    import openvino.opset13

    return openvino


def _name(node: Any) -> str:
    return str(node.get_friendly_name())


def _sources(node: Any) -> list[Any]:
    return [port.get_source_output().get_node() for port in node.inputs()]


def _readers(node: Any) -> list[Any]:
    ports = [each for port in node.outputs() for each in port.get_target_inputs()]
    return [port.get_node() for port in ports]


def _quantized(model: Any, nodes: Iterable[Any]) -> dict[str, Any]:
    """The conversion of each tensor in int8, by the tensor's name."""
    found = {
        _tensor(node.input_value(0)): node
        for node in model.get_ops()
        if node.get_type_name() == _QUANTIZED
    }
    for node in nodes:
        if node.get_type_name() in _MOVING:
            _, conversion = _given(node.input(0), found)
            if conversion is not None:
                found.setdefault(_tensor(node.output(0)), conversion)
    return found


def _given(port: Any, quantized: Mapping[str, Any]) -> tuple[Any, Any]:
    """The tensor that an operator reads, and its conversion where it reads it in int8."""
    given = port.get_source_output()
    node = given.get_node()
    if node.get_type_name() == _QUANTIZED:
        return node.input_value(0), node if quantized else None
    moved = node.get_type_name() in _MOVING
    return given, quantized.get(_tensor(given)) if moved else None


def _tensor(port: Any) -> str:
    node, place = port.get_node(), port.get_index()
    return f"{_name(node)}:{place}" if place else _name(node)


def _range(conversion: Any) -> tuple[float, float]:
    """The least and the largest value of a conversion."""
    low, high = (conversion.input_value(n).get_node().data for n in (1, 2))
    return float(np.min(low)), float(np.max(high))


def _widened(end: Any, conversion: Any) -> Any:
    """Values of 8 bits as a quantized operator takes them."""
    ops, (low, high) = _library().opset13, _range(conversion)
    scale = max(high - low, 1e-6) / _STEPS
    zero = np.float32(np.round(-low / scale))
    values = ops.subtract(ops.convert(end, "f32"), zero)
    return ops.multiply(values, np.float32(scale))


def _narrowed(port: Any, conversion: Any) -> Any:
    """A tensor as 8 bits."""
    ops, (low, high) = _library().opset13, _range(conversion)
    ends = [np.float32(value) for value in (low, high, 0, _STEPS)]
    return ops.convert(ops.fake_quantize(port, *ends, levels=_STEPS + 1), "u8")


class _Files:
    """Files of one step each; those that cost the same are one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Path] = {}

    def write(self, model: Any) -> Path:
        key = str([_cost_key(node) for node in model.get_ordered_ops()])
        if key not in self._known:
            path = self._folder / f"step-{len(self._known):04}.xml"
            _library().save_model(model, str(path), compress_to_fp16=False)
            self._known[key] = path
        return self._known[key]


def _cost_key(node: Any) -> tuple[object, ...]:
    """Equal for operators that cost the same: weights are of no account."""
    kind = node.get_type_name()
    ends = [
        (each.get_element_type().get_type_name(), tuple(each.get_shape()))
        for each in node.outputs()
    ]
    if kind != "Constant":
        return kind, ends, str(sorted(node.get_attributes().items(), key=str))
    real = ends[0][0] in ("f32", "f16", "i8", "u8")
    return kind, ends, b"" if real else node.data.tobytes()


def _conversions(files: _Files) -> Conversions:
    ops = _library().opset13
    to_int8: dict[int, Path] = {}
    to_float: dict[int, Path] = {}
    for size in _SIZES:
        real, small = (ops.parameter([1, size], k) for k in (np.float32, np.uint8))
        ends = [np.float32(value) for value in (-6, 6)]
        quantized = ops.fake_quantize(real, *ends, *ends, levels=_STEPS + 1)
        results = [_narrowed(real.output(0), quantized), _widened(small, quantized)]
        for result, given, found in zip(
            results, (real, small), (to_int8, to_float), strict=True
        ):
            model = _library().Model([ops.result(result)], [given])
            found[size] = files.write(model)
    return Conversions(to_int8=to_int8, to_float=to_float)
