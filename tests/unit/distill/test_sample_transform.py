"""Transforms of single samples: images with their boxes, masks and points."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from edgekit.config.user_code import locate
from edgekit.data import Dataset
from edgekit.data.samples import InMemory
from edgekit.distill.sample_transform import of_user
from edgekit.distill.sampler import TrainSampler
from edgekit.errors import TrainingError, UsageError
from edgekit.types import DistillRecipe, Preprocess

HEIGHT, WIDTH = 6, 8
HOW = Preprocess(scale=255.0, mean=(0.5,), std=(0.25,))
MIRROR = (
    """
import torch
from torch import nn

class Mirror(nn.Module):
    """
    + '"""Half of the samples, as torchvision.transforms.v2 calls it."""'
    + """
    def forward(self, sample):
        assert 0 <= sample["image"].min() and sample["image"].max() <= 1
        if torch.rand(()) < 0.5:
            return sample
        found = {**sample, "image": sample["image"].flip(-1)}
        width = sample["image"].shape[-1]
        if "boxes" in sample:
            x1, y1, x2, y2 = sample["boxes"].unbind(1)
            found["boxes"] = torch.stack([width - x2, y1, width - x1, y2], 1)
        if "masks" in sample:
            found["masks"] = sample["masks"].flip(-1)
        if "keypoints" in sample:
            x, y = sample["keypoints"].unbind(-1)
            found["keypoints"] = torch.stack([width - x, y], -1)
        return found

class Half(nn.Module):
    def forward(self, sample):
        return {**sample, "image": sample["image"][:, ::2]}

class Alone(nn.Module):
    def forward(self, sample):
        return sample["image"]

class Many(nn.Module):
    def forward(self, sample):
        boxes, labels = sample["boxes"].repeat(9, 1), sample["labels"].repeat(9)
        return {**sample, "boxes": boxes, "labels": labels}

train, half, alone, many = Mirror(), Half(), Alone(), Many()

def made():
    return Mirror()

def batch(inputs, targets, generator):
    return inputs, targets

def nothing():
    return 3
"""
)


def sampler(
    root: Path,
    targets: np.ndarray,
    name: str = "train",
    source: str = MIRROR,
    *,
    boxed: bool = False,
    points: bool = False,
) -> tuple[TrainSampler, Tensor]:
    """Samples of a gradient from left to right; with the prepared images."""
    (root / "transforms.py").write_text(source)
    function = locate(f"transforms.py:{name}", root, UsageError)
    own = of_user(function, points=points)
    assert own is not None
    row = np.linspace(0, 255, WIDTH, dtype=np.uint8)
    images = np.tile(row, (len(targets), 1, HEIGHT, 1))
    data = Dataset(InMemory(values=images), targets, labels=(), preprocess=HOW)
    data.boxed = boxed
    recipe = DistillRecipe(augment="none")
    made = TrainSampler(data, recipe, (torch.float32,), 0, own)
    return made, made.plain(torch.arange(len(targets))).inputs[0]


def taken(samples: TrainSampler) -> Any:
    every = torch.arange(len(samples))
    return samples.take(every, every, samples.augmentation(every, 1), None)


def mirrored(found: Tensor, plain: Tensor) -> Tensor:
    """A mask of the images that are turned round; all others are as they were."""
    turned = torch.tensor(
        [
            torch.allclose(x, y.flip(-1), atol=1e-5)
            for x, y in zip(found, plain, strict=True)
        ]
    )
    still = torch.tensor(
        [torch.allclose(x, y, atol=1e-5) for x, y in zip(found, plain, strict=True)]
    )
    assert (turned ^ still).all() and turned.any() and still.any()
    return turned


BOXES = np.tile(
    np.array([[1, 2, 4, 5, 1], [0, 0, 8, 6, 0], [0, 0, 0, 0, -1]], np.float32),
    (12, 1, 1),
)


@pytest.mark.parametrize("name", ["train", "made"])
def test_boxes_move_with_their_images(tmp_path: Path, name: str) -> None:
    samples, plain = sampler(tmp_path, BOXES, name, boxed=True)
    found = taken(samples)
    turned = mirrored(found.inputs[0], plain)
    expected = torch.from_numpy(BOXES).clone()
    expected[turned, 0] = torch.tensor([4.0, 2, 7, 5, 1])
    assert torch.equal(found.targets, expected)
    again = taken(samples)
    assert not torch.equal(mirrored(again.inputs[0], plain), turned)  # drawn again


def test_maps_move_and_points_that_are_unknown_stay_so(tmp_path: Path) -> None:
    maps = np.tile(np.arange(WIDTH), (12, HEIGHT, 1))
    samples, plain = sampler(tmp_path, maps)
    found = taken(samples)
    turned = mirrored(found.inputs[0], plain)
    assert found.targets.dtype == torch.int64
    assert (found.targets[turned, 0] == torch.arange(WIDTH).flip(0)).all()
    assert (found.targets[~turned, 0] == torch.arange(WIDTH)).all()
    for unit in ((1, 1), (WIDTH, HEIGHT)):
        place = np.array([[6, 3], [np.nan, np.nan]], np.float32) / unit
        samples, plain = sampler(
            tmp_path, np.tile(place, (12, 1, 1)).astype(np.float32), points=True
        )
        found = taken(samples)
        turned = mirrored(found.inputs[0], plain)
        assert torch.allclose(found.targets[turned, 0, 0], torch.tensor(2 / unit[0]))
        assert torch.allclose(found.targets[~turned, 0, 0], torch.tensor(6 / unit[0]))
        assert found.targets[:, 1].isnan().all()


def test_other_targets_pass(tmp_path: Path) -> None:
    samples, plain = sampler(tmp_path, np.arange(12))
    found = taken(samples)
    mirrored(found.inputs[0], plain)
    assert found.targets.tolist() == [*range(12)]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("half", r"an image of shape \[1, 3, 8\].*resizes to \[6, 8\]"),
        ("alone", "returned no image. Return the dictionary"),
        ("many", r"boxes of shape \[18, 4\] with 18 labels.*at most 3"),
    ],
)
def test_what_a_transform_may_not_return(tmp_path: Path, name: str, words: str) -> None:
    samples, _ = sampler(tmp_path, BOXES, name, boxed=True)
    with pytest.raises(TrainingError, match=words):
        taken(samples)


def test_functions_of_batches_are_as_before(tmp_path: Path) -> None:
    (tmp_path / "transforms.py").write_text(MIRROR)
    assert (
        of_user(locate("transforms.py:batch", tmp_path, UsageError), points=False)
        is None
    )
    with pytest.raises(UsageError, match=r"nothing returned int\. Return a transform"):
        of_user(locate("transforms.py:nothing", tmp_path, UsageError), points=False)


def test_a_network_without_an_image_takes_no_transform(tmp_path: Path) -> None:
    (tmp_path / "transforms.py").write_text(MIRROR)
    own = of_user(locate("transforms.py:train", tmp_path, UsageError), points=False)
    assert own is not None
    data = Dataset(
        InMemory(values=np.zeros((4, 9), np.float32)), np.arange(4), labels=()
    )
    with pytest.raises(TrainingError, match=r"takes 1 inputs of shapes \[9\]"):
        own.of(data)


# --- torchvision ------------------------------------------------------------------------------

V2 = """
from torchvision.transforms import v2

