"""Tasks of a fleet, and a farm of two boards."""

from __future__ import annotations

from pathlib import Path

from edgekit.bench.farm import Farm
from edgekit.config import project, targets
from edgekit.pipeline.fleet.records import FleetTask
from edgekit.pipeline.request import BuildRequest
from edgekit.types.farm import FarmDevice


def task(name: str, target: str = "raspberrypi4", **more: float) -> FleetTask:
    request = BuildRequest(project=project.example(), target=targets.load(target))
    return FleetTask(name=name, request=request, out=Path("build") / name, **more)


def device(name: str, node: str | None = None) -> FarmDevice:
    address = f"ssh://pi@{name}"
    return FarmDevice(name=name, address=address, target="raspberrypi4", node=node)


def farm(*devices: FarmDevice) -> Farm:
    return Farm(file=Path("devices.toml"), devices=devices)
