"""An ONNX model of a few operators, with conversions to 8 bits and back."""

from __future__ import annotations

from typing import Any

import numpy as np


class OperatorGraph:
    """Nodes and constants, as they are added."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def dequantized(self, name: str, scale: Any, kind: Any = np.int8) -> str:
        """Add the conversion from 8 bits; returns its output's name."""
        scales = np.asarray(scale, np.float32)
        inputs = [name, *self.scale(scales, kind)]
        axis = {"axis": 0} if scales.ndim else {}
        return self.node("DequantizeLinear", inputs, f"{name}_real", **axis)

    def scale(
        self, scales: Any, kind: Any = np.int8, *, positive: bool = False
    ) -> list[str]:
        """The names of constants: scales, and the values that stand for 0, the least one there is
        where no real value is negative."""
        scales = np.asarray(scales, np.float32)
        middle = 128 if kind is np.uint8 else 0
        zero = np.iinfo(kind).min if positive else middle
        points = np.full(scales.shape, zero, kind)
        return [self.constant(scales), self.constant(points)]

    def constant(self, value: np.ndarray[Any, Any]) -> str:
        """The name of a constant."""
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node of one output, whose name is returned."""
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output
