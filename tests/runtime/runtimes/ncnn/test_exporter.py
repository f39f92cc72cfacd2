"""Files of ncnn give what the network gave, in every precision."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.agent.runtimes.ncnn import trailer
from edgekit.export.produce import ExportRequest
from edgekit.export.worker import Job, Message, work
from edgekit.program.program import Program, trace
from edgekit.types import InputSpec
from tests.runtime.export.apart import make, relative_error
from tests.runtime.export.conftest import KINDS, sampled

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("pnnx") is None,
        reason="needs pip install 'edgekit[ncnn]'",
    ),
]
RUNTIME = "ncnn"
FAR = {"fp32": 1e-4, "fp16": 1e-2}


@pytest.fixture(scope="module", params=[kind for kind in KINDS if kind != "attention"])
def network(request: pytest.FixtureRequest) -> tuple[Program, np.ndarray]:
    return sampled(request.param)


def messages(job: Job) -> list[Message]:
    return [*work(job)]


def test_an_operator_that_ncnn_lacks_is_named(apart, tmp_path: Path) -> None:
    program, _ = sampled("attention")
    program.save(tmp_path / "student.pt2")
    job = Job(
        runtime=RUNTIME,
        source=tmp_path / "student.pt2",
        inputs=program.inputs,
        fp32=tmp_path / "start.param",
        requested=(ExportRequest(name="fp32", runtime=RUNTIME, precision="fp32"),),
        calibration=None,
        validation=None,
        labels=(),
        name="net",
    )
    [message] = apart.submit(messages, job).result()
    assert message.failure is not None
    assert "ncnn has no layer for Tensor.reshape, torch.unbind" in message.failure


def test_files_match_with_names_of_their_ends(network, made, want) -> None:
    _, samples = network
    for precision, far in FAR.items():
        artifact = made.artifacts[precision]
        names = [file.name for file in artifact.files]
        assert names == [f"{precision}.param", f"{precision}.bin"]
        [spec] = artifact.inputs
        assert (spec.name, spec.shape) == ("image", (1, *samples.shape[1:]))
        assert spec.layout == ("NCHW" if samples.ndim == 4 else None)
        [out] = artifact.outputs
        assert (out.name, out.shape) == ("output", (1, *want.shape[1:]))
        assert relative_error(made.outputs[precision][0], want) < far
        described = trailer(artifact.files[0].read_text("utf-8"))
        assert described["labels"] == ["cat", "naïve dog"]
    sizes = {p: made.artifacts[p].files[1].stat().st_size for p in FAR}
    assert sizes["fp16"] < 0.8 * sizes["fp32"]


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


class Tokens(nn.Module):
    """A class of the mean of embeddings."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.last = nn.Embedding(50, 16), nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.last(torch.relu(self.embedding(x)).mean(1))
        return found


def test_tokens_are_whole_numbers_of_32_bits(apart, tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = InputSpec(shape=(8,), name="tokens", dtype="int64")
    program = trace(Tokens(), (spec,), (torch.int64,))
    program.save(tmp_path / "student.pt2")
    x = np.random.default_rng(0).integers(0, 50, (5, 8))
    made = apart.submit(make, RUNTIME, tmp_path, program.inputs, x).result()
    with torch.no_grad():
        want = program.module(torch.from_numpy(x)).numpy()
    for precision, far in FAR.items():
        assert made.artifacts[precision].inputs[0].dtype == "int32"
        assert relative_error(made.outputs[precision][0], want) < far
