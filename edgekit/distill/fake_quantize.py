"""A student that computes as its int8 file will: rounding is in the forward pass, and the
gradient passes it (Jacob et al., 2018, arXiv:1712.05877).

Weights are symmetric, each output channel with its scale; activations have one scale and
zero point a tensor: what the exporters make. torchao's PT2E inserts the fake quantization
at these places.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import torch
from torch import Tensor, fx, nn
from torchao.quantization.pt2e import (
    FusedMovingAvgObsFakeQuantize,
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
)
from torchao.quantization.pt2e.fake_quantize import FakeQuantizeBase
from torchao.quantization.pt2e.quantize_pt2e import prepare_qat_pt2e
from torchao.quantization.pt2e.quantizer import (
    QuantizationAnnotation,
    QuantizationSpec,
    Quantizer,
)
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

from edgekit.program.program import duplicate

_CHANNELS = {
    "aten::conv1d": 0,
    "aten::conv2d": 0,
    "aten::conv3d": 0,
    "aten::linear": 0,
    "aten::conv_transpose1d": 1,
    "aten::conv_transpose2d": 1,
}
"""Operators with weights, and the dimension of their output channels."""
_READS = frozenset(
    f"aten::{name}"
    for name in (
        *("add", "add_", "sub", "mul", "mul_", "cat", "matmul", "bmm", "mean"),
        *("adaptive_avg_pool2d", "avg_pool2d", "max_pool2d", "softmax"),
        *("hardswish", "hardswish_", "hardsigmoid", "sigmoid", "silu", "silu_", "gelu"),
        *("tanh", "leaky_relu", "upsample_nearest2d", "upsample_bilinear2d"),
    )
)
"""Operators that int8 files compute from quantized tensors. A ReLU is fused into its layer."""
_FOLLOWS = 0.05
"""Fraction of a new batch's range in the moving average of an activation's range."""
_LOWEST, _HIGHEST = -128, 127

_ACTIVATION = QuantizationSpec(
    dtype=torch.int8,
    quant_min=_LOWEST,
    quant_max=_HIGHEST,
    qscheme=torch.per_tensor_affine,
    observer_or_fake_quant_ctr=FusedMovingAvgObsFakeQuantize.with_args(
        observer=MovingAverageMinMaxObserver, averaging_constant=_FOLLOWS
    ),
)


def _weight(axis: int) -> QuantizationSpec:
    return QuantizationSpec(
        dtype=torch.int8,
        quant_min=-_HIGHEST,
        quant_max=_HIGHEST,
        qscheme=torch.per_channel_symmetric,
        ch_axis=axis,
        observer_or_fake_quant_ctr=FusedMovingAvgObsFakeQuantize.with_args(
            # The weights' own range in each step.
            observer=MovingAveragePerChannelMinMaxObserver,
            averaging_constant=1.0,
        ),
    )


class Int8(Quantizer):  # type: ignore[misc]
    """Every tensor that an operator computes from, and the network's answer."""

    def annotate(self, model: fx.GraphModule) -> fx.GraphModule:
        """Annotate the inputs, weights and outputs of every operator that int8 files
        quantize."""
        for node in model.graph.nodes:
            name = _name(node)
            if name in _CHANNELS:
                read, weight = node.args[0], node.args[1]
                specs = {read: _ACTIVATION, weight: _weight(_CHANNELS[name])}
            elif name in _READS:
                specs = dict.fromkeys(_tensors(node), _ACTIVATION)
            else:
                continue
            answers = any(user.op == "output" for user in node.users)
            node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(
                input_qspec_map=dict(specs),
                output_qspec=_ACTIVATION if answers else None,
                _annotated=True,
            )
        return model

    def validate(self, model: fx.GraphModule) -> None:
        """Nothing to refuse: what is not annotated stays in float."""


def fake_quantized(module: fx.GraphModule) -> fx.GraphModule:
    """A copy of `module` that rounds as int8 does; ranges follow what it is shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        prepared: fx.GraphModule = prepare_qat_pt2e(duplicate(module), Int8())
    return prepared


def watch(module: nn.Module, watching: bool) -> None:
    """Let ranges follow what the network sees, or stand still."""
    for part in module.modules():
        if isinstance(part, FakeQuantizeBase):
            part.enable_observer(watching)


@torch.no_grad()
def show(module: fx.GraphModule, batches: Iterator[tuple[Tensor, ...]]) -> None:
    """Give every activation a range before the first step."""
    watch(module, True)
    for inputs in batches:
        module(*inputs)


def _name(node: fx.Node) -> str | None:
    schema = getattr(node.target, "_schema", None)
    return None if schema is None else str(schema.name)


def _tensors(node: fx.Node) -> list[fx.Node]:
    """Inputs that the operator computes from: floats, and no weights."""
    return [
        given
        for given in node.all_input_nodes
        if given.op != "get_attr"
        and isinstance(given.meta.get("val"), Tensor)
        and given.meta["val"].is_floating_point()
    ]
