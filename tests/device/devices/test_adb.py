"""A device over adb: a real adbd in a network of its own, where the machine has one."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgekit import errors
from edgekit.agent.schema import SCHEMA
from edgekit.devices.resolve import attached
from tests.device.conftest import SHORT, bench_job, is_root, samples

SERIAL = "127.0.0.1:5555"


@pytest.fixture(scope="session")
def adb_device() -> Iterator[str]:
    """An address; adbd does not authenticate, so it gets a network of its own."""
    for program, package in (("adb", "adb"), ("adbd", "adbd, in Debian's backports")):
        if shutil.which(program, path="/usr/sbin:/usr/bin:/bin") is None:
            pytest.skip(f"no {program}: apt install {package}")
    if not is_root():
        pytest.skip("a network of its own for adbd needs root")
    folder = Path(tempfile.mkdtemp(prefix="ek-adb-", dir="/tmp"))
    socket = f"localfilesystem:{folder}/server"
    script = (
        "ip link set lo up; /usr/sbin/adbd >/dev/null 2>&1 & "
        f"exec adb -L {socket} nodaemon server"
    )
    environment = {**os.environ, "HOME": str(folder), "ADB_SERVER_SOCKET": socket}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", script],
            env={**environment, "EDGEKIT_CACHE": str(folder / "device")},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    before = os.environ.get("ADB_SERVER_SOCKET")
    os.environ["ADB_SERVER_SOCKET"] = socket
    try:
        if not _connected(folder / "server"):
            pytest.skip(f"adbd does not answer: {(folder / 'log').read_text()[-300:]}")
        yield f"adb://{SERIAL}"
    finally:
        os.environ.pop("ADB_SERVER_SOCKET")
        if before is not None:
            os.environ["ADB_SERVER_SOCKET"] = before
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _connected(socket: Path) -> bool:
    """Return whether the device answers; called before its server is there, adb would start
    another."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if not socket.exists():
            time.sleep(0.1)
            continue
        for command in (["connect", SERIAL], ["-s", SERIAL, "shell", "true"]):
            done = subprocess.run(
                ["adb", *command], capture_output=True, check=False, timeout=20
            )
        if done.returncode == 0:
            return True
        time.sleep(0.3)
    return False


def test_a_job_runs_over_adb(adb_device: str, onnx_file: Path, tmp_path: Path) -> None:
    inputs, outputs = tmp_path / "in.npz", tmp_path / "out.npz"
    np.savez(inputs, x=samples())
    with attached(adb_device) as device:
        result = device.run(bench_job(onnx_file, **SHORT), timeout_s=120)
        assert len(result["samples_ns"]) >= 20
        job = {**bench_job(onnx_file), "kind": "infer", "inputs": str(inputs)}
        device.run({**job, "outputs": str(outputs)}, timeout_s=120)
    expected = np.maximum(samples() - 1, 0)
    np.testing.assert_allclose(np.load(outputs)["output_0"], expected, rtol=1e-6)


def test_a_serial_nobody_has_is_named(adb_device: str, onnx_file: Path) -> None:
    with (
        attached("adb://no-such-serial") as device,
        pytest.raises(errors.DeviceUnreachable, match="no such device is connected"),
    ):
        device.run(bench_job(onnx_file, **SHORT), timeout_s=60)


def test_a_benchmark_tool_that_is_none_is_reported(
    adb_device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script in its place: it is pushed, run and its words are read as the tool's would be."""
    model = tmp_path / "m.tflite"
    model.write_bytes(b"any")
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\necho not a benchmark\n")
    job = {"schema": SCHEMA, "kind": "bench", "runtime": "litert", "path": str(model)}
    with (
        attached(f"{adb_device}?benchmark_model={tool}") as device,
        pytest.raises(errors.DeviceError, match="Inference timings"),
    ):
        device.run(job, timeout_s=60)
