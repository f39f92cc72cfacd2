"""A TFLite file as tensors and operators, the bounds of each list checked before it is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ModelError, RuntimeMissing
from edgekit.safe_io import read_bytes, reading

_KIND = "a TensorFlow Lite model"
MAGIC = b"TFL3"
_LARGEST = 1 << 28
IMAGE = 4
"""Dimensions from which on a tensor has channels to put first: (batch, ..., channels)."""
_FORMS = ("QUANTIZE", "DEQUANTIZE")
TO_LAST, TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]
"""Transpositions between images with their channels first and last."""
_NUMBERS = {
    "FLOAT32": np.float32, "FLOAT16": np.float16, "INT32": np.int32, "INT64": np.int64,
    "INT16": np.int16, "INT8": np.int8, "UINT8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """Real numbers are `scale * (stored - zero)`; both are along `axis` where they are several."""

    scale: np.ndarray
    zero: np.ndarray
    axis: int


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """`data` is what the file holds of a constant, as stored, else `None`."""

    name: str
    shape: tuple[int, ...]
    kind: str
    data: np.ndarray | None
    quantized: Quantized | None
    variable: bool

    @property
    def whole(self) -> bool:
        """Return whether its numbers are whole, and stand for nothing else."""
        return self.kind in ("INT32", "INT64") and self.quantized is None

    def real(self) -> np.ndarray:
        """A constant's numbers, dequantized; raises `ValueError` for another tensor."""
        data = self.data
        if data is None:
            raise ValueError(f"The tensor '{self.name}' is not a constant.")
        if self.quantized is None:
            return data.astype(np.float32) if data.dtype == np.float16 else data
        scale, zero = self.quantized.scale, self.quantized.zero
        if scale.size > 1:
            sizes = [1] * data.ndim
            sizes[self.quantized.axis] = scale.size
            scale, zero = scale.reshape(sizes), zero.reshape(sizes)
        found = (data.astype(np.float64) - zero) * scale
        return np.asarray(found, np.float32)


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One call; `options` reads fields by the schema's names. An input of -1 is left out."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any

    def option(self, name: str, otherwise: Any = 0) -> Any:
        """A field of the operator's options; `otherwise` where it has none."""
        return otherwise if self.options is None else getattr(self.options, name)()


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The file's one graph."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def __deepcopy__(self, memo: dict[int, Any]) -> Graph:
        """Itself: nothing in it changes."""
        return self

    def permutation(self, operator: Operator) -> list[int] | None:
        """The constant order of a TRANSPOSE, else `None`."""
        if operator.kind != "TRANSPOSE":
            return None
        data = self.tensors[operator.inputs[1]].data
        return None if data is None else [int(n) for n in data.reshape(-1)]

    def moves(self, number: int) -> bool:
        """Return whether an input or output is an image whose channels the file has last.

        The file has no mark of it; but where all that it does with an input, or its way to make
        an output, is to transpose it, the file's own order is channels first.
        """
        if len(self.tensors[number].shape) < IMAGE:
            return False
        turned = [self.permutation(op) == TO_LAST for op in self._readers(number)]
        maker = self._maker(number)
        if maker is None:
            return not (turned and all(turned))
        return self.permutation(maker) != TO_FIRST

    def table(self, number: int) -> int:
        """Rows of the smallest table that an input picks from; 2 where it picks from none."""
        return min(filter(None, map(self._rows, self._readers(number))), default=2)

    def _rows(self, operator: Operator) -> int:
        """Of the constant that an operator picks from, by numbers computed elsewhere."""
        place = {"GATHER": 0, "EMBEDDING_LOOKUP": 1}.get(operator.kind)
        if place is None or self.tensors[operator.inputs[place]].data is None:
            return 0
        shape = self.tensors[operator.inputs[place]].shape
        axis = operator.option("Axis") if operator.kind == "GATHER" else 0
        return shape[axis] if -len(shape) <= axis < len(shape) else 0

    def _readers(self, number: int) -> list[Operator]:
        """Operators that take a tensor, or its numbers in another form."""
        found: list[Operator] = []
        for op in self.operators:
            if number in op.inputs:
                again = op.kind in _FORMS
                found.extend(self._readers(op.outputs[0]) if again else [op])
        return found

    def _maker(self, number: int) -> Operator | None:
        """The operator that makes a tensor, before its numbers are put in another form."""
        made = next((op for op in self.operators if number in op.outputs), None)
        if made is not None and made.kind in _FORMS:
            return self._maker(made.inputs[0])
        return made

    @property
    def quantized(self) -> bool:
        """Return whether it computes with whole numbers that stand for real ones."""
        return any(t.quantized is not None and t.kind != "INT32" for t in self.tensors)


def read(path: Path) -> Graph:
    """The graph of the file; raises `ModelError` for what is damaged or holds several graphs."""
    if find_spec("ai_edge_litert") is None:
        raise RuntimeMissing(
            "TensorFlow Lite files are read and checked with LiteRT: "
            "pip install 'edgekit[litert]'."
        )
    content = read_bytes(path, ModelError)
    with reading(path, ModelError, kind=_KIND):
        if content[4:8] != MAGIC:
            raise ValueError("it has no TFL3 mark")
        return _Reader(content).graph()


