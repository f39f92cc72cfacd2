"""The choice of a meter and of its options."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.agent import meters
from edgekit.agent.errors import AgentError
from tests.unit.agent.meters.files import write


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
