"""INA monitors, on files like those of the kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.agent.meters.hwmon import Hwmon
from tests.unit.agent.meters.files import write


def test_hwmon_multiplies_or_reads_power(tmp_path: Path) -> None:
    assert "no INA power monitor" in (Hwmon(str(tmp_path)).available() or "")
    chip = tmp_path / "class/hwmon/hwmon3"
    write(chip, name="ina3221", in1_input=5000, curr1_input=640)
    write(tmp_path / "class/hwmon/hwmon1", name="coretemp")
    meter = Hwmon(str(tmp_path))
    assert meter.available() is None
    assert meter.watts() == pytest.approx(3.2)
    write(chip, power1_input=4_500_000)
    assert meter.watts() == pytest.approx(4.5)
    write(tmp_path / "class/hwmon/hwmon4", name="ina226", power1_input=1)
    assert "name one with `chip`" in (Hwmon(str(tmp_path)).available() or "")
    assert Hwmon(str(tmp_path), chip="hwmon4").watts() == pytest.approx(1e-6)
