"""Inputs of the stages of a build, by name."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgekit.config.user_code import is_reference, source_digest
from edgekit.devices import Device
from edgekit.program.feeds import Given, feeds_of
from edgekit.program.program import Program
from edgekit.runtimes import registry
from edgekit.store import digest
from edgekit.types import Artifact, RuntimeName, TaskSpec


def of_network(network: Program) -> dict[str, Any]:
    """A network: its operators and weights, and what its files take and give."""
    tail = network.tail
    return {
        "sha256": network.fingerprint(),
        "inputs": network.specs,
        "outputs": network.outputs,
        "reads": network.reads,
        "tail": None if tail is None else hashlib.sha256(tail).hexdigest(),
    }


def of_task(spec: TaskSpec, root: Path, mark: str = "") -> dict[str, Any]:
    """A task with the code of the user's functions; `mark` names those in memory."""
    names = ("metric", "loss", "teacher_loss", "augment")
    named = {name: getattr(spec, name) for name in names}
    decoder = spec.box_decoder
    named["decoder"] = None if decoder is None else decoder.head
    code = {
        name: source_digest(reference, root)
        for name, reference in named.items()
        if reference and is_reference(reference)
    }
    return {"spec": spec, "code": code, "mark": mark}


def of_files(artifact: Artifact) -> dict[str, Any]:
    """An artifact: the bytes of its files, what runs them, and how."""
    return {
        "name": artifact.name,
        "runtime": artifact.runtime,
        "files": [digest(file) for file in artifact.files],
        "options": artifact.runtime_options,
    }


def of_samples(given: Given | None) -> str:
    """SHA-256 over the arrays of each input."""
    found = hashlib.sha256()
    for each in () if given is None else feeds_of(given):
        found.update(f"{each.shape}{each.dtype}".encode())
        found.update(np.ascontiguousarray(each).data)
    return found.hexdigest()


def of_device(device: Device) -> dict[str, str]:
    """A device that times: what it is, and the machine that the times come from."""
    return {
        "name": device.name,
        "machine": device.fingerprint(),
        "host": platform.node(),
        "provenance": device.provenance,
    }


def libraries(runtimes: Sequence[RuntimeName]) -> dict[str, str]:
    """Versions of what exports files of these runtimes, and the kind of processor."""
    names = {"torch", "numpy"}
    for runtime in runtimes:
        record = registry.get(runtime)
        names.update(record.libraries.values())
        names.update(registry.get(record.format).libraries.values())
    return {**{name: version(name) for name in sorted(names)}, **training_versions()}


def training_versions() -> dict[str, str]:
    """Conditions of the bits that PyTorch computes here, beside its inputs."""
    return {"torch": torch.__version__, "machine": platform.machine()}


def version(name: str) -> str:
    """The version of an installed package, or that it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
