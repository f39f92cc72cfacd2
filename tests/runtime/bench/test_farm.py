"""Checks of this machine as a device of a farm."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Run

FARM = """\
[[device]]
name = "here"
address = "local"
target = "host"
drift = 0.9
"""


def test_a_device_is_checked_and_listed(tmp_path: Path, run: Run, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("devices.toml").write_text(FARM)
    _, out, _ = run("devices", "--json")
    assert json.loads(out)["local"] == "here of devices.toml, for host; not checked"
    status, out, err = run("devices", "check", "--json")
    health = json.loads(out)["here"]
    if status == 4:  # the machine was busy
        assert "other work took" in health["fault"] and "In quarantine: here" in err
    else:
        assert status == 0 and health["last_us"] > 0
        assert health["reference_us"] == health["last_us"]
    file = Path("devices.health.json")
    kept = json.loads(file.read_text())
    assert kept == {"here": health}
    # A device that was a hundred times as fast once.
    kept["here"] |= {"reference_us": 0.01, "fault": None}
    file.write_text(json.dumps(kept))
    status, out, err = run("devices", "check", "here")
    assert status == 4 and "In quarantine: here: " in err
    _, out, _ = run("devices", "--json")
    assert "in quarantine: " in json.loads(out)["local"]


def test_an_unreachable_device_is_in_quarantine(
    tmp_path: Path, run: Run, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    nowhere = FARM.replace('"local"', '"ssh://nobody@127.0.0.1:1"')
    Path("farm.toml").write_text(nowhere)
    status, _, err = run("devices", "check", "--devices", "farm.toml")
    assert status == 4 and "In quarantine: here: " in err
    health = json.loads(Path("farm.health.json").read_text())["here"]
    assert health["last_us"] is None and "127.0.0.1" in health["fault"]
