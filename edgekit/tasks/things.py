"""Maps of things: a number for each thing, and its class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.tasks.targets import NO_BOX, THINGS, Array, Targets


@dataclass(frozen=True, kw_only=True)
class Things:
    """The things in the map of one sample, in the order of their numbers."""

    masks: Array
    """(things, height, width), boolean."""
    classes: Array
    """(things,)."""

    @classmethod
    def of(cls, target: Targets) -> Things:
        """Of a map (height, width) or (layers, height, width)."""
        layers = target.reshape(-1, *target.shape[-2:])
        there = np.unique(layers)
        there = there[there > 0]
        masks = [(layers == number).any(0) for number in there]
        return cls(
            masks=np.array(masks, bool).reshape(-1, *target.shape[-2:]),
            classes=there // THINGS,
        )

    @property
    def rows(self) -> Array:
        """Boxes around the masks as targets of detectors are: (things, 5), at least one row."""
        found = np.tile(np.array(NO_BOX, np.float32), (max(1, len(self.masks)), 1))
        for row, mask, kind in zip(found, self.masks, self.classes, strict=False):
            y, x = np.nonzero(mask)
            row[:] = x.min(), y.min(), x.max() + 1, y.max() + 1, kind
        return found
