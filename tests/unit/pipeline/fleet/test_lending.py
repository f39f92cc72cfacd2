"""Devices are lent to one build at a time, and never from quarantine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.errors import DeviceError
from edgekit.pipeline.fleet.lending import Lender
from tests.unit.pipeline.fleet.tasks import device, farm, task


def test_each_build_has_a_device_of_its_own() -> None:
    lender = Lender(farm(device("pi-1"), device("pi-2")))
    tasks = [task(name) for name in "abc"]
    leases = [lender.lend(one, lender.choices(one)) for one in tasks]
    first, second, none = leases
    assert first is not None and second is not None and none is None
    assert (first.name, second.name) == ("pi-1", "pi-2")
    assert first.address == "ssh://pi@pi-1"
    lender.give_back(first)
    again = lender.lend(tasks[2], lender.choices(tasks[2]))
    assert again is not None and again.name == "pi-1"
    assert [(one.task, one.name) for one in lender.leases] == [
        ("a", "pi-1"),
        ("b", "pi-2"),
        ("c", "pi-1"),
    ]


def test_a_build_without_a_device_has_its_own_machine() -> None:
    for lender in (Lender(), Lender(farm(device("pi-1")))):
        one = task("a", target="intel-n100")
        both = [lender.lend(one, lender.choices(one)) for _ in range(2)]
        assert [lease and lease.address for lease in both] == ["local", "local"]


def test_a_device_in_quarantine_is_not_lent() -> None:
    broken = replace(device("pi-1"), quarantine="its fan is off")
    lender = Lender(farm(broken, device("pi-2")))
    one = task("a")
    assert [d and d.name for d in lender.choices(one)] == ["pi-2"]
    assert lender.count("raspberrypi4") == 1
    assert lender.count("intel-n100") is None and Lender().count("x") is None
    lender.set_aside(device("pi-2"), "the link was lost")
    with pytest.raises(DeviceError, match=r"pi-1: its fan is off; pi-2: the link was"):
        lender.choices(one)
    with pytest.raises(DeviceError, match="the link was lost"):
        lender.count("raspberrypi4")
