"""Meters unmodified, on a /sys of mock devices, of a private mount and of a live counter."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgekit.bench.energy import summarize
from edgekit.devices.packing import pack_agent
from tests.device.conftest import WATTS, WRAP_UJ, is_root

RAPL = """\
P: /devices/virtual/powercap/intel-rapl/intel-rapl:0
E: SUBSYSTEM=powercap
A: name=package-0\\n
A: energy_uj=19000000\\n
A: max_energy_range_uj=20000000\\n

P: /devices/virtual/powercap/intel-rapl/intel-rapl:0:0
E: SUBSYSTEM=powercap
A: name=core\\n
A: energy_uj=5000000\\n
A: max_energy_range_uj=20000000\\n

P: /devices/platform/ina226/hwmon/hwmon0
E: SUBSYSTEM=hwmon
A: name=ina226\\n
A: power1_input=3200000\\n
"""
# Runs inside of the mocked /sys: `name` meters while the counter is set forward, with a wrap.
INSIDE = """
import json, os, sys, time
sys.path.insert(0, sys.argv[1])
from edgekit_agent import meters
meter, reason, _ = meters.choose(sys.argv[2])
if meter is None:
    print(json.dumps({"reason": reason})); sys.exit()
meter.begin()
root = os.environ.get("UMOCKDEV_DIR")
if root and sys.argv[2] == "rapl":
    file = root + "/sys/devices/virtual/powercap/intel-rapl/intel-rapl:0/energy_uj"
    for value in (19_900_000, 400_000, 900_000):
        time.sleep(1.2)
        open(file, "w").write(str(value))
else:
    time.sleep(float(sys.argv[3]))
print(json.dumps({**meter.end(), "boundary": meter.boundary}))
"""


@pytest.fixture
def agent(readable: Path) -> Path:
    return pack_agent(readable / "agent.pyz")


def inside(agent: Path, meter: str, seconds: float, *wrapper: str) -> dict[str, Any]:
    """Reading of the meter, by a Python of its own that `wrapper` starts."""
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    done = subprocess.run(
        [*wrapper, python, "-c", INSIDE, str(agent), meter, str(seconds)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture
def mocked(readable: Path) -> tuple[str, ...]:
    if shutil.which("umockdev-run") is None:
        pytest.skip("no umockdev: apt install umockdev")
    description = readable / "devices.umockdev"
    description.write_text(RAPL)
    return ("umockdev-run", "-d", str(description), "--")


def test_rapl_of_a_mock_device_wraps_and_leaves_nested_domains_out(
    agent: Path, mocked: tuple[str, ...]
) -> None:
    found = inside(agent, "rapl", 0, *mocked)
    # From 19.0 to 19.9 J, over the end at 20 J to 0.4, to 0.9 J.
    assert found["joules"] == pytest.approx(0.9 + 0.5 + 0.5, rel=0.02)
    assert found["boundary"] == "package"


def test_hwmon_of_a_mock_device(agent: Path, mocked: tuple[str, ...]) -> None:
    found = inside(agent, "hwmon", 0.5, *mocked)
    assert found["joules"] == pytest.approx(3.2 * found["seconds"], rel=0.02)


@pytest.fixture
def fake_sys(readable: Path) -> tuple[str, ...]:
    """A private mount in the place of /sys: no root needed where user namespaces are allowed."""
    rapl = readable / "sys/class/powercap/intel-rapl:0"
    rapl.mkdir(parents=True)
    for name, content in (
        ("name", "package-0"),
        ("energy_uj", "100000"),
        ("max_energy_range_uj", "262143328850"),
    ):
        (rapl / name).write_text(content + "\n")
    chip = readable / "sys/class/hwmon/hwmon0"
    chip.mkdir(parents=True)
    for name, content in (
        ("name", "ina3221"),
        ("in1_input", 5000),
        ("curr1_input", 640),
    ):
        (chip / name).write_text(f"{content}\n")
    script = f'mount --rbind {readable}/sys /sys && exec "$@"'
    wrapper = ("unshare", "-rm", "sh", "-c", script, "sh")
    if subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this kernel lets nobody mount in a namespace of their own")
    return wrapper


def test_the_real_paths_are_read_in_a_private_sys(
    agent: Path, fake_sys: tuple[str, ...]
) -> None:
    found = inside(agent, "hwmon", 0.4, *fake_sys)
    assert found["joules"] == pytest.approx(3.2 * found["seconds"], rel=0.02)
    assert inside(agent, "rapl", 0.1, *fake_sys)["joules"] == 0


@pytest.mark.skipif(not is_root(), reason="only root can become another user")
def test_a_counter_that_only_root_may_read_is_explained(
    agent: Path, fake_sys: tuple[str, ...], readable: Path
) -> None:
    (readable / "sys/class/powercap/intel-rapl:0/energy_uj").chmod(0o400)
    script = f'mount --rbind {readable}/sys /sys && exec setpriv --reuid=65534 "$@"'
    found = inside(agent, "rapl", 0, "unshare", "-m", "sh", "-c", script, "sh")
    assert "CVE-2020-8694" in found["reason"]
    assert (
        "sudo chmod 0444 /sys/class/powercap/intel-rapl:0/energy_uj" in found["reason"]
    )


def test_joules_of_a_live_counter_are_within_two_percent(
    agent: Path, live: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEKIT_SYS", str(live))
    found = inside(agent, "rapl", 5.0)
    assert found["joules"] == pytest.approx(WATTS * found["seconds"], rel=0.02)
    assert found["joules"] > WRAP_UJ / 1e6  # more than the counter holds


def test_an_energy_run_over_the_live_counter(
    live: Path, onnx_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Idle and busy take the same 5 W here: gross is power over rate, net is nothing."""
    job, result = tmp_path / "job.json", tmp_path / "result.json"
    asked = {"schema": 2, "kind": "energy", "runtime": "onnxruntime", "windows": 3}
    asked |= {"path": str(onnx_file), "window_s": 1.0, "idle_s": 1.5, "warmup_s": 0.1}
    job.write_text(json.dumps(asked))
    subprocess.run(
        [sys.executable, "-m", "edgekit.agent", str(job), str(result)],
        check=True,
        env={**os.environ, "EDGEKIT_SYS": str(live)},
        cwd=Path(__file__).parents[2],
        timeout=60,
    )
    raw = json.loads(result.read_text())
    found = summarize(raw)
    assert (found.method, found.boundary, found.meter) == ("counter", "package", "rapl")
    seconds = sum(window["seconds"] for window in raw["windows"])
    runs = sum(window["runs"] for window in raw["windows"])
    assert found.gross_mj == pytest.approx(WATTS * 1e3 * seconds / runs, rel=0.02)
    assert found.net_mj == pytest.approx(0, abs=0.03 * found.gross_mj)
    assert found.gross_u_mj is not None
    assert found.gross_u_mj >= 2 * 0.02 * found.gross_mj
    assert found.p50_ms is not None
    assert found.idle_before_w == pytest.approx(WATTS, rel=0.02)
