"""Refusals, with their messages, before anything is emulated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgekit.config import targets
from edgekit.devices.emulated import CORES, EmulatedDevice, cpuinfo, missing
from edgekit.errors import DeviceError
from edgekit.store import Store


def test_an_unknown_core_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"No core 'cortex-x9' .*cortex-a72"):
        EmulatedDevice(core="cortex-x9", kept=Store(tmp_path))
    assert missing("cortex-x9") == "no emulator has a cortex-x9"


def test_what_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert missing("cortex-a7") == (
        "qemu-arm is not installed (apt-get install qemu-user)"
    )
    device = EmulatedDevice(core="cortex-a72", kept=Store(tmp_path))
    with pytest.raises(DeviceError, match="needs qemu-aarch64: apt-get install"):
        device.probe()
    assert not list(tmp_path.iterdir())


def test_an_emulator_without_plugins_cannot_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("qemu-aarch64", "gcc", "apt-get", "dpkg-deb"):
        (tmp_path / name).write_text("#!/bin/sh\necho usage: qemu\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert "takes no plugins" in str(missing("cortex-a72"))


@pytest.mark.parametrize("core", CORES)
def test_runtimes_read_the_core_off_the_list_of_processors(core: str) -> None:
    listed = cpuinfo(core)
    assert listed.count("processor\t:") == 4
    assert re.search(rf"^CPU part\t: {CORES[core].part}$", listed, re.MULTILINE)
    assert ("asimddp" in listed) == (core in ("cortex-a76", "neoverse-n1"))


def test_every_arm_board_of_ours_can_be_emulated() -> None:
    for target in targets.known():
        if target.arch in ("aarch64", "armv7l"):
            assert CORES[target.cpu].arch == target.arch, target.name
