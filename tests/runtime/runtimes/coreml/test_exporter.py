"""Core ML packages in every precision: their descriptions and sizes. Nothing runs them here."""

from __future__ import annotations

import importlib.util
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.export.worker import Job
from edgekit.program.program import Program

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("coremltools") is None,
        reason="needs pip install 'edgekit[coreml]'",
    ),
]
PRECISIONS = ("fp32", "fp16", "int8-weights", "palette4")


def converted(job: Job) -> list[dict[str, Any]]:
    """The artifacts of a job, with the operations and the metadata in their models."""
    from edgekit.export.worker import work
    from edgekit.runtimes.coreml import metadata

    rows = []
    for message in work(job):
        assert message.failure is None, message.failure
        if message.artifact is not None:
            model = metadata.model_of(message.artifact.files[0])
            block = next(
                iter(model.mlProgram.functions["main"].block_specializations.values())
            )
            rows.append(
                {
                    "artifact": message.artifact,
                    "operations": [one.type for one in block.operations],
                    "metadata": dict(model.description.metadata.userDefined),
                    "version": model.specificationVersion,
                }
            )
    return rows


def job(
    program: Program, folder: Path, precisions: tuple[str, ...] = PRECISIONS
) -> Job:
    from edgekit.export.produce import ExportRequest

    program.save(folder / "student.pt2")
    return Job(
        runtime="coreml",
        source=folder / "student.pt2",
        inputs=program.inputs,
        fp32=folder / "start.mlpackage.zip",
        requested=tuple(
            ExportRequest(name=f"coreml-{one}", runtime="coreml", precision=one)  # type: ignore[arg-type]
            for one in precisions
        ),
        calibration=None,
        validation=None,
        labels=("cat", "naïve dog"),
        name="net",
    )


def test_every_precision_is_described_and_smaller(
    network: tuple[Program, np.ndarray], apart: ProcessPoolExecutor, tmp_path: Path
) -> None:
    program, samples = network
    rows = apart.submit(converted, job(program, tmp_path)).result()
    assert [row["artifact"].precision for row in rows] == [*PRECISIONS]
    for row in rows:
        artifact = row["artifact"]
        [file] = artifact.files
        assert file.name == f"{artifact.name}.mlpackage.zip"
        [given], [found] = artifact.inputs, artifact.outputs
        assert (given.name, given.shape) == ("image", (1, *samples.shape[1:]))
        assert (given.dtype, found.dtype) == ("float32", "float32")
        assert given.layout == ("NCHW" if samples.ndim == 4 else None)
        assert (found.name, found.shape[0]) == ("output", 1)
        assert row["metadata"]["labels"] == '["cat", "naïve dog"]'
        assert row["version"] >= 7
        if artifact.quantized is not None:
            assert artifact.quantized.accuracy_drop is None
            assert artifact.quantized.samples == 0
    sizes = [row["artifact"].size_bytes for row in rows]
    assert sizes[1] < sizes[0]


def test_larger_weights_are_in_fewer_bits(
    apart: ProcessPoolExecutor, tmp_path: Path
) -> None:
    import torch
    from torch import nn

    from edgekit.program.program import trace
    from edgekit.types import InputSpec

    torch.manual_seed(0)
    wide = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 8))
    program = trace(wide, (InputSpec(shape=(64,), name="x"),))
    rows = apart.submit(converted, job(program, tmp_path)).result()
    sizes = [row["artifact"].size_bytes for row in rows]
    assert sizes[0] > 1.7 * sizes[1] > 2.5 * sizes[2] and sizes[2] > 1.3 * sizes[3]
    kinds = [{*row["operations"]} for row in rows]
    assert not any("constexpr" in one for kind in kinds[:2] for one in kind)
    assert any("constexpr" in one for one in kinds[2])
    assert any("lut" in one for one in kinds[3])


def test_several_inputs_and_outputs_keep_their_names_and_order(
    two_inputs: Program, apart: ProcessPoolExecutor, tmp_path: Path
) -> None:
    [row] = apart.submit(converted, job(two_inputs, tmp_path, ("fp16",))).result()
    artifact = row["artifact"]
    assert [spec.name for spec in artifact.inputs] == ["z", "a"]
    assert [spec.name for spec in artifact.outputs] == [f"o{i}" for i in range(12)]
    shapes = [spec.shape for spec in artifact.outputs]
    assert shapes == [(1, size) for size in range(1, 13)]


def test_the_same_network_gives_the_same_bytes(
    apart: ProcessPoolExecutor, convolutional_network: Any, tmp_path: Path
) -> None:
    program, _ = convolutional_network
    contents = []
    for name in ("one", "other"):
        place = tmp_path / name
        place.mkdir()
        [row] = apart.submit(converted, job(program, place, ("fp16",))).result()
        contents.append(row["artifact"].files[0].read_bytes())
    assert contents[0] == contents[1]
