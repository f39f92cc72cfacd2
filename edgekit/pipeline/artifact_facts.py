"""Facts of an artifact that are the same on every machine, for a gate."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from pydantic_core import to_jsonable_python

from edgekit import sources
from edgekit.bench.artifact import artifact_at
from edgekit.bench.history import Record, sha256, unmeasured
from edgekit.config import project
from edgekit.cost.operator_shape import describe, parameter_nodes
from edgekit.devices import Device
from edgekit.diff.diff import diff
from edgekit.diff.inputs import STUDENT, Question
from edgekit.diff.tensor_worker import instrument
from edgekit.graph.graph import analyze
from edgekit.program.program import Program
from edgekit.progress import Progress
from edgekit.prune.activations import peak_bytes, steps
from edgekit.runtimes import contract
from edgekit.scratch import folder as scratch_folder
from edgekit.types import Evaluation, ModelSpec
from edgekit.types.diff import Diff
from edgekit.types.measurement_notes import Compared


def look(path: Path, created: str) -> Record:
    """Bytes and contract of the file at `path`; raises `UsageError` and `ArtifactError`."""
    artifact = artifact_at(path)
    return Record(
        name=artifact.name,
        sha256=sha256(artifact.files),
        size_bytes=artifact.size_bytes,
        tier=None,
        created=created,
        measurement=unmeasured(artifact),
        contract=contract.read(path),
        files=artifact.files,
    )


def described(found: Record) -> Record:
    """With names, shapes and types of inputs and outputs, where the file has no contract.

    Raises `ArtifactError` for a file that cannot be taken apart.
    """
    if found.contract is not None:
        return found
    path = found.files[0].resolve()
    with scratch_folder() as folder:
        opened = instrument(path, Path(folder) / f"probing{path.suffix}")
    return replace(
        found,
        contract={
            "inputs": to_jsonable_python(opened.inputs),
            "outputs": to_jsonable_python(opened.outputs),
        },
    )


def count(found: Record) -> Record:
    """With operations, weights and peak activations, where a source reads the file's format.

    Raises `ModelError` for a file of such a format that cannot be read.
    """
    file = found.files[0].resolve()
    if sources.matching(file.name, file.parent) is None:
        return found
    return _counted(found, sources.load(ModelSpec(source=file.name), root=file.parent))


def _counted(found: Record, network: Program) -> Record:
    graph = analyze(network)
    operators = [describe(graph, node) for node in network.module.graph.nodes]
    weights = (math.prod(graph.shape(node, {})) for node in parameter_nodes(graph))
    return replace(
        found,
        macs=sum(one.macs for one in operators if one is not None),
        parameters=sum(weights),
        activation_bytes=peak_bytes(graph, steps(graph), {}),
    )


def has_network(path: Path, folder: Path) -> bool:
    """Return whether there is a network that the file at `path` should be."""
    return (folder / project.FILE).is_file() or (path.parent / STUDENT).is_file()


def compared(
    found: Record, folder: Path, samples: int, device: Device, progress: Progress
) -> Record:
    """With parity, accuracy and slow operators: run beside its network on test data.

    Raises the errors of `edgekit.diff.diff`.
    """
    question = Question(artifact=found.files[0], folder=folder, count=samples)
    return _with(found, diff(question, device, progress))


def _with(found: Record, beside: Diff) -> Record:
    errors = [one.parity.relative_error for one in beside.outputs]
    worst = max(errors, default=0.0)
    value = beside.accuracy.get("artifact")
    return replace(
        found,
        parity=Compared(
            agrees=beside.outputs_agree,
            relative_error=worst if math.isfinite(worst) else None,
            samples=beside.samples,
            reference=beside.reference,
        ),
        evaluation=None
        if value is None
        else Evaluation(metric="accuracy", value=value, samples=beside.samples),
        slow_operators=None if beside.off_path is None else len(beside.off_path),
    )
