"""Outputs of a model for n samples, one inference each: the batch of a device is 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import machine, runtimes
from .arrays import read_inputs, sample, stack, write_outputs
from .errors import JOB_INVALID, AgentError
from .schema import InferJob, InferResult
from .session import TensorInfo, run


def infer(job: InferJob) -> InferResult:
    """Run every sample of the job and write the outputs to its `.npz`; raises `AgentError`."""
    runtime, version = runtimes.find(job["runtime"])
    options = runtimes.settings(runtime, job.get("options", {}))
    session = runtimes.open_model(runtime, job["path"], job.get("threads", 1), options)
    arrays = read_inputs(job["inputs"], session.inputs)
    order = _output_order(session.outputs, job.get("outputs_order"))
    collected: list[list[np.ndarray[Any, Any]]] = [[] for _ in order]
    for number in range(len(arrays[0])):
        outputs = run(session, sample(session.inputs, arrays, number))
        for kept, position in zip(collected, order):
            kept.append(outputs[position])
    write_outputs(job["outputs"], [stack(outputs) for outputs in collected])
    return {
        "schema": job["schema"],
        "kind": "infer",
        "error": None,
        "runtime": job["runtime"],
        "runtime_version": version,
        "samples": len(arrays[0]),
        "outputs": job["outputs"],
        "outputs_order": [session.outputs[position].name for position in order],
        "machine": machine.facts(),
    }


def _output_order(outputs: Sequence[TensorInfo], names: Any) -> list[int]:
    known = [info.name for info in outputs]
    if names is None:
        return list(range(len(known)))
    for name in names:
        if name not in known:
            raise AgentError(
                JOB_INVALID,
                f"The model has no output {name!r}. It has: {', '.join(known)}.",
            )
    return [known.index(name) for name in names]
