from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgekit.decoders import decoder
from edgekit.decoders.engines import openvino_graph
from edgekit.errors import ArtifactError
from tests.unit.decoders import folders

openvino = pytest.importorskip("openvino")
Written = Callable[[str], Path]
EXACT = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}


def request_of(folder: Path) -> Any:
    model = openvino_graph.build(decoder.read(folder))
    return openvino.Core().compile_model(model, "CPU", EXACT).create_infer_request()


def run(request: Any, ids: torch.Tensor, mask: torch.Tensor, past: int) -> np.ndarray:
    """Logits of new tokens behind `past` others; `mask` is of all of them."""
    positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, past:]
    found: np.ndarray = request.infer(
        {
            "input_ids": ids.numpy(),
            "attention_mask": mask.numpy(),
            "position_ids": positions.numpy(),
            "beam_idx": np.arange(len(ids), dtype=np.int32),
        }
    )["logits"]
    return found


@pytest.mark.parametrize("name", folders.WITHOUT_WINDOW)
def test_logits_are_those_of_transformers(written: Written, name: str) -> None:
    rows = folders.tokens(rows=2)
    expected = folders.logits(folders.load(written(name)), rows).numpy()
    request = request_of(written(name))
    mask = torch.ones_like(rows)
    found = run(request, rows, mask, 0)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["llama", "qwen3", "smollm3"])
def test_keys_and_values_are_kept_between_calls(written: Written, name: str) -> None:
    rows = folders.tokens(rows=2)
    expected = folders.logits(folders.load(written(name)), rows).numpy()
    request = request_of(written(name))
    pieces = [(0, 7), (7, 8), (8, 9), (9, 20)]
    found = np.concatenate(
        [
            run(request, rows[:, a:b], torch.ones(2, b, dtype=torch.int64), a)
            for a, b in pieces
        ],
        1,
    )
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    request.reset_state()
    again = run(request, rows, torch.ones_like(rows), 0)
    np.testing.assert_allclose(again, expected, rtol=1e-3, atol=1e-3)


def test_tokens_of_padding_are_not_attended_to(written: Written) -> None:
    row = folders.tokens(rows=1, length=9)
    expected = folders.logits(folders.load(written("llama")), row).numpy()
    padded = torch.cat([torch.zeros(1, 4, dtype=torch.int64), row], 1)
    mask = (torch.arange(13) >= 4).long()[None]
    found = run(request_of(written("llama")), padded, mask, 0)[:, 4:]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_beams_take_the_keys_and_values_of_their_parents(written: Written) -> None:
    rows = folders.tokens(rows=2)
    swapped = torch.cat([rows[[1, 1], :10], rows[:, 10:]], 1)
    expected = folders.logits(folders.load(written("llama")), swapped).numpy()
    request = request_of(written("llama"))
    run(request, rows[:, :10], torch.ones(2, 10, dtype=torch.int64), 0)
    found = request.infer(
        {
            "input_ids": rows[:, 10:].numpy(),
            "attention_mask": np.ones((2, 20), np.int64),
            "position_ids": np.tile(np.arange(10, 20), (2, 1)),
            "beam_idx": np.array([1, 1], np.int32),
        }
    )["logits"]
    np.testing.assert_allclose(found, expected[:, 10:], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_stay_in_the_precision_of_the_folder(
    written: Written, tmp_path: Path, dtype: torch.dtype
) -> None:
    folders.load(written("qwen2")).to(dtype).save_pretrained(tmp_path)
    rows = folders.tokens(rows=1)
    expected = folders.logits(folders.load(tmp_path), rows).numpy()
    model = openvino_graph.build(decoder.read(tmp_path))
    half = "bf16" if dtype == torch.bfloat16 else "f16"
    stored = [
        node.get_element_type().get_type_name()
        for node in model.get_ops()
        if node.get_type_name() == "Constant" and len(node.get_output_shape(0)) == 2
    ]
    assert stored.count(half) == 7 * folders.BLOCKS + 2
    found = run(request_of(tmp_path), rows, torch.ones_like(rows), 0)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mistral-window", "a window of the text"),
        ("qwen3-window", "a window of the text"),
        ("gemma3", "a window of the text"),
    ],
)
def test_blocks_with_a_window_are_refused(
    written: Written, name: str, message: str
) -> None:
    with pytest.raises(ArtifactError, match=message):
        openvino_graph.build(decoder.read(written(name)))


def test_positions_that_depend_on_the_length_are_refused(tmp_path: Path) -> None:
    rope = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}
    folders.write(tmp_path, rope_parameters=rope)
    with pytest.raises(ArtifactError, match="'dynamic'"):
        openvino_graph.build(decoder.read(tmp_path))


def test_an_unknown_activation_is_named(tmp_path: Path) -> None:
    folders.write(tmp_path, hidden_act="relu")
    with pytest.raises(ArtifactError, match="activation 'relu'"):
        openvino_graph.build(decoder.read(tmp_path))
