"""Sessions of OpenVINO: free sizes, settings, and times by operator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import pytest

from edgekit.agent import runtimes
from edgekit.agent.errors import AgentError
from edgekit.agent.runtimes import openvino as runtime
from tests.runtime.conftest import write_openvino


def test_a_free_batch_becomes_one(tmp_path: Path) -> None:
    model = write_openvino(tmp_path / "model.xml")
    free = openvino.Core().read_model(str(model.path))
    free.reshape([-1, 4])
    openvino.save_model(free, str(tmp_path / "free.xml"), compress_to_fp16=False)
    session = runtime.load(str(tmp_path / "free.xml"), 1, runtime.DEFAULTS)
    assert session.inputs[0].shape == (1, 4)
    x = np.float32([[1, -2, 3, -4]])
    session.prepare([x])
    session.invoke()
    np.testing.assert_allclose(session.read()[0], model.reference(x), rtol=1e-5)


def test_operators_are_timed_and_reference_kernels_are_slow(tmp_path: Path) -> None:
    model = write_openvino(tmp_path / "model.xml")

    def prepare(session: object) -> None:
        session.prepare([np.ones((1, 4), np.float32)])  # type: ignore[attr-defined]

    rows = runtime.profile(str(model.path), 1, runtime.DEFAULTS, 3, prepare)
    assert rows and all(row["us"] >= 0 for row in rows)
    assert all((row["why"] is None) == row["fast"] for row in rows)


def test_what_is_refused_is_named_with_the_setting(tmp_path: Path) -> None:
    model = write_openvino(tmp_path / "model.xml")
    found, _ = runtimes.find("openvino")
    with pytest.raises(AgentError, match="no option 'THREADS'"):
        runtimes.settings(found, {"THREADS": 1})
    (tmp_path / "model.bin").write_bytes(b"")
    with pytest.raises(AgentError, match="is refused by openvino"):
        runtime.load(str(model.path), 1, runtime.DEFAULTS)
