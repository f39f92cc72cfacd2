"""An artifact's outputs for samples, in the network's units: the one way to run a file on data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgekit.agent import session as sessions
from edgekit.agent.arrays import (
    arranged,
    dequantize,
    of_network,
    quantize,
    sample,
    stack,
)
from edgekit.agent.errors import AgentError
from edgekit.agent.runtimes import find, open_model, settings
from edgekit.data.dataset import Dataset
from edgekit.data.read_ahead import read_ahead
from edgekit.devices import Device, jobs
from edgekit.errors import ArtifactError, DataError
from edgekit.program.feeds import Given, feeds_of
from edgekit.program.named_outputs import Reads, joined
from edgekit.runtimes import registry
from edgekit.scratch import folder as scratch_folder
from edgekit.types import Artifact, TensorSpec

Array = np.ndarray[Any, np.dtype[Any]]
_START_S = 120.0
_SAMPLE_S = 5.0
_PART_BYTES = 1 << 28
"""Bytes of samples in one job of a device."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stored:
    """Outputs of a file for n samples, in its own types: (n, *shape) by output."""

    arrays: list[Array]
    names: list[str]

    def real(self, specs: Sequence[TensorSpec]) -> list[Array]:
        """The first outputs, as many as there are specs, as real numbers in float32."""
        pairs = zip(self.arrays, specs, strict=False)
        return [dequantize(array, spec) for array, spec in pairs]


def infer(
    artifact: Artifact, inputs: Given, device: Device, reads: Reads = ()
) -> Array:
    """The output that a task `reads`, or the first one, for n samples, one inference each:
    (n, *shape) of each input to (n, *output shape).

    Both are float32; where the artifact takes or gives integers, they are quantized on the way
    in and out by its spec. Samples have their channels first and are turned for a file that
    takes them last. Outputs' shape is the artifact's own, without its batch dimension of 1.
    Raises `DataError` for samples of another shape, `ArtifactError` for a file that cannot be
    run.
    """
    given, specs = feeds_of(inputs), artifact.inputs
    if len(given) != len(specs):
        names = ", ".join(spec.name for spec in specs)
        raise DataError(
            f"{artifact.name} takes {len(specs)} inputs ({names}); got {len(given)} arrays."
        )
    for spec, values in zip(specs, given, strict=True):
        requested = of_network(spec.shape[1:], spec.layout)
        if values.shape[1:] != requested or not len(values):
            raise DataError(
                f"{artifact.name} takes samples of shape {list(requested)}, at least one; "
                f"got an array of shape {list(values.shape)}."
            )
    pairs = zip(given, specs, strict=True)
    found = run_on(device, artifact, [arranged(x, spec.layout) for x, spec in pairs])
    return taken(found.real(artifact.outputs), reads)


def infer_all(
    artifact: Artifact, dataset: Dataset, device: Device, reads: Reads = ()
) -> Array:
    """As `infer`, for all samples of a data set, of which a part is in memory at a time."""
    size = max(1, _PART_BYTES // max(1, dataset.sample_bytes))
    parts = np.array_split(np.arange(len(dataset)), -(-len(dataset) // size))
    outputs = [
        infer(artifact, feeds, device, reads) for feeds, _ in read_ahead(dataset, parts)
    ]
    found: Array = np.concatenate(outputs)
    return found


def run_on(device: Device, artifact: Artifact, feeds: Sequence[Array]) -> Stored:
    """Outputs of the artifact on `device` for n samples, one inference each.

    `feeds` are real numbers (n, *shape) for each of the artifact's inputs, in the file's order of
    dimensions. Raises the errors of `Device.run`.
    """
    with scratch_folder() as folder:
        source, result = folder / "inputs.npz", folder / "outputs.npz"
        stored = {
            f"{number:03}": _stored(feed, spec)
            for number, (feed, spec) in enumerate(
                zip(feeds, artifact.inputs, strict=True)
            )
        }
        np.savez(source, **stored)  # type: ignore[arg-type]
        limit_s = _START_S + _SAMPLE_S * len(feeds[0])
        job = jobs.infer(artifact, inputs=source, outputs=result)
        names = device.run(job, timeout_s=limit_s)["outputs_order"]
        with np.load(result, allow_pickle=False) as file:
            arrays = [file[f"output_{number}"] for number in range(len(names))]
    return Stored(arrays=arrays, names=names)


def run_here(
    path: Path, runtime: str, feeds: Sequence[Array], layouts: Sequence[str | None]
) -> Iterator[list[Array]]:
    """Real outputs of a file for each of n samples, in this process, as the runtime shapes them.

    For processes that are isolated already. `feeds` are (n, *shape) as the network takes them.
    Raises `ArtifactError` where the runtime refuses the file or fails on it.
    """
    try:
        # The file is the same, and its own runtime is what this environment can have.
        found, _ = find(registry.get(runtime).format)
        session = open_model(found, str(path), 1, settings(found, {}))
        # One at a time: copies of all samples of large images are a third of the memory.
        for number in range(len(feeds[0])):
            one = [feed[number : number + 1] for feed in feeds]
            yield _once(session, one, layouts)
    except AgentError as error:
        raise ArtifactError(str(error)) from error


def _once(
    session: sessions.Session, feeds: Sequence[Array], layouts: Sequence[str | None]
) -> list[Array]:
    stored = [
        _stored(arranged(feed, layout), info)
        for feed, layout, info in zip(feeds, layouts, session.inputs, strict=True)
    ]
    given = sessions.run(session, sample(session.inputs, stored, 0))
    pairs = zip(given, session.outputs, strict=True)
    return [dequantize(array, info) for array, info in pairs]


def taken(outputs: Sequence[Array], reads: Reads) -> Array:
    """The output that a task `reads` of real ones (n, *shape), the first without a choice."""
    parts = [torch.from_numpy(outputs[number]) for number in reads or (0,)]
    found: Array = joined(parts).numpy()
    return found


def outputs_of(samples: Sequence[Sequence[Array]]) -> list[Array]:
    """Each output of `run_here` over all samples: (n, *shape)."""
    return [stack(column) for column in zip(*samples, strict=True)]


def _stored(values: Array, spec: TensorSpec | sessions.TensorInfo) -> Array:
    """As the artifact stores them; raises `DataError` for what it cannot hold."""
    try:
        return quantize(values, spec)
    except AgentError as error:
        raise DataError(error.message) from error
