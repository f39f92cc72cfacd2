"""The walk over a graph: each operator computed in torch calls, or in NumPy where all is known."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from edgekit.errors import ModelError
from edgekit.program.tracing import reason
from edgekit.sources.onnx import operators
from edgekit.sources.onnx.batch import Batch
from edgekit.sources.onnx.call import Call
from edgekit.sources.onnx.constants import Constants
from edgekit.sources.onnx.graph import Graph, Node, needed
from edgekit.sources.onnx.registry import Operator, find, find_known
from edgekit.sources.onnx.values import Known, Value, known, symbolic, tensor_of

Watch = Callable[[str, Value], None]
_DEEPEST = 64
_BLOCKED = "com.microsoft.nchwc"

operators.register()


class Walk:
    """Computes graphs; `watch` gets every value by its name in the file."""

    def __init__(
        self, constants: Constants, batch: Batch, watch: Watch | None = None
    ) -> None:
        self.constants = constants
        self.batch = batch
        self._watch = watch
        self._depth = 0

    def run(
        self,
        graph: Graph,
        given: Mapping[str, Value],
        outer: Mapping[str, Value] | None = None,
    ) -> list[Value]:
        """The outputs of `graph` for inputs by name."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ModelError("The graph's subgraphs are nested too deeply.")
        own: dict[str, Value] = dict(given)
        for name, array in graph.constants.items():
            own.setdefault(name, array)
        scope: Mapping[str, Value] = ChainMap(own, dict(outer or {}))
        outputs = [tensor.name for tensor in graph.outputs]
        for node in needed(graph, outputs):
            own.update(self._computed(node, scope))
        self._depth -= 1
        return [_taken(scope, name) for name in outputs]

    def _computed(self, node: Node, scope: Mapping[str, Value]) -> dict[str, Value]:
        inputs = [_taken(scope, name) if name else None for name in node.inputs]
        call = Call(node=node, walk=self, scope=scope)
        try:
            results = _results(call, inputs)
        except ModelError:
            raise
        except Exception as error:  # torch and NumPy raise anything over odd operands
            raise ModelError(
                f"Cannot compute the ONNX operator {node} of inputs {_shapes(inputs)}: "
                f"{reason(error)}."
            ) from error
        named = dict(zip(node.outputs, results, strict=False))
        named.pop("", None)
        if self._watch is not None:
            for name, value in named.items():
                self._watch(name, value)
        return {name: value for name, value in named.items() if value is not None}


def _taken(scope: Mapping[str, Value], name: str) -> Value:
    try:
        return scope[name]
    except KeyError:
        raise ModelError(
            f"Nothing in the ONNX graph gives '{name}', which is used."
        ) from None


def _shapes(inputs: Sequence[Value | None]) -> str:
    shapes = (f"{list(v.shape)}" for v in inputs if v is not None)
    return ", ".join(shapes) or "none"


def _results(call: Call, inputs: list[Value | None]) -> tuple[Any, ...]:
    node = call.node
    arrays = all(isinstance(value, np.ndarray) for value in inputs if value is not None)
    plain = find_known(node.domain, node.kind)
    if arrays and plain is not None and (inputs or node.kind not in ("If", "Loop")):
        return tuple(map(_array, _many(plain(call, *inputs))))
    entry = find(node.domain, node.kind, node.version)
    if entry is None:
        raise call.refuse(_unsupported(node.domain))
    if arrays and inputs and not any(map(symbolic, inputs)) and not node.subgraphs:
        return _folded(call, entry, inputs)
    return _many(entry.compute(call, *_arguments(call, entry, inputs)))


def _unsupported(domain: str) -> str:
    if domain == _BLOCKED:
        return (
            "has the layout of one processor, which ONNX Runtime's last optimizations write. "
            "Save the file with ORT_ENABLE_EXTENDED, or name the one that it was made from"
        )
    return f"of {domain} is not supported" if domain else "is not supported"


def _many(result: Any) -> tuple[Any, ...]:
    return tuple(result) if isinstance(result, tuple | list) else (result,)


def _array(value: Any) -> Value:
    return value if isinstance(value, Tensor) else known(value)


def _folded(call: Call, entry: Operator, inputs: list[Value | None]) -> tuple[Any, ...]:
    """An operator of constants alone, computed once, outside of the trace."""
    stay = entry.known | entry.raw
    with _disable_current_modes():
        given = [
            tensor_of(value)
            if isinstance(value, np.ndarray) and place not in stay
            else value
            for place, value in enumerate(inputs)
        ]
        results = _many(entry.compute(call, *given))
        return tuple(
            v.detach().numpy() if isinstance(v, Tensor) else v for v in results
        )


def _arguments(
    call: Call, entry: Operator, inputs: list[Value | None]
) -> list[Value | None]:
    given: list[Value | None] = []
    for place, value in enumerate(inputs):
        if value is None or place in entry.raw:
            given.append(value)
        elif place in entry.known:
            given.append(_must_be_known(call, place, value))
        else:
            role = entry.roles[place] if place < len(entry.roles) else ""
            given.append(call.tensor(value, role))
    return given


def _must_be_known(call: Call, place: int, value: Value) -> Known:
    if isinstance(value, Tensor):
        raise call.refuse(
            f"takes '{call.node.inputs[place]}' from the network's inputs, where a number is "
            "needed before it runs. Fix that input in [model.fixed], or end the network before "
            "it: [model] outputs = [...]"
        )
    return value
