"""Meters that are read for watts, on files and programs like those of the real ones."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from edgekit.agent import meters
from edgekit.agent.errors import AgentError
from edgekit.agent.meters.battery import Battery
from edgekit.agent.meters.hwmon import Hwmon
from edgekit.agent.meters.jetson import Jetson
from edgekit.agent.meters.nvml import Nvml
from edgekit.agent.meters.perf import Perf
from edgekit.agent.meters.pi5 import Pi5, rails
from edgekit.agent.meters.sampling import Sampler, integrate
from edgekit.agent.meters.serial import Serial

PMIC = """\
     3V7_WL_SW_A current(0)=0.00487998A
     VDD_CORE_A current(7)=2.00000000A
     3V7_WL_SW_V volt(8)=3.70000000V
     VDD_CORE_V volt(15)=0.90000000V
     EXT5V_V volt(24)=5.15268000V
"""


def write(folder: Path, **files: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(f"{content}\n")
    return folder


def test_watts_are_integrated_by_trapezoids() -> None:
    readings = [(0, 1.0), (1_000_000_000, 3.0), (3_000_000_000, 3.0)]
    assert integrate(readings) == (8.0, 3.0, 2.0)
    assert integrate([]) == (0.0, 0.0, 0.0)


def test_a_sampler_meters_a_known_power() -> None:
    sampler = Sampler(lambda: 2.0, 0.005)
    sampler.begin()
    time.sleep(0.2)
    window = sampler.end()
    assert window["joules"] == pytest.approx(2.0 * window["seconds"])
    assert window["seconds"] >= 0.2
    assert window["gap_s"] is not None


def test_a_meter_that_dies_is_an_error() -> None:
    answers = iter([1.0])

    def watts() -> float:
        for value in answers:
            return value
        raise OSError("unplugged")

    sampler = Sampler(watts, 0.005)
    sampler.begin()
    time.sleep(0.05)
    with pytest.raises(AgentError, match=r"stopped answering \(unplugged\)"):
        sampler.end()


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


def test_rails_with_volts_and_amperes_are_summed(tmp_path: Path) -> None:
    assert rails(PMIC) == pytest.approx(0.00487998 * 3.7 + 2.0 * 0.9)
    with pytest.raises(ValueError, match="only a Raspberry Pi 5"):
        rails('error=1 error_msg="Command not registered"')
    command = tmp_path / "vcgencmd"
    command.write_text(f"#!/bin/sh\ncat <<'E'\n{PMIC}E\n")
    command.chmod(0o755)
    meter = Pi5(str(command))
    assert meter.available() is None
    command.write_text("#!/bin/sh\necho 'VCHI initialization failed'\n")
    assert "join the group video" in (Pi5(str(command)).available() or "")
    assert "only a Raspberry Pi" in (Pi5("/nowhere/vcgencmd").available() or "")


def test_power_events_that_are_not_there_are_explained(tmp_path: Path) -> None:
    assert "counts no power events" in (Perf(str(tmp_path)).available() or "")
    events = tmp_path / "bus/event_source/devices/power"
    write(events / "events", **{"energy-pkg": "event=0x02"})
    assert "cannot be read" in (Perf(str(tmp_path)).available() or "")
    assert "no NVIDIA driver" in (Nvml("libnothing.so.9").available() or "")


def test_a_serial_meters_lines_are_integrated(tmp_path: Path) -> None:
    """A pseudo terminal as the serial port: 2 W in volts and amperes, a header, half a line."""
    ours, theirs = os.openpty()
    stop = threading.Event()

    def meter_outside() -> None:
        os.write(ours, b"time,V,A\n0.5,5.0")
        os.write(ours, b",0.4\n")
        while not stop.wait(0.01):
            os.write(ours, b"1.0,5.0,0.4\n")

    outside = threading.Thread(target=meter_outside)
    outside.start()
    try:
        meter = Serial(os.ttyname(theirs), columns="-,volts,amperes", boundary="board")
        assert meter.available() is None
        meter.begin()
        time.sleep(0.4)
        window = meter.end()
    finally:
        stop.set()
        outside.join()
        os.close(ours)
        os.close(theirs)
    assert window["joules"] == pytest.approx(2.0 * window["seconds"], rel=1e-6)
    assert window["seconds"] >= 0.4
    assert meter.boundary == "board"


def test_a_serial_meter_that_says_nothing_is_told(tmp_path: Path) -> None:
    assert "no `path`" in (Serial().available() or "")
    assert "cannot be read" in (Serial(str(tmp_path / "none")).available() or "")
    with pytest.raises(AgentError, match="column cannot be 'kWh'"):
        Serial(str(tmp_path), columns="kWh")


def test_options_of_a_meter_are_checked(tmp_path: Path) -> None:
    with pytest.raises(
        AgentError, match=r"hwmon has no option 'shunt'\. Known: root, chip"
    ):
        meters.make("hwmon", {"shunt": 1})
    found, reason, unreadable = meters.choose("hwmon", {"root": str(tmp_path)})
    assert found is None
    assert "hwmon: " in (reason or "")
    assert reason == f"No energy meter can be read here (hwmon: {unreadable['hwmon']})."


def test_a_container_may_see_sys_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        tmp_path / "class/powercap/intel-rapl:0",
        name="package-0",
        energy_uj=1,
        max_energy_range_uj=10,
    )
    monkeypatch.setenv("EDGEKIT_SYS", str(tmp_path))
    found = meters.choose("auto").meter
    assert found is not None
    assert found.name == "rapl"
