"""Limits of `[gate]` on what an artifact is, and whether it still is its network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edgekit.bench.history import Record
from edgekit.bench.verdict import at_most
from edgekit.types import Check, GateVerdict
from edgekit.types.gate import Gate
from edgekit.types.measurement_notes import (
    CheckBasis,
    ContractParts,
    NotMeasured,
    WithinLimit,
)

_MIB = 2**20
_CONTRACT = ("inputs", "outputs", "preprocessing", "labels", "folded", "text")
"""Parts of a contract that an application counts on."""


def limits(now: Record, gate: Gate) -> list[Check]:
    """Checks of the facts that have a limit; an unknown fact is unproven."""
    activation = now.activation_bytes
    lines: Sequence[tuple[str, float | None, float | None]] = (
        ("size_mb", gate.size_mb, now.size_bytes / _MIB),
        ("mmacs", gate.mmacs, None if now.macs is None else now.macs / 1e6),
        ("parameters", gate.parameters, now.parameters),
        (
            "activation_mb",
            gate.activation_mb,
            None if activation is None else activation / _MIB,
        ),
        ("slow_operators", gate.slow_operators, now.slow_operators),
    )
    checks = [
        _limited(name, limit, value)
        for name, limit, value in lines
        if limit is not None
    ]
    if gate.accuracy is not None:
        checks.append(_accuracy(now, gate.accuracy))
    return checks


def unproven(gate: Gate) -> list[Check]:
    """Limits that only a device proves, where none is named."""
    on_device = {
        "latency_ms": gate.latency_ms,
        "memory_mb": gate.memory_mb,
        "energy_mj": gate.energy_mj,
    }
    return [
        _limited(name, limit, None)
        for name, limit in on_device.items()
        if limit is not None
    ]


def parity(now: Record, gate: Gate) -> Check | None:
    """The check of outputs against the network's; `None` where nothing was compared."""
    if gate.parity is False or (now.parity is None and gate.parity is None):
        return None
    found = now.parity
    if found is None:
        return _check("parity", None, None, "unproven", NotMeasured())
    verdict: GateVerdict = "pass" if found.agrees else "fail"
    return _check("parity", found.relative_error, None, verdict, found)


def contract(now: Record, before: Record | None, gate: Gate) -> Check | None:
    """The check of inputs, outputs and preprocessing; `None` without both contracts."""
    ours, theirs = now.contract, None if before is None else before.contract
    if gate.contract is False or before is None:
        return None
    if ours is None or theirs is None:
        if gate.contract is None and theirs is None:
            return None
        return _check("contract", None, None, "unproven", NotMeasured())
    changed = tuple(part for part in _changed(ours, theirs))
    return _check(
        "contract",
        len(changed),
        0,
        "fail" if changed else "pass",
        ContractParts(changed=changed),
    )


def _changed(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    return (part for part in _CONTRACT if ours.get(part) != theirs.get(part))


def _accuracy(now: Record, least: float) -> Check:
    found = now.evaluation
    if found is None or not found.is_fraction:
        return _check("accuracy", None, least, "unproven", NotMeasured())
    verdict: GateVerdict = "pass" if found.value >= least else "fail"
    return _check("accuracy", found.value, least, verdict, WithinLimit(least=True))


def _limited(name: str, limit: float, value: float | None) -> Check:
    if value is None:
        return _check(name, None, limit, "unproven", NotMeasured())
    verdict: GateVerdict = "pass" if at_most(value, limit) else "fail"
    return _check(name, value, limit, verdict, WithinLimit())


def _check(
    name: str,
    now: float | None,
    before: float | None,
    verdict: GateVerdict,
    basis: CheckBasis,
) -> Check:
    return Check(
        name=name, kind="fact", now=now, before=before, verdict=verdict, basis=basis
    )
