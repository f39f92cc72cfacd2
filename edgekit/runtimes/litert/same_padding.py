"""Zero padding of channels-last convolutions, folded into the convolutions themselves.

TensorFlow's "SAME" pads a strided convolution unevenly. PyTorch has that as an operator of its own,
which the converter leaves with channels first, between two transposes: three copies of the map
before each strided convolution, which TFLite's own SAME does without.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.runtimes.litert.flatbuffer import schema

Array = np.ndarray[Any, Any]
Pair = tuple[int, int]

_TO_FIRST, _TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def fold(model: Any) -> None:
    """Rewrite every graph of a float model (`flatbuffer.unpacked`), in place.

    A transpose and its inverse vanish; a padding between them, or right before a convolution,
    vanishes where the convolution's SAME is the same.
    """
    for place, graph in enumerate(model.subgraphs):
        _Graph(model, graph).fold()
        known = _renumber(graph)
        for signature in model.signatureDefs or ():
            if signature.subgraphIndex == place:
                for end in (*signature.inputs, *signature.outputs):
                    end.tensorIndex = known[end.tensorIndex]


class _Graph:
    """One graph, with what makes and reads each tensor."""

    def __init__(self, model: Any, graph: Any) -> None:
        self._model, self._graph, self._schema = model, graph, schema()
        self._maker = {int(o.outputs[0]): o for o in graph.operators if len(o.outputs)}

    def fold(self) -> None:
        for operator in self._graph.operators:
            if self._moves(operator, _TO_LAST):
                self._straighten(operator)
            elif self._is(operator, "CONV_2D", "DEPTHWISE_CONV_2D"):
                self._pad_inside(operator)
        self._remove_unread()

    def _straighten(self, back: Any) -> None:
        """Read the original map where `back` undoes another transpose."""
        there = self._maker.get(int(back.inputs[0]))
        if there is not None and self._undoes(there, back):
            self._redirect(int(back.outputs[0]), int(there.inputs[0]))

    def _pad_inside(self, convolution: Any) -> None:
        """Take the map before the padding, where that is what SAME adds."""
        options = convolution.builtinOptions
        if options.padding != self._schema.Padding.VALID:
            return
        found = self._padded(int(convolution.inputs[0]))
        if found is None:
            return
        source, rows, columns = found
        sizes = self._shape(source)
        kernel = self._shape(int(convolution.inputs[1]))
        vertical = (sizes[1], kernel[1], options.strideH, options.dilationHFactor)
        horizontal = (sizes[2], kernel[2], options.strideW, options.dilationWFactor)
        if (_same(*vertical), _same(*horizontal)) != (rows, columns):
            return
        options.padding = self._schema.Padding.SAME
        convolution.inputs = [source, *convolution.inputs[1:]]

    def _padded(self, number: int) -> tuple[int, Pair, Pair] | None:
        """The map with its channels last that is padded by zeros to a tensor, and by how much."""
        back: Any = None
        pad = self._maker.get(number)
        if pad is not None and self._moves(pad, _TO_LAST):
            back, pad = pad, self._maker.get(int(pad.inputs[0]))
        if pad is None or not self._is(pad, "PAD"):
            return None
        source = int(pad.inputs[0])
        amounts = self._constant(int(pad.inputs[1])).reshape(-1, 2).tolist()
        if back is not None:
            there = self._maker.get(source)
            if there is None or len(amounts) != 4 or not self._undoes(there, back):
                return None
            source = int(there.inputs[0])
            amounts = [amounts[axis] for axis in _TO_LAST]
        if len(amounts) != 4 or any(amounts[0]) or any(amounts[3]):
            return None
        _, rows, columns, _ = map(tuple, amounts)
        return source, rows, columns

    def _undoes(self, there: Any, back: Any) -> bool:
        return self._moves(there, _TO_FIRST) and self._moves(back, _TO_LAST)

    def _moves(self, operator: Any, order: tuple[int, ...]) -> bool:
        """Return whether it puts the channels elsewhere; a reshape does it where there is one."""
        if self._is(operator, "TRANSPOSE"):
            return tuple(self._constant(int(operator.inputs[1]))) == order
        if not self._is(operator, "RESHAPE"):
            return False
        before, after = (
            self._shape(int(n)) for n in (operator.inputs[0], operator.outputs[0])
        )
        if len(before) != 4 or [before[axis] for axis in order] != after:
            return False
        return before[3 if order == _TO_FIRST else 1] == 1

    def _redirect(self, number: int, source: int) -> None:
        """Let all readers of a tensor read `source`; outputs of the graph keep their tensor."""
        for operator in self._graph.operators:
            if number in operator.inputs:
                operator.inputs = [
                    source if n == number else n for n in operator.inputs
                ]

    def _remove_unread(self) -> None:
        """Drop the operators whose outputs nothing reads, the last first."""
        read = {int(number) for number in self._graph.outputs}
        kept = []
        for operator in reversed(self._graph.operators):
            if read & {int(number) for number in operator.outputs}:
                kept.append(operator)
                read |= {int(number) for number in operator.inputs}
        self._graph.operators = kept[::-1]

    def _is(self, operator: Any, *names: str) -> bool:
        code = self._model.operatorCodes[operator.opcodeIndex]
        kind = max(code.builtinCode, code.deprecatedBuiltinCode)
        return kind in {getattr(self._schema.BuiltinOperator, name) for name in names}

    def _shape(self, number: int) -> list[int]:
        return [int(size) for size in self._graph.tensors[number].shape]

    def _constant(self, number: int) -> Array:
        """Whole numbers that a tensor holds; none where it is computed."""
        tensor = self._graph.tensors[number]
        data = self._model.buffers[tensor.buffer].data
        wide = tensor.type == self._schema.TensorType.INT64
        kind = np.int64 if wide else np.int32
        return np.frombuffer(bytes(() if data is None else data), kind)


def _renumber(graph: Any) -> dict[int, int]:
    """Remove tensors that nothing has, which calibration reads; new numbers by the old ones."""
    rows = [graph.inputs, graph.outputs]
    rows += [row for o in graph.operators for row in (o.inputs, o.outputs)]
    used = sorted({int(number) for row in rows for number in row} - {-1})
    known = {number: place for place, number in enumerate(used)} | {-1: -1}

    def renumbered(row: Any) -> list[int]:
        return [known[int(number)] for number in row]

    graph.inputs, graph.outputs = renumbered(graph.inputs), renumbered(graph.outputs)
    for operator in graph.operators:
        operator.inputs = renumbered(operator.inputs)
        operator.outputs = renumbered(operator.outputs)
    graph.tensors = [graph.tensors[number] for number in used]
    return known


def _same(size: int, kernel: int, stride: int, dilation: int) -> Pair:
    """Zeros that TFLite's SAME adds before and after."""
    reach = (kernel - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2
