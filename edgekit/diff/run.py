"""An artifact and its probing copy, run on the artifact's own runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.devices import Device
from edgekit.diff.tensor_worker import instrument
from edgekit.evaluate.run import Stored, run_on
from edgekit.types import Artifact
from edgekit.types.diff import ModelGraph, Step

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Probed:
    """An artifact, what it is made of, and the copy that shows it."""

    artifact: Artifact
    opened: ModelGraph
    copy: Path


def probed(artifact: Artifact, folder: Path) -> Probed:
    """The artifact taken apart; its copy lies in `folder`."""
    copy = folder / f"probing{artifact.files[0].suffix}"
    opened = instrument(artifact.files[0].resolve(), copy)
    return Probed(artifact=artifact, opened=opened, copy=copy)


def answers(one: Probed, feeds: Sequence[Array], device: Device) -> list[Array]:
    """Each output in real numbers over n samples: (n, *shape)."""
    return _run(one, one.artifact.files, feeds, device).real(one.opened.outputs)


def tensors(
    one: Probed, feeds: Sequence[Array], device: Device
) -> tuple[list[Array], dict[int, Array]]:
    """The copy's outputs, and what each step gave in real numbers, by its number."""
    beside = (one.copy.with_suffix(f.suffix) for f in one.artifact.files[1:])
    files = (one.copy, *(file for file in beside if file.exists()))
    given = _run(one, files, feeds, device)
    ends = given.real(one.opened.outputs)
    by_name = dict(zip(given.names, given.arrays, strict=True))
    by_place = {str(place): array for place, array in enumerate(given.arrays)}
    places = by_place if one.opened.by_place else by_name
    shown: dict[int, Array] = {}
    for number, step in enumerate(one.opened.steps):
        if step.probe in places:
            shown[number] = _real(places[step.probe], step)
    return ends, shown


def _run(
    one: Probed, files: Sequence[Path], feeds: Sequence[Array], device: Device
) -> Stored:
    ran = replace(one.artifact, files=tuple(files), inputs=one.opened.inputs)
    return run_on(device, ran, feeds)


def _real(stored: Any, step: Step) -> Array:
    values: Array = stored.astype(np.float32)
    if step.scale is not None:
        values = (values - step.zero_point) * np.float32(step.scale)
    return values