def train():
    return v2.Compose([
        v2.RandomHorizontalFlip(), v2.ColorJitter(brightness=0.2), v2.SanitizeBoundingBoxes(),
        v2.Resize((6, 8)),
    ])

def plain():
    return v2.RandomHorizontalFlip()
"""


@pytest.fixture
def v2() -> None:
    """torchvision. PyPI's wheel is for CUDA: with the CPU's torch its operators of boxes are
    missing, which no transform needs, and it imports once they are declared."""
    try:
        version = metadata.version("torchvision")
    except metadata.PackageNotFoundError:
        pytest.skip("torchvision is not installed")
    if torch.version.cuda is None and "+" not in version:
        form = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        for name in ("nms", "qnms"):
            if not hasattr(torch.ops.torchvision, name):
                torch.library.define(f"torchvision::{name}", form)


@pytest.mark.usefixtures("v2")
def test_torchvisions_transforms_move_boxes_maps_and_points(tmp_path: Path) -> None:
    samples, plain = sampler(tmp_path, BOXES, source=V2, boxed=True)
    found = taken(samples)
    # Brightness changes values, the gradient's direction shows a mirrored image.
    turned = found.inputs[0][:, 0, 0, 0] > found.inputs[0][:, 0, 0, -1]
    assert turned.any() and not turned.all()
    expected = torch.from_numpy(BOXES).clone()
    expected[turned, 0] = torch.tensor([4.0, 2, 7, 5, 1])
    torch.testing.assert_close(found.targets, expected)
    assert not torch.allclose(found.inputs[0], plain, atol=0.05)
    maps = np.tile(np.arange(WIDTH), (12, HEIGHT, 1))
    samples, plain = sampler(tmp_path, maps, "plain", V2)
    found = taken(samples)
    turned = mirrored(found.inputs[0], plain)
    assert (found.targets[turned, 0] == torch.arange(WIDTH).flip(0)).all()
    place = np.tile(np.array([[6, 3], [np.nan, np.nan]], np.float32), (12, 1, 1))
    samples, plain = sampler(tmp_path, place, "plain", V2, points=True)
    found = taken(samples)
    turned = mirrored(found.inputs[0], plain)
    known = found.targets[turned, 0, 0]
    assert ((known - 2).abs() <= 1).all()  # of pixels, or of the lines between them
    assert found.targets[:, 1].isnan().all()
