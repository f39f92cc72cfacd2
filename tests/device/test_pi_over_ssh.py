"""An aarch64 device behind ssh: the real runtime runs there, and no time is claimed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edgekit.agent.schema import SCHEMA
from edgekit.bench.protocol import measure
from edgekit.cost import microbenchmark
from edgekit.devices.emulated import EmulatedDevice
from edgekit.devices.local import LocalDevice
from edgekit.devices.resolve import attached
from edgekit.errors import DeviceError, MeasurementError
from edgekit.report import measurement_words
from edgekit.types import Artifact
from edgekit.types.operator_shape import OperatorShape
from tests.device import sshd

ROOT = Path(__file__).parents[2]
CONV = OperatorShape(
    kind="conv", inputs=16, outputs=16, size=(16, 16), kernel=(3, 3), padding=(1, 1)
)


@pytest.fixture
def pi(
    emulated: Callable[[str], EmulatedDevice],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """An address whose Python is an emulated Cortex-A72's, which nothing declares."""
    if reason := sshd.reason_without():
        pytest.skip(reason)
    board = emulated("cortex-a72")
    board.prepare()
    python = tmp_path / "python3"
    count = tmp_path / "count"
    *command, _ = [*board._command(count), ""]
    variables = board._environment(tmp_path, count)
    for name in ("EDGEKIT_EMULATED", "TMPDIR", "HOME", "PATH"):
        variables.pop(name)
    given = " ".join(f"'{name}={value}'" for name, value in variables.items())
    quoted = " ".join(f"'{part}'" for part in command)
    python.write_text(f'#!/bin/sh\nexec env {given} {quoted} "$@"\n')
    python.chmod(0o755)
    with sshd.running(ordinary=False) as server:
        monkeypatch.setenv("EDGEKIT_SSH_CONFIG", str(server.config))
        yield f"ssh://dev?python={python}"


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    file = microbenchmark.write(CONV, "litert", "fp32", tmp_path)
    return Artifact(
        name="conv",
        runtime="litert",
        precision="fp32",
        files=(file,),
        inputs=(),
        outputs=(),
    )


@pytest.mark.slow
def test_it_runs_there_with_equal_outputs_and_instructions_only(
    pi: str, artifact: Artifact, tmp_path: Path
) -> None:
    samples = np.random.default_rng(0).standard_normal((2, 16, 16, 16))
    np.savez(tmp_path / "in.npz", samples.astype(np.float32))
    job = {
        "schema": SCHEMA,
        "kind": "infer",
        "runtime": "litert",
        "path": str(artifact.files[0]),
        "inputs": str(tmp_path / "in.npz"),
    }
    LocalDevice().run({**job, "outputs": str(tmp_path / "here.npz")}, timeout_s=120)
    with attached(pi) as device:
        device.run({**job, "outputs": str(tmp_path / "there.npz")}, timeout_s=120)
        facts = device.probe()["machine"]
        found = measure([artifact], device, tier="quick", threads=1)["conv"]
        with pytest.raises(MeasurementError, match="no time measured there may be"):
            measure([artifact], device, tier="report", threads=1)
    here, there = (
        np.load(tmp_path / f"{n}.npz")["output_0"] for n in ("here", "there")
    )
    np.testing.assert_allclose(there, here, rtol=1e-4, atol=1e-5)
    assert facts["arch"] == "aarch64"
    assert facts["emulated"] is True
    assert "an x86 program runs this arm process" in facts["emulation_evidence"]
    assert found.provenance == "counted"
    assert found.instructions is not None
    assert found.instructions > 16 * 16 * 9  # several multiply-adds in one, at most
    latency = found.latency
    assert latency.p50_ms is latency.p90_ms is found.load_ms is found.first_ms is None
    assert "No milliseconds hold" in (measurement_words.invalid(found) or "")


@pytest.mark.slow
def test_the_command_prints_instructions_and_no_milliseconds(
    pi: str, artifact: Artifact
) -> None:
    command = [sys.executable, "-m", "edgekit", "bench", str(artifact.files[0])]
    done = subprocess.run(
        [*command, "--device", pi],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "instructions" in done.stdout
    assert "emulation does not give a device's speed" in done.stdout
    assert " ms" not in done.stdout


def test_a_build_refuses_its_times(pi: str) -> None:
    from edgekit.api.environment import attached_environment
    from edgekit.commands.build import read_request
    from edgekit.commands.console import Bars, err_console

    bars = Bars(err_console, silent=True)
    request = read_request(Path(), "raspberrypi4", bars)
    with (
        pytest.raises(DeviceError, match="is emulated"),
        attached_environment(request, device=pi, progress=bars),
    ):
        pass
