"""Devices of a farm, each lent to one build at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekit.errors import DeviceError
from edgekit.pipeline.fleet.records import LOCAL, FleetTask
from edgekit.types.farm import FarmDevice

if TYPE_CHECKING:  # workers load this module before their settings are there
    from edgekit.bench.farm import Farm

_NOBODYS: tuple[None] = (None,)
"""The choice of a build without a device of its own: the machine that it runs on."""


@dataclass(kw_only=True)
class Lease:
    """One lending of a device to a build; without a device the build has its own machine."""

    task: str
    device: FarmDevice | None
    began: float
    """Seconds since 1970."""
    ended: float | None = None

    @property
    def address(self) -> str:
        """The address to build with."""
        return LOCAL if self.device is None else self.device.address

    @property
    def name(self) -> str:
        """The device's name, or `local`."""
        return LOCAL if self.device is None else self.device.name


class Lender:
    """Lends the devices of a farm that are not in quarantine."""

    def __init__(self, farm: Farm | None = None) -> None:
        self._farm = farm
        self._aside: dict[str, str] = {}
        self.leases: list[Lease] = []
        """Every lending, in order."""

    def choices(self, task: FleetTask) -> Sequence[FarmDevice | None]:
        """The devices that measure for the task's target; `None` alone where the farm has none.

        Raises `DeviceError` where all that there are must not be measured on, with the reasons.
        """
        return self._devices(task.request.target.name) or _NOBODYS

    def count(self, target: str) -> int | None:
        """The number of builds for a target that can have devices of a farm at once.

        `None` where it has none for the target. Raises `DeviceError` as `choices` does.
        """
        return len(self._devices(target)) or None

    def _devices(self, target: str) -> list[FarmDevice]:
        if self._farm is None:
            return []
        all_of_it = [one for one in self._farm.devices if one.target == target]
        found = [one for one in all_of_it if self._fault(one) is None]
        if all_of_it and not found:
            reasons = "; ".join(f"{one.name}: {self._fault(one)}" for one in all_of_it)
            raise DeviceError(
                f"No device for {target} can be measured on ({reasons}). Mend one, then run: "
                "edgekit devices check"
            )
        return found

    def lend(self, task: FleetTask, among: Sequence[FarmDevice | None]) -> Lease | None:
        """A device of `among` that nobody has; `None` where each is lent."""
        taken = {one.name for one in self.leases if one.ended is None}
        for device in among:
            if device is None or device.name not in taken:
                lease = Lease(task=task.name, device=device, began=time.time())
                self.leases.append(lease)
                return lease
        return None

    def give_back(self, lease: Lease) -> None:
        """Let the next build have the device."""
        lease.ended = time.time()

    def set_aside(self, device: FarmDevice, reason: str) -> None:
        """Lend a device no more."""
        self._aside[device.name] = reason

    def _fault(self, device: FarmDevice) -> str | None:
        by_check = None if self._farm is None else self._farm.fault(device)
        return self._aside.get(device.name) or by_check
