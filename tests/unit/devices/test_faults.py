"""Messages of tools, and the errors that they become."""

from __future__ import annotations

import pytest

from edgekit.devices import faults
from edgekit.errors import (
    DeviceError,
    DeviceFrozen,
    DeviceOutOfMemory,
    DeviceUnreachable,
    DiskFull,
    HostKeyError,
    LinkLost,
)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @", HostKeyError),
        ("Host key verification failed.", HostKeyError),
        ("pi@board: Permission denied (publickey).", DeviceUnreachable),
        ("ssh: Could not resolve hostname bord: unknown", DeviceUnreachable),
        ("connect to host board port 22: Connection refused", DeviceUnreachable),
        ("Timeout, server board not responding.", DeviceFrozen),
        ("client_loop: send disconnect: Broken pipe", LinkLost),
    ],
)
def test_ssh(said: str, kind: type[DeviceError]) -> None:
    found = faults.find(f"first line\n{said}\nlast line", "ssh://board", faults.SSH)
    assert type(found) is kind
    assert str(found).startswith("ssh://board: ") and said in str(found)
    assert "first line" not in str(found)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("tar: write error: No space left on device", DiskFull),
        ("sh: fork: Cannot allocate memory", DeviceOutOfMemory),
        ("mkdir: Read-only file system", DeviceError),
    ],
)
def test_a_command_on_the_device(said: str, kind: type[DeviceError]) -> None:
    assert type(faults.of_shell(said, "board")) is kind


def test_other_words_and_silence() -> None:
    assert faults.of_shell("all is well", "board") is None
    assert "within 5 s" in str(faults.frozen("board", 5.0))
