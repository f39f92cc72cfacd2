"""Networks over time: keyword spotting, audio, temporal convolution, recurrent cells."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from edgekit.types import InputSpec
from tests.zoo.entry import Entry


class DsCnn(nn.Module):
    """The depthwise-separable keyword spotter of MLPerf Tiny (Zhang et al., 2017)."""

    def __init__(self, classes: int = 12, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(1, width, (10, 4), 2, (5, 1), bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Dropout(0.2),
        ]
        for _ in range(4):
            layers += [
                nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Conv2d(width, width, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(F.adaptive_avg_pool2d(self.layers(x), 1).flatten(1))


class Audio(nn.Module):
    """A 1-D network on the raw waveform (after M5 of Dai et al., 2017)."""

    def __init__(self, classes: int = 12) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after, kernel, stride in (
            (1, 32, 80, 16),
            (32, 32, 3, 1),
            (32, 64, 3, 1),
        ):
            layers += [
                nn.Conv1d(before, after, kernel, stride),
                nn.BatchNorm1d(after),
                nn.ReLU(),
                nn.MaxPool1d(4),
            ]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(64, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(x).mean(-1))


class TemporalBlock(nn.Module):
    def __init__(self, before: int, after: int, dilation: int) -> None:
        super().__init__()
        self.reach = 2 * dilation
        self.conv1 = nn.Conv1d(before, after, 3, padding=self.reach, dilation=dilation)
        self.conv2 = nn.Conv1d(after, after, 3, padding=self.reach, dilation=dilation)
        self.match = nn.Conv1d(before, after, 1) if before != after else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.conv1(x)[..., : -self.reach])
        y = F.relu(self.conv2(y)[..., : -self.reach])
        return F.relu(y + self.match(x))


class Temporal(nn.Module):
    """A temporal convolution network: causal, dilated, residual (Bai et al., 2018)."""

    def __init__(self, classes: int = 6) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            TemporalBlock(9, 24, 1), TemporalBlock(24, 24, 2), TemporalBlock(24, 32, 4)
        )
        self.head = nn.Linear(32, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(x)[:, :, -1])


class Recurrent(nn.Module):
    """Stacked recurrent cells over (time, features), read at the last step."""

    def __init__(
        self, cell: type[nn.LSTM | nn.GRU], *, both_ways: bool = False
    ) -> None:
        super().__init__()
        self.cell = cell(
            12, 24, num_layers=2, batch_first=True, bidirectional=both_ways
        )
        self.head = nn.Linear(48 if both_ways else 24, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, _ = self.cell(x)
        return self.head(y[:, -1])


class Crnn(nn.Module):
    """Convolutions, then a bidirectional cell over columns (Shi et al., 2016)."""

    def __init__(self, classes: int = 20) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d((4, 2)),
        )
        self.cell = nn.LSTM(32 * 4, 32, batch_first=True, bidirectional=True)
        self.head = nn.Linear(64, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.convolutions(x).permute(0, 3, 1, 2).flatten(2)
        return self.head(self.cell(y)[0])


ENTRIES: dict[str, Entry] = {
    "dscnn": Entry(build=DsCnn, inputs=(InputSpec(shape=(1, 49, 10)),)),
    "audio_1d": Entry(build=Audio, inputs=(InputSpec(shape=(1, 4000)),)),
    "temporal_conv": Entry(build=Temporal, inputs=(InputSpec(shape=(9, 64)),)),
    "lstm": Entry(
        build=lambda: Recurrent(nn.LSTM), inputs=(InputSpec(shape=(10, 12)),)
    ),
    "lstm_bidirectional": Entry(
        build=lambda: Recurrent(nn.LSTM, both_ways=True),
        inputs=(InputSpec(shape=(10, 12)),),
    ),
    "gru": Entry(build=lambda: Recurrent(nn.GRU), inputs=(InputSpec(shape=(10, 12)),)),
    "crnn": Entry(build=Crnn, inputs=(InputSpec(shape=(1, 32, 48)),)),
}
