"""`edgekit targets`."""

from __future__ import annotations

import json
import sys

import pytest

from edgekit import cli
from tests.unit.test_cli import Run


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["edgekit", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


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
