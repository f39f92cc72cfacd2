"""Networks that answer at many places: segmentation, detection, super-resolution, autoencoders."""

from __future__ import annotations

import itertools

import torch
from torch import nn
from torch.nn import functional as F

from edgekit.types import InputSpec
from tests.zoo.entry import Entry, image


def _block(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False),
        nn.BatchNorm2d(after),
        nn.SiLU(inplace=True),
    )


class UNet(nn.Module):
    """U-Net: transposed convolutions up, skips by concatenation (Ronneberger et al., 2015)."""

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.down1 = nn.Sequential(_block(3, 16), _block(16, 16))
        self.down2 = nn.Sequential(_block(16, 32), _block(32, 32))
        self.bottom = nn.Sequential(_block(32, 64), _block(64, 64))
        self.lift2 = nn.ConvTranspose2d(64, 32, 2, 2)
        self.up2 = _block(64, 32)
        self.lift1 = nn.ConvTranspose2d(32, 16, 2, 2)
        self.up1 = _block(32, 16)
        self.head = nn.Conv2d(16, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.bottom(F.max_pool2d(b, 2))
        y = self.up2(torch.cat((self.lift2(c), b), 1))
        return self.head(self.up1(torch.cat((self.lift1(y), a), 1)))


class Bottlenecks(nn.Module):
    """Cross-stage partial block: split, convolve one part in steps, concatenate every step."""

    def __init__(self, before: int, after: int, repeats: int = 2) -> None:
        super().__init__()
        self.enter = _block(before, after)
        self.steps = nn.ModuleList(
            nn.Sequential(
                _block(after // 2, after // 2), _block(after // 2, after // 2)
            )
            for _ in range(repeats)
        )
        self.leave = nn.Conv2d(after // 2 * (2 + repeats), after, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = list(self.enter(x).chunk(2, 1))
        for step in self.steps:
            parts.append(parts[-1] + step(parts[-1]))
        return self.leave(torch.cat(parts, 1))


class Yolo(nn.Module):
    """A one-stage detector: cross-stage backbone, pooling pyramid, two-way feature pyramid."""

    def __init__(self, classes: int = 8) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            _block(3, 16, 2), _block(16, 32, 2), Bottlenecks(32, 32)
        )
        self.stage3 = nn.Sequential(_block(32, 64, 2), Bottlenecks(64, 64))
        self.stage4 = nn.Sequential(_block(64, 96, 2), Bottlenecks(96, 96))
        self.squeeze = nn.Conv2d(96, 48, 1)
        self.spread = nn.Conv2d(48 * 4, 96, 1)
        self.top_down = Bottlenecks(96 + 64, 64, 1)
        self.lower = _block(64, 64, 2)
        self.bottom_up = Bottlenecks(64 + 96, 96, 1)
        self.heads = nn.ModuleList(
            nn.Sequential(_block(width, 32), nn.Conv2d(32, 4 + classes, 1))
            for width in (64, 96)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        p3 = self.stage3(self.stem(x))
        p4 = self.squeeze(self.stage4(p3))
        pools = [p4]
        for _ in range(3):
            pools.append(F.max_pool2d(pools[-1], 5, 1, 2))
        p4 = self.spread(torch.cat(pools, 1))
        up = F.interpolate(p4, scale_factor=2.0, mode="nearest")
        p3 = self.top_down(torch.cat((up, p3), 1))
        p4 = self.bottom_up(torch.cat((self.lower(p3), p4), 1))
        found = [
            head(level).flatten(2)
            for head, level in zip(self.heads, (p3, p4), strict=True)
        ]
        box, score = torch.cat(found, 2).split((4, found[0].shape[1] - 4), 1)
        return torch.cat((box.sigmoid() * 2, score.sigmoid()), 1)


class Ssd(nn.Module):
    """A single-shot detector: boxes and classes at three scales (Liu et al., 2016)."""

    def __init__(self, classes: int = 8, anchors: int = 3) -> None:
        super().__init__()
        self.classes = classes
        self.backbone = nn.Sequential(
            _block(3, 16, 2), _block(16, 32, 2), _block(32, 48, 2)
        )
        self.extras = nn.ModuleList((_block(48, 64, 2), _block(64, 64, 2)))
        self.where = nn.ModuleList(
            nn.Conv2d(width, anchors * 4, 3, padding=1) for width in (48, 64, 64)
        )
        self.what = nn.ModuleList(
            nn.Conv2d(width, anchors * classes, 3, padding=1) for width in (48, 64, 64)
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        levels = [self.backbone(x)]
        for extra in self.extras:
            levels.append(extra(levels[-1]))
        boxes = [
            conv(level).permute(0, 2, 3, 1).reshape(x.shape[0], -1, 4)
            for conv, level in zip(self.where, levels, strict=True)
        ]
        scores = [
            conv(level).permute(0, 2, 3, 1).reshape(x.shape[0], -1, self.classes)
            for conv, level in zip(self.what, levels, strict=True)
        ]
        return torch.cat(boxes, 1), torch.cat(scores, 1).softmax(-1)


class SuperResolution(nn.Module):
    """Sub-pixel convolution (Shi et al., 2016): channels become pixels, twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 5, padding=2)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.conv3 = nn.Conv2d(16, 12, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.leaky_relu(self.conv1(x), 0.1)
        y = F.leaky_relu(F.pixel_shuffle(self.conv2(y), 2), 0.1)
        return F.pixel_shuffle(self.conv3(y), 2)


class Autoencoder(nn.Module):
    """The dense autoencoder of MLPerf Tiny's anomaly detection (Banbury et al., 2021)."""

    def __init__(self) -> None:
        super().__init__()
        widths = (640, 128, 128, 128, 8, 128, 128, 128)
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(128, 640))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class TwoInputs(nn.Module):
    """An image and a vector of readings, joined by concatenation."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.see = nn.Sequential(_block(3, 16, 2), _block(16, 32, 2))
        self.feel = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 16))
        self.join = nn.Sequential(nn.Linear(48, 32), nn.ReLU(), nn.Linear(32, classes))

    def forward(self, picture: torch.Tensor, readings: torch.Tensor) -> torch.Tensor:
        seen = self.see(picture).mean((2, 3))
        return self.join(torch.cat((seen, self.feel(readings)), 1))


class TwoOutputs(nn.Module):
    """One trunk, a class and a heat map; the trunk is shared, a tower is used twice."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.trunk = nn.Sequential(_block(3, 16, 2), _block(16, 32))
        self.tower = _block(32, 32)
        self.classify = nn.Linear(32, classes)
        self.map = nn.Conv2d(32, 1, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.tower(self.tower(self.trunk(x)))
        return self.classify(x.mean((2, 3))), self.map(x)


ENTRIES: dict[str, Entry] = {
    "unet": Entry(build=UNet, inputs=image(64)),
    "yolo_like": Entry(build=Yolo, inputs=image(64)),
    "ssd_like": Entry(build=Ssd, inputs=image(96)),
    "super_resolution": Entry(build=SuperResolution, inputs=image(24)),
    "autoencoder": Entry(build=Autoencoder, inputs=(InputSpec(shape=(640,)),)),
    "two_inputs": Entry(
        build=TwoInputs,
        inputs=(
            InputSpec(name="picture", shape=(3, 32, 32)),
            InputSpec(name="readings", shape=(12,)),
        ),
    ),
    "two_outputs": Entry(build=TwoOutputs, inputs=image(32)),
}
