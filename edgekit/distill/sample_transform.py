"""A transform of the user's over one training sample at a time, as torchvision.transforms.v2's are.

It is a module that takes a dictionary and returns it changed: `image`, and with it `boxes` and
`labels`, `masks` or `keypoints`, as torchvision's tensors where that was imported, else as plain
ones. Any other target is in `target`, which v2 leaves as it is.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from edgekit.config.user_code import UserFunction
from edgekit.data import Dataset
from edgekit.distill.batches import Inputs
from edgekit.errors import TrainingError
from edgekit.tasks.targets import NO_BOX
from edgekit.types import Preprocess

_IMAGE = 3
"""Dimensions of an image (channels, height, width)."""
_FRACTION = 1.001
"""The largest coordinate of points that are fractions of the image."""
_BOX = 4


@dataclass(frozen=True, kw_only=True)
class SampleTransform:
    """The user's transform; `of` makes a change of batches of it."""

    run: Callable[[Any], Any]
    """From a sample's dictionary to the changed one."""
    name: str
    points: bool
    """True where targets are points (points, 2)."""

    def of(
        self, dataset: Dataset
    ) -> Callable[[Inputs, Tensor, torch.Generator], tuple[Inputs, Tensor]]:
        """A change of batches of a data set; raises `TrainingError` where that has no images."""
        shapes = [
            column.samples.raw(dataset.numbers[:1]).shape[1:]
            for column in dataset.columns
        ]
        if len(shapes) != 1 or len(shapes[0]) != _IMAGE:
            raise TrainingError(
                f"[task] augment = '{self.name}' is a transform of an image, and the network takes "
                f"{len(shapes)} inputs of shapes {', '.join(str(list(s)) for s in shapes)}. Name "
                "a function of (inputs, targets, generator)."
            )
        how = dataset.columns[0].preprocess
        form = "target"
        if dataset.boxed:
            form = "boxes"
        elif self.points:
            form = "keypoints"
        elif dataset.mapped and dataset.target_shape[-2:] == shapes[0][1:]:
            form = "masks"
        single = _Sample(transform=self, preprocess=how, form=form)

        def change(
            inputs: Inputs, targets: Tensor, generator: torch.Generator
        ) -> tuple[Inputs, Tensor]:
            seed = int(torch.randint(2**31, (1,), generator=generator))
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                pairs = [
                    single.changed(*pair)
                    for pair in zip(inputs[0], targets, strict=True)
                ]
            images, found = zip(*pairs, strict=True)
            return (torch.stack(images),), torch.stack(found)

        return change


