"""The rows of ONNX Runtime's profiler."""

from __future__ import annotations

from typing import Any


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
