"""Emulated processors, or the reason why this machine has none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgekit.devices.emulated import EmulatedDevice, missing
from edgekit.store import Store


@pytest.fixture
def emulated() -> Callable[[str], EmulatedDevice]:
    """A device by its core; what it runs is fetched once for all tests."""

    def device(core: str) -> EmulatedDevice:
        lacking = missing(core)
        if lacking:
            pytest.skip(f"no emulation of a {core}: {lacking}")
        return EmulatedDevice(core=core, kept=Store())

    return device
