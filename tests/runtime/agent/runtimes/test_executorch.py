"""Sessions of ExecuTorch: files that it refuses, and a whole inference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.agent import runtimes
from edgekit.agent.errors import AgentError
from edgekit.agent.runtimes import executorch as runtime
from edgekit.runtimes.executorch import lowering, microbenchmark
from edgekit.runtimes.weights import weights
from tests.runtime.runtimes.single import LINEAR


def test_what_is_refused_is_named(tmp_path: Path) -> None:
    file = tmp_path / "model.pte"
    file.write_bytes(b"<\0\0\0ET12" + bytes(64))
    found, version = runtimes.find("executorch")
    assert version
    with pytest.raises(AgentError, match="is refused by executorch"):
        runtimes.open_model(found, str(file), 1, {})
    with pytest.raises(AgentError, match="no option 'xnnpack'"):
        runtimes.settings(found, {"xnnpack": True})


@pytest.mark.slow
def test_a_session_gives_what_the_layer_does_each_time(tmp_path: Path) -> None:
    file = tmp_path / "model.pte"
    file.write_bytes(microbenchmark.model(LINEAR, "fp32"))
    session = runtime.load(str(file), 2, {})
    [given], [made] = session.inputs, session.outputs
    assert (given.name, given.shape, given.dtype) == ("input_0", (1, 20), "float32")
    assert (made.name, made.shape) == ("output_0", (1, 10))
    draw = np.random.default_rng(0)
    for _ in range(2):
        x = draw.standard_normal((1, 20)).astype(np.float32)
        session.prepare([x])
        session.invoke()
        np.testing.assert_allclose(session.read()[0], x @ weights(10, 20).T, atol=1e-5)


class Tokens(nn.Module):
    """Attention over embeddings: what is computed is larger than the tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.last = nn.Embedding(9, 16), nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.embedding(x)
        mixed = torch.softmax(y @ y.transpose(1, 2), -1) @ y
        out: torch.Tensor = self.last(mixed.mean(1))
        return out


@pytest.mark.slow
@pytest.mark.parametrize("own", [True, False])
def test_a_second_run_has_the_same_inputs(tmp_path: Path, own: bool) -> None:
    """Files of ExecuTorch's own defaults compute in the memory of their inputs; ours do not."""
    from executorch.exir import to_edge_transform_and_lower

    torch.manual_seed(0)
    network, x = Tokens().eval(), torch.arange(8)[None]
    exported = torch.export.export(network, (x,))
    file = tmp_path / "model.pte"
    if own:
        file.write_bytes(lowering.lowered(exported))
    else:
        edge = to_edge_transform_and_lower(exported)
        file.write_bytes(bytes(edge.to_executorch().buffer))
    session = runtime.load(str(file), 1, {})
    assert session._overwritten is not own
    session.prepare([x.numpy()])
    for _ in range(3):
        session.invoke()
        np.testing.assert_allclose(
            session.read()[0], network(x).detach().numpy(), atol=1e-5
        )
