"""Type and every shape of an operator, on which its cost depends, batch size 1."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal[
    "conv",
    "linear",
    "pool",
    "elementwise",
    "slice",
    "pad",
    "attention",
    "layer_norm",
]


@dataclass(frozen=True, kw_only=True)
class OperatorShape:
    """One operator with every shape that its cost depends on, batch size 1.

    `conv` maps (inputs, *size) to (outputs, ...), grouped and depthwise included; a 1-D
    convolution has height 1. `linear` maps `size[0]` rows of `inputs` features to `outputs`.
    `pool` and `elementwise` keep `inputs` channels of `size`; `slice` takes every `stride`-th
    position, and `pad` adds `padding` at both ends and channels up to `outputs`. `attention` is
    scaled dot-product attention of `groups` heads from `size[0]` queries to `size[1]` keys, its
    `inputs`, which are its `outputs`, the features of a query and a value together: split from
    what one layer gives, and joined again. `layer_norm` normalizes `size[0]` rows of `inputs`
    features. `relu` is a rectifier that the runtime fuses into the operator.
    """

    kind: Kind
    inputs: int
    outputs: int
    size: tuple[int, int] = (1, 1)
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    relu: bool = False

    @property
    def key(self) -> str:
        """The name of this operator's cell in a cost table."""
        numbers = (
            self.inputs,
            self.outputs,
            *self.size,
            *self.kernel,
            *self.stride,
            *self.padding,
            *self.dilation,
            self.groups,
        )
        relu = ",relu" if self.relu else ""
        return f"{self.kind}:" + ",".join(map(str, numbers)) + relu

    @property
    def output_size(self) -> tuple[int, int]:
        """Height and width of the output."""
        if self.kind in ("linear", "elementwise", "attention", "layer_norm"):
            return self.size
        height, width = (
            (size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
            for size, pad, dilation, kernel, stride in zip(
                self.size,
                self.padding,
                self.dilation,
                self.kernel,
                self.stride,
                strict=True,
            )
        )
        return height, width

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference; convolutions, products and attention have any."""
        positions = math.prod(self.output_size)
        if self.kind == "conv":
            taps = math.prod(self.kernel) * self.inputs // self.groups
            return positions * taps * self.outputs
        if self.kind == "linear":
            return positions * self.inputs * self.outputs
        if self.kind == "attention":
            return self.groups * positions * self.inputs
        return 0


def operator_of(key: str) -> OperatorShape:
    """The operator whose cell has this name."""
    kind, _, rest = key.partition(":")
    numbers = list(map(int, rest.removesuffix(",relu").split(",")))
    pairs = [tuple(numbers[at : at + 2]) for at in range(2, 12, 2)]
    names = ("size", "kernel", "stride", "padding", "dilation")
    fields: dict[str, Any] = dict(zip(names, pairs, strict=True))
    return OperatorShape(
        kind=kind,  # type: ignore[arg-type]
        inputs=numbers[0],
        outputs=numbers[1],
        groups=numbers[12],
        relu=key.endswith(",relu"),
        **fields,
    )
