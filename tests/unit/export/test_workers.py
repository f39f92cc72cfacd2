"""Formats by process, and their order of work."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.export.produce import ExportRequest
from edgekit.export.worker import Job
from edgekit.export.workers import _queues
from tests.unit.runtimes.test_registry import TEXT


def queues(*runtimes: str) -> list[list[Job]]:
    requests = [
        ExportRequest(name=f"{one}-fp32", runtime=one, precision="fp32")
        for one in runtimes
    ]
    given = {"inputs": (), "calibration": None, "validation": None, "labels": ()}
    return _queues(requests, given, Path("/place"), turned=True)


def test_a_format_waits_for_the_one_that_it_starts_from() -> None:
    [[first, second]] = queues("openvino")
    assert (first.runtime, first.requested) == ("onnxruntime", ())
    assert (second.runtime, second.source) == ("openvino", first.fp32)
    assert (first.chained, second.chained) == (False, True)
    assert first.name == second.name == "openvino-fp32"


def test_runtimes_of_one_format_share_its_process() -> None:
    [[job]] = queues("litert", "tflite-runtime")
    assert [request.runtime for request in job.requested] == [
        "litert",
        "tflite-runtime",
    ]
    assert job.channels_last
    assert len(queues("litert", "onnxruntime")) == 2


def test_an_added_format_starts_from_one_of_ours_beside_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "runtimes" / "bead_string"
    home.mkdir(parents=True)
    text = TEXT.format(name="bead-string")
    start = text.replace('extra="abacus"', 'extra="abacus", starts_from="onnxruntime"')
    (home / "__init__.py").write_text(start)
    monkeypatch.setenv("EDGEKIT_PLUGINS", str(tmp_path))
    [[onnx, beads, openvino]] = queues("bead-string", "openvino")
    assert onnx.runtime == "onnxruntime"
    assert beads.source == openvino.source == onnx.fp32
    assert not beads.channels_last
