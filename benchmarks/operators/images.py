"""Pooling, padding and resizing."""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.operators.case import (
    EVEN,
    IMAGE,
    LINE,
    add,
    of,
)


def _pooling() -> None:
    for size in (1, 2, (3, 2), (4, 5), (9, 11), (13, 12), (None, 3)):
        of(
            f"adaptive_avg_pool2d {size}",
            lambda x, s=size: F.adaptive_avg_pool2d(x, s),
            IMAGE,
        )
        of(
            f"adaptive_max_pool2d {size}",
            lambda x, s=size: F.adaptive_max_pool2d(x, s),
            IMAGE,
        )
    of(
        "adaptive_max_pool2d indices",
        lambda x: F.adaptive_max_pool2d(x, (3, 4), return_indices=True),
        IMAGE,
    )
    for length in (1, 3, 5, 7, 30):
        of(
            f"adaptive_avg_pool1d {length}",
            lambda x, n=length: F.adaptive_avg_pool1d(x, n),
            LINE,
        )
        of(
            f"adaptive_max_pool1d {length}",
            lambda x, n=length: F.adaptive_max_pool1d(x, n),
            LINE,
        )
    for volume in (1, (2, 3, 4)):
        of(
            f"adaptive_avg_pool3d {volume}",
            lambda x, s=volume: F.adaptive_avg_pool3d(x, s),
            (3, 5, 7, 8),
        )
        of(
            f"adaptive_max_pool3d {volume}",
            lambda x, s=volume: F.adaptive_max_pool3d(x, s),
            (3, 5, 7, 8),
        )
    for ceil in (False, True):
        for k, s, p in (
            (2, 2, 0),
            (3, 2, 1),
            (3, 1, 1),
            ((2, 3), (2, 1), (1, 0)),
            (5, 3, 2),
            (4, 4, 2),
        ):
            of(
                f"max_pool2d {k} {s} {p} ceil={ceil}",
                lambda x, k=k, s=s, p=p, c=ceil: F.max_pool2d(x, k, s, p, ceil_mode=c),
                IMAGE,
            )
            for pad in (False, True):
                of(
                    f"avg_pool2d {k} {s} {p} ceil={ceil} pad={pad}",
                    lambda x, k=k, s=s, p=p, c=ceil, i=pad: F.avg_pool2d(
                        x, k, s, p, ceil_mode=c, count_include_pad=i
                    ),
                    IMAGE,
                )
        of(
            f"max_pool1d ceil={ceil}",
            lambda x, c=ceil: F.max_pool1d(x, 3, 2, 1, ceil_mode=c),
            LINE,
        )
        of(
            f"avg_pool1d ceil={ceil}",
            lambda x, c=ceil: F.avg_pool1d(x, 3, 2, 1, ceil_mode=c),
            LINE,
        )
        of(
            f"max_pool3d ceil={ceil}",
            lambda x, c=ceil: F.max_pool3d(x, 3, 2, 1, ceil_mode=c),
            (3, 6, 7, 8),
        )
        of(
            f"avg_pool3d ceil={ceil}",
            lambda x, c=ceil: F.avg_pool3d(x, 3, 2, 1, ceil_mode=c),
            (3, 6, 7, 8),
        )
    of("max_pool2d dilation", lambda x: F.max_pool2d(x, 3, 1, 1, dilation=2), IMAGE)
    of(
        "max_pool2d dilation stride ceil",
        lambda x: F.max_pool2d(x, 3, 2, 1, dilation=2, ceil_mode=True),
        IMAGE,
    )
    of("max_pool1d dilation", lambda x: F.max_pool1d(x, 3, 1, 1, dilation=3), LINE)
    of(
        "max_pool3d dilation",
        lambda x: F.max_pool3d(x, 2, 1, 0, dilation=2),
        (3, 6, 7, 8),
    )
    of("max_pool2d indices", lambda x: F.max_pool2d(x, 2, return_indices=True), EVEN)
    of(
        "max_unpool2d",
        lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), (2, 2)),
        EVEN,
    )
    of(
        "avg_pool2d divisor",
        lambda x: F.avg_pool2d(x, 3, 2, 1, divisor_override=5),
        IMAGE,
    )
    of("lp_pool2d", lambda x: F.lp_pool2d(x.abs() + 0.1, 2, 3, 2), IMAGE)
    of("lp_pool1d", lambda x: F.lp_pool1d(x.abs() + 0.1, 3, 3), LINE)
    of("max_pool2d zeros", lambda x: F.max_pool2d(-x.abs() - 5, 3, 2, 1), IMAGE)
    of("global max amax", lambda x: x.amax((2, 3), keepdim=True), IMAGE)
    add(
        "fractional_max_pool2d",
        lambda: nn.FractionalMaxPool2d(
            2, (4, 4), _random_samples=torch.full((1, 6, 2), 0.3)
        ),
        IMAGE,
    )


