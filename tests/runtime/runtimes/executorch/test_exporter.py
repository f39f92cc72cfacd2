"""ExecuTorch programs give what the network gave, in every precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgekit.agent.runtimes.executorch import trailer
from edgekit.program.program import trace
from edgekit.types import InputSpec
from tests.runtime.export.apart import cosine, make, relative_error
from tests.runtime.runtimes.several import keeps_several

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
    keeps_several(two_inputs, apart, tmp_path, RUNTIME)


class Attending(nn.Module):
    """Attention over token numbers, then a class."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words, self.mix = nn.Embedding(50, 16), nn.Linear(16, 48)
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.words(tokens)
        x = x + F.scaled_dot_product_attention(*self.mix(x).chunk(3, dim=2))
        return self.head(F.gelu(self.norm(x)).mean(1))


def test_token_numbers_stay_int64_in_every_precision(apart, tmp_path: Path) -> None:
    spec = InputSpec(name="tokens", shape=(6,), dtype="int64")
    program = trace(Attending().eval(), (spec,), (torch.int64,))
    program.save(tmp_path / "student.pt2")
    tokens = np.random.default_rng(0).integers(0, 50, (16, 6))
    made = apart.submit(make, RUNTIME, tmp_path, (spec,), tokens).result()
    with torch.no_grad():
        want = program.module(torch.from_numpy(tokens)).numpy()
    assert set(made.artifacts) == {"fp32", "int8", "int8-dynamic"}
    for precision, artifact in made.artifacts.items():
        assert [one.dtype for one in artifact.inputs] == ["int64"]
        assert cosine(made.outputs[precision][0], want) >= 0.98
    assert relative_error(made.outputs["fp32"][0], want) < 1e-4
