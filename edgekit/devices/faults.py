"""Map messages of ssh, adb, docker and a shell to the error that names the fault and the
fix."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgekit.errors import (
    DeviceError,
    DeviceFrozen,
    DeviceOutOfMemory,
    DeviceUnreachable,
    DiskFull,
    EdgeKitError,
    HostKeyError,
    LinkLost,
)

Fault = tuple[str, type[DeviceError], str]

SSH: Sequence[Fault] = (
    (
        r"IDENTIFICATION HAS CHANGED|host key for .* has changed",
        HostKeyError,
        "its host key is not the pinned one. Another machine answers there, or the "
        "device was set up again: compare its key by another way, then `ssh-keygen -R "
        "HOST` and add the new",
    ),
    (
        r"Host key verification failed|No .* host key is known",
        HostKeyError,
        "its host key is not known here. Connect once with ssh by hand, compare the "
        "fingerprint, and accept it",
    ),
    (
        r"Permission denied|Too many authentication failures",
        DeviceUnreachable,
        "the login was refused. Install your key there with ssh-copy-id; passwords are never "
        "asked for",
    ),
    (
        r"Could not resolve hostname|Name or service not known",
        DeviceUnreachable,
        "there is no such host. Check its name, or the Host entry of your ssh config",
    ),
    (
        r"Connection refused",
        DeviceUnreachable,
        "nothing accepts connections there. Start sshd on the device, or name its port",
    ),
    (
        r"Timeout, server .* not responding",
        DeviceFrozen,
        "the connection stands and nothing answers. The device hangs, or is too busy to "
        "answer: restart it",
    ),
    (
        r"Connection timed out|No route to host|Network is unreachable"
        r"|Operation timed out|timed out during banner exchange",
        DeviceUnreachable,
        "it does not answer. Check that it is on and on this network",
    ),
    (
        r"Broken pipe|Connection reset|closed by remote host|Connection closed"
        r"|Connection to .* closed|client_loop: send disconnect"
        r"|read from master failed|mux_client|master is dead|exec request failed"
        r"|Control socket connect|session open refused",
        LinkLost,
        "the connection ended in the middle. Check the network and the device's power, and "
        "start the command again: what was finished is kept",
    ),
    (
        r"command-line: line|Bad configuration option|terminating, \d+ bad configuration"
        r"|Can't open user config file",
        DeviceUnreachable,
        "the ssh configuration cannot be read",
    ),
)
_SHELL: Sequence[Fault] = (
    (
        r"No space left on device|Disk quota exceeded",
        DiskFull,
        "no space is left where EdgeKit keeps its files. Free some, or set EDGEKIT_CACHE on "
        "the device to another folder",
    ),
    (
        r"Cannot allocate memory|MemoryError|Out of memory",
        DeviceOutOfMemory,
        "memory ran out. Close what else runs there, or take a smaller model",
    ),
    (
        r"Read-only file system",
        DeviceError,
        "its file system cannot be written. Set EDGEKIT_CACHE on the device to another folder",
    ),
)


def find(said: str, device: str, faults: Sequence[Fault]) -> EdgeKitError | None:
    """The first of `faults` that the words betray."""
    for pattern, kind, meaning in faults:
        found = re.search(pattern, said)
        if found:
            line = next((one for one in said.splitlines() if found.group(0) in one), "")
            return kind(f"{device}: {meaning} ({line.strip()[:200]}).")
    return None


def of_shell(said: str, device: str) -> EdgeKitError | None:
    """The fault of a command on the device, where its output reveals it."""
    return find(said, device, _SHELL)


def frozen(device: str, timeout_s: float) -> DeviceFrozen:
    """The error for a device that does not answer within `timeout_s` seconds."""
    return DeviceFrozen(
        f"{device}: no answer within {timeout_s:g} s. The device hangs, or is too busy to "
        "answer: restart it."
    )
