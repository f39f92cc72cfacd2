"""One artifact on one device, alone or against another, as `bench` and `gate` measure it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgekit.bench import paired
from edgekit.bench import profile as profiling
from edgekit.bench.protocol import Metering, measure
from edgekit.bench.tiers import Tier
from edgekit.devices import Device
from edgekit.devices.resolve import attached
from edgekit.errors import EdgeKitError
from edgekit.progress import Progress
from edgekit.types import Artifact, Measurement, Paired, Profile


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Measurement settings for every device."""

    artifact: Artifact
    other: Artifact | None
    """The reference that takes turns with the artifact."""
    threads: int
    tier: Tier
    metering: Metering
    profile: bool = False


@dataclass(frozen=True, kw_only=True)
class Found:
    """One device's result for the artifact."""

    measurement: Measurement
    paired: Paired | None = None
    profile: Profile | None = None
    unprofiled: EdgeKitError | None = None
    """Why there is no profile, where one was asked for: what was measured is kept."""


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The error of one device."""

    address: str
    error: EdgeKitError


def measure_at(asked: Asked, address: str, progress: Progress) -> Found:
    """The result of the device at `address`; raises the errors of devices and measurements."""
    with attached(address) as device:
        return measure_on(asked, device, progress)


def measure_on(asked: Asked, device: Device, progress: Progress) -> Found:
    """The result of an attached device."""
    name = asked.artifact.name
    where = f" on {device.name}" if device.name != "local" else ""
    if asked.other:
        found = _compare(asked, asked.other, device, progress, where)
    else:
        with progress.step(f"Measure {name}{where}") as step:
            measured = measure(
                [asked.artifact],
                device,
                tier=asked.tier,
                threads=asked.threads,
                on_launch=step.update,
                metering=asked.metering,
            )
        found = Found(measurement=measured[name])
    if asked.profile:
        try:
            with progress.step(f"Profile {name}{where}"):
                rows = profiling.profile(asked.artifact, device, threads=asked.threads)
            found = replace(found, profile=rows)
        except EdgeKitError as error:
            found = replace(found, unprofiled=error)
    return found


def _compare(
    asked: Asked, other: Artifact, device: Device, progress: Progress, where: str
) -> Found:
    mine = asked.artifact
    if other.files == mine.files:
        other = replace(other, name=f"{other.name} (again)")
    elif other.name == mine.name:
        other = replace(other, name=str(other.files[0]))
    with progress.step(f"Measure {mine.name} against {other.name}{where}") as step:
        verdict = paired.compare(
            (mine, other),
            device,
            tier=asked.tier,
            threads=asked.threads,
            on_launch=step.update,
            metering=asked.metering,
        )
    return Found(measurement=verdict.measurements[0], paired=verdict)
