"""Operations of RandAugment, by their definitions on small images."""

from __future__ import annotations

import math

import pytest
import torch

from edgekit.distill import rand_augment
from edgekit.distill.rand_augment import OPERATIONS, RandParams, apply, draw
from edgekit.types import Preprocess

PLAIN = Preprocess(scale=1)
SPEC = Preprocess(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
NAMES = list(OPERATIONS)


def once(name: str, sign: float, count: int = 1) -> RandParams:
    """One operation, and then none."""
    numbers = torch.tensor([[NAMES.index(name), NAMES.index("keep")]])
    return RandParams(
        operations=numbers.repeat(count, 1), signs=torch.full((count, 2), sign)
    )


def one(values: torch.Tensor, name: str, sign: float = 1.0) -> torch.Tensor:
    """A picture (channels, height, width) after an operation."""
    return apply(values[None], once(name, sign), PLAIN)[0]


def noise(count: int = 24) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    raw = torch.rand(count, 3, 12, 10, generator=generator)
    mean, std = (torch.tensor(v)[:, None, None] for v in (SPEC.mean, SPEC.std))
    return (raw - mean) / std


def test_values_are_changed_by_arithmetic() -> None:
    picture = torch.tensor([[[0.0, 0.2], [0.4, 1.0]]])
    torch.testing.assert_close(
        one(picture, "brightness"), torch.tensor([[[0.0, 0.254], [0.508, 1.0]]])
    )
    torch.testing.assert_close(one(picture, "brightness", -1.0), 0.73 * picture)
    torch.testing.assert_close(
        one(picture, "contrast", -1.0), 0.4 + 0.73 * (picture - 0.4)
    )
    torch.testing.assert_close(
        one(picture, "solarize"), torch.tensor([[[0.0, 0.2], [0.4, 0.0]]])
    )
    colors = torch.tensor([0.2, 0.4, 0.9])[:, None, None].expand(3, 2, 2)
    torch.testing.assert_close(
        one(colors, "saturation", -1.0), 0.5 + 0.73 * (colors - 0.5)
    )


def test_sharpness_is_a_weighted_mean_with_the_smoothed_image() -> None:
    picture = torch.zeros(1, 5, 5)
    picture[0, 2, 2] = 1.0
    found = one(picture, "sharpness", -1.0)[0]
    assert found[2, 2] == pytest.approx(1 - 0.27 * (1 - 5 / 13))
    assert found[1, 1] == pytest.approx(0.27 / 13) and found[0, 0] == 0


@pytest.mark.parametrize("size", [(41, 41), (61, 41)])
def test_things_are_turned_and_sheared_in_pixels(size: tuple[int, int]) -> None:
    """A spot 12 right of the center and 8 below lies where the definition puts it."""
    height, width = size
    picture = torch.zeros(1, height, width)
    picture[0, height // 2 + 8, width // 2 + 12] = 1.0

    def spot(name: str) -> tuple[float, float]:
        found = one(picture, name)[0]
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        total = found.sum()
        across = (x * found).sum() / total - width // 2
        down = (y * found).sum() / total - height // 2
        return across.item(), down.item()

    angle, near = math.radians(9), pytest.approx
    turned = (
        12 * math.cos(angle) + 8 * math.sin(angle),
        (8 * math.cos(angle) - 12 * math.sin(angle)),
    )
    assert spot("rotate") == near(turned, abs=0.15)
    assert spot("shear across") == near((12 - 0.09 * 8, 8), abs=0.15)
    assert spot("shear down") == near((12, 8 - 0.09 * 12), abs=0.15)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "keep"])
def test_every_operation_changes_preprocessed_images(name: str) -> None:
    x = noise(2)
    found = apply(x, once(name, -1.0, 2), SPEC)
    assert not torch.allclose(found, x, atol=1e-3)
    mean, std = (torch.tensor(v)[:, None, None] for v in (SPEC.mean, SPEC.std))
    raw, before = found * std + mean, x * std + mean
    assert raw.min() >= -1e-6 and raw.max() <= before.max() + 1e-6
    torch.testing.assert_close(apply(x, once("keep", 1.0, 2), SPEC), x)


def test_images_do_not_depend_on_those_beside_them() -> None:
    """Processes take parts of a batch; and the same seed draws the same."""
    x, params = noise(), draw(24, torch.Generator().manual_seed(1))
    again = draw(24, torch.Generator().manual_seed(1))
    whole = apply(x, params, SPEC)
    assert torch.equal(whole, apply(x, again, SPEC))
    parts = [apply(x[p], params[p], SPEC) for p in torch.arange(24).split(5)]
    torch.testing.assert_close(torch.cat(parts), whole)
    assert params.operations.unique().tolist() == list(range(len(NAMES)))
    assert params.operations.shape == (24, rand_augment.PER_IMAGE)
