"""A device over ssh: a real sshd of an ordinary user, and every fault provoked for real."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from edgekit import errors
from edgekit.agent.schema import SCHEMA
from edgekit.cost.table import CostTable
from edgekit.cost.table_key import TableKey
from edgekit.devices.resolve import attached
from edgekit.types.operator_shape import OperatorShape
from tests.device import sshd
from tests.device.conftest import ENDLESS, SHORT, bench_job, is_root, samples

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
"""Seconds that a test waits for steps of seconds: the machine may be busy."""


def wait_for(happened: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := happened():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


def nothing_is_left(server: sshd.Sshd) -> None:
    wait_for(lambda: not server.agents(), "the end of every agent")


@contextlib.contextmanager
def meanwhile(server: sshd.Sshd, act: Callable[[], None]) -> Iterator[None]:
    """Does `act` once an agent is at work on the device."""
    failed: list[BaseException] = []

    def later() -> None:
        try:
            wait_for(server.workers, "an agent at work")
            time.sleep(0.5)
            act()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failed.append(error)

    thread = threading.Thread(target=later)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    assert not failed, failed


def run_endless(onnx_file: Path, address: str = "ssh://dev") -> None:
    with attached(address) as device:
        device.run(bench_job(onnx_file, **ENDLESS), timeout_s=300)


def test_a_job_runs_there_on_a_runtime_brought_along(
    over_ssh: sshd.Sshd, onnx_file: Path, tmp_path: Path
) -> None:
    inputs, outputs = tmp_path / "in.npz", tmp_path / "out.npz"
    np.savez(inputs, x=samples())
    with attached("ssh://dev") as device:
        result = device.run(bench_job(onnx_file, **SHORT), timeout_s=120)
        assert len(result["samples_ns"]) >= 20
        assert device.provenance == "device"
        job = {**bench_job(onnx_file), "kind": "infer", "inputs": str(inputs)}
        device.run({**job, "outputs": str(outputs)}, timeout_s=120)
    np.testing.assert_allclose(
        np.load(outputs)["output_0"], np.maximum(samples() - 1, 0), rtol=1e-6
    )
    assert not list((over_ssh.home / "cache" / "jobs").iterdir())
    nothing_is_left(over_ssh)
    wait_for(lambda: not over_ssh.connections(), "the end of the connection")


def test_the_command_measures_over_ssh(over_ssh: sshd.Sshd, onnx_file: Path) -> None:
    command = [sys.executable, "-m", "edgekit", "bench", str(onnx_file)]
    done = subprocess.run(
        [*command, "--device", "ssh://dev"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode in (0, 4), (
        done.stderr
    )  # 4: a busy machine's figures do not hold
    assert "ssh://dev (device)" in done.stdout
    assert "p50" in done.stdout


def test_a_lost_link_is_named_and_ends_the_agent(
    over_ssh: sshd.Sshd, onnx_file: Path
) -> None:
    def cut() -> None:
        for one in over_ssh.connections():
            one.kill()

    with meanwhile(over_ssh, cut), pytest.raises(errors.LinkLost, match="connection"):
        run_endless(onnx_file)
    nothing_is_left(over_ssh)


@pytest.mark.slow
def test_a_frozen_device_is_named_within_seconds(
    over_ssh: sshd.Sshd, onnx_file: Path
) -> None:
    frozen: list[psutil.Process] = []

    def freeze() -> None:
        frozen.extend(over_ssh.connections())
        for one in frozen:
            one.suspend()

    try:
        with (
            meanwhile(over_ssh, freeze),
            pytest.raises(errors.DeviceFrozen, match="nothing answers"),
        ):
            run_endless(onnx_file)
        nothing_is_left(over_ssh)  # while it is frozen: no signal reached the agent
    finally:
        for one in frozen:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()


def test_a_kill_on_the_device_is_named(over_ssh: sshd.Sshd, onnx_file: Path) -> None:
    def kill_the_worker() -> None:
        over_ssh.workers()[0].kill()

    with (
        meanwhile(over_ssh, kill_the_worker),
        pytest.raises(errors.AgentKilled, match="SIGKILL from outside"),
    ):
        run_endless(onnx_file)
    nothing_is_left(over_ssh)


@pytest.mark.slow
def test_a_kill_of_everything_on_the_device_is_named(
    over_ssh: sshd.Sshd, onnx_file: Path
) -> None:
    def kill_all() -> None:
        for one in over_ssh.agents():
            if "timeout" not in one.name():
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()

    with (
        meanwhile(over_ssh, kill_all),
        pytest.raises(errors.AgentKilled, match=r"SIGKILL|killed"),
    ):
        run_endless(onnx_file)
    nothing_is_left(over_ssh)


@pytest.mark.slow
def test_a_killed_command_leaves_no_agent(over_ssh: sshd.Sshd, onnx_file: Path) -> None:
    code = (
        "import json, sys\nfrom edgekit.devices.resolve import attached\n"
        "with attached('ssh://dev') as device:\n"
        "    device.run(json.loads(sys.argv[1]), timeout_s=300)"
    )
    import json

    job = json.dumps(bench_job(onnx_file, **ENDLESS))
    ours = subprocess.Popen([sys.executable, "-c", code, job], cwd=ROOT)
    wait_for(over_ssh.workers, "an agent at work")
    ours.send_signal(signal.SIGKILL)
    ours.wait()
    nothing_is_left(over_ssh)
    wait_for(lambda: not over_ssh.connections(), "the end of the connection")


def test_another_host_key_is_refused(
    onnx_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason := sshd.reason_without():
        pytest.skip(reason)
    with sshd.running() as server:
        monkeypatch.setenv("EDGEKIT_SSH_CONFIG", str(server.config))
        known = server.folder / "known_hosts"
        sshd.pin(known, server.port, server.folder / "client.pub")
        with pytest.raises(errors.HostKeyError, match="not the pinned one"):
            run_endless(onnx_file)
        known.write_text("")
        with pytest.raises(errors.HostKeyError, match="not known here"):
            run_endless(onnx_file)


def test_a_refused_login_and_a_closed_port_are_distinguished(
    onnx_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason := sshd.reason_without():
        pytest.skip(reason)
    with sshd.running() as server:
        monkeypatch.setenv("EDGEKIT_SSH_CONFIG", str(server.config))
        (server.folder / "authorized").write_text("")
        with pytest.raises(errors.DeviceUnreachable, match="login was refused"):
            run_endless(onnx_file)
    server.folder.mkdir()
    try:
        server.config.write_text(
            f"Host dev\n HostName 127.0.0.1\n Port {server.port}\n"
        )
        with pytest.raises(errors.DeviceUnreachable, match="nothing accepts"):
            run_endless(onnx_file)
    finally:
        server.config.unlink()
        server.folder.rmdir()


@pytest.mark.slow
@pytest.mark.skipif(not is_root(), reason="a small file system needs root to mount")
def test_a_full_disk_is_named_and_leaves_nothing(
    onnx_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason := sshd.reason_without():
        pytest.skip(reason)
    with sshd.running() as server:
        monkeypatch.setenv("EDGEKIT_SSH_CONFIG", str(server.config))
        cache = server.home / "cache"
        cache.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=777", "none", str(cache)]
        subprocess.run(mount, check=True)
        try:
            with pytest.raises(errors.DiskFull, match="No space left"):
                run_endless(onnx_file)  # the runtime has no room
            assert not list((cache / "envs").iterdir())
            assert not [file for file in cache.rglob("*") if ".part" in file.name]
        finally:
            subprocess.run(["umount", str(cache)], check=True)


@pytest.fixture
def memory_group() -> Iterator[Path]:
    """A control group that allows 300 MB."""
    old = Path("/sys/fs/cgroup/memory")
    top = old if old.is_dir() else Path("/sys/fs/cgroup")
    group = top / f"edgekit-test-{os.getpid()}"
    try:
        group.mkdir()
        name = "memory.limit_in_bytes" if old.is_dir() else "memory.max"
        (group / name).write_text(str(300 * 2**20))
    except OSError as error:
        with contextlib.suppress(OSError):
            group.rmdir()
        pytest.skip(f"no memory control group can be made here ({error.strerror})")
    yield group
    for _ in range(100):
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.1)


@pytest.mark.slow
def test_memory_that_runs_out_is_named(
    over_ssh: sshd.Sshd, hungry_file: Path, memory_group: Path
) -> None:
    """The kernel ends the agent for real."""
    with attached("ssh://dev") as device:
        # Brings the runtime over, outside of the limit.
        device.run(
            {"schema": SCHEMA, "kind": "probe", "runtime": "onnxruntime"}, timeout_s=120
        )
        for one in over_ssh.connections():
            (memory_group / "cgroup.procs").write_text(str(one.pid))
        with pytest.raises(errors.DeviceOutOfMemory, match="memory"):
            device.run(bench_job(hungry_file, **SHORT), timeout_s=120)
    nothing_is_left(over_ssh)


@pytest.mark.slow
def test_a_runtime_that_cannot_be_had_is_named(
    over_ssh: sshd.Sshd,
    onnx_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path))
    job = {**bench_job(onnx_file), "runtime": "tflite-runtime"}
    with (
        attached("ssh://dev") as device,
        pytest.raises(
            errors.RuntimeMissing, match=r"no tflite-runtime.*PIP_FIND_LINKS"
        ),
    ):
        device.run(job, timeout_s=60)


def test_a_device_without_python_is_named(over_ssh: sshd.Sshd, onnx_file: Path) -> None:
    with pytest.raises(errors.RuntimeMissing, match=r"no /nowhere/python.*Python 3.9"):
        run_endless(onnx_file, "ssh://dev?python=/nowhere/python")


def test_one_job_at_a_time(over_ssh: sshd.Sshd, onnx_file: Path) -> None:
    with attached("ssh://dev") as device:
        device.run(bench_job(onnx_file, **SHORT), timeout_s=120)
        done: list[float] = []

        def job() -> None:
            device.run(bench_job(onnx_file, **SHORT), timeout_s=120)
            done.append(time.monotonic())

        with (over_ssh.home / "cache" / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            waiting = threading.Thread(target=job)
            waiting.start()
            wait_for(over_ssh.agents, "a job that waits")
            time.sleep(1)
            assert not over_ssh.workers()
            released = time.monotonic()
        waiting.join()
        assert done
        assert done[0] > released


def test_a_cost_table_goes_on_where_the_link_was_lost(
    over_ssh: sshd.Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgekit.cost.table._BATCH", 3)
    operators = [
        OperatorShape(
            kind="conv",
            inputs=4,
            outputs=4,
            size=(8, 8),
            kernel=(side, side),
            groups=groups,
        )
        for side in (1, 2, 3, 5)
        for groups in (1, 4)
    ]
    key = TableKey(
        fingerprint="test",
        runtime="onnxruntime",
        runtime_version="1",
        precision="fp32",
        threads=1,
    )
    cutting: list[threading.Thread] = []

    def cut() -> None:
        wait_for(over_ssh.workers, "the second batch")
        for one in over_ssh.connections():
            one.kill()

    def after_the_first(_done: int, _total: int) -> None:
        if not cutting:
            cutting.append(threading.Thread(target=cut))
            cutting[0].start()

    with attached("ssh://dev") as device:
        table = CostTable(key, "device", tmp_path)
        with pytest.raises(errors.LinkLost):
            table.measure(operators, device, after_the_first)
        cutting[0].join()
    again = CostTable(key, "device", tmp_path)
    kept = sum(operator in again for operator in operators)
    assert 0 < kept < len(operators)
    with attached("ssh://dev") as device:
        # Cells of a busy machine are timed again.
        due = len(operators) - kept + len(again._stale)
        assert again.measure(operators, device) <= due
    assert all(operator in again for operator in operators)
    nothing_is_left(over_ssh)
