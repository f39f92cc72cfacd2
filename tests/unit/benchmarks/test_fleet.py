"""The benchmark of a fleet: overlapping use of a device, and other hashes, are found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import fleet
from edgekit.config import farm, project
from edgekit.pipeline.fleet.records import Attempt


def used(device: str, began: float, ended: float) -> Attempt:
    return Attempt(
        number=1, machine="m", process=1, device=device, began=began, ended=ended
    )


def test_two_builds_on_one_device_are_counted() -> None:
    apart = [used("a", 0, 5), used("a", 5, 9), used("b", 1, 4), used("local", 0, 9)]
    assert fleet.overlaps(apart) == 0
    assert fleet.leases(apart) == {"a": 2, "b": 1}
    assert fleet.overlaps([*apart, used("b", 3, 6), used("local", 0, 9)]) == 1


@pytest.mark.parametrize("digest", ["ab", "cd"])
def test_other_hashes_are_named(digest: str) -> None:
    first: dict[str, Any] = {"case": "one", "seconds": 8.0, "files": {"x": {"m": "ab"}}}
    row = {"case": "two", "seconds": 4.0, "files": {"x": {"m": digest}}}
    found = fleet.compared(row, first)
    assert found["ratio"] == 0.5 and found["artifacts"] == 1
    assert found["same_hashes"] is (digest == "ab")
    assert found["others"] == ([] if digest == "ab" else ["x"])


def test_its_project_and_its_farm_are_read(tmp_path: Path) -> None:
    fleet.write_project(tmp_path / "project")
    one = project.load(tmp_path / "project")
    assert one.budget.mmacs == 3.0 and one.budget.speedup is None
    devices = farm.load(tmp_path / "project/devices.toml")
    assert [each.target for each in devices] == list(fleet.AT_DEVICES)
