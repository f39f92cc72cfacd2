from __future__ import annotations

from typing import Any

import pytest

from edgekit.devices.adb import BenchmarkModel, parse
from edgekit.devices.browser.device import BrowserDevice
from edgekit.devices.container import ContainerLink
from edgekit.devices.local import LocalDevice
from edgekit.devices.remote import RemoteDevice
from edgekit.devices.resolve import resolve
from edgekit.devices.ssh import SshLink
from edgekit.errors import DeviceError, UsageError


def remote(address: str, **more: Any) -> RemoteDevice:
    device = resolve(address, **more)
    assert isinstance(device, RemoteDevice)
    return device


@pytest.mark.parametrize(
    ("address", "host", "user", "port"),
    [
        ("ssh://board", "board", None, None),
        ("ssh://pi@Board.local", "Board.local", "pi", None),
        ("ssh://pi@10.0.0.7:2222", "10.0.0.7", "pi", 2222),
        ("ssh://pi@[::1]:22", "::1", "pi", 22),
    ],
)
def test_an_ssh_address_is_taken_apart(
    address: str, host: str, user: str | None, port: int | None
) -> None:
    link = remote(address).link
    assert isinstance(link, SshLink)
    assert (link.host, link.user, link.port) == (host, user, port)
    assert link.name == address


def test_settings_of_an_address() -> None:
    device = remote(
        "container:arm:1?memory=256m&cpus=0.5&python=/py", provenance="device"
    )
    assert isinstance(device.link, ContainerLink)
    assert device.link.image == "arm:1"
    assert (device.link.memory, device.link.cpus) == ("256m", "0.5")
    assert device.python == "/py"
    assert device.provenance == "device"
    assert remote("container:x").provenance == "host"
    assert remote("ssh://x").provenance == "device"
    assert remote("adb://emulator-5554").name == "adb://emulator-5554"
    assert isinstance(resolve("local"), LocalDevice)
    for name in ("browser", "browser:chromium"):
        found = resolve(name)
        assert isinstance(found, BrowserDevice)
        assert (found.name, found.provenance) == ("browser:chromium", "device")
    assert isinstance(resolve("adb://1?benchmark_model=/bin/true"), BenchmarkModel)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("shh://pi", "Did you mean 'ssh'? Known forms: local, container:IMAGE"),
        ("browser:netscape", "no browser 'netscape' can be driven. Known: chromium"),
        ("browser?x=1", "has no setting 'x'"),
        ("browser:", "'browser:' is not a device"),
        ("ssh://", "'ssh://' is not a device"),
        ("ssh://pi:secret@board", "is not an ssh device"),
        ("ssh://-oProxyCommand=x", "is not an ssh device"),
        ("ssh://pi@board:none", "Write ssh://USER@HOST:PORT"),
        ("container:x?memry=1g", "no setting 'memry'. Did you mean 'memory'?"),
        ("emulated:cortex-a72?x=1", "no setting 'x'"),
    ],
)
def test_a_wrong_address_is_explained(address: str, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        resolve(address)
    assert words in str(raised.value)


BENCHMARK = """\
STARTUP!
Loaded model m.tflite
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
Initialized session in 3.2ms.
Running benchmark for at least 1 iterations and at least 0.5 seconds
count=212 first=2801 curr=2301 min=2299 max=2900 avg=2350.5 std=30

Running benchmark for at least 50 iterations and at least 1 seconds
count=425 first=2311 curr=2306 min=2295 max=2512 avg=2342.25 std=21

Inference timings in us: Init: 3200, First inference: 2801, Warmup (avg): 2350.5, \
Inference (avg): 2342.25
Peak memory footprint (MB): init=2.7 overall=5.9
"""


def test_benchmark_model_reports_averages_and_no_percentiles() -> None:
    """Text of the form that TensorFlow Lite's tool prints; the tool itself is not at hand."""
    found = parse(BENCHMARK)
    assert found["load_ms"] == 3.2
    assert found["first_ms"] == pytest.approx(2.801)
    assert found["summary"] == {
        "samples": 425,
        "mean_ms": pytest.approx(2.34225),
        "p50_ms": None,
    }
    assert found["peak_memory_mb"] == 5.9
    assert found["samples_ns"] == []
    with pytest.raises(DeviceError, match="Inference timings"):
        parse("Segmentation fault")
