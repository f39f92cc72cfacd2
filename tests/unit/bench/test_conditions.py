"""State of a device while it was measured."""

from __future__ import annotations

from typing import Any

import pytest

from edgekit.bench import conditions
from edgekit.errors import MeasurementError
from edgekit.report import measurement_words as words

NAMES = (
    "governor",
    "freq_mhz",
    "temp_c",
    "throttled",
    "throttle_count",
    "quota_stalls",
)


def look(**changes: Any) -> dict[str, Any]:
    return {**dict.fromkeys((*NAMES, "load", "on_battery")), **changes}


def test_looks_of_all_launches_are_one_range() -> None:
    launches = [
        {"trace": [look(temp_c=40.0, governor="performance"), look(temp_c=44.0)]},
        {"trace": [look(temp_c=42.0, throttled=False)]},
    ]
    found = conditions.summarize(launches)
    assert found.temp_c == (40.0, 44.0)
    assert (found.governor, found.throttled, found.load) == ("performance", False, None)


def test_a_device_that_held_back_has_its_reasons() -> None:
    [fault] = conditions.faults([{"trace": [look(throttled=True)]}])
    assert "throttling" in words.fault(fault)
    [fault] = conditions.faults(
        [{"trace": [look(freq_mhz=1800.0), look(freq_mhz=900.0)]}]
    )
    assert "the clock fell by 50%" in words.fault(fault)
    [fault] = conditions.faults([{"trace": [], "cpu_s": 1.0, "timed_s": 4.0}])
    assert "25% of a processor" in words.fault(fault)
    assert not conditions.faults([{"trace": [look()], "cpu_s": 4.0, "timed_s": 4.0}])


def test_an_unready_device_is_refused_with_the_remedy() -> None:
    machine = {"emulated": False}
    probe = {"machine": machine, "conditions": look(governor="powersave", load=9.0)}
    with pytest.raises(MeasurementError, match=r"cpupower.*stop what else runs"):
        conditions.refuse_unready(probe, "board")
    conditions.refuse_unready({"machine": machine, "conditions": look()}, "board")