@dataclass(frozen=True, kw_only=True)
class _Sample:
    """One sample as a dictionary, and back."""

    transform: SampleTransform
    preprocess: Preprocess
    form: str

    def changed(self, image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """A prepared image (channels, height, width) and its target. The transform gets values that
        are divided by the scale alone, from 0 to 1."""
        mean, std = (
            torch.tensor(v)[:, None, None]
            for v in (self.preprocess.mean, self.preprocess.std)
        )
        size = (int(image.shape[1]), int(image.shape[2]))
        given = {
            "image": _typed("Image", image * std + mean),
            **self._parts(target, size),
        }
        found = self.transform.run(given)
        lost = [] if isinstance(found, Mapping) else [*given]
        lost = lost or [
            name for name in given if not isinstance(found.get(name), Tensor)
        ]
        if lost:
            raise TrainingError(
                f"{self.transform.name} returned no {lost[0]}. Return the dictionary that it "
                f"takes: "
                f"{', '.join(given)}."
            )
        moved = _plain(found["image"])
        if moved.shape != image.shape:
            raise TrainingError(
                f"{self.transform.name} returned an image of shape {list(moved.shape)}, and the "
                f"network takes {list(image.shape)}. End with one that resizes to {list(size)}."
            )
        return (moved.to(image.dtype) - mean) / std, self._target(found, target, size)

    def _parts(self, target: Tensor, size: tuple[int, int]) -> dict[str, Tensor]:
        if self.form == "boxes":
            rows = target[target[:, _BOX] >= 0]
            boxes = _typed(
                "BoundingBoxes", rows[:, :_BOX], format="XYXY", canvas_size=size
            )
            return {"boxes": boxes, "labels": rows[:, _BOX].long()}
        if self.form == "keypoints":
            points = target * self._scale(target, size)
            return {"keypoints": _typed("KeyPoints", points, canvas_size=size)}
        if self.form == "masks":
            return {"masks": _typed("Mask", target)}
        return {"target": target}

    def _target(
        self, found: Mapping[str, Tensor], target: Tensor, size: tuple[int, int]
    ) -> Tensor:
        if self.form == "boxes":
            return self._boxes(found, target, size)
        moved = _plain(found[self.form])
        if moved.shape != target.shape:
            raise TrainingError(
                f"{self.transform.name} returned {self.form} of shape {list(moved.shape)}, and the "
                f"sample has {list(target.shape)}. Keep it."
            )
        if self.form == "keypoints":
            moved = moved / self._scale(target, size)
            moved = torch.where(target.isnan(), target, moved)
        return moved.to(target.dtype)

    def _boxes(
        self, found: Mapping[str, Tensor], target: Tensor, size: tuple[int, int]
    ) -> Tensor:
        """Boxes (boxes, 5) cut off at the edge, those without an area left out."""
        named = getattr(found["boxes"], "format", None)
        boxes, labels = _plain(found["boxes"]), _plain(found["labels"])
        unlike = getattr(named, "value", "XYXY") != "XYXY"
        if unlike or boxes.shape != (len(labels), _BOX) or len(boxes) > len(target):
            raise TrainingError(
                f"{self.transform.name} returned boxes of shape {list(boxes.shape)} with "
                f"{len(labels)} labels{f' as {named.value}' if unlike and named else ''}. Return "
                f"corners, XYXY, (boxes, 4), a label each, and at most {len(target)}."
            )
        edge = boxes.new_tensor([size[1], size[0]] * 2)
        inside = torch.minimum(boxes.clamp(min=0), edge)
        rows = torch.cat([inside, labels[:, None].to(inside.dtype)], 1)
        rows = rows[(inside[:, 2:] > inside[:, :2]).all(1)]
        whole = target.new_tensor(NO_BOX).repeat(len(target), 1)
        whole[: len(rows)] = rows.to(target.dtype)
        return whole

    @staticmethod
    def _scale(target: Tensor, size: tuple[int, int]) -> Tensor:
        """Pixels of a unit of points: 1, or the image's sides where they are fractions of it."""
        fractions = bool(torch.nan_to_num(target).max() <= _FRACTION)
        sides = [size[1], size[0]] if fractions else [1, 1]
        return target.new_tensor(sides)


def of_user(function: UserFunction, *, points: bool) -> SampleTransform | None:
    """The transform that a name gives: a module, or a function without arguments that returns one;
    `None` for a function of whole batches. Raises the function's error."""
    found: Any = function.found()
    if not isinstance(found, nn.Module) and not _takes_arguments(found):
        found = function.call()
        if not isinstance(found, nn.Module):
            raise function.error(
                f"{function.name} returned {type(found).__name__}. Return a transform, or take "
                "(inputs, targets, generator)."
            )
    if not isinstance(found, nn.Module):
        return None

    def run(sample: Any) -> Any:
        with function.running():
            return found(sample)

    return SampleTransform(run=run, name=function.name, points=points)


def _takes_arguments(function: Callable[..., Any]) -> bool:
    return bool(inspect.signature(function).parameters)


def _typed(kind: str, values: Tensor, **more: Any) -> Tensor:
    """A tensor of torchvision's `kind`; the plain one where the transform is not torchvision's."""
    known = sys.modules.get("torchvision.tv_tensors")
    if known is None:
        return values
    made: Tensor = getattr(known, kind)(values, **more)
    return made


def _plain(values: Tensor) -> Tensor:
    return values.as_subclass(Tensor)
