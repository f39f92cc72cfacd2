"""Jobs of kind infer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.runtime.agent.test_agent_jobs import perform


def test_outputs_are_the_models(tmp_path: Path, model: Any) -> None:
    samples = np.random.default_rng(1).standard_normal((7, *model.input_shape))
    samples = samples.astype(np.float32)
    np.savez(tmp_path / "in.npz", samples)
    job = {
        "kind": "infer",
        "runtime": model.runtime,
        "path": str(model.path),
        "inputs": str(tmp_path / "in.npz"),
        "outputs": str(tmp_path / "out.npz"),
    }
    status, result, _ = perform(tmp_path, job)
    assert status == 0
    assert result["samples"] == 7
    assert result["outputs_order"] == ["y"]
    outputs = np.load(tmp_path / "out.npz")["output_0"]
    np.testing.assert_allclose(outputs, model.reference(samples), rtol=1e-5, atol=1e-6)
    assert not (tmp_path / "out.npz.partial").exists()


def test_wrong_sample_shape_names_both_shapes(tmp_path: Path, model: Any) -> None:
    np.savez(tmp_path / "in.npz", np.zeros((2, 5), np.float32))
    job = {
        "kind": "infer",
        "runtime": model.runtime,
        "path": str(model.path),
        "inputs": str(tmp_path / "in.npz"),
        "outputs": str(tmp_path / "out.npz"),
    }
    status, result, screen = perform(tmp_path, job)
    assert status == 1
    assert result["error"]["kind"] == "inputs_invalid"
    assert "takes float32 [1, 4], got float32 [1, 5]" in result["error"]["message"]
    assert "Traceback" not in screen
