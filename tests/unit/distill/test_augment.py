from __future__ import annotations

import torch

from edgekit.distill.augment import augment, draw
from edgekit.types import Preprocess

SPEC = Preprocess(mean=(0.5, 0.25), std=(0.25, 0.5))
FILL = torch.tensor([-2.0, -0.5])[:, None, None]


def images() -> torch.Tensor:
    return torch.randn(64, 2, 16, 9, generator=torch.Generator().manual_seed(0))


def changed(kind: str, seed: int = 0) -> torch.Tensor:
    return done(images(), kind, torch.Generator().manual_seed(seed))


def done(x: torch.Tensor, kind: str, generator: torch.Generator) -> torch.Tensor:
    return augment(x, draw(len(x), x.shape[1:], kind, generator), SPEC)


def shifted(image: torch.Tensor, down: int, across: int) -> torch.Tensor:
    _, height, width = image.shape
    result = FILL.expand(image.shape).clone()
    for row in range(height):
        for column in range(width):
            if 0 <= row - down < height and 0 <= column - across < width:
                result[:, row, column] = image[:, row - down, column - across]
    return result


def test_every_image_is_moved_by_an_eighth_at_most() -> None:
    moves = set()
    for before, after in zip(images(), changed("shift"), strict=True):
        found = [
            (down, across)
            for down in range(-2, 3)
            for across in range(-1, 2)
            if torch.equal(after, shifted(before, down, across))
        ]
        assert len(found) == 1
        moves.add(found[0])
    assert {down for down, _ in moves} == {-2, -1, 0, 1, 2}
    assert {across for _, across in moves} == {-1, 0, 1}


def test_only_shift_flip_flips() -> None:
    symmetric = images() + images().flip(3)
    generator = torch.Generator().manual_seed(0)
    flipped = done(images(), "shift-flip", generator)
    generator = torch.Generator().manual_seed(0)
    mirrored = done(symmetric, "shift-flip", generator)
    assert not torch.equal(flipped, changed("shift"))
    assert mirrored.shape == symmetric.shape
    assert torch.equal(changed("none"), images())


def test_seed_decides_and_other_inputs_stay() -> None:
    assert torch.equal(changed("shift"), changed("shift"))
    assert not torch.equal(changed("shift"), changed("shift", seed=1))
    rows = torch.randn(3, 5)
    assert done(rows, "shift-flip", torch.Generator()) is rows
