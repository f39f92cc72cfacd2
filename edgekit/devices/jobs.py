"""Jobs of the agent, from artifacts and files of this machine: built here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from edgekit.agent.schema import (
    SCHEMA,
    BenchJob,
    BenchSettings,
    EnergyJob,
    EnergySettings,
    InferJob,
    MicrobenchmarkJob,
    MicrobenchmarkSettings,
    ProbeJob,
    ProfileJob,
    ProfileSettings,
    Result,
    RuntimeJob,
    VerifyJob,
)
from edgekit.types import Artifact, RuntimeName


def bench(
    artifact: Artifact, *, threads: int, **settings: Unpack[BenchSettings]
) -> BenchJob:
    """One launch of `artifact`, with as many threads as its own options give, or `threads`."""
    return {
        **_of("bench", artifact, artifact.runtime_options.threads or threads),
        "path": _path(artifact.files[0]),
        **settings,
    }


def energy(
    artifact: Artifact, *, threads: int, **settings: Unpack[EnergySettings]
) -> EnergyJob:
    """Joules of an inference of `artifact`."""
    return {
        **_of("energy", artifact, threads),
        "path": _path(artifact.files[0]),
        **settings,
    }


def verify(artifact: Artifact) -> VerifyJob:
    """Load `artifact` and run it once."""
    return {**_of("verify", artifact, 1), "path": _path(artifact.files[0])}


def profile(
    artifact: Artifact,
    *,
    threads: int,
    models: Sequence[Path] | None = None,
    **settings: Unpack[ProfileSettings],
) -> ProfileJob:
    """Time by operator; `models` has each operator alone, for runtimes without a profiler."""
    return {
        **_of("profile", artifact, threads),
        "path": _path(artifact.files[0]),
        "models": None if models is None else [_path(one) for one in models],
        **settings,
    }


def infer(artifact: Artifact, *, inputs: Path, outputs: Path) -> InferJob:
    """Outputs of `artifact` for the samples in `inputs` (.npz), written to `outputs` (.npz)."""
    return {
        **_of("infer", artifact, 1),
        "path": _path(artifact.files[0]),
        "inputs": _path(inputs),
        "outputs": _path(outputs),
        "outputs_order": None,
    }


def microbenchmark(
    runtime: RuntimeName,
    models: Sequence[Path],
    *,
    threads: int,
    companions: Sequence[Path] = (),
    options: Mapping[str, Any] | None = None,
    **settings: Unpack[MicrobenchmarkSettings],
) -> MicrobenchmarkJob:
    """Small models of one runtime, timed, counted or metered in one process."""
    head = _head("microbenchmark", runtime, threads, companions, options or {})
    return {**head, "models": [_path(one) for one in models], **settings}


def probe(runtime: str | None = None) -> ProbeJob:
    """An inventory of the machine; a device elsewhere installs `runtime` first."""
    job: ProbeJob = {"schema": SCHEMA, "kind": "probe"}
    if runtime is not None:
        job["runtime"] = runtime
    return job


def done(kind: str) -> Result:
    """The head of a result, for a device that has no agent to write one."""
    return {"schema": SCHEMA, "kind": kind, "error": None}


def _of(kind: str, artifact: Artifact, threads: int) -> RuntimeJob:
    options = artifact.runtime_options.options
    return _head(kind, artifact.runtime, threads, artifact.files[1:], options)


def _head(
    kind: str,
    runtime: RuntimeName,
    threads: int,
    companions: Sequence[Path],
    options: Mapping[str, Any],
) -> RuntimeJob:
    return {
        "schema": SCHEMA,
        "kind": kind,
        "runtime": runtime,
        "threads": threads,
        "companions": [_path(one) for one in companions],
        "options": dict(options),
    }


def _path(file: Path) -> str:
    """Absolute: the agent runs in a folder of its own."""
    return str(file.resolve())
