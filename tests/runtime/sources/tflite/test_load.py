"""A TFLite file becomes the network that was converted to it: trainable, its batch free."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgekit import sources
from edgekit.errors import ModelError
from edgekit.runtimes.litert import flatbuffer, sparse
from edgekit.sources.tflite import check, file, load, walk
from edgekit.types import ModelSpec

DATA = Path(__file__).parents[3] / "unit" / "sources" / "tflite" / "data"


def given() -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and outputs of the author's own module."""
    with np.load(DATA / "net.npz") as arrays:
        return torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["y"])


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("net-fp32.tflite", 1e-5), ("net-fp16.tflite", 5e-3), ("net-int8.tflite", 0.1)],
)
def test_it_is_the_authors_network_at_any_batch(name: str, tolerance: float) -> None:
    program = sources.load(ModelSpec(source=name), root=DATA)
    assert [spec.shape for spec in program.inputs] == [(3, 16, 16)]
    x, y = given()
    for batch in (1, 3):
        with torch.no_grad():
            found = program.module(x[:batch])
        assert (found - y[:batch]).abs().max() < tolerance
    loss = program.module(x).square().sum()
    loss.backward()
    parameters = list(program.module.parameters())
    assert len(parameters) == 10
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in parameters)


def test_whole_numbers_are_said_to_be_dequantized() -> None:
    program = load.load(DATA / "net-int8.tflite")
    said = " ".join(program.remarks)
    assert "every number dequantized at batch 1 and 3" in said
    assert "own outputs are" in said
    assert len(program.outputs) == 1


def test_sparse_weights_are_written_out(tmp_path: Path) -> None:
    whole = flatbuffer.unpacked((DATA / "net-fp32.tflite").read_bytes())
    graph = whole.subgraphs[0]
    for tensor in graph.tensors:
        data = whole.buffers[tensor.buffer].data
        if data is not None and tensor.type == 0 and len(tensor.shape) in (2, 4):
            numbers = np.array(data, np.uint8).view(np.float32).copy()
            numbers[np.arange(numbers.size) % 5 != 0] = 0
            whole.buffers[tensor.buffer].data = numbers.view(np.uint8)
    plain = flatbuffer.packed(whole, 1 << 16)
    packed, count = sparse.encode(plain)
    assert count >= 1
    (tmp_path / "plain.tflite").write_bytes(plain)
    (tmp_path / "sparse.tflite").write_bytes(packed)
    x, _ = given()
    dense, found = (
        load.load(tmp_path / f"{name}.tflite") for name in ("plain", "sparse")
    )
    with torch.no_grad():
        assert torch.allclose(found.module(x), dense.module(x), atol=1e-6)


def test_a_wrong_network_is_refused() -> None:
    path = DATA / "net-fp32.tflite"
    made = load.load(path)
    with torch.no_grad():
        next(made.module.parameters()).view(-1)[0] += 0.5
    with pytest.raises(ModelError, match="differs from LiteRT"):
        check.check(made, load.network(file.read(path)), path)


def _edited(tmp_path: Path, kind: str) -> Path:
    whole = flatbuffer.unpacked((DATA / "net-fp32.tflite").read_bytes())
    code = whole.operatorCodes[whole.subgraphs[0].operators[0].opcodeIndex]
    number = getattr(flatbuffer.schema().BuiltinOperator, kind)
    code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
    code.customCode = b"Mine" if kind == "CUSTOM" else None
    path = tmp_path / "edited.tflite"
    path.write_bytes(flatbuffer.packed(whole, 1 << 16))
    return path


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("CUSTOM", "custom operator 'Mine'"),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", "keeps a state"),
        ("HASHTABLE", "HASHTABLE, which is not supported"),
    ],
)
def test_operators_that_cannot_be_read_are_named(
    tmp_path: Path, kind: str, said: str
) -> None:
    with pytest.raises(ModelError, match=said) as error:
        load.load(_edited(tmp_path, kind))
    assert "\n" not in str(error.value)


def test_files_are_recognized_by_content(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes((DATA / "net-fp32.tflite").read_bytes())
    assert sources.recognized("model", tmp_path) is sources.known()["tflite"]


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    content = (DATA / "net-fp32.tflite").read_bytes()
    for size in (0, 7, 40, len(content) // 2, len(content) - 500):
        path = tmp_path / "cut.tflite"
        path.write_bytes(content[:size])
        with pytest.raises(ModelError) as error:
            load.load(path)
        assert "\n" not in str(error.value)


def test_the_usual_operators_are_known() -> None:
    assert len(walk.kinds()) > 90


def test_samples_for_inputs_of_eight_bits_fill_their_range() -> None:
    def made(kind: str, zero: int) -> file.Tensor:
        given = file.Quantized(scale=np.array([0.5]), zero=np.array([zero]), axis=0)
        return file.Tensor(
            name="x",
            shape=(1, 4),
            kind=kind,
            data=None,
            quantized=given,
            variable=False,
        )

    x = torch.tensor([-1.0, 0.0, 1.0])
    for kind, zero, middle in (("UINT8", 0, 127.5), ("INT8", 3, -0.5)):
        found = check._within(x, made(kind, zero)) / 0.5 + zero
        assert torch.allclose(found, middle + 40 * x)
