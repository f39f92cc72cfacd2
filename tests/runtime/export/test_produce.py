"""Artifacts of every runtime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from edgekit.export.workers import Variant, export_all
from edgekit.program.program import trace
from edgekit.types import InputSpec
from tests.runtime.export.conftest import VARIANTS


def test_both_lite_runtimes_get_the_same_file(exported) -> None:
    files = {artifact.name: artifact.files[0] for artifact in exported[0]}
    assert (
        files["litert-int8"].read_bytes() == files["tflite-runtime-int8"].read_bytes()
    )


@pytest.mark.slow
def test_the_same_program_gives_the_same_bytes(
    exported, convolutional_network, tmp_path: Path
) -> None:
    program, samples = convolutional_network
    again = export_all(program, VARIANTS, calibration=samples, folder=tmp_path)
    for first, second in zip(exported[0], again, strict=True):
        for one, other in zip(first.files, second.files, strict=True):
            assert one.read_bytes() == other.read_bytes(), first.name


def test_a_tail_that_does_not_fit_costs_the_twin_alone(folder: Path) -> None:
    plain = trace(nn.Linear(3, 2), (InputSpec(shape=(3,), name="x"),))
    program = replace(plain, tail=b"not a network")
    requested: list[Variant] = [("onnxruntime", "fp32")]
    export_all(program, requested, calibration=None, folder=folder)
    assert [file.name for file in folder.iterdir()] == ["onnxruntime-fp32.onnx"]
