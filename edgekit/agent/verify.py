"""Check that a runtime opens a model: it is loaded and run once, on meaningless inputs."""

from __future__ import annotations

from typing import Any

from . import runtimes
from .schema import VerifyJob, VerifyResult
from .session import TensorInfo, draw, run


def verify(job: VerifyJob) -> VerifyResult:
    """Inputs and outputs as the runtime sees them; raises `model_unreadable`."""
    runtime, version = runtimes.find(job["runtime"])
    options = runtimes.settings(runtime, job.get("options", {}))
    session = runtimes.open_model(runtime, job["path"], job.get("threads", 1), options)
    run(session, draw(session.inputs, seed=0))
    return {
        "schema": job["schema"],
        "kind": "verify",
        "error": None,
        "runtime": job["runtime"],
        "runtime_version": version,
        "inputs": [_described(one) for one in session.inputs],
        "outputs": [_described(one) for one in session.outputs],
    }


def _described(one: TensorInfo) -> dict[str, Any]:
    return {"name": one.name, "shape": list(one.shape), "dtype": one.dtype}
