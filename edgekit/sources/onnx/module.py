"""The walk as a module that `torch.export` traces."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.export import ExportedProgram

from edgekit.errors import ModelError
from edgekit.program.tracing import export, quiet
from edgekit.sources.onnx.batch import Batch
from edgekit.sources.onnx.constants import Constants
from edgekit.sources.onnx.graph import Graph
from edgekit.sources.onnx.signature import OnnxSignature
from edgekit.sources.onnx.values import Value
from edgekit.sources.onnx.walk import Walk

Watch = Callable[[str, Value], None]
_MOST = 1 << 31
"""Elements of a value between operators."""


@dataclass(kw_only=True, eq=False)
class Notes:
    """Results of a trace; the tracer puts back plain attributes of a module."""

    places: list[int]
    """The dimension of each output that has the batch in the file."""
    fault: ModelError | None = None


class OnnxModule(nn.Module):
    """Computes a graph; inputs and outputs have their batch first.

    Parameters and buffers are the constants that the operators which run take as tensors.
    """

    graph: Graph
    signature: OnnxSignature
    constants: Constants
    notes: Notes

    def __init__(self, graph: Graph, signature: OnnxSignature) -> None:
        super().__init__()
        self.__dict__["graph"] = graph
        self.__dict__["signature"] = signature
        self.__dict__["constants"] = Constants(self)
        self.__dict__["notes"] = Notes(places=[0] * len(graph.outputs))
        self.__dict__["forward"] = self._forward()
        _name_all(self.constants, graph)
        self._rehearse()

    def _forward(self) -> Callable[..., Any]:
        """`outputs` with an argument for each input, by which the tracer recognizes them."""

        def forward(*inputs: Tensor) -> Any:
            return self.outputs(*inputs)

        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        names = _parameter_names([each.name for each in self.signature.inputs])
        signature = inspect.Signature([inspect.Parameter(n, kind) for n in names])
        forward.__signature__ = signature  # type: ignore[attr-defined]
        return forward

    def outputs(self, *inputs: Tensor) -> Any:
        """The outputs of inputs (batch, *shape): a tensor, or a tuple of several."""
        try:
            outputs = self.values(inputs)
        except ModelError as error:
            self.notes.fault = error
            raise
        return outputs[0] if len(outputs) == 1 else outputs

    def values(
        self, inputs: Sequence[Tensor], watch: Watch | None = None
    ) -> tuple[Tensor, ...]:
        """The outputs; `watch` gets every value by its name in the file."""
        size = inputs[0].shape[0]
        batch = Batch(size, self.signature.held)
        given: dict[str, Value] = {
            each.name: each.moved(value)
            for each, value in zip(self.signature.inputs, inputs, strict=True)
        }
        given.update(self.signature.fixed)
        walk = Walk(self.constants, batch, watch)
        outputs = walk.run(self.graph, given)
        names = [tensor.name for tensor in self.graph.outputs]
        if batch.free:
            found = zip(names, outputs, strict=True)
            self.notes.places = [_place(name, value) for name, value in found]
        return tuple(map(_batch_first, outputs, self.notes.places))

    def example(self, size: int) -> tuple[Tensor, ...]:
        """Zeros for `size` samples."""
        return tuple(
            torch.zeros(size, *each.shape, dtype=each.dtype)
            for each in self.signature.inputs
        )

    def _rehearse(self) -> None:
        """Walk once over shapes alone, which registers the constants that are used."""

        def watch(name: str, value: Value) -> None:
            if isinstance(value, Tensor) and value.numel() > _MOST:
                raise ModelError(
                    f"'{name}' of shape {list(value.shape)} is too large to compute."
                )

        with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad(), quiet():
            self.values(self.example(self.signature.held), watch)
        self.constants.sealed = True


def _place(name: str, value: Value) -> int:
    """The dimension of an output that has the batch."""
    sizes = list(value.shape)
    place = [n for n, size in enumerate(sizes) if isinstance(size, torch.SymInt)]
    if not place or not isinstance(value, Tensor):
        raise ModelError(
            f"The output '{name}' of shape {sizes} has no dimension for the batch. Leave it out "
            "of [model] outputs = [...]."
        )
    return place[0]


def _batch_first(value: Value, place: int) -> Tensor:
    assert isinstance(value, Tensor)
    return value.movedim(place, 0) if place else value


def _parameter_names(names: Sequence[str]) -> list[str]:
    """Names of inputs as names of arguments."""
    made: list[str] = []
    for name in names:
        plain = re.sub(r"\W", "_", name) or "input"
        plain = plain if not plain[0].isdigit() else f"input_{plain}"
        while plain in made or plain == "self":
            plain += "_"
        made.append(plain)
    return made


def _name_all(constants: Constants, graph: Graph) -> None:
    for name, array in graph.constants.items():
        constants.name(array, name, unnamed=name in graph.anonymous)
    for node in graph.nodes:
        for inner in node.subgraphs:
            _name_all(constants, inner)


def exported(module: OnnxModule) -> ExportedProgram:
    """The module's trace for any batch.

    Raises `ModelError` with the operator that cannot be traced.
    """
    try:
        return export(module, module.example(2), dynamic=True)
    except ModelError as error:
        raise module.notes.fault or error from error
