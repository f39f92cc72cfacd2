"""A farm of devices with their health: one that drifts is in quarantine, and measures nothing.

A check times one convolution on the device. The first check's time is the reference of the later
ones; both lie in `devices.health.json` beside `devices.toml`, for everybody who uses the farm.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from edgekit import scratch
from edgekit.bench.conditions import MIN_PROCESSOR_FRACTION
from edgekit.config import farm, targets
from edgekit.cost import measure, microbenchmark
from edgekit.cost.table_key import TableKey
from edgekit.devices.resolve import attached, resolve
from edgekit.errors import DeviceError, FarmError, OutputError, UsageError
from edgekit.suggestions import suggest
from edgekit.types import Target
from edgekit.types.farm import FarmDevice


@dataclass(frozen=True, kw_only=True)
class Health:
    """The findings of a device's checks."""

    reference_us: float | None = None
    """Microseconds of the first check that succeeded."""
    last_us: float | None = None
    """Of the last check; `None` where it failed."""
    checked: str
    """Date and time of the last check, UTC."""
    fault: str | None = None
    """Why the device is in quarantine."""


_HEALTH: TypeAdapter[dict[str, Health]] = TypeAdapter(dict[str, Health])


@dataclass(frozen=True, kw_only=True)
class Farm:
    """The devices of one `devices.toml`."""

    file: Path
    devices: tuple[FarmDevice, ...]
    folders: tuple[Path, ...] = ()
    """Of further target profiles."""
    health: Mapping[str, Health] = field(default_factory=dict)
    """By the devices' names; those that were never checked are not among them."""

    @classmethod
    def read(cls, file: Path, *, folders: Sequence[Path] = ()) -> Farm:
        """The farm of a file, with the health beside it.

        Raises `FarmError` for a file that cannot be read, or an address of another form.
        """
        devices = farm.load(file, folders=folders)
        for number, one in enumerate(devices):
            try:
                resolve(one.address)
            except UsageError as error:
                at = farm.place(file, number, "address")
                raise FarmError(f"{at}: {error}") from None
        health = _read_health(_beside(file))
        return cls(file=file, devices=devices, folders=tuple(folders), health=health)

    def fault(self, device: FarmDevice) -> str | None:
        """Why a device is in quarantine: by hand, or by its last check; `None` where it is not."""
        health = self.health.get(device.name)
        return device.quarantine or (health.fault if health else None)

    def named(self, name: str) -> FarmDevice:
        """The device of that name; raises `UsageError` where there is none."""
        for one in self.devices:
            if one.name == name:
                return one
        names = [one.name for one in self.devices]
        raise UsageError(
            f"{self.file} has no device '{name}'.{suggest(name, names)} "
            f"It has: {', '.join(names)}."
        )

    def checked(self, device: FarmDevice, *, renew: bool = False) -> Farm:
        """Time a device, and write what was found; with `renew` it becomes the reference.

        Raises `OutputError` where the file beside `devices.toml` cannot be written.
        """
        target = targets.load(device.target, folders=self.folders)
        before = None if renew else self.health.get(device.name)
        found = judged(device, before, _timed(device, target))
        # Others may have checked devices of theirs meanwhile.
        health = {**_read_health(_beside(self.file)), device.name: found}
        _write_health(_beside(self.file), health)
        return replace(self, health=health)


Check = measure.OperatorCost | str
"""The check's cost, or why there is none."""


def judged(device: FarmDevice, before: Health | None, found: Check) -> Health:
    """The health of a device after a check."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    reference = before.reference_us if before else None
    if isinstance(found, str):
        return Health(reference_us=reference, checked=now, fault=found)
    if found.fraction is not None and found.fraction < MIN_PROCESSOR_FRACTION:
        busy = f"other work took {1 - found.fraction:.0%} of its processor during the check"
        return Health(reference_us=reference, checked=now, fault=busy)
    reference = reference or found.cost
    drift = found.cost / reference - 1
    fault = None
    if abs(drift) > device.drift:
        fault = (
            f"its check took {found.cost:.4g} us, {abs(drift):.0%} "
            f"{'more' if drift > 0 else 'less'} than the {reference:.4g} us of the first one"
        )
    return Health(reference_us=reference, last_us=found.cost, checked=now, fault=fault)


def _timed(device: FarmDevice, target: Target) -> Check:
    """One convolution on the first runtime of the target that times operators alone."""
    timed = microbenchmark.timed()
    runtime = next((name for name in target.runtimes if name in timed), None)
    if runtime is None:
        return f"no runtime of {target.name} times operators alone"
    key = TableKey(
        fingerprint="",
        runtime=runtime,
        runtime_version="",
        precision="fp32",
        threads=1,
    )
    try:
        with attached(device.address, runtimes=[runtime]) as there:
            cells = measure.run([measure.ANCHOR], key=key, device=there, counted=False)
    except DeviceError as error:
        return str(error)
    return cells[measure.ANCHOR.key]


def _beside(file: Path) -> Path:
    return file.with_suffix(".health.json")


def _read_health(file: Path) -> dict[str, Health]:
    try:
        return _HEALTH.validate_json(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        raise FarmError(
            f"{file} cannot be read ({type(error).__name__}). Remove it: the next checks of the "
            "devices are their references then."
        ) from error


def _write_health(file: Path, health: Mapping[str, Health]) -> None:
    text = json.dumps(to_jsonable_python(health), indent=1)
    try:
        scratch.write(file, f"{text}\n".encode())
    except OSError as error:
        raise OutputError(
            f"Cannot write {file} ({error.strerror}). Change the permissions of its folder."
        ) from error
