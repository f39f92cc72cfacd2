from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from edgekit.distill.augment import AugmentParams, along, augment, draw, moved_boxes
from edgekit.errors import TrainingError
from edgekit.tasks.targets import NO_BOX
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


def test_rand_shifts_and_does_more() -> None:
    """Only `rand-flip` mirrors, too; a batch's part is as in the whole batch."""
    x, shape = images(), (2, 16, 9)
    change = draw(64, shape, "rand", torch.Generator().manual_seed(0))
    assert change is not None and change.mirror is None
    found = augment(x, change, SPEC)
    shifted = augment(x, replace(change, rand=None), SPEC)
    same = (found - shifted).abs().flatten(1).amax(1) < 1e-5
    assert 0 < same.sum() < 16  # both operations drawn are `keep`, or have no effect
    part = torch.arange(5, 64, 7)
    torch.testing.assert_close(augment(x[part], change[part], SPEC), found[part])
    mirrored = draw(64, shape, "rand-flip", torch.Generator().manual_seed(0))
    assert mirrored is not None and mirrored.mirror is not None


def test_seed_decides_and_other_inputs_stay() -> None:
    assert torch.equal(changed("shift"), changed("shift"))
    assert not torch.equal(changed("shift"), changed("shift", seed=1))
    rows = torch.randn(3, 5)
    assert done(rows, "shift-flip", torch.Generator()) is rows


@pytest.mark.parametrize("kind", ["shift", "shift-flip", "scale-flip"])
def test_boxes_move_with_what_is_in_them(kind: str) -> None:
    """A bright rectangle of each image is found again where its box has moved to."""
    size, (left, top, right, bottom) = (40, 48), (14, 12, 30, 26)
    x = torch.zeros(32, 1, *size)
    x[:, :, top:bottom, left:right] = 1.0
    boxes = torch.tensor([[left, top, right, bottom, 1.0], NO_BOX]).repeat(32, 1, 1)
    change = draw(32, (1, *size), kind, torch.Generator().manual_seed(0))
    moved = moved_boxes(boxes, change, size)
    pictures = augment(x, change, Preprocess())[:, 0] > 0.5
    assert (moved[:, 0, :4] != boxes[:, 0, :4]).any(1).sum() > 25
    assert (moved[:, 1] == torch.tensor(NO_BOX)).all()
    for box, picture in zip(moved[:, 0], pictures, strict=True):
        rows, columns = picture.any(1).nonzero(), picture.any(0).nonzero()
        found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        torch.testing.assert_close(
            box[:4], torch.stack(found).float(), atol=0.51, rtol=0
        )


@pytest.mark.parametrize("kind", ["rand", "rand-flip"])
def test_places_do_not_follow_turned_images(kind: str) -> None:
    change = draw(2, (1, 8, 8), kind, torch.Generator())
    with pytest.raises(TrainingError, match="boxes, masks and other"):
        along(torch.zeros(2, 8, 8, dtype=torch.long), change)
    with pytest.raises(TrainingError, match="Set 'shift-flip'"):
        moved_boxes(torch.zeros(2, 1, 5), change, (8, 8))


def test_boxes_that_leave_the_image_are_none_and_unknown_ones_stay() -> None:
    still = torch.zeros(3, 1, dtype=torch.long)
    away = torch.tensor([[1.0, 0.5, 0.0], [1.0, 1.9, 0.0], [1.0, 0.0, 0.0]])
    change = AugmentParams(top=still, left=still, mirror=None, scale=away)
    boxes = torch.tensor([[10.0, 0, 18, 8, 1]]).repeat(3, 1, 1)
    boxes[2] = float("nan")
    moved = moved_boxes(boxes, change, (20, 20))
    assert moved[0, 0].tolist() == [15, 0, 20, 8, 1]
    assert moved[1, 0].tolist() == list(NO_BOX)
    assert moved[2].isnan().all()
    assert moved_boxes(boxes[:2], None, (20, 20)) is not None


def test_class_maps_are_scaled_with_their_images() -> None:
    """A square and its mask keep their edges together; uncovered pixels are unknown."""
    x = torch.zeros(16, 1, 32, 32)
    x[:, :, 8:22, 10:20] = 1.0
    masks = torch.full((16, 32, 32), 3)
    masks[:, 8:22, 10:20] = 7
    change = draw(16, (1, 32, 32), "scale-flip", torch.Generator().manual_seed(0))
    assert change is not None and change.scale is not None
    raw = Preprocess(scale=1, mean=(0.5,))  # so that uncovered pixels are -0.5
    images, maps = augment(x, change, raw), along(masks, change)
    assert maps.dtype == masks.dtype and set(maps.unique().tolist()) == {-1, 3, 7}
    sure = (images - images.round()).abs()[:, 0] < 1e-3
    inside, outside = (images[:, 0] > 0.99), sure & (images[:, 0].abs() < 0.01)
    assert (maps[inside] == 7).all() and inside.sum() > 500
    assert (maps[outside] == 3).float().mean() > 0.99
    grown = (maps == 7).flatten(1).sum(1) / 140
    assert (grown > 1.3).any() and (grown < 0.8).any()


def test_maps_of_values_are_not_scaled() -> None:
    change = draw(2, (1, 8, 8), "scale-flip", torch.Generator())
    with pytest.raises(TrainingError, match="these targets are values"):
        along(torch.zeros(2, 8, 8), change)


@pytest.mark.parametrize("kind", ["shift-flip", "scale-flip"])
def test_layers_move_as_single_maps_do(kind: str) -> None:
    maps = torch.randint(
        0, 3000, (4, 2, 16, 9), generator=torch.Generator().manual_seed(1)
    )
    drawn = draw(4, (3, 16, 9), kind, torch.Generator().manual_seed(0))
    moved = along(maps, drawn)
    assert moved.dtype == maps.dtype and not torch.equal(moved, maps)
    for layer in range(2):
        torch.testing.assert_close(moved[:, layer], along(maps[:, layer], drawn))
