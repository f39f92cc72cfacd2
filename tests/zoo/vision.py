"""Image classifiers: timm's, and own definitions of what timm lacks."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from edgekit.types import InputSpec
from tests.zoo.entry import Entry, image
from tests.zoo.timm_networks import create


class Vgg(nn.Module):
    """VGG-11 with batch norm and a narrow head (Simonyan and Zisserman, 2015)."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        previous = 3
        for width in (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0):
            if not width:
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [
                nn.Conv2d(previous, width, 3, padding=1),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            previous = width
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Linear(512 * 4, 256),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(256, classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.flatten(self.features(x), 1))


class CifarBlock(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.stride = after // before
        self.widen = (after - before) // 2
        self.conv1 = nn.Conv2d(before, after, 3, self.stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.widen:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.widen, self.widen))
        return F.relu(x + y)


class ResNet20(nn.Module):
    """ResNet-20 for CIFAR with parameter-free shortcuts (He et al., 2016, option A)."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self._stage(16, 16)
        self.layer2 = self._stage(16, 32)
        self.layer3 = self._stage(32, 64)
        self.linear = nn.Linear(64, classes)

    @staticmethod
    def _stage(before: int, after: int) -> nn.Sequential:
        return nn.Sequential(
            CifarBlock(before, after),
            CifarBlock(after, after),
            CifarBlock(after, after),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(F.avg_pool2d(x, x.shape[-1]).flatten(1))


def _conv_norm(before: int, after: int, kernel: int, **options: Any) -> list[nn.Module]:
    return [
        nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False, **options),
        nn.BatchNorm2d(after),
    ]


class ShuffleUnit(nn.Module):
    """Half of the channels pass, half are convolved; then both halves are interleaved."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        half = after // 2
        inside = before if stride == 2 else half
        self.branch = nn.Sequential(
            *_conv_norm(inside, half, 1),
            nn.ReLU(inplace=True),
            *_conv_norm(half, half, 3, stride=stride, groups=half),
            *_conv_norm(half, half, 1),
            nn.ReLU(inplace=True),
        )
        # Unused where the stride is 1: parameters that nobody reads must not disturb.
        self.shortcut = nn.Sequential(
            *_conv_norm(before, before, 3, stride=stride, groups=before),
            *_conv_norm(before, half, 1),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.stride == 2:
            y = torch.cat((self.shortcut(x), self.branch(x)), 1)
        else:
            kept, convolved = x.chunk(2, 1)
            y = torch.cat((kept, self.branch(convolved)), 1)
        batch, channels, height, width = y.shape
        y = y.view(batch, 2, channels // 2, height, width).transpose(1, 2)
        return y.reshape(batch, channels, height, width)


class ShuffleNetV2(nn.Module):
    """ShuffleNet v2 1.0x (Ma et al., 2018)."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *_conv_norm(3, 24, 3, stride=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
        )
        units: list[nn.Module] = []
        before = 24
        for after, repeats in ((116, 4), (232, 8), (464, 4)):
            units.append(ShuffleUnit(before, after, 2))
            units += [ShuffleUnit(after, after, 1) for _ in range(repeats - 1)]
            before = after
        self.units = nn.Sequential(*units)
        self.last = nn.Sequential(*_conv_norm(464, 1024, 1), nn.ReLU(inplace=True))
        self.head = nn.Linear(1024, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.last(self.units(self.stem(x)))
        return self.head(x.mean((2, 3)))


class GroupedNet(nn.Module):
    """A ResNeXt-like block with grouped convolutions and group norm."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 2, 1)
        self.norm1 = nn.GroupNorm(8, 32)
        self.reduce = nn.Conv2d(32, 64, 1)
        self.norm2 = nn.GroupNorm(8, 64)
        self.grouped = nn.Conv2d(64, 64, 3, padding=1, groups=8)
        self.norm3 = nn.GroupNorm(8, 64)
        self.expand = nn.Conv2d(64, 32, 1)
        self.head = nn.Linear(32, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.norm1(self.stem(x)))
        y = F.silu(self.norm2(self.reduce(x)))
        y = F.silu(self.norm3(self.grouped(y)))
        return self.head(F.adaptive_avg_pool2d(x + self.expand(y), 1).flatten(1))


class Video(nn.Module):
    """A small 3-D convolutional network over (channels, frames, height, width)."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(3, 16, 3, stride=(1, 2, 2), padding=1)
        self.norm1 = nn.BatchNorm3d(16)
        self.conv2 = nn.Conv3d(16, 32, 3, stride=2, padding=1)
        self.norm2 = nn.BatchNorm3d(32)
        self.head = nn.Linear(32, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool3d(F.relu(self.norm1(self.conv1(x))), (1, 2, 2))
        x = F.relu(self.norm2(self.conv2(x)))
        return self.head(F.adaptive_avg_pool3d(x, 1).flatten(1))


_TIMM: dict[str, tuple[str, int, dict[str, Any]]] = {
    "resnet18": ("resnet18", 64, {}),
    "resnet50": ("resnet50", 64, {}),
    "densenet121": ("densenet121", 64, {}),
    "inception_v3": ("inception_v3", 96, {}),
    "mobilenet_v1": ("mobilenetv1_100", 64, {}),
    "mobilenet_v2": ("mobilenetv2_100", 64, {}),
    "mobilenet_v3": ("mobilenetv3_small_100", 64, {}),
    "mobilenet_v4": ("mobilenetv4_conv_small", 64, {}),
    "efficientnet_b0": ("efficientnet_b0", 64, {}),
    "efficientnet_lite0": ("efficientnet_lite0", 64, {}),
    "ghostnet": ("ghostnet_100", 64, {}),
    "regnet_x": ("regnetx_002", 64, {}),
    "repvgg_a0": ("repvgg_a0", 64, {}),
    "convnext_atto": ("convnext_atto", 64, {}),
    "vit_tiny": ("vit_tiny_patch16_224", 64, {"img_size": 64}),
    "deit_tiny": ("deit_tiny_distilled_patch16_224", 64, {"img_size": 64}),
    "swin_tiny": (
        "swin_tiny_patch4_window7_224",
        64,
        {"img_size": 64, "window_size": 4},
    ),
    "mobilevit_s": ("mobilevit_s", 64, {}),
    "efficientformer_l1": ("efficientformer_l1", 224, {}),
    "fastvit_t8": ("fastvit_t8", 64, {}),
    "edgenext_xx_small": ("edgenext_xx_small", 64, {}),
}

ENTRIES: dict[str, Entry] = {
    name: Entry(
        build=partial(create, timm_name, num_classes=10, **options),
        inputs=image(size),
        needs="timm",
    )
    for name, (timm_name, size, options) in _TIMM.items()
} | {
    "vgg11": Entry(build=Vgg, inputs=image(64)),
    "resnet20": Entry(build=ResNet20, inputs=image(32)),
    "shufflenet_v2": Entry(build=ShuffleNetV2, inputs=image(64)),
    "grouped_norm": Entry(build=GroupedNet, inputs=image(32)),
    "video_3d": Entry(build=Video, inputs=(InputSpec(shape=(3, 8, 32, 32)),)),
}
