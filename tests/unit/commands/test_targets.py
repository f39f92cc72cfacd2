"""`edgekit targets`."""

from __future__ import annotations

import json

from tests.conftest import Run


def test_targets_lists_and_explains(run: Run) -> None:
    status, out, _ = run("targets", "--json")
    names = {target["name"] for target in json.loads(out)}
    assert status == 0
    assert names >= {
        *("raspberrypi3", "raspberrypi4", "raspberrypi5", "raspberrypi-zero2w"),
        *(
            "raspberrypi-armv7",
            "android-arm64",
            "intel-n100",
            "jetson-orin-nano",
            "host",
        ),
    }
    status, out, _ = run("targets", "show", "raspberrypi")
    assert status == 0
    assert "cortex-a72" in out
    assert run("targets", "show", "nothing")[0] == 2
