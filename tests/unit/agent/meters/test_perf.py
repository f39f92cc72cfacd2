"""Power events of the kernel."""

from __future__ import annotations

from pathlib import Path

from edgekit.agent.meters.perf import Perf
from tests.unit.agent.meters.files import write


def test_missing_power_events_are_explained(tmp_path: Path) -> None:
    assert "counts no power events" in (Perf(str(tmp_path)).available() or "")
    events = tmp_path / "bus/event_source/devices/power"
    write(events / "events", **{"energy-pkg": "event=0x02"})
    assert "cannot be read" in (Perf(str(tmp_path)).available() or "")
