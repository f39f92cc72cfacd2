"""An exported file beside its network, layer by layer."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from edgekit.api.datasets import Data
from edgekit.api.networks import Network
from edgekit.bench.artifact import artifact_at
from edgekit.devices.resolve import attached
from edgekit.diff.diff import diff_sides
from edgekit.diff.inputs import Question, Subject, in_memory, subject
from edgekit.errors import UsageError
from edgekit.progress import Logged, Progress
from edgekit.types import Artifact
from edgekit.types.diff import Diff


def diff(  # noqa: PLR0913
    artifact: Artifact | str | Path,
    network: Network | str | Path | None = None,
    *,
    data: Data | None = None,
    samples: str | Path | None = None,
    preprocessed: str | Path | None = None,
    answers: str | Path | None = None,
    count: int = 32,
    tolerance: float | None = None,
    device: str = "local",
    allow_pickle: bool = False,
    progress: Progress | None = None,
) -> Diff:
    """Compare an artifact with its network on `count` samples; `Diff.agrees` is the result.

    `artifact` is a file that `edgekit.export` returned, or a path to a file or bundle; `network`
    is a `Network`, a `.pt2`, or `None` for the student of the artifact's bundle. A `Network` is
    compared on the test samples of `data`; a path takes raw `samples` (`.npy`, `.npz`, `.parquet`
    or a folder of images) or those of the project in the current folder. `preprocessed` and
    `answers` are `.npy` files of an application: its inputs and outputs for the first samples.
    `tolerance` is a relative error (root mean square) of the outputs; `None` is that of the
    artifact's precision. The artifact runs on the device at the address `device`. Raises
    `UsageError` where a side or the samples are missing, `DataError` for samples of another
    shape, `ArtifactError` for an artifact of another network, `DeviceError` where the device lacks
    the runtime.
    """
    question = Question(
        artifact=artifact.files[0]
        if isinstance(artifact, Artifact)
        else Path(artifact),
        against=None if isinstance(network, Network) else _path(network),
        samples=_path(samples),
        preprocessed=_path(preprocessed),
        answers=_path(answers),
        count=count,
        tolerance=tolerance,
        runtime=artifact.runtime if isinstance(artifact, Artifact) else None,
        allow_pickle=allow_pickle,
    )
    read = partial(subject, question)
    if isinstance(network, Network):
        one = (
            artifact
            if isinstance(artifact, Artifact)
            else artifact_at(question.artifact)
        )
        read = partial(_in_memory, one, network, data, question)
    with attached(device) as there:
        return diff_sides(question, read, there, progress or Logged())


def _in_memory(
    artifact: Artifact, network: Network, data: Data | None, question: Question
) -> Subject:
    if data is None or question.samples is not None:
        raise UsageError(
            "A Network in memory is compared on samples in memory. Give "
            "data=edgekit.Data(test=...) "
            "and no samples=."
        )
    program = network.program
    test = data.part("test", program)
    rows = np.linspace(0, len(test) - 1, min(question.count, len(test))).astype(
        np.int64
    )
    inputs, targets = test.feeds(np.unique(rows))
    classed = test.classed and bool((targets >= 0).all())
    return in_memory(artifact, program, inputs, targets if classed else None)


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)
