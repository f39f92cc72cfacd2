from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgekit.decoders import artifact_choice, decoder
from edgekit.decoders.engines.protocol import WeightFormat
from tests.runtime.decoders.engines.generation import check_same_text
from tests.unit.decoders import folders

pytest.importorskip(
    "onnxruntime_genai", reason="ONNX Runtime GenAI is not installed: edgekit[genai]"
)
Written = Callable[[str], Path]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3", "smollm3"])
def test_it_generates_the_text_of_pytorch(
    written: Written, name: str, tmp_path: Path
) -> None:
    check_same_text("onnxruntime-genai", written(name), tmp_path / "out")


@pytest.mark.slow
def test_four_bits_take_less_room(tmp_path: Path) -> None:
    folders.write(tmp_path / "decoder", hidden_size=128, intermediate_size=256)
    folders.add_tokenizer(tmp_path / "decoder")
    opened = decoder.read(tmp_path / "decoder")
    rows = folders.tokens(rows=4)
    whole = artifact_choice.export(
        opened, "onnxruntime-genai", WeightFormat(), tmp_path / "fp32"
    )
    small = artifact_choice.export_int4(
        opened,
        "onnxruntime-genai",
        rows,
        tmp_path / "int4",
        threads=1,
        group_sizes=(32, 64),
    )
    assert small.size_mb < 0.5 * whole.size_mb
    assert [size for size, _ in small.tried] == [32, 64]
