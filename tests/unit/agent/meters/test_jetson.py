"""The input rail of a Jetson, on files like those of the kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.agent.meters.jetson import Jetson
from tests.unit.agent.meters.files import write


def test_a_jetsons_input_rail_is_found_among_its_children(tmp_path: Path) -> None:
    assert "only a Jetson" in (Jetson(str(tmp_path)).available() or "")
    orin = tmp_path / "bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon1"
    write(orin, in1_label="VDD_IN", in1_input=5000, curr1_input=1000)
    write(orin, in2_label="VDD_CPU_GPU_CV", in2_input=5000, curr2_input=400)
    assert Jetson(str(tmp_path)).watts() == pytest.approx(5.0)
    nano = tmp_path / "nano"
    iio = nano / "bus/i2c/drivers/ina3221x/6-0040/iio:device0"
    write(iio, rail_name_0="POM_5V_IN", in_power0_input=2500)
    assert Jetson(str(nano)).available() is None
    assert Jetson(str(nano)).watts() == pytest.approx(2.5)
