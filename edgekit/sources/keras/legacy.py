"""Keras 1: its names of layers and arguments, and its order of weights, as those of Keras 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_KINDS = {
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "Deconvolution2D": "Conv2DTranspose",
    "SeparableConvolution2D": "SeparableConv2D",
    "TimeDistributedDense": "Dense",
}
_ARGUMENTS = {
    "output_dim": "units",
    "nb_filter": "filters",
    "subsample": "strides",
    "subsample_length": "strides",
    "stride": "strides",
    "border_mode": "padding",
    "atrous_rate": "dilation_rate",
    "bias": "use_bias",
    "p": "rate",
    "pool_length": "pool_size",
    "inner_activation": "recurrent_activation",
    "sigma": "stddev",
    "length": "size",
}
_ORDERS = {"tf": "channels_last", "th": "channels_first"}
_MERGES = {
    "sum": "Add", "mul": "Multiply", "concat": "Concatenate", "ave": "Average",
    "max": "Maximum", "dot": "Dot",
}  # fmt: skip
_SIZES = (
    ("nb_row", "nb_col"),
    ("filter_length",),
    ("kernel_dim1", "kernel_dim2", "kernel_dim3"),
)


def renamed(kind: str, values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A layer of Keras 1 by the class and arguments that it has in Keras 2."""
    found = {_ARGUMENTS.get(name, name): value for name, value in values.items()}
    if kind == "Embedding":
        found = dict(values)
    for sizes in _SIZES:
        if all(name in found for name in sizes):
            found["kernel_size"] = [found.pop(name) for name in sizes]
    order = found.pop("dim_ordering", None)
    if order is not None:
        found["data_format"] = _ORDERS.get(order, "channels_last")
    if kind == "BatchNormalization" and found.get("mode", 0) == 1:
        raise ValueError("batch normalization of mode 1 normalizes samples")
    if kind == "Merge":
        return _merge(found)
    if kind == "UpSampling1D" and "size" not in found:
        found["size"] = values.get("length", 2)
    return _KINDS.get(kind, kind), found


def _merge(values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    mode = values.get("mode", "sum")
    if mode not in _MERGES or values.get("mode_type") == "lambda":
        raise ValueError(f"a Merge of mode {str(mode)[:40]!r}")
    axis = values.get("concat_axis", -1)
    return _MERGES[mode], {**values, "axis": axis, "axes": values.get("dot_axes", -1)}


def reordered(
    kind: str,
    values: Mapping[str, Any],
    weights: Sequence[np.ndarray],
    backend: str | None,
) -> list[np.ndarray]:
    """A layer's weights of Keras 1 in the order and layout of Keras 2.

    Theano's convolutions turn their kernels, so that those that it trained are turned here.
    """
    found = list(weights)
    if not found:
        return found
    first = values.get("data_format") == "channels_first"
    if kind == "Conv1D":
        # (filters, inputs, length, 1) before 1.2, then (length, 1, inputs, filters)
        kernel = found[0]
        if kernel.ndim == 4 and kernel.shape[1] != 1:
            kernel = kernel.transpose(2, 3, 1, 0)
        found[0] = kernel[:, 0] if kernel.ndim == 4 else kernel
    elif kind in ("Conv2D", "Conv3D") and first:
        spatial = tuple(range(2, found[0].ndim))
        found[0] = found[0].transpose(*spatial, 1, 0)
    elif kind == "Conv2DTranspose":
        found[0] = found[0].transpose((2, 3, 0, 1) if first else (0, 1, 3, 2))
    elif kind == "SeparableConv2D" and first:
        found[:2] = [each.transpose(2, 3, 1, 0) for each in found[:2]]
    elif kind in ("LSTM", "GRU") and len(found) in (12, 9):
        found = _gates(found, (0, 6, 3, 9) if len(found) == 12 else (0, 3, 6))
    if backend == "theano" and kind.startswith(("Conv", "Separable")):
        spatial_axes = tuple(range(found[0].ndim - 2))
        found[0] = np.ascontiguousarray(np.flip(found[0], spatial_axes))
    return found


def _gates(weights: list[np.ndarray], order: Sequence[int]) -> list[np.ndarray]:
    """Kernel, recurrent kernel and bias of each gate, joined in Keras 2's order of gates."""
    return [np.concatenate([weights[n + part] for n in order], -1) for part in range(3)]
