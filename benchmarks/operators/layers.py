"""Convolutions, activations and normalizations."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.operators.case import (
    IMAGE,
    LINE,
    ROWS,
    add,
    of,
)


def _convolutions() -> None:
    plain = {
        "conv1d": (lambda: nn.Conv1d(6, 9, 3, 2, 1, groups=3), LINE),
        "conv1d dilation": (lambda: nn.Conv1d(6, 4, 3, dilation=4, padding=4), LINE),
        "conv1d depthwise": (lambda: nn.Conv1d(6, 6, 5, padding=2, groups=6), LINE),
        "conv1d same": (lambda: nn.Conv1d(6, 5, 4, padding="same"), LINE),
        "conv2d": (lambda: nn.Conv2d(6, 8, 3, 2, 1), IMAGE),
        "conv2d even": (lambda: nn.Conv2d(6, 8, (2, 4), (1, 3), (1, 2)), IMAGE),
        "conv2d groups": (lambda: nn.Conv2d(6, 8, 3, groups=2), IMAGE),
        "conv2d depthwise multiplier": (
            lambda: nn.Conv2d(6, 18, 3, groups=6, padding=1),
            IMAGE,
        ),
        "conv2d depthwise stride (2, 1)": (
            lambda: nn.Conv2d(6, 6, 3, (2, 1), groups=6, padding=1),
            IMAGE,
        ),
        "conv2d depthwise dilation": (
            lambda: nn.Conv2d(6, 6, 3, dilation=2, groups=6, padding=2),
            IMAGE,
        ),
        "conv2d dilation": (
            lambda: nn.Conv2d(6, 8, 3, dilation=(2, 3), padding=(2, 0)),
            IMAGE,
        ),
        "conv2d dilation stride": (
            lambda: nn.Conv2d(6, 8, 3, 2, dilation=2, padding=2),
            IMAGE,
        ),
        "conv2d groups dilation": (
            lambda: nn.Conv2d(6, 8, 3, dilation=2, groups=2, padding=1),
            IMAGE,
        ),
        "conv2d same": (lambda: nn.Conv2d(6, 8, 4, padding="same", dilation=2), IMAGE),
        "conv3d": (lambda: nn.Conv3d(3, 4, 3, 2, 1), (3, 5, 6, 7)),
        "conv3d groups dilation": (
            lambda: nn.Conv3d(4, 4, 3, padding=2, dilation=2, groups=2),
            (4, 5, 6, 7),
        ),
        "conv3d depthwise": (
            lambda: nn.Conv3d(4, 4, 3, padding=1, groups=4),
            (4, 5, 6, 7),
        ),
    }
    transposed = {
        "1d": (lambda **k: nn.ConvTranspose1d(6, 6, 3, **k), LINE),
        "2d": (lambda **k: nn.ConvTranspose2d(6, 6, 3, **k), IMAGE),
        "3d": (lambda **k: nn.ConvTranspose3d(6, 6, 3, **k), (6, 4, 5, 3)),
    }
    options: dict[str, dict[str, int]] = {
        "": {},
        "stride": {"stride": 2, "padding": 1},
        "output_padding": {"stride": 2, "padding": 1, "output_padding": 1},
        "groups": {"stride": 2, "groups": 3},
        "depthwise": {"stride": 2, "padding": 1, "groups": 6, "output_padding": 1},
        "dilation": {"dilation": 2},
        "dilation stride": {
            "dilation": 2,
            "stride": 2,
            "padding": 1,
            "output_padding": 1,
        },
        "large padding": {"padding": 2},
        "stride over kernel": {"stride": 4},
    }
    for name, (build, shape) in plain.items():
        add(name, build, shape)
    for rank, (make, shape) in transposed.items():
        for name, given in options.items():
            add(
                f"conv_transpose{rank} {name}".strip(),
                partial(make, **given),
                shape,
            )
    add("conv_transpose2d 4x4", lambda: nn.ConvTranspose2d(6, 5, 4, 2, 1), IMAGE)
    add(
        "conv_transpose2d uneven",
        lambda: nn.ConvTranspose2d(6, 4, (3, 2), (2, 1), (1, 0), (1, 0)),
        IMAGE,
    )
    of(
        "conv2d weights of the input",
        lambda x, w: F.conv2d(x, w[0], padding=1),
        IMAGE,
        (4, 6, 3, 3),
    )
    of(
        "conv2d unbatched input",
        lambda x: F.conv2d(x.mean(0), torch.ones(2, 6, 3, 3)),
        IMAGE,
    )
    add("bilinear layer", lambda: _Bilinear(), (7,), (5,))
    add("linear 4d", lambda: nn.Linear(11, 4), IMAGE)
    add("linear no bias", lambda: nn.Linear(12, 4, bias=False), ROWS)


class _Bilinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Bilinear(7, 5, 3)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        answer: Tensor = self.layer(x, y)
        return answer


def _activations() -> None:
    modules = [
        *("ReLU", "ReLU6", "LeakyReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish"),
        *(
            "Hardswish",
            "Hardsigmoid",
            "Hardtanh",
            "Hardshrink",
            "Softshrink",
            "Tanhshrink",
        ),
        *("Softplus", "Softsign", "LogSigmoid", "Sigmoid", "Tanh", "RReLU", "PReLU"),
    ]
    for name in modules:
        add(f"act {name}", getattr(nn, name), IMAGE)
        add(f"act {name} rows", getattr(nn, name), ROWS)
    add("act PReLU channels", lambda: nn.PReLU(6), IMAGE)
    add("act GELU tanh", lambda: nn.GELU("tanh"), IMAGE)
    add("act Threshold", lambda: nn.Threshold(0.1, -2.0), IMAGE)
    add("act Softplus beta", lambda: nn.Softplus(3, 2), IMAGE)
    add("act ELU alpha", lambda: nn.ELU(0.4), IMAGE)
    for dim in (1, 2, 3):
        of(f"softmax {dim}", lambda x, d=dim: F.softmax(x, d), IMAGE)
        of(f"log_softmax {dim}", lambda x, d=dim: F.log_softmax(x, d), IMAGE)
    of("softmin", lambda x: F.softmin(x, 1), IMAGE)
    add("act Softmax2d", nn.Softmax2d, IMAGE)
    of("glu", lambda x: F.glu(x, 1), IMAGE)
    of(
        "softmax of -inf",
        lambda x: x.masked_fill(x < -0.5, float("-inf")).softmax(-1),
        ROWS,
    )
    of("softmax float64", lambda x: F.softmax(x, 1, dtype=torch.float64).float(), ROWS)
    of("gumbel hard", lambda x: F.one_hot(x.argmax(-1), 12).float(), ROWS)


def _normalizations() -> None:
    for name, build in {
        "BatchNorm2d": lambda: nn.BatchNorm2d(6),
        "BatchNorm2d no stats": lambda: nn.BatchNorm2d(6, track_running_stats=False),
        "BatchNorm2d plain": lambda: nn.BatchNorm2d(6, affine=False),
        "InstanceNorm2d": lambda: nn.InstanceNorm2d(6, affine=True),
        "InstanceNorm2d running": lambda: nn.InstanceNorm2d(
            6, track_running_stats=True
        ),
        "GroupNorm": lambda: nn.GroupNorm(3, 6),
        "GroupNorm 1": lambda: nn.GroupNorm(1, 6, affine=False),
        "LayerNorm 3d": lambda: nn.LayerNorm(IMAGE),
        "LayerNorm last": lambda: nn.LayerNorm(11),
        "LayerNorm no bias": lambda: nn.LayerNorm(11, bias=False),
        "RMSNorm": lambda: nn.RMSNorm(11),
        "RMSNorm eps": lambda: nn.RMSNorm(11, eps=1e-3, elementwise_affine=False),
        "LocalResponseNorm": lambda: nn.LocalResponseNorm(3),
        "CrossMapLRN": lambda: nn.LocalResponseNorm(2, 0.5, 0.6, 2.0),
    }.items():
        add(f"norm {name}", build, IMAGE)
    add("norm BatchNorm1d", lambda: nn.BatchNorm1d(6), LINE)
    add("norm BatchNorm1d flat", lambda: nn.BatchNorm1d(12), (12,))
    add("norm InstanceNorm1d", lambda: nn.InstanceNorm1d(6), LINE)
    add("norm BatchNorm3d", lambda: nn.BatchNorm3d(3), (3, 4, 5, 6))
    add("norm InstanceNorm3d", lambda: nn.InstanceNorm3d(3), (3, 4, 5, 6))
    add("norm GroupNorm 1d", lambda: nn.GroupNorm(2, 6), LINE)
    add("norm GroupNorm 3d", lambda: nn.GroupNorm(3, 3), (3, 4, 5, 6))
    of("normalize", lambda x: F.normalize(x, dim=1), IMAGE)
    of("normalize p=1", lambda x: F.normalize(x, p=1, dim=-1), ROWS)
    of("cosine_similarity", lambda x, y: F.cosine_similarity(x, y, dim=-1), ROWS, ROWS)
    of("pairwise_distance", lambda x, y: F.pairwise_distance(x, y), ROWS, ROWS)
    of("cdist", lambda x, y: torch.cdist(x, y), ROWS, (5, 12))
    of("cdist p=1", lambda x, y: torch.cdist(x, y, 1), ROWS, (5, 12))
    of(
        "weight standardized",
        lambda x: (
            (x - x.mean((2, 3), keepdim=True)) / (x.std((2, 3), keepdim=True) + 1e-5)
        ),
        IMAGE,
    )


_convolutions()
_activations()
_normalizations()
