"""The RAPL reader on a tree of files like the kernel's."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit.agent import meters
from edgekit.agent.errors import AgentError
from edgekit.agent.meters.rapl import Rapl


def zone(root: Path, name: str, kind: str, uj: int = 0, wrap: int = 1_000_000) -> Path:
    folder = root / "class" / "powercap" / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{kind}\n")
    (folder / "max_energy_range_uj").write_text(f"{wrap}\n")
    (folder / "energy_uj").write_text(f"{uj}\n")
    return folder / "energy_uj"


def test_packages_are_summed_and_nested_domains_are_not(tmp_path: Path) -> None:
    first = zone(tmp_path, "intel-rapl:0", "package-0", 100)
    second = zone(tmp_path, "intel-rapl:1", "package-1", 200)
    parts = [
        zone(tmp_path, "intel-rapl:0:0", "core"),
        zone(tmp_path, "intel-rapl:2:0", "package-0"),  # inside psys
        zone(tmp_path, "intel-rapl:0:1", "uncore"),
        zone(tmp_path, "intel-rapl:2", "psys"),
        zone(tmp_path, "intel-rapl-mmio:0", "package-0"),
    ]
    meter = Rapl(str(tmp_path))
    assert meter.available() is None
    meter.begin()
    for part in parts:
        part.write_text("999999\n")
    first.write_text("500100\n")
    second.write_text("250200\n")
    window = meter.end()
    assert window["joules"] == pytest.approx(0.75)
    assert window["seconds"] > 0


def test_every_wrap_between_two_polls_is_counted(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 900_000)
    meter = Rapl(str(tmp_path))
    meter.begin()
    for reading in (100_000, 700_000, 50_000):
        counter.write_text(str(reading))
        meter.poll()
    counter.write_text("60000")
    assert meter.end()["joules"] == pytest.approx(0.2 + 0.6 + 0.35 + 0.01)


def test_a_meter_begins_again(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 0)
    meter = Rapl(str(tmp_path))
    meter.begin()
    counter.write_text("1000")
    assert meter.end()["joules"] == pytest.approx(1e-3)
    meter.begin()
    assert meter.end()["joules"] == 0


def test_why_there_is_not_a_figure(tmp_path: Path) -> None:
    assert "does not exist" in (Rapl(str(tmp_path)).available() or "")
    (tmp_path / "class" / "powercap").mkdir(parents=True)
    assert "no intel-rapl package" in (Rapl(str(tmp_path)).available() or "")
    zone(tmp_path, "intel-rapl:0", "package-0").write_text("lots")
    assert "cannot be read" in (Rapl(str(tmp_path)).available() or "")


@contextlib.contextmanager
def ordinary_user() -> Iterator[None]:
    """Root may read every file: be `nobody` for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_permission_denied_is_explained() -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        counter = zone(Path(name), "intel-rapl:0", "package-0")
        counter.chmod(0o600 if os.geteuid() == 0 else 0)
        with ordinary_user():
            reason = Rapl(name).available() or ""
    assert "CVE-2020-8694" in reason
    assert f"sudo chmod 0444 {counter}" in reason


def test_a_meter_nobody_has_is_refused() -> None:
    with pytest.raises(AgentError, match="Known: auto, none, rapl, perf"):
        meters.choose("sundial")
