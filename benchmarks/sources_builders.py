"""Networks whose trained weights third parties published as bare checkpoints, by their names."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.zoo.vision import CifarBlock, ResNet20

_PRIORS = (3, 2, 2, 3)
"""Boxes at each place of the four maps."""
_CLASSES = 2
_STRIDES = (2, 1, 2, 1, 2, 1, 1)
_WIDTHS = (16, 32, 32, 32, 64, 64, 64)
"""Of the layers before the receptive-field block."""
_TAPS = (8, 11, 13)
"""Layers after which a map of features is taken."""


class ResNet56(ResNet20):
    """ResNet-56 for CIFAR with parameter-free shortcuts (He et al., 2016, option A)."""

    @staticmethod
    def _stage(before: int, after: int) -> nn.Sequential:
        widths = [before, *[after] * 8]
        return nn.Sequential(*(CifarBlock(width, after) for width in widths))


def _convolution(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )


def _separable(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, before, 3, stride, 1, groups=before, bias=False),
        nn.BatchNorm2d(before),
        nn.ReLU(),
        nn.Conv2d(before, after, 1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )


def _header(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, before, 3, stride, 1, groups=before),
        nn.ReLU(),
        nn.Conv2d(before, after, 1),
    )


class _Unit(nn.Module):
    """Convolution and batch norm, with a ReLU where `active`."""

    def __init__(
        self, before: int, after: int, kernel: int, spread: int = 1, active: bool = True
    ) -> None:
        super().__init__()
        padding = spread * (kernel // 2)
        self.conv = nn.Conv2d(
            before, after, kernel, padding=padding, dilation=spread, bias=False
        )
        self.bn = nn.BatchNorm2d(after)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x))
        return torch.relu(x) if self.active else x


class _ReceptiveField(nn.Module):
    """Receptive-field block (Liu et al., 2018, arXiv:1711.07767): dilations 2, 3 and 5."""

    def __init__(self, width: int) -> None:
        super().__init__()
        low = width // 8
        self.branch0 = nn.Sequential(
            _Unit(width, low, 1, active=False),
            _Unit(low, 2 * low, 3),
            _Unit(2 * low, 2 * low, 3, 2, active=False),
        )
        self.branch1 = nn.Sequential(
            _Unit(width, low, 1, active=False),
            _Unit(low, 2 * low, 3),
            _Unit(2 * low, 2 * low, 3, 3, active=False),
        )
        self.branch2 = nn.Sequential(
            _Unit(width, low, 1, active=False),
            _Unit(low, low // 2 * 3, 3),
            _Unit(low // 2 * 3, 2 * low, 3),
            _Unit(2 * low, 2 * low, 3, 5, active=False),
        )
        self.ConvLinear = _Unit(6 * low, width, 1, active=False)
        self.shortcut = _Unit(width, width, 1, active=False)

    def forward(self, x: Tensor) -> Tensor:
        branches = (self.branch0(x), self.branch1(x), self.branch2(x))
        return torch.relu(self.ConvLinear(torch.cat(branches, 1)) + self.shortcut(x))


class FaceDetector(nn.Module):
    """RFB-320: (batch, 3, 240, 320) -> scores (batch, 4420, 2) and boxes (batch, 4420, 4).

    The boxes are offsets to priors, which are decoded outside of the network.
    """

    def __init__(self) -> None:
        super().__init__()
        first = [
            _separable(before, after, stride)
            for before, after, stride in zip(
                _WIDTHS, _WIDTHS[1:], _STRIDES[1:], strict=False
            )
        ]
        later = ((64, 128, 2), (128, 128, 1), (128, 128, 1), (128, 256, 2))
        self.base_net = nn.Sequential(
            _convolution(3, _WIDTHS[0], _STRIDES[0]),
            *first,
            _ReceptiveField(64),
            *(_separable(*sizes) for sizes in later),
            _separable(256, 256, 1),
        )
        self.extras = nn.ModuleList([
            nn.Sequential(nn.Conv2d(256, 64, 1), nn.ReLU(), _header(64, 256, 2), nn.ReLU())
        ])  # fmt: skip
        self.classification_headers = _headers(_CLASSES)
        self.regression_headers = _headers(4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        maps, start = [], 0
        for end in _TAPS:
            x, start = self.base_net[start:end](x), end
            maps.append(x)
        maps.append(self.extras[0](x))
        scores = _rows(self.classification_headers, maps, _CLASSES)
        return scores.softmax(2), _rows(self.regression_headers, maps, 4)


def _headers(size: int) -> nn.ModuleList:
    *separable, last = (
        (width, priors * size)
        for width, priors in zip((64, 128, 256, 256), _PRIORS, strict=True)
    )
    return nn.ModuleList(
        [*(_header(*sizes) for sizes in separable), nn.Conv2d(*last, 3, padding=1)]
    )


def _rows(headers: nn.ModuleList, maps: list[Tensor], size: int) -> Tensor:
    """Every header's numbers as (batch, boxes, size)."""
    found = (
        head(each).permute(0, 2, 3, 1).reshape(len(each), -1, size)
        for head, each in zip(headers, maps, strict=True)
    )
    return torch.cat(list(found), 1)


def rfb_320() -> nn.Module:
    return FaceDetector()


def resnet_56() -> nn.Module:
    return ResNet56()
