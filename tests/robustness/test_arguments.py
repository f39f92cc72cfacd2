"""No address becomes an option of docker, ssh or adb."""

from __future__ import annotations

import pytest

from edgekit.devices.resolve import resolve
from edgekit.errors import UsageError


@pytest.mark.parametrize(
    "address",
    [
        "container:--privileged",
        "container:-v/:/host",
        "container:image?memory=--privileged",
        "container:image?cpus=--privileged",
        "container:image?cpuset=-v/:/x",
        "container:image?platform=--privileged",
        "container:image name",
        "container:image\n--privileged",
        "container:image?memory=lots",
        "container:image?python=-c",
        "ssh://-oProxyCommand=touch",
        "ssh://-oProxyCommand=touch@host",
        "ssh://user@-oProxyCommand=touch",
        "ssh://user@[-oProxyCommand=touch]",
        "ssh://user@host/-oProxyCommand=touch",
        "ssh://[",
        "adb://-H",
        "adb://serial\nforward",
        "local?python=-c",
    ],
)
def test_values_that_would_be_options_are_refused(address: str) -> None:
    with pytest.raises(UsageError) as refused:
        resolve(address)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "container:registry.example:5000/name/image:1.2-x",
        "container:image@sha256:00ff",
        "container:image?cpus=0.5&memory=256m&cpuset=0-1,3&platform=linux/arm/v7",
        "ssh://pi@board-2.example:2222?python=/opt/my python/bin/python3",
        "ssh://pi@[fe80::1]:22",
        "adb://emulator-5554",
        "adb://192.168.1.4:5555",
    ],
)
def test_addresses_in_use_stay(address: str) -> None:
    assert resolve(address).name
