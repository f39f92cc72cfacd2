"""Conversions that a build makes once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from edgekit.export import conversions, workers
from edgekit.export.worker import Job
from edgekit.export.workers import Variant, export_all
from edgekit.program.program import Program, trace
from edgekit.types import InputSpec

FIRST: list[Variant] = [("openvino", "fp32")]
SECOND: list[Variant] = [("onnxruntime", "int8-dynamic"), ("openvino", "fp16")]


def dense(seed: int = 0, name: str = "x") -> Program:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    return trace(network, (InputSpec(name=name, shape=(4,)),))


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The jobs that were begun."""
    begun: list[Job] = []
    run = workers.run

    def seen(queues: list[list[Job]], place: Path):
        begun.extend(job for jobs in queues for job in jobs)
        return run(queues, place)

    monkeypatch.setattr(workers, "run", seen)
    return begun


def files(program: Program, forms: list[Variant], folder: Path) -> list[bytes]:
    made = export_all(program, forms, calibration=None, folder=folder)
    return [file.read_bytes() for one in made for file in one.files]


def test_other_precisions_start_from_the_same_conversion(
    tmp_path: Path, jobs: list[Job]
) -> None:
    fresh = files(dense(), SECOND, tmp_path / "fresh")
    with conversions.kept(tmp_path / "kept"):
        files(dense(), FIRST, tmp_path / "first")
        jobs.clear()
        assert files(dense(), SECOND, tmp_path / "second") == fresh
        # OpenVINO's file was wanted before, and that of ONNX Runtime it starts from was not.
        assert {job.runtime: job.converted for job in jobs} == {
            "onnxruntime": False,
            "openvino": True,
        }
        jobs.clear()
        files(dense(), SECOND, tmp_path / "third")
        assert all(job.converted for job in jobs)


def test_another_network_has_a_conversion_of_its_own(
    tmp_path: Path, jobs: list[Job]
) -> None:
    forms: list[Variant] = [("onnxruntime", "fp32")]
    with conversions.kept(tmp_path / "kept"):
        for number, other in enumerate([dense(), dense(seed=1), dense(name="y")]):
            files(other, forms, tmp_path / str(number))
    files(dense(), forms, tmp_path / "outside")
    assert [job.converted for job in jobs] == [False] * 4
