"""Devices of a farm: their addresses, and checks by which one that drifts is set apart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.bench.farm import Farm, Health, judged
from edgekit.cost.measure import OperatorCost
from edgekit.errors import FarmError, UsageError
from edgekit.types.farm import FarmDevice
from tests.unit.config.test_farm import TWO, write

DEVICE = FarmDevice(name="pi-1", address="ssh://pi@one", target="raspberrypi4")


def cost(us: float, fraction: float | None = 1.0) -> OperatorCost:
    return OperatorCost(cost=us, rounds=(us,), fraction=fraction)


def test_the_first_check_is_the_reference_of_the_later_ones() -> None:
    first = judged(DEVICE, None, cost(100))
    assert (first.reference_us, first.last_us, first.fault) == (100, 100, None)
    later = judged(DEVICE, first, cost(109))
    assert (later.reference_us, later.last_us, later.fault) == (100, 109, None)
    slower = judged(DEVICE, later, cost(123))
    assert slower.fault == (
        "its check took 123 us, 23% more than the 100 us of the first one"
    )
    assert "15% less" in str(judged(DEVICE, slower, cost(85)).fault)
    assert judged(DEVICE, slower, cost(100)).fault is None
    strict = replace(DEVICE, drift=0.05)
    assert judged(strict, first, cost(109)).fault is not None


def test_a_check_that_failed_is_no_reference() -> None:
    unreachable = judged(DEVICE, None, "ssh://pi@one: connection refused")
    assert unreachable.fault == "ssh://pi@one: connection refused"
    assert unreachable.reference_us is None and unreachable.last_us is None
    busy = judged(DEVICE, unreachable, cost(300, fraction=0.2))
    assert "other work took 80% of its processor" in str(busy.fault)
    assert busy.reference_us is None
    assert judged(DEVICE, busy, cost(100)).reference_us == 100


def test_a_farm_has_the_health_beside_its_file(tmp_path: Path) -> None:
    file = write(tmp_path, TWO)
    farm = Farm.read(file)
    pi, phone = farm.devices
    assert farm.fault(pi) is None and farm.fault(phone) == "its display is broken"
    drifted = Health(reference_us=1, last_us=2, checked="now", fault="its check took 2")
    (tmp_path / "devices.health.json").write_text(json.dumps({"pi-1": vars(drifted)}))
    assert Farm.read(file).fault(pi) == "its check took 2"
    assert farm.named("pi-1") is pi
    with pytest.raises(UsageError, match="Did you mean 'pi-1'"):
        farm.named("pi-l")
    (tmp_path / "devices.health.json").write_text("{")
    with pytest.raises(FarmError, match=r"health\.json cannot be read .* Remove it"):
        Farm.read(file)


def test_an_address_of_another_form_is_refused_with_its_line(tmp_path: Path) -> None:
    file = write(tmp_path, TWO.replace("adb://0A1B", "shs://pi@two"))
    with pytest.raises(FarmError, match=r"devices\.toml:8: .*shs://pi@two.*ssh"):
        Farm.read(file)