class _Reader:
    """Reads tables, each vector's length held against the file's."""

    def __init__(self, content: bytes) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.schema, self.content = schema, content
        self.model = schema.Model.GetRootAs(content, 0)
        self.operators = _names(schema.BuiltinOperator)
        self.types = _names(schema.TensorType)
        self.option_kinds = _names(schema.BuiltinOptions)

    def graph(self) -> Graph:
        if self._count(self.model.SubgraphsLength) != 1:
            raise ValueError(f"it holds {self.model.SubgraphsLength()} graphs")
        graph = self.model.Subgraphs(0)
        tensors = tuple(
            self._tensor(graph.Tensors(n))
            for n in range(self._count(graph.TensorsLength))
        )
        operators = tuple(
            self._operator(graph.Operators(n), len(tensors))
            for n in range(self._count(graph.OperatorsLength))
        )
        ends = (graph.InputsLength, graph.InputsAsNumpy), (
            graph.OutputsLength, graph.OutputsAsNumpy,
        )  # fmt: skip
        inputs, outputs = (self._numbers(*each, len(tensors)) for each in ends)
        return Graph(
            tensors=tensors, operators=operators, inputs=inputs, outputs=outputs
        )

    def _count(self, length: Callable[[], int]) -> int:
        count = length()
        if not 0 <= count * 4 <= len(self.content):
            raise ValueError(f"a list in it has {count:,} entries")
        return count

    def _numbers(
        self, length: Callable[[], int], read: Callable[[], Any], most: int
    ) -> tuple[int, ...]:
        if not self._count(length):
            return ()
        found = tuple(int(n) for n in read())
        if not all(-1 <= n < most for n in found):
            raise ValueError("it names a tensor that it has not")
        return found

    def _tensor(self, tensor: Any) -> Tensor:
        shape = self._ints(tensor.ShapeLength, tensor.ShapeAsNumpy)
        if min(shape, default=0) < 0 or _product(shape) > _LARGEST:
            raise ValueError(f"a tensor in it is of shape {list(shape)}")
        kind = self.types.get(tensor.Type(), "unknown")
        name = tensor.Name()
        return Tensor(
            name=name.decode("utf-8", "replace") if name else "",
            shape=shape,
            kind=kind,
            data=self._data(tensor, shape, kind),
            quantized=self._quantized(tensor, shape),
            variable=bool(tensor.IsVariable()),
        )

    def _ints(
        self, length: Callable[[], int], read: Callable[[], Any]
    ) -> tuple[int, ...]:
        return tuple(int(n) for n in read()) if self._count(length) else ()

    def _data(self, tensor: Any, shape: Sequence[int], kind: str) -> np.ndarray | None:
        number = tensor.Buffer()
        if not 0 <= number < self._count(self.model.BuffersLength):
            raise ValueError("a tensor in it names a buffer that it has not")
        raw = self._bytes(self.model.Buffers(number))
        if not len(raw):
            return None
        if kind not in _NUMBERS:
            raise ValueError(f"a constant in it is of the type {kind}")
        if tensor.Sparsity() is not None:
            from edgekit.sources.tflite.sparse import dense

            return dense(tensor.Sparsity(), raw.view(_NUMBERS[kind]), shape)
        found: np.ndarray = raw.view(_NUMBERS[kind])
        if found.size != _product(shape):
            raise ValueError(
                f"a constant of shape {list(shape)} has {found.size} numbers"
            )
        return found.reshape(shape)

    def _bytes(self, buffer: Any) -> np.ndarray:
        if buffer.Offset() > 1:  # behind the model
            inside = self.content[buffer.Offset() : buffer.Offset() + buffer.Size()]
            return np.frombuffer(inside, np.uint8)
        count = buffer.DataLength()
        if not 0 <= count <= len(self.content):
            raise ValueError("a buffer in it is longer than the file")
        return (
            np.array(buffer.DataAsNumpy(), np.uint8) if count else np.empty(0, np.uint8)
        )

    def _quantized(self, tensor: Any, shape: Sequence[int]) -> Quantized | None:
        given = tensor.Quantization()
        if given is None or not self._count(given.ScaleLength):
            return None
        scale = np.array(given.ScaleAsNumpy(), np.float64)
        zero = np.zeros_like(scale)
        if self._count(given.ZeroPointLength):
            zero[:] = given.ZeroPointAsNumpy()
        axis = int(given.QuantizedDimension())
        if scale.size > 1 and scale.size not in shape[axis : axis + 1]:
            fitting = [n for n, size in enumerate(shape) if size == scale.size]
            if len(fitting) != 1:
                raise ValueError("a tensor in it has more scales than channels")
            axis = fitting[0]
        return Quantized(scale=scale, zero=zero, axis=axis)

    def _operator(self, operator: Any, tensors: int) -> Operator:
        number = operator.OpcodeIndex()
        if not 0 <= number < self._count(self.model.OperatorCodesLength):
            raise ValueError("it names an operator that it has not")
        code = self.model.OperatorCodes(number)
        kind = self.operators.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))
        if kind == "CUSTOM" or kind is None:
            named = code.CustomCode()
            shown = named.decode("utf-8", "replace")[:40] if named else str(kind)
            raise ModelError(
                f"The file has the custom operator '{shown}', which only its author's runtime "
                "computes. Cut it off before it is converted."
            )
        return Operator(
            kind=kind,
            inputs=self._numbers(
                operator.InputsLength, operator.InputsAsNumpy, tensors
            ),
            outputs=self._numbers(
                operator.OutputsLength, operator.OutputsAsNumpy, tensors
            ),
            options=self._options(operator),
        )

    def _options(self, operator: Any) -> Any:
        table = operator.BuiltinOptions()
        name = self.option_kinds.get(operator.BuiltinOptionsType())
        kind = getattr(self.schema, name or "", None)
        if table is None or kind is None:
            return None
        found = kind()
        found.Init(table.Bytes, table.Pos)
        return found


def _names(constants: type) -> dict[int, str]:
    return {n: name for name, n in vars(constants).items() if isinstance(n, int)}


def _product(shape: Sequence[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count
