"""An artifact's outputs on its own runtime, in the network's units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgekit.agent.arrays import arranged, of_network
from edgekit.devices import Device, jobs
from edgekit.errors import ArtifactError, DataError
from edgekit.scratch import folder as scratch_folder
from edgekit.types import Artifact, TensorSpec

Array = np.ndarray[Any, np.dtype[Any]]
_START_S = 120.0
_SAMPLE_S = 2.0


def infer(artifact: Artifact, inputs: Array, device: Device) -> Array:
    """Outputs of n samples, one inference each: (n, *input shape) to (n, *output shape).

    Both are float32; where the artifact takes or gives integers, they are quantized on the way in
    and out as its spec says. Samples have their channels first and are turned for a file that
    takes them last. Outputs' shape is the artifact's own, without its batch dimension of 1.
    """
    spec = _only_input(artifact)
    wanted = of_network(spec.shape[1:], spec.layout)
    if inputs.shape[1:] != wanted or not len(inputs):
        raise DataError(
            f"{artifact.name} takes samples of shape {list(wanted)}, at least one; "
            f"got an array of shape {list(inputs.shape)}."
        )
    inputs = arranged(inputs, spec.layout)
    with scratch_folder() as name:
        source, result = Path(name) / "inputs.npz", Path(name) / "outputs.npz"
        np.savez(source, input=quantize(inputs, spec))
        job = jobs.infer(artifact, inputs=source, outputs=result)
        device.run(job, timeout_s=_START_S + _SAMPLE_S * len(inputs))
        with np.load(result, allow_pickle=False) as file:
            outputs: Array = file["output_0"]
    return dequantize(outputs, artifact.outputs[0])


def quantize(values: Array, spec: TensorSpec) -> Array:
    """Real numbers as the artifact stores them: rounded to even, clipped to the type's range."""
    kind = np.dtype(spec.dtype)
    if spec.quantization is None:
        return np.ascontiguousarray(values, dtype=kind)
    limits = np.iinfo(kind)
    steps = np.rint(values / spec.quantization.scale) + spec.quantization.zero_point
    stored: Array = np.clip(steps, limits.min, limits.max).astype(kind)
    return stored


def dequantize(stored: Array, spec: TensorSpec) -> Array:
    """What is stored, as real numbers in float32."""
    if spec.quantization is None:
        return stored.astype(np.float32)
    steps = stored.astype(np.float32) - spec.quantization.zero_point
    return (steps * spec.quantization.scale).astype(np.float32)


def _only_input(artifact: Artifact) -> TensorSpec:
    if len(artifact.inputs) != 1:
        names = ", ".join(one.name for one in artifact.inputs)
        raise ArtifactError(
            f"{artifact.name} takes {len(artifact.inputs)} inputs ({names}); "
            "only networks of one input can be evaluated."
        )
    return artifact.inputs[0]
