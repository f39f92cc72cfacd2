"""Exact decompositions of operators, and which of them each format needs."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch

from edgekit.runtimes.litert.decompose import convolution, elements, pooling, sampling
from edgekit.runtimes.litert.lowering import Decomposition, Table

aten = torch.ops.aten


def _resizing() -> dict[Any, Decomposition]:
    nearests = (
        *(aten.upsample_nearest1d, aten.upsample_nearest2d, aten.upsample_nearest3d),
        *(aten._upsample_nearest_exact1d, aten._upsample_nearest_exact2d),
        aten._upsample_nearest_exact3d,
    )
    weighted = (
        *(aten.upsample_linear1d, aten.upsample_bilinear2d, aten.upsample_trilinear3d),
        aten.upsample_bicubic2d,
    )
    antialiased = (aten._upsample_bilinear2d_aa, aten._upsample_bicubic2d_aa)
    return {
        **{op.vec: partial(sampling.nearest, op.vec) for op in nearests},
        **{op.vec: partial(sampling.resized, op.vec, False) for op in weighted},
        **{op.vec: partial(sampling.resized, op.vec, True) for op in antialiased},
    }


LITERT: Table = {
    aten.adaptive_max_pool1d.default: pooling.adaptive_max_pool,
    aten.adaptive_max_pool2d.default: pooling.adaptive_max_pool,
    aten.adaptive_max_pool3d.default: pooling.adaptive_max_pool,
    aten.adaptive_avg_pool3d.default: pooling.adaptive_avg_pool,
    aten.max_pool2d_with_indices.default: pooling.max_pool_with_indices,
    aten.max_pool3d_with_indices.default: pooling.max_pool_with_indices,
    aten.avg_pool3d.default: pooling.avg_pool_ceil,
    aten.mean.dim: partial(pooling.over_image, aten.mean.dim),
    aten.sum.dim_IntList: partial(pooling.over_image, aten.sum.dim_IntList),
    aten.conv1d.padding: convolution.padded_same,
    aten.conv3d.default: convolution.grouped,
    aten.conv_transpose1d.default: convolution.transposed,
    aten.conv_transpose2d.input: convolution.transposed,
    aten.conv_transpose3d.input: convolution.transposed,
    aten.col2im.default: convolution.fold,
    aten.bilinear.default: convolution.bilinear,
    aten.rrelu.default: elements.rrelu,
    aten.one_hot.default: elements.one_hot,
    aten.expand.default: elements.expand,
    aten.expand_as.default: elements.expand,
    aten.add.Tensor: elements.add,
    aten.floor_divide.default: elements.floor_divide,
    aten.div.Tensor_mode: elements.floor_divide,
    aten.fmax.default: elements.fmax,
    aten.fmin.default: elements.fmin,
    aten.hypot.default: lambda x, y: torch.sqrt(x * x + y * y),
    aten.ldexp.Tensor: lambda x, y: x * torch.pow(2.0, y),
    aten.__xor__.Tensor: elements.exclusive,
    aten.bitwise_xor.Tensor: elements.exclusive,
    aten.logical_xor.default: lambda x, y: (x != 0) != (y != 0),
    aten.cumprod.default: elements.cumprod,
    aten.cummax.default: elements.cummax,
    aten.cummin.default: elements.cummin,
    aten.sort.default: elements.sort,
    aten.sort.stable: elements.sort_stable,
    aten.argsort.default: elements.argsort,
    aten.kthvalue.default: elements.kthvalue,
    aten.median.dim: elements.median,
    aten.bucketize.Tensor: elements.bucketize,
    aten.searchsorted.Tensor: lambda edges, x, **how: elements.bucketize(
        x, edges, **how
    ),
    aten.index_add.default: elements.index_add,
    aten.scatter_add.default: elements.scatter_add,
    aten.index_fill.int_Scalar: elements.index_fill,
    aten.eye.default: elements.eye,
    aten.eye.m: elements.eye,
    aten.exp2.default: lambda x: torch.exp(x * math.log(2)),
    aten.erfc.default: lambda x: 1 - torch.erf(x),
    aten.special_erfc.default: lambda x: 1 - torch.erf(x),
    aten.repeat_interleave.self_int: elements.repeat_interleave_of_one,
    **_resizing(),
}
