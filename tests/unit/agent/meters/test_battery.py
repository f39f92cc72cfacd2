"""A battery, on files like those of the kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.agent.meters.battery import Battery
from tests.unit.agent.meters.files import write


def test_a_battery_must_discharge(tmp_path: Path) -> None:
    supply = tmp_path / "class/power_supply/battery"
    write(supply, type="Battery", status="Charging")
    write(supply, current_now=-500_000, voltage_now=4_000_000)
    write(tmp_path / "class/power_supply/usb", type="USB")
    assert "the battery is charging" in (Battery(str(tmp_path)).available() or "")
    write(supply, status="Discharging")
    meter = Battery(str(tmp_path))
    assert meter.available() is None
    assert meter.watts() == pytest.approx(2.0)
