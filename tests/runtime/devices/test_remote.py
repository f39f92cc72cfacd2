"""Jobs on another machine by its shell: here this machine's, with a home of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.agent.schema import SCHEMA
from edgekit.devices import jobs
from edgekit.devices.link import Reply, pipe
from edgekit.devices.remote import RemoteDevice
from edgekit.errors import EdgeKitError, RuntimeMissing


class HereLink:
    """A shell of this machine, whose home is a folder."""

    def __init__(self, home: Path) -> None:
        self.name, self.home, self.closed = "here", home, False

    def shell(
        self,
        script: str,
        *,
        timeout_s: float,
        source: Path | None = None,
        beating: bool = False,
    ) -> Reply:
        command = ["env", f"EDGEKIT_CACHE={self.home}", "sh", "-c", script]
        return pipe(command, timeout_s=timeout_s, source=source, beating=beating)

    def explain(self, reply: Reply) -> EdgeKitError | None:
        return None

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def link(tmp_path: Path) -> HereLink:
    (tmp_path / "home").mkdir()
    return HereLink(tmp_path / "home")


@pytest.fixture
def device(link: HereLink) -> Iterator[RemoteDevice]:
    with RemoteDevice(link=link, python=sys.executable) as made:
        yield made


def test_files_go_there_and_come_back_and_nothing_is_left(
    device: RemoteDevice, link: HereLink, onnx_model: Any, tmp_path: Path
) -> None:
    samples = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    np.savez(tmp_path / "in.npz", samples)
    job = {
        "schema": SCHEMA,
        "kind": "infer",
        "runtime": "onnxruntime",
        "path": str(onnx_model.path),
        "inputs": str(tmp_path / "in.npz"),
        "outputs": str(tmp_path / "out.npz"),
    }
    assert device.run(job, timeout_s=60)["samples"] == 3
    found = np.load(tmp_path / "out.npz")["output_0"]
    np.testing.assert_allclose(found, onnx_model.reference(samples), rtol=1e-5)
    assert not list((link.home / "jobs").glob("*/job-*"))
    device.close()
    assert link.closed and not list((link.home / "jobs").iterdir())
    assert len(list((link.home / "agents").iterdir())) == 1


def test_an_error_of_the_agent_is_raised_here(device: RemoteDevice) -> None:
    job = {
        "schema": SCHEMA,
        "kind": "bench",
        "runtime": "onnxruntime",
        "path": "/nowhere.onnx",
    }
    with pytest.raises((EdgeKitError, OSError), match=r"nowhere\.onnx"):
        device.run(job, timeout_s=60)


def test_a_device_without_python_is_named(link: HereLink) -> None:
    with (
        RemoteDevice(link=link, python="python-of-nobody") as device,
        pytest.raises(RuntimeMissing, match="here has no python-of-nobody"),
    ):
        device.run(jobs.probe(None), timeout_s=10)
