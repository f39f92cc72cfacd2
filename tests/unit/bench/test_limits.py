"""Limits of facts, parity and contract."""

from __future__ import annotations

from edgekit.bench import gate as rules
from edgekit.bench import history, limits
from edgekit.types import Evaluation
from edgekit.types.gate import Gate
from edgekit.types.measurement_notes import Compared
from tests.unit.bench.test_gate import record, verdicts

SAME = Compared(agrees=True, relative_error=1e-6, samples=9, reference="a.pt2")
OTHER = Compared(agrees=False, relative_error=0.5, samples=9, reference="a.pt2")


def test_each_limit_passes_at_it_and_fails_over_it() -> None:
    known = record(size_bytes=2**20, macs=2_000_000, activation_bytes=2**20)
    exact = Gate(
        size_mb=1,
        mmacs=2,
        parameters=10,
        activation_mb=1,
        slow_operators=0,
        accuracy=0.9,
    )
    found = verdicts(limits.limits(known, exact))
    assert set(found.values()) == {"pass"} and len(found) == 6
    worse = record(
        size_bytes=2**20 + 1,
        macs=2_000_001,
        parameters=11,
        activation_bytes=2**20 + 1,
        slow_operators=1,
        evaluation=Evaluation(metric="accuracy", value=0.89, samples=100),
    )
    assert set(verdicts(limits.limits(worse, exact)).values()) == {"fail"}
    nothing = record(macs=None, parameters=None, slow_operators=None, evaluation=None)
    found = verdicts(limits.limits(nothing, exact))
    assert found.pop("size_mb") == "pass"
    assert set(found.values()) == {"unproven"}
    assert limits.limits(known, Gate()) == []


def test_limits_of_a_device_are_unproven_without_one() -> None:
    found = limits.unproven(Gate(latency_ms=1, energy_mj=2))
    assert verdicts(found) == {"latency_ms": "unproven", "energy_mj": "unproven"}
    assert rules.verdict(found) == "unproven"
    worse = [*found, *limits.limits(record(), Gate(size_mb=1e-9))]
    assert rules.verdict(worse) == "fail"


def test_parity_is_judged_where_the_network_is_there() -> None:
    for given, gate, expected in (
        (SAME, Gate(), "pass"),
        (OTHER, Gate(), "fail"),
        (OTHER, Gate(parity=False), None),
        (None, Gate(), None),
        (None, Gate(parity=True), "unproven"),
    ):
        found = limits.parity(record(parity=given), gate)
        assert (None if found is None else found.verdict) == expected


def test_the_parts_of_a_contract_that_changed_are_named() -> None:
    before = {"inputs": [1], "outputs": [2], "preprocessing": None, "edgekit": "1"}
    old = record(contract=before)
    same = limits.contract(record(contract={**before, "edgekit": "2"}), old, Gate())
    assert same is not None and same.verdict == "pass"
    other = limits.contract(record(contract={**before, "inputs": [3]}), old, Gate())
    assert other is not None and other.verdict == "fail"
    assert other.basis.changed == ("inputs",)  # type: ignore[union-attr]
    lost = limits.contract(record(), old, Gate())
    assert lost is not None and lost.verdict == "unproven"
    assert limits.contract(record(), record(), Gate()) is None
    asked = limits.contract(record(), record(), Gate(contract=True))
    assert asked is not None and asked.verdict == "unproven"
    assert limits.contract(record(contract={}), None, Gate(contract=True)) is None
    assert limits.contract(record(contract={}), old, Gate(contract=False)) is None


def test_facts_come_back_from_their_file() -> None:
    whole = record(
        activation_bytes=7, parity=SAME, contract={"inputs": [], "x": "ü"}, sha256="0"
    )
    again = history.of_document(history.facts_document(whole))
    for name in ("macs", "parameters", "activation_bytes", "parity", "contract"):
        assert getattr(again, name) == getattr(whole, name)
    assert again.evaluation == whole.evaluation
    assert again.slow_operators == whole.slow_operators
