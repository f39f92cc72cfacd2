"""The gate's rules, and the records that it reads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgekit.bench import gate, history
from edgekit.errors import MeasurementError
from edgekit.report import measurement_words as words
from edgekit.types import (
    Budget,
    Check,
    Energy,
    Evaluation,
    Latency,
    Measurement,
)
from edgekit.types.measurement_notes import IdleDrifted, NoMeter, Throttled


def measurement(**changes: Any) -> Measurement:
    made = Measurement(
        artifact="a",
        device="ssh://pi",
        provenance="device",
        runtime="litert",
        runtime_version="2",
        threads=1,
        latency=Latency(
            p50_ms=10.0,
            p90_ms=11.0,
            p95_ms=None,
            p99_ms=None,
            samples=30,
            launches=1,
            launch_p50_ms=(10.0,),
        ),
        load_ms=1.0,
        first_ms=1.0,
        peak_memory_mb=50.0,
        size_mb=1.0,
        energy=Energy(gross_mj=5.0, gross_u_mj=0.1, method="counter", boundary="board"),
    )
    return replace(made, **changes)


def record(**changes: Any) -> history.Record:
    made = history.Record(
        name="a",
        sha256="0",
        size_bytes=1000,
        tier="quick",
        created="2026-01-01T00:00:00+00:00",
        measurement=measurement(),
        evaluation=Evaluation(metric="accuracy", value=0.9, samples=100),
        macs=100,
        parameters=10,
        slow_operators=0,
    )
    return replace(made, **changes)


def verdicts(checks: list[Check]) -> dict[str, str]:
    return {one.name: one.verdict for one in checks}


def test_facts_gate_everywhere() -> None:
    assert set(verdicts(gate.facts(record(), record())).values()) == {"pass"}
    worse = record(
        size_bytes=1001,
        macs=101,
        slow_operators=1,
        evaluation=Evaluation(metric="accuracy", value=0.89, samples=100),
    )
    found = verdicts(gate.facts(worse, record()))
    assert found == {
        "model_bytes": "fail",
        "macs": "fail",
        "parameters": "pass",
        "slow_operators": "fail",
        "accuracy": "fail",
    }
    found = verdicts(gate.facts(worse, record(), growth=0.02, accuracy_drop=0.02))
    assert found["macs"] == found["model_bytes"] == found["accuracy"] == "pass"
    assert found["slow_operators"] == "fail"
    unknown = record(macs=None, parameters=None, slow_operators=None, evaluation=None)
    assert verdicts(gate.facts(unknown, record())) == {"model_bytes": "pass"}


def test_milliseconds_and_joules_gate_on_a_device_only() -> None:
    budget = Budget(size_mb=2, latency_ms=5, energy_mj=9)
    assert verdicts(gate.budgets(record(), budget, on_device=False)) == {
        "size_mb": "pass"
    }
    assert verdicts(gate.budgets(record(), budget, on_device=True)) == {
        "size_mb": "pass",
        "latency_ms": "fail",
        "energy_mj": "pass",
    }


def test_what_was_not_measured_is_inconclusive() -> None:
    missing = record(measurement=measurement(energy=Energy(reasons=(NoMeter(),))))
    budget = Budget(energy_mj=9)
    assert verdicts(gate.budgets(missing, budget, on_device=True)) == {
        "energy_mj": "inconclusive"
    }
    shaky = record(
        measurement=measurement(invalid=(Throttled(kind="throttled_for_heat"),))
    )
    for limit in (50, 5):
        [check] = gate.budgets(shaky, Budget(latency_ms=limit), on_device=True)
        assert check.verdict == "inconclusive"
        assert "slowed itself down for heat" in words.check(check)
    assert gate.unpaired(record()).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("mj", "verdict"), [(4.0, "pass"), (5.3, "inconclusive"), (6.0, "fail")]
)
def test_energy_is_judged_with_its_uncertainty(mj: float, verdict: str) -> None:
    ours = Energy(gross_mj=mj, gross_u_mj=0.1, method="counter", boundary="board")
    found = gate.energy(record(measurement=measurement(energy=ours)), record())
    assert found is not None
    assert found.verdict == verdict


def test_energy_of_another_kind_never_gates() -> None:
    there = record(measurement=measurement(device="ssh://other"))
    found = gate.energy(there, record())
    assert found is not None
    assert "different devices (ssh://other, ssh://pi)" in words.check(found)
    doubt = IdleDrifted(before_w=1.0, after_w=2.0, limit=0.05)
    drifted = replace(measurement().energy, reasons=(doubt,))
    found = gate.energy(record(measurement=measurement(energy=drifted)), record())
    assert found is not None
    assert found.verdict == "inconclusive"
    assert words.check(found) == words.energy_reason(doubt)
    other = Energy(gross_mj=1.0, method="counter", boundary="wall")
    found = gate.energy(record(measurement=measurement(energy=other)), record())
    assert found is not None
    assert found.verdict == "inconclusive"
    model = Energy(gross_mj=1.0, method="modeled", boundary="board")
    both = record(measurement=measurement(energy=model))
    found = gate.energy(both, both)
    assert found is not None
    assert "modeled energy never gates" in words.check(found)
    assert (
        gate.energy(record(), record(measurement=measurement(energy=Energy()))) is None
    )


def test_the_worst_verdict_counts() -> None:
    checks = gate.facts(record(), record())
    assert gate.verdict(checks) == "pass"
    unsure = replace(checks[0], verdict="inconclusive")
    assert gate.verdict([*checks, unsure]) == "inconclusive"
    assert gate.verdict([*checks, unsure, replace(unsure, verdict="fail")]) == "fail"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"measurement": measurement(device="local")}, "device (local, ssh://pi)"),
        ({"measurement": measurement(threads=4)}, "threads (4, 1)"),
        ({"tier": "report"}, "tier (report, quick)"),
        (
            {
                "measurement": measurement(
                    energy=Energy(gross_mj=1.0, method="counter", boundary="wall")
                )
            },
            "enclose different things (wall, board)",
        ),
        (
            {
                "measurement": measurement(
                    energy=Energy(gross_mj=1.0, method="modeled", boundary="board")
                )
            },
            "modeled and counter",
        ),
    ],
)
def test_rows_that_were_not_measured_alike_are_refused(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(MeasurementError) as raised:
        gate.refuse_incomparable(record(**changes), record())
    assert words in str(raised.value)


@pytest.mark.parametrize("kept", [True, False])
def test_accuracy_is_allowed_to_fall_to_the_sample(kept: bool) -> None:
    """0.912 - 0.902 is more than 0.01 in floats."""
    before = Evaluation(metric="accuracy", value=0.912, samples=1000)
    left = 902 if kept else 901
    after = Evaluation(metric="accuracy", value=left / 1000, samples=1000)
    counted = replace(after, correct=left, counted=1000)
    for now in (after, counted):
        checks = gate.facts(
            record(evaluation=now), record(evaluation=before), accuracy_drop=0.01
        )
        [found] = [one for one in checks if one.name == "accuracy"]
        assert found.verdict == ("pass" if kept else "fail")


@pytest.mark.parametrize(("grown", "expected"), [(1001, "pass"), (1002, "fail")])
def test_growth_is_counted_exactly(grown: int, expected: str) -> None:
    """1000 * 1.001 is less than 1001 in floats."""
    checks = gate.facts(record(size_bytes=grown), record(size_bytes=1000), growth=0.001)
    [found] = [one for one in checks if one.name == "model_bytes"]
    assert found.verdict == expected
