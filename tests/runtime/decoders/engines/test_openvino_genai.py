from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgekit.decoders import artifact_choice, decoder
from edgekit.decoders.engines.protocol import WeightFormat
from tests.runtime.decoders.engines.generation import check_same_text
from tests.unit.decoders import folders

genai = pytest.importorskip(
    "openvino_genai", reason="OpenVINO GenAI is not installed: edgekit[genai]"
)
pytest.importorskip("openvino_tokenizers")
Written = Callable[[str], Path]


@pytest.mark.slow
@pytest.mark.parametrize("name", folders.WITHOUT_WINDOW)
def test_it_generates_the_text_of_pytorch(
    written: Written, name: str, tmp_path: Path
) -> None:
    check_same_text("openvino-genai", written(name), tmp_path / "out")


@pytest.mark.slow
def test_text_goes_in_and_comes_out(written: Written, tmp_path: Path) -> None:
    opened = decoder.read(written("llama"))
    artifact_choice.export(opened, "openvino-genai", WeightFormat(), tmp_path / "out")
    pipeline = genai.LLMPipeline(str(tmp_path / "out"), "CPU")
    assert isinstance(pipeline.generate("abc", max_new_tokens=5), str)
    encoded = pipeline.get_tokenizer().encode("abc").input_ids.data.tolist()
    assert encoded == [[1, *(ord(letter) - 28 for letter in "abc")]]


@pytest.mark.slow
def test_four_bits_take_less_room(tmp_path: Path) -> None:
    folders.write(tmp_path / "decoder", hidden_size=128, intermediate_size=256)
    folders.add_tokenizer(tmp_path / "decoder")
    opened = decoder.read(tmp_path / "decoder")
    rows = folders.tokens(rows=4)
    whole = artifact_choice.export(
        opened, "openvino-genai", WeightFormat(), tmp_path / "fp32"
    )
    small = artifact_choice.export_int4(
        opened, "openvino-genai", rows, tmp_path / "int4", threads=1
    )
    sizes = [
        (one.folder / "openvino_model.bin").stat().st_size for one in (whole, small)
    ]
    assert sizes[1] < 0.25 * sizes[0]
    assert [size for size, _ in small.tried] == [32, 64, 128]
    assert len({perplexity for _, perplexity in small.tried}) == 3
    assert small.perplexity == dict(small.tried)[small.weights.group_size or 0]
