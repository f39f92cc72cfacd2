"""A TFLite file's graph as a module that walks it in torch calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from edgekit.errors import EdgeKitError, ModelError
from edgekit.program.channel_order import Value, ordered
from edgekit.safe_io import reason
from edgekit.sources.tflite.file import Graph, Operator

Host = list[Any] | int | float
"""Shapes and the like, which are computed in Python and leave no trace in the program."""
Known = Value | Host
Watch = Callable[[int, Known], None]
_STATEFUL = ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE", "SVDF",
             "UNIDIRECTIONAL_SEQUENCE_LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN", "LSTM", "RNN",
             "BIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_RNN")  # fmt: skip


class Call:
    """An operator at work: its inputs as they are asked for, its options."""

    def __init__(self, walk: Walk, operator: Operator, known: dict[int, Known]) -> None:
        self.walk, self.operator, self.known = walk, operator, known

    @property
    def kind(self) -> str:
        """The type of the operator."""
        return self.operator.kind

    def option(self, name: str, otherwise: Any = 0) -> Any:
        """A field of the options."""
        return self.operator.option(name, otherwise)

    def has(self, number: int) -> bool:
        """Return whether the operator has this input."""
        inputs = self.operator.inputs
        return number < len(inputs) and inputs[number] >= 0

    def value(self, number: int) -> Value:
        """An input as a tensor; constants are parameters where they are real numbers."""
        tensor = self.operator.inputs[number]
        found = self.known.get(tensor)
        if isinstance(found, Value):
            return found
        if found is not None:
            return Value(torch.as_tensor(found))
        return Value(self.walk.constant(tensor))

    def computed(self, number: int) -> bool:
        """Return whether an input is made from the network's own, and so has the batch in front."""
        return isinstance(self.known.get(self.operator.inputs[number]), Value)

    def weight(self, number: int, order: Sequence[int] | None = None) -> torch.Tensor:
        """A constant input as a parameter, its dimensions in `order`."""
        tensor = self.operator.inputs[number]
        if isinstance(found := self.known.get(tensor), Value):
            data = found.last()
            return data if order is None else data.permute(*order)
        return self.walk.constant(tensor, order)

    def host(self, number: int) -> list[Any]:
        """An input as numbers of Python, flat."""
        tensor = self.operator.inputs[number]
        found = self.known.get(tensor)
        if isinstance(found, list):
            return found
        if isinstance(found, int | float | torch.SymInt):
            return [found]
        data = self.walk.graph.tensors[tensor].data
        if found is not None or data is None:
            raise ValueError(
                f"its input {number + 1} is computed from the network's input"
            )
        return [each.item() for each in data.reshape(-1)]

    def number(self, number: int) -> float:
        """A constant input of one real number."""
        data = self.walk.graph.tensors[self.operator.inputs[number]]
        if data.data is None or data.data.size != 1:
            raise ValueError(f"its input {number + 1} is not a number")
        return float(data.real().item())

    def is_host(self, number: int) -> bool:
        """Return whether an input is known without running the network."""
        tensor = self.operator.inputs[number]
        return not isinstance(self.known.get(tensor), Value) and (
            tensor in self.known or self.walk.graph.tensors[tensor].whole
        )

    def shape(self, number: int) -> tuple[int, ...]:
        """The file's shape of an input, at its own batch."""
        return self.walk.graph.tensors[self.operator.inputs[number]].shape


Function = Callable[[Call], Any]
_OPERATORS: dict[str, Function] = {}


def computes(*names: str) -> Callable[[Function], Function]:
    """Register a function for operators of these names."""

    def registered(function: Function) -> Function:
        for name in names:
            _OPERATORS[name] = function
        return function

    return registered


def kinds() -> frozenset[str]:
    """The operators that can be read."""
    return frozenset(_OPERATORS)


class Walk(nn.Module):
    """`inputs` and outputs of images have their channels first."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        _refuse(graph)
        self.places: dict[tuple[int, tuple[int, ...] | None], str] = {}
        self.dilated: dict[int, tuple[int, ...]] = {}

    def constant(self, number: int, order: Sequence[int] | None = None) -> torch.Tensor:
        """A constant of the file: a parameter where it is of real numbers, else a tensor."""
        key = (number, None if order is None else tuple(order))
        if key not in self.places:
            self._keep(key)
        found: torch.Tensor = getattr(self, self.places[key])
        return found

    def _keep(self, key: tuple[int, tuple[int, ...] | None]) -> None:
        number, order = key
        tensor = self.graph.tensors[number]
        if tensor.data is None:
            raise ValueError(f"the tensor '{tensor.name[:60]}' is computed by nothing")
        real = np.array(tensor.real())
        data = torch.from_numpy(real if order is None else real.transpose(order).copy())
        name = self._free(tensor.name)
        if data.is_floating_point() and data.numel() > 1:
            self.register_parameter(name, nn.Parameter(data))
        else:
            self.register_buffer(name, data)
        self.places[key] = name

    def _free(self, name: str) -> str:
        last = name.split(";")[0].removesuffix(":0")
        kept = "".join(c if c.isalnum() else "_" for c in last).strip("_") or "constant"
        while hasattr(self, kept):
            kept += "_"
        return kept

    def forward(self, *inputs: torch.Tensor) -> Any:
        """Every operator in the file's order."""
        known = self.values(inputs)
        outputs = tuple(self._output(known, number) for number in self.graph.outputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def values(
        self, inputs: Sequence[torch.Tensor], watch: Watch | None = None
    ) -> dict[int, Known]:
        """All values after the last operator; `watch` gets each operator's results."""
        known: dict[int, Known] = {
            number: ordered(each) if self.graph.moves(number) else Value(each)
            for number, each in zip(self.graph.inputs, inputs, strict=True)
        }
        for operator in self.graph.operators:
            found = self._computed(operator, known)
            multiple = found if isinstance(found, tuple) else (found,)
            for number, each in zip(operator.outputs, multiple, strict=False):
                known[number] = each
                if watch is not None:
                    watch(number, each)
        return known

    def _computed(self, operator: Operator, known: dict[int, Known]) -> Any:
        call = Call(self, operator, known)
        try:
            return _OPERATORS[operator.kind](call)
        except EdgeKitError:
            raise
        # Options, shapes and constants of the file fit or do not; their exceptions are
        # about this.
        except Exception as fault:
            name = self.graph.tensors[operator.outputs[0]].name[:60]
            raise ModelError(
                f"The operator {operator.kind} that makes '{name}' cannot be read: "
                f"{reason(fault)}."
            ) from fault

    def _output(self, known: dict[int, Known], number: int) -> torch.Tensor:
        found = known.get(number)
        if not isinstance(found, Value):
            raise ModelError(
                f"The output '{self.graph.tensors[number].name[:60]}' is computed from nothing."
            )
        return found.channels_first() if self.graph.moves(number) else found.last()


def _refuse(graph: Graph) -> None:
    """Raise `ModelError` for states between calls, and for operators that are not known."""
    for operator in graph.operators:
        held = [n for n in operator.inputs if n >= 0 and graph.tensors[n].variable]
        if operator.kind in _STATEFUL or held:
            raise ModelError(
                f"The file has the operator {operator.kind}, which keeps a state between calls. "
                "Convert the network with its state as an input and an output."
            )
        if operator.kind not in _OPERATORS:
            raise ModelError(
                f"The file has the operator {operator.kind}, which is not supported."
            )