def _padding() -> None:
    modes: dict[str, Literal["zeros", "reflect", "replicate", "circular"]] = {
        "constant": "zeros",
        "reflect": "reflect",
        "replicate": "replicate",
        "circular": "circular",
    }
    for mode, filled in modes.items():
        of(f"pad2d {mode}", lambda x, m=mode: F.pad(x, (1, 2, 3, 1), m), IMAGE)
        of(f"pad1d {mode}", lambda x, m=mode: F.pad(x, (3, 2), m), LINE)
        of(
            f"pad3d {mode}",
            lambda x, m=mode: F.pad(x, (1, 2, 2, 1, 1, 1), m),
            (3, 5, 6, 7),
        )
        add(
            f"conv2d padding_mode {mode}",
            partial(nn.Conv2d, 6, 5, 3, padding=(2, 1), padding_mode=filled),
            IMAGE,
        )
    of("pad value", lambda x: F.pad(x, (1, 2, 0, 1), value=-3.5), IMAGE)
    of("pad negative", lambda x: F.pad(x, (-1, 2, 1, -2)), IMAGE)
    of("pad channels", lambda x: F.pad(x, (0, 0, 0, 0, 2, 3)), IMAGE)
    of(
        "pad -inf",
        lambda x: F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=float("-inf")), 2),
        IMAGE,
    )


def _sampling() -> None:
    for size in ((18, 22), (13, 17), (5, 4), (9, 11), (1, 1)):
        of(
            f"nearest {size}",
            lambda x, s=size: F.interpolate(x, s, mode="nearest"),
            IMAGE,
        )
        of(
            f"nearest-exact {size}",
            lambda x, s=size: F.interpolate(x, s, mode="nearest-exact"),
            IMAGE,
        )
        of(f"area {size}", lambda x, s=size: F.interpolate(x, s, mode="area"), IMAGE)
        for mode in ("bilinear", "bicubic"):
            for corners in (False, True):
                of(
                    f"{mode} {size} corners={corners}",
                    lambda x, s=size, m=mode, c=corners: F.interpolate(
                        x, s, mode=m, align_corners=c
                    ),
                    IMAGE,
                )
            of(
                f"{mode} {size} antialias",
                lambda x, s=size, m=mode: F.interpolate(x, s, mode=m, antialias=True),
                IMAGE,
            )
    for factor in (2, 3, 1.5, 0.5, (2, 1.7)):
        of(
            f"nearest x{factor}",
            lambda x, s=factor: F.interpolate(x, scale_factor=s),
            IMAGE,
        )
        of(
            f"bilinear x{factor}",
            lambda x, s=factor: F.interpolate(x, scale_factor=s, mode="bilinear"),
            IMAGE,
        )
        of(
            f"bilinear x{factor} recompute",
            lambda x, s=factor: F.interpolate(
                x, scale_factor=s, mode="bilinear", recompute_scale_factor=True
            ),
            IMAGE,
        )
    for corners in (False, True):
        of(
            f"linear corners={corners}",
            lambda x, c=corners: F.interpolate(x, 33, mode="linear", align_corners=c),
            LINE,
        )
        of(
            f"trilinear corners={corners}",
            lambda x, c=corners: F.interpolate(
                x, (7, 9, 5), mode="trilinear", align_corners=c
            ),
            (3, 5, 6, 7),
        )
        for mode in ("bilinear", "nearest", "bicubic"):
            for pad in ("zeros", "border", "reflection"):
                of(
                    f"grid_sample {mode} {pad} corners={corners}",
                    lambda x, g, a=(mode, pad, corners): F.grid_sample(
                        x, g * 0.7, a[0], a[1], a[2]
                    ),
                    IMAGE,
                    (5, 4, 2),
                )
        of(
            f"affine_grid corners={corners}",
            lambda x, c=corners: F.affine_grid(
                x, [x.shape[0], 3, 6, 7], align_corners=c
            ),
            (2, 3),
        )
        of(
            f"grid_sample 3d corners={corners}",
            lambda x, g, c=corners: F.grid_sample(x, g * 0.7, align_corners=c),
            (3, 5, 6, 7),
            (2, 3, 4, 3),
        )
    of("nearest 1d", lambda x: F.interpolate(x, 33), LINE)
    of("nearest 1d x2", lambda x: F.interpolate(x, scale_factor=2), LINE)
    of("nearest 3d", lambda x: F.interpolate(x, (7, 9, 5)), (3, 5, 6, 7))
    of("pixel_shuffle", lambda x: F.pixel_shuffle(x, 2), (8, 5, 6))
    of("pixel_unshuffle", lambda x: F.pixel_unshuffle(x, 2), EVEN)
    of("channel_shuffle", lambda x: F.channel_shuffle(x, 3), IMAGE)
    of("unfold", lambda x: F.unfold(x, 3, padding=1), EVEN)
    of(
        "unfold dilated",
        lambda x: F.unfold(x, (3, 2), dilation=(2, 1), padding=1, stride=2),
        IMAGE,
    )
    of("fold", lambda x: F.fold(x, (8, 8), 2, stride=2), (16, 16))
    of("fold overlapping", lambda x: F.fold(x, (7, 8), 3, padding=1), (18, 56))
    of("fold dilated", lambda x: F.fold(x, (9, 9), 3, dilation=2, stride=2), (18, 9))
    of("tensor unfold", lambda x: x.unfold(2, 3, 2).unfold(3, 4, 3), IMAGE)


_pooling()
_padding()
_sampling()
