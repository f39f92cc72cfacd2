"""The choice is the fastest that holds on validation samples, and is put beside the default."""

from __future__ import annotations

from typing import Any

from benchmarks.quantization_show import against_default, chosen, grouped


def row(file: str, ratios: list[float], validation: float | None, lost: float) -> Any:
    return {
        "network": "net",
        "runtime": "litert",
        "file": file,
        "value": 0.9 - lost,
        "lost": lost,
        "us": 100 * ratios[0],
        "over_fp32": sorted(ratios)[1],
        "ratios": ratios,
        "validation_lost": validation,
    }


FP32 = row("fp32", [1.0, 1.0, 1.0], None, 0.0)


def test_int8_that_is_slower_than_fp32_is_not_chosen() -> None:
    rows = [FP32, row("int8", [3.0, 2.9, 3.1], 0.0, 0.0)]
    assert chosen(rows)["file"] == "fp32"
    rows.append(row("int8-weighted", [0.6, 0.7, 0.8], 0.0, 0.001))
    assert chosen(rows)["file"] == "int8-weighted"


def test_what_loses_too_much_or_does_not_compete_is_not_chosen() -> None:
    rows = [
        FP32,
        row("int8", [0.3, 0.3, 0.3], 0.02, 0.02),
        row("default", [0.2, 0.2, 0.2], None, 0.0),
        row("int8-weights", [0.1, 0.1, 0.1], 0.0, 0.0),
    ]
    assert chosen(rows)["file"] == "fp32"


def test_the_choice_is_compared_launch_by_launch() -> None:
    rows = [
        FP32,
        row("int8", [0.4, 0.8, 0.2], 0.0, 0.001),
        row("default", [0.8, 0.8, 0.8], None, 0.01),
    ]
    [group] = grouped(rows)
    found = against_default(group)
    assert found["time_over_default"] == 0.5
    assert (found["choice_lost"], found["default_lost"]) == (0.001, 0.01)


def test_a_default_that_failed_is_left_open() -> None:
    assert against_default([FP32])["time_over_default"] is None
