"""Tokens and class numbers in int64, as the network has them, in files that compute in int32."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import edgekit as ek
from edgekit.evaluate.run import outputs_of, run_here
from edgekit.program.program import trace
from edgekit.types import Artifact, InputSpec


class Tagger(nn.Module):
    """Scores, that a decision is made of, the decision, and an input as it is."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words, self.head = nn.Embedding(50, 8), nn.Linear(8, 3)

    def forward(self, tokens: Tensor, mask: Tensor) -> dict[str, Tensor]:
        seen = self.words(tokens) * mask.unsqueeze(-1).float()
        logits = self.head(seen.mean(1))
        return {"logits": logits, "best": logits.argmax(1), "first": tokens[:, 0]}


TOKENS = np.random.default_rng(0).integers(0, 50, (16, 6))
MASK = np.ones((16, 6), np.int64)


def files(folder: Path) -> tuple[ek.Network, tuple[Artifact, ...]]:
    example = tuple(torch.from_numpy(x[:1]) for x in (TOKENS, MASK))
    network = ek.load(Tagger(), example_inputs=example)
    made = ek.export(
        network,
        target="host",
        runtimes=["litert"],
        precisions=["fp32", "int8"],
        calibration={"input_0": TOKENS, "input_1": MASK},
        out=folder,
    )
    return network, made


@pytest.mark.slow
def test_names_order_and_dtypes_are_the_networks(tmp_path: Path) -> None:
    network, made = files(tmp_path / "made")
    with torch.no_grad():
        expected = network.module(*map(torch.from_numpy, (TOKENS, MASK)))
    for one in made:
        assert [spec.dtype for spec in one.inputs] == ["int64", "int64"]
        named = [(spec.name, spec.dtype) for spec in one.outputs]
        assert named == [("logits", "float32"), ("best", "int64"), ("first", "int64")]
        found = outputs_of(run_here(one.files[0], "litert", (TOKENS, MASK), [None] * 2))
        assert (found[2] == TOKENS[:, 0]).all(), "tokens come back as they went in"
        logits = expected["logits"].numpy()
        assert np.abs(found[0] - logits).max() < 0.05 * np.ptp(logits)
        if one.precision == "fp32":
            assert (found[1] == expected["best"].numpy()).all()
        _answers_by_name(one, found[0])


def _answers_by_name(artifact: Artifact, logits: np.ndarray) -> None:
    """The signature, which applications go by, gives what the graph gives."""
    from ai_edge_litert.interpreter import Interpreter

    [name] = (
        runner := Interpreter(model_path=str(artifact.files[0]))
    ).get_signature_list()
    given = {"input_0": TOKENS[:1], "input_1": MASK[:1]}
    found = runner.get_signature_runner(name)(**given)
    assert set(found) == {"logits", "best", "first"}
    assert found["logits"].dtype == np.float32 and found["best"].dtype == np.int64
    np.testing.assert_allclose(found["logits"][0], logits[0], atol=1e-6)


class Alike(nn.Module):
    """One tensor under two names, and an input as it came."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y = self.linear(x)
        return {"z": y, "a": y, "given": x}


def answered(path: Path) -> tuple[list[str], dict[str, np.ndarray]]:
    """Names of the file's ends, and the answers of its signature."""
    from ai_edge_litert.interpreter import Interpreter

    from edgekit.runtimes.litert import exporter

    program = trace(Alike(), (InputSpec(shape=(4,), name="x"),))
    exporter.convert(program, path)
    names = [spec.name for side in exporter.signature(path) for spec in side]
    interpreter = Interpreter(model_path=str(path))
    [signature] = interpreter.get_signature_list()
    x = np.arange(4, dtype=np.float32)[None]
    return names, interpreter.get_signature_runner(signature)(x=x)


def test_outputs_that_are_one_tensor_have_a_name_each(
    apart: ProcessPoolExecutor, tmp_path: Path
) -> None:
    names, found = apart.submit(answered, tmp_path / "alike.tflite").result()
    assert names == ["x", "z", "a", "given"]
    assert np.array_equal(found["z"], found["a"])
    assert found["given"].tolist() == [[0, 1, 2, 3]]
