"""Devices of the tests: each is real, and skipped with the reason where it cannot be had."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgekit.agent.schema import SCHEMA
from edgekit.devices.emulated import EmulatedDevice, missing
from edgekit.store import Store
from tests.device import sshd

FUSE = Path(__file__).with_name("live_counter.py")
WATTS = 5.0
WRAP_UJ = 20_000_000


@pytest.fixture
def emulated() -> Callable[[str], EmulatedDevice]:
    """A device by its core; its programs are fetched once for all tests."""

    def device(core: str) -> EmulatedDevice:
        lacking = missing(core)
        if lacking:
            pytest.skip(f"no emulation of a {core}: {lacking}")
        return EmulatedDevice(core=core, kept=Store())

    return device


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Sshd]:
    """One device for all tests that leave it as they found it."""
    if reason := sshd.reason_without():
        pytest.skip(reason)
    with sshd.running() as running:
        yield running


@pytest.fixture
def over_ssh(server: sshd.Sshd, monkeypatch: pytest.MonkeyPatch) -> sshd.Sshd:
    monkeypatch.setenv("EDGEKIT_SSH_CONFIG", str(server.config))
    return server


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    """y = relu(x - 1) on 4 floats."""
    return write(
        tmp_path / "small.onnx",
        [
            helper.make_node("Constant", [], ["one"], value_float=1.0),
            helper.make_node("Sub", ["x", "one"], ["z"]),
            helper.make_node("Relu", ["z"], ["y"]),
        ],
        [1, 4],
    )


@pytest.fixture
def hungry_file(tmp_path: Path) -> Path:
    """A model whose one inference takes two gigabytes."""
    size = helper.make_tensor("size", TensorProto.INT64, [2], [1, 2**29])
    return write(
        tmp_path / "hungry.onnx",
        [
            helper.make_node("Constant", [], ["wide"], value=size),
            helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=1),
            helper.make_node("Expand", ["sum", "wide"], ["large"]),
            helper.make_node("Exp", ["large"], ["y"]),
        ],
        ["n", "m"],
    )


def write(path: Path, nodes: list[Any], output: list[Any]) -> Path:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


def bench_job(path: Path, **more: Any) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "kind": "bench",
        "runtime": "onnxruntime",
        "path": str(path),
        **more,
    }


SHORT = {"warmup_min_s": 0.05, "min_runs": 20, "min_s": 0.05}
ENDLESS = {"warmup_min_s": 0.1, "min_s": 300, "max_s": 300}


def samples(count: int = 3) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).standard_normal((count, 4)).astype(np.float32)


def is_root() -> bool:
    return os.geteuid() == 0


@pytest.fixture
def readable() -> Iterator[Path]:
    """A folder that every user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="ek-meters-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def live(readable: Path) -> Iterator[Path]:
    """A counter of WATTS that goes on by itself and wraps every four seconds."""
    python = "/usr/bin/python3"
    known = subprocess.run(
        [python, "-c", "import fusepy"], capture_output=True, check=False
    )
    if known.returncode or not Path("/dev/fuse").exists():
        pytest.skip("no FUSE: apt install fuse3 python3-fusepy")
    if not is_root():
        pytest.skip("mounting a FUSE for all users needs root")
    mount = readable / "live"
    mount.mkdir()
    server = subprocess.Popen([python, str(FUSE), str(mount), str(WATTS), str(WRAP_UJ)])
    counter = mount / "class/powercap/intel-rapl:0/energy_uj"
    for _ in range(200):
        if counter.exists():
            break
        time.sleep(0.05)
    else:
        server.kill()
        pytest.skip("the FUSE did not mount within 10 s")
    yield mount
    subprocess.run(["umount", str(mount)], check=False)
    server.terminate()
    server.wait()
