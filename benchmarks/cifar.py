"""Images of a zipped image folder (`.../SPLIT/CLASS/NAME.jpg`) as normalized tensors."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

MEAN = torch.tensor((0.485, 0.456, 0.406)).reshape(3, 1, 1)
STD = torch.tensor((0.229, 0.224, 0.225)).reshape(3, 1, 1)
Batches = Iterator[tuple[Tensor, Tensor]]


@dataclass(frozen=True, kw_only=True)
class Images:
    """`pixels` (count, 3, height, width), normalized; `labels` (count,)."""

    pixels: Tensor
    labels: Tensor

    def subset(self, count: int, seed: int) -> Images:
        pixels, labels = self.some(count, seed)
        return Images(pixels=pixels, labels=labels)

    def some(self, count: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        chosen = torch.randperm(len(self.labels), generator=generator)[:count]
        return self.pixels[chosen], self.labels[chosen]

    def batches(self, size: int) -> Batches:
        yield from zip(self.pixels.split(size), self.labels.split(size), strict=True)

    def augmented(self, size: int, seed: int) -> Batches:
        """Shuffled, each batch shifted by up to four pixels, half of the images mirrored."""
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self.labels), generator=generator)
        height, width = self.pixels.shape[-2:]
        for chosen in order.split(size):
            padded = F.pad(self.pixels[chosen], (4, 4, 4, 4))
            down, right = torch.randint(9, (2,), generator=generator).tolist()
            batch = padded[:, :, down : down + height, right : right + width]
            mirror = torch.rand(len(chosen), generator=generator) < 0.5
            mirrored = torch.where(mirror.reshape(-1, 1, 1, 1), batch.flip(-1), batch)
            yield mirrored, self.labels[chosen]


def read(path: Path, split: str, count: int) -> Images:
    """`count` images of a split, drawn with a fixed seed; classes in alphabetical order."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(
            n for n in archive.namelist() if f"/{split}/" in n and n.endswith(".jpg")
        )
        classes = sorted({name.split("/")[-2] for name in names})
        order = np.random.default_rng(0).permutation(len(names))[:count]
        chosen = [names[i] for i in order]
        arrays = [
            np.asarray(Image.open(io.BytesIO(archive.read(name)))) for name in chosen
        ]
    pixels = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float() / 255
    labels = torch.tensor([classes.index(name.split("/")[-2]) for name in chosen])
    return Images(pixels=(pixels - MEAN) / STD, labels=labels)
