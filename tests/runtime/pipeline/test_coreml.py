"""Core ML and ncnn beside the runtimes of this machine, in one build."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch

import edgekit as ek
from edgekit.errors import UsageError
from edgekit.runtimes import contract
from tests.runtime.export.conftest import convolutional
from tests.runtime.pipeline.test_executorch import built

LACKING = [n for n in ("coremltools", "pnnx") if importlib.util.find_spec(n) is None]
pytestmark = [
    pytest.mark.usefixtures("brief"),
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(LACKING), reason="needs pip install 'edgekit[coreml,ncnn]'"
    ),
]
BOARD = """
description = "This machine, with ncnn, and Core ML for applications"
arch = "x86_64"
cpu = "host"
cores = 2
runtimes = ["litert", "ncnn", "coreml"]
precisions = ["fp32", "fp16"]
image = "linux/amd64"
"""


def test_one_is_measured_and_the_other_converted(tmp_path: Path) -> None:
    torch.manual_seed(0)
    report = built(convolutional(), torch.randn(96, 3, 32, 32), tmp_path, BOARD)
    candidates = {one.artifact.name: one for one in report.candidates}
    assert {"ncnn-fp32", "ncnn-fp16", "litert-fp32"} <= set(candidates)
    assert candidates["ncnn-fp32"].parity.relative_error < 1e-4
    assert candidates["ncnn-fp16"].measurement.latency.p50_ms > 0
    named = [one.artifact.name for one in report.converted]
    assert named == [
        f"coreml-{one}" for one in ("fp32", "fp16", "int8-weights", "palette4")
    ]
    file = tmp_path / "out" / report.converted[1].artifact.files[0]
    described = contract.read(file)
    assert described is not None and described["precision"] == "fp16"
    ncnn = contract.read(tmp_path / "out/candidates/ncnn-fp16.param")
    assert ncnn is not None and ncnn["precision"] == "fp16"
    document = json.loads((tmp_path / "out/report.json").read_text())
    assert {one["parity"] for one in document["converted"]} == {None}
    with pytest.raises(UsageError, match="converted and not run"):
        ek.benchmark([report.converted[1].artifact])
