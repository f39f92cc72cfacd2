"""A profile of this machine, written from what it is and what its kernels do."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import pytest

from edgekit.config import targets
from edgekit.cost import profile_device
from edgekit.devices.local import LocalDevice
from edgekit.errors import DeviceError, OutputError
from edgekit.progress import Silent
from edgekit.store import Store


class OneRuntime(LocalDevice):
    """This machine, as if it had one runtime or none: each takes seconds to measure."""

    def probe(self) -> dict[str, Any]:
        found = super().probe()
        runtimes = {k: v for k, v in found["runtimes"].items() if k in KEPT}
        return {**found, "runtimes": runtimes}


KEPT = ["litert"]


def test_a_profile_is_written_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_device, "_SHAPES", (profile_device._CONV,))
    folder = tmp_path / "targets"
    found = profile_device.profile(
        OneRuntime(), "desk", folder, Store(tmp_path), Silent()
    )
    read = targets.load("desk", folders=[folder])
    assert read == found.target
    assert read.arch == platform.machine()
    assert read.runtimes == ("litert",)
    assert read.cpu == "host"
    assert set(read.channel_multiple) == {"fp32", "int8"}
    assert all(1 <= tile <= 32 for tile in read.channel_multiple.values())
    assert [table.key.precision for table in found.tables] == ["fp32", "int8"]
    assert all(table.unit == "us" and len(table) > 2 for table in found.tables)
    assert [path.name for path in folder.iterdir()] == ["desk.toml"]
    with pytest.raises(OutputError, match=r"desk\.toml is there already"):
        profile_device.profile(OneRuntime(), "desk", folder, Store(tmp_path), Silent())


def test_a_device_without_a_runtime_has_no_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.runtime.cost.test_profile_device.KEPT", [])
    with pytest.raises(DeviceError, match="none of the runtimes executorch, litert"):
        profile_device.profile(
            OneRuntime(), "desk", tmp_path, Store(tmp_path), Silent()
        )
    assert not (tmp_path / "desk.toml").exists()
