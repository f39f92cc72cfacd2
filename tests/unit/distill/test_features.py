"""A network that is looked into gives what it always gave, whatever the layout in memory."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgekit.distill.features import FeatureExtractor, view
from edgekit.program.program import trace
from edgekit.types import InputSpec


class Viewed(nn.Module):
    """Reads its maps in one go, by a view or by their places in memory."""

    def __init__(self, *, strided: bool) -> None:
        super().__init__()
        self.strided = strided
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear(4 * 36, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x).relu()
        if self.strided:
            y = torch.as_strided(y, (y.shape[0], 4 * 36), (4 * 36, 1))
        return self.head(y.view(y.shape[0], -1))


def test_images_have_their_channels_last_and_mean_the_same() -> None:
    x = torch.randn(2, 3, 6, 6)
    for strided in (False, True):
        torch.manual_seed(0)
        program = trace(Viewed(strided=strided), (InputSpec(shape=(3, 6, 6)),))
        seen = view(FeatureExtractor(program.module, ["relu"])(x))
        torch.testing.assert_close(seen.output, program.module(x))
        [maps] = seen.features
        last = maps.is_contiguous(memory_format=torch.channels_last)
        assert last == (not strided)


def test_tokens_and_rows_stay_as_they_are() -> None:
    program = trace(nn.Embedding(7, 3), (InputSpec(shape=(4,)),), (torch.int64,))
    tokens = torch.arange(4)[None]
    output = view(FeatureExtractor(program.module)(tokens)).output
    torch.testing.assert_close(output, program.module(tokens))
