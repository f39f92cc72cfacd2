"""An artifact and its probing copy, run on the artifact's own runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.bench.infer import dequantize, quantize
from edgekit.devices import Device, jobs
from edgekit.diff.tensor_worker import instrument
from edgekit.scratch import folder as scratch_folder
from edgekit.types import Artifact
from edgekit.types.diff import ModelGraph, Step

Array = NDArray[np.float32]
_START_S = 120.0
_SAMPLE_S = 5.0


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
    specs = one.opened.outputs
    files = one.artifact.files
    given, _ = _run(one, files, feeds, device)
    return [dequantize(a, spec) for a, spec in zip(given, specs, strict=True)]


def tensors(
    one: Probed, feeds: Sequence[Array], device: Device
) -> tuple[list[Array], dict[int, Array]]:
    """The copy's outputs, and what each step gave in real numbers, by its number."""
    companion = one.copy.with_suffix(".bin")
    files = (one.copy, *([companion] if companion.exists() else []))
    given, names = _run(one, files, feeds, device)
    specs = one.opened.outputs
    ends = [dequantize(a, spec) for a, spec in zip(given, specs, strict=False)]
    by_name = dict(zip(names, given, strict=True))
    by_place = {str(place): array for place, array in enumerate(given)}
    places = by_place if one.copy.suffix == ".tflite" else by_name
    shown: dict[int, Array] = {}
    for number, step in enumerate(one.opened.steps):
        if step.probe in places:
            shown[number] = _real(places[step.probe], step)
    return ends, shown


def _run(
    one: Probed, files: Sequence[Path], feeds: Sequence[Array], device: Device
) -> tuple[list[Any], list[str]]:
    with scratch_folder() as name:
        source, result = Path(name) / "inputs.npz", Path(name) / "outputs.npz"
        stored = {
            f"{number:03}": quantize(feed, spec)
            for number, (feed, spec) in enumerate(
                zip(feeds, one.opened.inputs, strict=True)
            )
        }
        np.savez(source, **stored)  # type: ignore[arg-type]
        ran = replace(one.artifact, files=tuple(files))
        job = jobs.infer(ran, inputs=source, outputs=result)
        limit_s = _START_S + _SAMPLE_S * len(feeds[0])
        names = device.run(job, timeout_s=limit_s)["outputs_order"]
        with np.load(result, allow_pickle=False) as file:
            return [file[f"output_{n}"] for n in range(len(names))], names


def _real(stored: Any, step: Step) -> Array:
    values: Array = stored.astype(np.float32)
    if step.scale is not None:
        values = (values - step.zero_point) * np.float32(step.scale)
    return values
