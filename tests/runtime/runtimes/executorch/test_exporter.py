"""ExecuTorch programs give what the network gave, in every precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgekit.agent.runtimes.executorch import trailer
from tests.runtime.export.apart import cosine, make, relative_error

pytestmark = pytest.mark.slow
RUNTIME = "executorch"


def test_fp32_matches_with_names_of_its_ends(network, made, want) -> None:
    _, samples = network
    artifact = made.artifacts["fp32"]
    assert [file.name for file in artifact.files] == ["fp32.pte"]
    [spec] = artifact.inputs
    assert (spec.name, spec.shape) == ("image", (1, *samples.shape[1:]))
    assert (spec.dtype, spec.quantization) == ("float32", None)
    assert spec.layout == ("NCHW" if samples.ndim == 4 else None)
    assert artifact.outputs[0].name == "output"
    assert relative_error(made.outputs["fp32"][0], want) < 1e-4
    assert trailer(artifact.files[0].read_bytes())["labels"] == ["cat", "naïve dog"]


def test_int8_is_close_smaller_and_keeps_float_ends(made, want) -> None:
    for precision in ("int8", "int8-dynamic"):
        artifact = made.artifacts[precision]
        assert artifact.inputs[0].dtype == artifact.outputs[0].dtype == "float32"
        assert cosine(made.outputs[precision][0], want) >= 0.98
    assert made.artifacts["int8"].files[0].stat().st_size < 1.1 * (
        made.artifacts["fp32"].files[0].stat().st_size
    )


def test_several_inputs_and_outputs_keep_their_names_and_order(
    two_inputs, apart, tmp_path: Path
) -> None:
    two_inputs.save(tmp_path / "student.pt2")
    generator = np.random.default_rng(0)
    z, a = (generator.normal(size=(3, n)).astype(np.float32) for n in (5, 4))
    made = apart.submit(make, RUNTIME, tmp_path, two_inputs.inputs, z, a).result()
    artifact = made.artifacts["fp32"]
    assert [spec.name for spec in artifact.inputs] == ["z", "a"]
    assert [spec.name for spec in artifact.outputs] == [f"o{i}" for i in range(12)]
    with torch.no_grad():
        expected = two_inputs.module(torch.from_numpy(z), torch.from_numpy(a))
    for got, want in zip(made.outputs["fp32"], expected.values(), strict=True):
        assert relative_error(got, want.numpy()) < 1e-4
