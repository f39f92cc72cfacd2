"""The builder's own files, from weights that it is given one at a time."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from edgekit.decoders import decoder
from edgekit.decoders.engines import onnxruntime_weights
from edgekit.decoders.engines.protocol import WeightFormat
from edgekit.decoders.engines.registry import ENGINES
from tests.unit.decoders import folders

pytest.importorskip(
    "onnxruntime_genai", reason="ONNX Runtime GenAI is not installed: edgekit[genai]"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("llama", WeightFormat()),
        *(
            (name, WeightFormat(bits=4, group_size=32))
            for name in ("llama", "llama-untied", "llama-scaled", "qwen3", "gemma")
        ),
    ],
    ids=lambda each: each if isinstance(each, str) else each.label,
)
def test_the_files_are_those_that_the_builder_writes_by_itself(
    name: str,
    weights: WeightFormat,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = folders.write(tmp_path / "decoder", name, hidden_size=64)
    network.to(torch.bfloat16).save_pretrained(tmp_path / "decoder")
    folders.add_tokenizer(tmp_path / "decoder")
    opened = decoder.read(tmp_path / "decoder")
    for way in ("streamed", "whole"):
        (tmp_path / way).mkdir()
        ENGINES["onnxruntime-genai"].export(opened, tmp_path / way, weights)
        monkeypatch.setattr(onnxruntime_weights, "streamed", lambda _: nullcontext())
    files = {file.name for file in (tmp_path / "whole").iterdir()}
    assert {"model.onnx", "model.onnx.data", "genai_config.json"} <= files
    for file in files:
        expected = (tmp_path / "whole" / file).read_bytes()
        assert (tmp_path / "streamed" / file).read_bytes() == expected, file
