"""A meter outside, on a pseudo terminal."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from edgekit.agent.errors import AgentError
from edgekit.agent.meters.serial import Serial


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


def test_a_serial_meter_that_states_nothing_is_reported(tmp_path: Path) -> None:
    assert "the option `path`" in (Serial().available() or "")
    assert "cannot be read" in (Serial(str(tmp_path / "none")).available() or "")
    with pytest.raises(AgentError, match="column cannot be 'kWh'"):
        Serial(str(tmp_path), columns="kWh")
