"""The unpruned network's files: what every speed-up is against."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.config import project, targets
from edgekit.devices.local import LocalDevice
from edgekit.evaluate.run import infer
from edgekit.pipeline.baselines import export_baselines
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.loading import load
from edgekit.pipeline.request import BuildRequest
from edgekit.program.program import trace
from edgekit.progress import Silent
from edgekit.store import Store
from edgekit.types import InputSpec
from tests.runtime.pipeline.test_runtime_options import PROJECT


@pytest.mark.parametrize("folded", [False, True])
def test_each_runtime_has_the_whole_network(tmp_path: Path, folded: bool) -> None:
    torch.manual_seed(0)
    program = trace(nn.Sequential(nn.Linear(6, 3)), (InputSpec(shape=(6,)),))
    x = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    with torch.no_grad():
        expected = program.module(torch.from_numpy(x)).numpy()
    np.savez(tmp_path / "data.npz", x=x, y=expected.argmax(1))
    program.save(tmp_path / "student.pt2")
    ends = '[recipe.export]\nfold_postprocessing = "softmax"\n' if folded else ""
    (tmp_path / "edgekit.toml").write_text(PROJECT + ends)
    request = BuildRequest(project=project.load(tmp_path), target=targets.load("host"))
    device = LocalDevice(provenance="device")
    env = Environment(device=device, store=Store(tmp_path / "s"), progress=Silent())
    loaded = load(request, env, {})
    made = export_baselines(
        request, env, loaded, ("onnxruntime", "litert"), tmp_path / "made"
    )
    assert [one.name for one in made.artifacts] == [
        "unpruned-onnxruntime-fp32",
        "unpruned-litert-fp32",
    ]
    assert made.allowed.runtimes[0] == "onnxruntime" and made.notes == ()
    for artifact in made.artifacts:
        found = infer(artifact, x[:5], LocalDevice())
        np.testing.assert_allclose(found, expected[:5], atol=1e-5)
    assert (tmp_path / "made" / "whole").exists() == folded
