"""Time by operator on each runtime; assertions are on structure, never on speed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgekit.bench.artifact import artifact_at
from edgekit.bench.profile import plot, profile
from edgekit.devices.local import LocalDevice
from edgekit.errors import ArtifactError
from edgekit.runtimes.litert.operator_split import split


def test_every_operator_has_its_share(model: Any) -> None:
    found = profile(artifact_at(model.path), LocalDevice(), threads=1)
    assert sum(one.share for one in found.operators) == pytest.approx(1)
    assert all(one.us > 0 for one in found.operators)
    assert found.runtime == model.runtime
    alone = model.runtime == "litert"
    assert found.method == ("each operator alone" if alone else "profiler")
    kinds = {one.kind.upper() for one in found.operators}
    assert kinds & {"RELU", "MATMUL", "FUSEDMATMUL", "FULLYCONNECTED"}
    if model.runtime != "onnxruntime":
        assert all(one.fast is not None for one in found.operators)
    html = plot(found)
    assert found.operators[0].kind in html
    assert "<script src=" not in html


def test_int8_networks_show_what_runs_in_float() -> None:
    from edgekit.agent.runtimes.onnxruntime import rows

    def event(number: int, kind: str, us: int) -> dict[str, Any]:
        arguments = {"op_name": kind, "provider": "CPU", "node_index": str(number)}
        return {
            "cat": "Node",
            "name": f"n{number}_kernel_time",
            "dur": us,
            "args": arguments,
        }

    run = [event(0, "DequantizeLinear", 5), event(1, "Conv", 30), event(2, "QGemm", 3)]
    found = rows([*run, *run, *run])
    assert [one["fast"] for one in found] == [None, False, None]
    assert [one["us"] for one in found] == [5, 30, 3]
    assert "runs in float" in str(found[1]["why"])
    floats = [event(1, "Conv", 30), event(2, "Gemm", 3)]
    assert [one["fast"] for one in rows(floats)] == [None, None]


def test_a_model_is_split_into_operators_that_run(
    requantizing_model: Any, tmp_path: Path
) -> None:
    [part] = split(requantizing_model.path, tmp_path)
    assert part.kind == "QUANTIZE"
    found = profile(artifact_at(part.path), LocalDevice(), threads=1)
    assert len(found.operators) == 1
    (tmp_path / "bad.tflite").write_bytes(b"not a model")
    with pytest.raises(ArtifactError, match="is not a TFLite model"):
        split(tmp_path / "bad.tflite", tmp_path)
